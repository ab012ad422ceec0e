"""What every dialect has to keep, as checks that other packages can import too.

`openai` checks what a client gets against OpenAI's own objects; `suite.DialectContract`
replays recordings through a dialect. Neither needs more than tproxy itself; pytest runs
the suite. How to use them: `docs/plugins.md`.
"""

"""Measures the daemon against a direct line, nginx and a bare relay, in one run.

`python -m bench.relay` is the runner, `python -m bench.soak` looks for leaks; method
and figures are in `docs/performance.md`. Needs Linux, for `/proc`.
"""

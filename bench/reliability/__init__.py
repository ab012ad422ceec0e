"""What happens when things go wrong: the real daemon, figures beside their targets.

Each module is one part. Its `run` is given a folder of its own and a scale, 1 for the
figures of `docs/reliability.md` and less to see only that it works; it yields a
`Figure` for each thing measured.
"""

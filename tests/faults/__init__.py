"""The fault laboratory: what a provider can do wrong, and what has to come of it.

`script` and `upstream` are a provider on a socket that does as it is told.
`consequences` says what follows from each kind of failure, `table` which fault is of
which kind, and `laboratory` has what is common to putting one before a running proxy.
"""

"""Processes that do one job together, kept at work and told what to do by a parent."""


class CannotWork(Exception):
    """A worker has to give up; the message says why, to the operator."""


class NoneStarted(Exception):
    """Every worker failed before any was ready."""

"""Frozen values of which each request makes several.

attrs freezes a class at run time by refusing `__setattr__`, so that its own `__init__`
has to go around that: some 400 instructions a field, where a plain assignment takes 30.
mypy refuses to set a field of a frozen class too, and that costs nothing. So these are
frozen to mypy alone; all others stay as attrs makes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attrs import frozen as value
else:
    from functools import partial

    import attrs

    value = partial(attrs.define, unsafe_hash=True)

__all__ = ["value"]

"""Secrets that do not show themselves by accident."""

from __future__ import annotations

import attrs


@attrs.frozen(repr=False)
class Secret:
    """A provider's key. Only `reveal` gives the text; `repr` and `str` mask it."""

    _text: str

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

"""JSON as it goes to Gemini and comes from there: nothing beyond the standard in it.

Python's own reader and writer know NaN and infinite numbers, which RFC 8259 does not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping


def parsed(data: bytes) -> object:
    """The value in a body or an event; None where there is none."""
    try:
        said: object = _READER.decode(data.decode())
    except (ValueError, RecursionError):
        return None
    return said


def written(said: Mapping[str, object]) -> str:
    """An object as text.

    Raises:
        ValueError: it holds a number that is none, or is nested too deeply.
    """
    try:
        return _WRITER.encode(said)
    except RecursionError as error:
        raise ValueError(str(error)) from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


# Made once: to make one costs more than to use it.
_READER = json.JSONDecoder(parse_constant=_refuse)
_WRITER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

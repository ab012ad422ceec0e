"""Fields of a client's request, with the words for what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from tproxy.core import document
from tproxy.core.document import Document
from tproxy.core.errors import InvalidRequest

T = TypeVar("T")

_SPOKEN = {str: "a string", bool: "true or false", list: "an array", dict: "an object"}


def opened(raw: bytes) -> Document:
    """A request's body.

    Raises:
        InvalidRequest: it is no JSON object that we take.
    """
    try:
        return document.parse(raw)
    except document.Malformed as error:
        raise InvalidRequest(message=str(error)) from None


def optional(values: Mapping[str, object], name: str, kind: type[T]) -> T | None:
    """The value of an optional field. A null is as good as none, but for `model`.

    Raises:
        InvalidRequest: it is of another type.
    """
    value = values.get(name)
    if value is None and (name != "model" or name not in values):
        return None
    if type(value) is not kind:
        raise bad(name, f"must be {_SPOKEN[kind]}")
    return value


def count(values: Mapping[str, object], name: str, most: int) -> int | None:
    """A whole number from 1 to `most`; None where there is none.

    Raises:
        InvalidRequest: it is something else.
    """
    value = values.get(name)
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= most:
        raise bad(name, f"must be a whole number from 1 to {most}")
    return value


def word(values: Mapping[str, object], name: str, words: tuple[str, ...]) -> str | None:
    """One of `words`; None where there is none.

    Raises:
        InvalidRequest: it is something else.
    """
    value = values.get(name)
    if value is None or value in words:
        return None if value is None else str(value)
    raise bad(name, f"must be {' or '.join(words)}")


def bad(param: str, problem: str) -> InvalidRequest:
    return InvalidRequest(message=f"{param} {problem}.", param=param)

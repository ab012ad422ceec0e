"""Shapes of JSON values: small checks that are put together into large ones.

A shape is called with a value and the path to it, and raises `Violation` where they do
not fit. It names the path and never quotes the value, but for words of a known set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

Shape = Callable[[object, str], None]


class Violation(AssertionError):
    """Something is not as it has to be; the message begins with its path."""


def require(condition: object, path: str, problem: str) -> None:
    """Raise `Violation` unless `condition` holds."""
    if not condition:
        raise Violation(f"{path}: {problem}")


def anything(value: object, path: str) -> None:
    """Whatever it is, it fits."""


def text(value: object, path: str) -> None:
    require(isinstance(value, str), path, "is no string")


def filled(value: object, path: str) -> None:
    require(isinstance(value, str) and value, path, "is no string, or an empty one")


def truth(value: object, path: str) -> None:
    require(isinstance(value, bool), path, "is neither true nor false")


def whole(value: object, path: str) -> None:
    require(type(value) is int and value >= 0, path, "is no whole number from 0 up")


def number(value: object, path: str) -> None:
    fits = type(value) is int or (type(value) is float and math.isfinite(value))
    require(fits, path, "is no finite number")


def nothing(value: object, path: str) -> None:
    require(value is None, path, "is not null")


def word(*allowed: str) -> Shape:
    """One of these strings."""

    def shape(value: object, path: str) -> None:
        listed = " or ".join(map(repr, allowed))
        require(isinstance(value, str) and value in allowed, path, f"is not {listed}")

    return shape


def nullable(inner: Shape) -> Shape:
    def shape(value: object, path: str) -> None:
        if value is not None:
            inner(value, path)

    return shape


def array(inner: Shape, least: int = 0) -> Shape:
    """An array of `least` elements or more."""

    def shape(value: object, path: str) -> None:
        if not isinstance(value, list):
            raise Violation(f"{path}: is no array")
        require(len(value) >= least, path, f"has fewer than {least} elements")
        for place, element in enumerate(value):
            inner(element, f"{path}[{place}]")

    return shape


def mapping(inner: Shape) -> Shape:
    """An object with any members, all of one shape; not empty."""

    def shape(value: object, path: str) -> None:
        if not isinstance(value, dict) or not value:
            raise Violation(f"{path}: is no object, or an empty one")
        for name, member in value.items():
            inner(member, f"{path}.{name}")

    return shape


def record(
    required: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None
) -> Shape:
    """An object with these members and no others."""
    known = {**required, **(optional or {})}

    def shape(value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise Violation(f"{path}: is no object")
        for name in required:
            require(name in value, f"{path}.{name}", "is missing")
        for name, member in value.items():
            require(name in known, f"{path}.{name}", "is not known to OpenAI's clients")
            known[name](member, f"{path}.{name}")

    return shape

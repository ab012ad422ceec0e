"""Single values, strictly, for `structure`: nothing is coerced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from tproxy.settings import schema
from tproxy.settings.environment import Unparsable
from tproxy.settings.report import near, printable

Hook = Callable[[Any, Any], Any]

_LARGEST = (1 << 63) - 1
LATER = "is part of the interface but not built yet in this version"


@attrs.frozen
class Mismatch(ValueError):
    """A value that its field cannot hold."""

    problem: str
    hint: str = ""

    def __str__(self) -> str:
        return self.problem


def exactly(kind: type, words: str) -> Hook:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise Mismatch(expected(words, value), _quotation(kind, value))
        return value

    return structure


def _quotation(kind: type, value: object) -> str:
    """What to do about the quotation marks, if they are what is wrong."""
    if kind is str and isinstance(value, (bool, int, float)):
        return "put it in quotes"
    if kind is int and isinstance(value, str) and value.isdecimal():
        return "a plain decimal number, without quotes"
    return ""


def above_0(*, zero: Mismatch) -> Hook:
    whole = exactly(int, "a whole number")

    def structure(value: Any, _: Any) -> Any:
        number = whole(value, int)
        if number == 0:
            raise Mismatch(zero.problem, zero.hint)
        if number < 0:
            raise Mismatch("has to be above 0")
        if number > _LARGEST:
            raise Mismatch("is too large")
        return number

    return structure


def off(value: Any, _: Any) -> Any:
    if exactly(bool, "true or false")(value, bool):
        raise Mismatch(f"true {LATER}")
    return value


def number(words: str, *, zero: bool, most: float = _LARGEST) -> Hook:
    def structure(value: Any, _: Any) -> float:
        if type(value) not in (int, float):
            hint = "without a unit, or quotes" if isinstance(value, str) else ""
            raise Mismatch(expected(words, value), hint)
        if value < 0 or (value == 0 and not zero):
            raise Mismatch("cannot be below 0" if zero else "has to be above 0")
        if value > most:
            raise Mismatch("is too large")
        return float(value)

    return structure


def parsed(words: str, parse: Callable[[str], object]) -> Hook:
    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, str):
            raise Mismatch(expected(words, value))
        try:
            return parse(value)
        except Unparsable as error:
            problem = f"'{printable(value)}' {error.problem}"
            raise Mismatch(problem, error.hint) from None

    return structure


def word(choice: schema.Words) -> Hook:
    text = exactly(str, "text")

    def structure(value: Any, _: Any) -> Any:
        word = text(value, str)
        if word in choice.later:
            raise Mismatch(f"'{word}' {LATER}")
        if word not in choice.built:
            known = (*choice.built, *choice.later)
            hint = near(word, known) or f"known: {', '.join(known)}"
            raise Mismatch(f"unknown word '{printable(word)}'", hint)
        return word

    return structure


def expected(words: str, value: object) -> str:
    kinds: dict[type, str] = {
        bool: "true or false",
        dict: "a mapping",
        float: "a number",
        int: "a number",
        list: "a list",
        str: "text",
    }
    return f"expected {words}, got {kinds.get(type(value), 'nothing')}"

"""Plain values to the classes of `schema`, strictly: nothing is coerced or ignored.

The one place where data has no type yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.errors import (
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)

from tproxy.settings import schema
from tproxy.settings.report import Report, Where, near, printable

T = TypeVar("T")
_Hook = Callable[[Any, Any], Any]

_LARGEST = (1 << 63) - 1
LATER = "is part of the interface but not built yet in this version"


@attrs.frozen
class Mismatch(ValueError):
    """A value that its field cannot hold."""

    problem: str
    hint: str = ""

    def __str__(self) -> str:
        return self.problem


def read(values: object, kind: type[T], where: Where, report: Report) -> T | None:
    """`values` as a `kind`, without the keys that are at fault, which are reported.

    None where what is left is not enough to make one.
    """
    if not isinstance(values, dict):
        report.fault(where, _expected("a mapping", values))
        return None
    fields = dict(values)
    while True:
        try:
            return _converter().structure(fields, kind)
        except cattrs.BaseValidationError as error:
            wrong = set()
            for place, mismatch in _mismatches(error, ()):
                report.fault((*where, *place), mismatch.problem, mismatch.hint)
                wrong.add(place[0])
        if not wrong & fields.keys():
            return None
        fields = {key: value for key, value in fields.items() if key not in wrong}


def unknown(key: str, kind: type) -> Mismatch:
    """Why `key` is not one of `kind`: not built yet, or a mistake."""
    later = schema.NOT_BUILT.get(kind, frozenset())
    if key in later:
        return Mismatch(f"'{key}' {LATER}")
    known = [field.name for field in attrs.fields(kind)]
    return Mismatch(f"unknown key '{printable(key)}'", near(key, [*known, *later]))


def _mismatches(error: BaseException, place: Where) -> Iterator[tuple[Where, Mismatch]]:
    match error:
        case ClassValidationError():
            inner, plain = error.group_exceptions()
            for each, note in inner:
                yield from _mismatches(each, (*place, note.name))
            for other in plain:
                if isinstance(other, ForbiddenExtraKeysError):
                    for key in sorted(other.extra_fields):
                        yield (*place, key), unknown(key, other.cl)
        case IterableValidationError():
            for each, at in error.group_exceptions()[0]:
                yield from _mismatches(each, (*place, _step(at.index)))
        case KeyError():
            yield place, Mismatch(f"'{place[-1]}' is missing")
        case Mismatch():
            yield place, error
        case _:
            raise error


def _step(index: object) -> str | int:
    return index if isinstance(index, (int, str)) else str(index)


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook_factory(attrs.has, _class(converter))
    converter.register_structure_hook_factory(_made_of(tuple), _sequence(converter))
    converter.register_structure_hook_factory(_made_of(Mapping), _mapping(converter))
    for kind, words in (
        (str, "text"),
        (int, "a whole number"),
        (bool, "true or false"),
    ):
        converter.register_structure_hook(kind, _exactly(kind, words))
    no_limit = Mismatch("0 is a fault", "leave the key out for no limit")
    too_small = Mismatch("has to be above 0")
    converter.register_structure_hook(schema.Count, _above_0(zero=no_limit))
    converter.register_structure_hook(schema.Size, _above_0(zero=too_small))
    converter.register_structure_hook(schema.One, _one)
    converter.register_structure_hook(schema.Off, _off)
    converter.register_structure_hook(schema.Seconds, _seconds(zero=False))
    converter.register_structure_hook(schema.SecondsOrZero, _seconds(zero=True))
    for word, choice in schema.WORDS.items():
        converter.register_structure_hook(word, _word(choice))
    return converter


def _made_of(origin: object) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) is origin


def _class(converter: cattrs.Converter) -> Callable[[Any], _Hook]:
    def factory(kind: Any) -> _Hook:
        inner: _Hook = cattrs.gen.make_dict_structure_fn(kind, converter)

        def structure(value: Any, _: Any) -> Any:
            if not isinstance(value, dict):
                raise Mismatch(_expected("a mapping", value))
            return inner(value, kind)

        return structure

    return factory


def _sequence(converter: cattrs.Converter) -> Callable[[Any], _Hook]:
    def factory(kind: Any) -> _Hook:
        item = get_args(kind)[0]
        hook = converter.get_structure_hook(item)

        def structure(value: Any, _: Any) -> Any:
            if not isinstance(value, list):
                raise Mismatch(_expected("a list", value))
            return tuple(each for _, each in _each(enumerate(value), hook, item, kind))

        return structure

    return factory


def _mapping(converter: cattrs.Converter) -> Callable[[Any], _Hook]:
    def factory(kind: Any) -> _Hook:
        item = get_args(kind)[1]
        hook = converter.get_structure_hook(item)

        def structure(value: Any, _: Any) -> Any:
            if not isinstance(value, dict):
                raise Mismatch(_expected("a mapping", value))
            return dict(_each(value.items(), hook, item, kind))

        return structure

    return factory


def _each(
    values: Iterable[tuple[Any, Any]], hook: _Hook, item: Any, kind: Any
) -> list[tuple[Any, Any]]:
    """Structure all, then tell of all that failed."""
    done, errors = [], []
    for place, value in values:
        try:
            done.append((place, hook(value, item)))
        except (Mismatch, cattrs.BaseValidationError) as error:
            error.add_note(IterableValidationNote("", place, item))
            errors.append(error)
    if errors:
        raise IterableValidationError("", errors, kind)
    return done


def _exactly(kind: type, words: str) -> _Hook:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise Mismatch(_expected(words, value), _quotation(kind, value))
        return value

    return structure


def _quotation(kind: type, value: object) -> str:
    """What to do about the quotation marks, if they are what is wrong."""
    if kind is str and isinstance(value, (bool, int, float)):
        return "put it in quotes"
    if kind is int and isinstance(value, str) and value.isdecimal():
        return "a plain decimal number, without quotes"
    return ""


def _above_0(*, zero: Mismatch) -> _Hook:
    whole = _exactly(int, "a whole number")

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


def _one(value: Any, _: Any) -> Any:
    if _exactly(int, "a whole number")(value, int) < 1:
        raise Mismatch("has to be 1")
    if value > 1:
        raise Mismatch(f"more than 1 {LATER}")
    return value


def _off(value: Any, _: Any) -> Any:
    if _exactly(bool, "true or false")(value, bool):
        raise Mismatch(f"true {LATER}")
    return value


def _seconds(*, zero: bool) -> _Hook:
    def structure(value: Any, _: Any) -> float:
        if type(value) not in (int, float):
            hint = "without a unit, or quotes" if isinstance(value, str) else ""
            raise Mismatch(_expected("a number of seconds", value), hint)
        if value < 0 or (value == 0 and not zero):
            raise Mismatch("cannot be below 0" if zero else "has to be above 0")
        if value > _LARGEST:
            raise Mismatch("is too large")
        return float(value)

    return structure


def _word(choice: schema.Words) -> _Hook:
    text = _exactly(str, "text")

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


def _expected(words: str, value: object) -> str:
    kinds: dict[type, str] = {
        bool: "true or false",
        dict: "a mapping",
        float: "a number",
        int: "a number",
        list: "a list",
        str: "text",
    }
    return f"expected {words}, got {kinds.get(type(value), 'nothing')}"

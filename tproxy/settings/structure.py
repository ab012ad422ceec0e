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

from tproxy.settings import amounts, scalars, schema
from tproxy.settings.report import Report, Where, near, printable
from tproxy.settings.scalars import LATER, Hook, Mismatch

T = TypeVar("T")

_MOST_DOLLARS = 9_000_000  # in billionths, what a double holds exactly
_MOST_WEIGHT = 1_000_000


def read(values: object, kind: type[T], where: Where, report: Report) -> T | None:
    """`values` as a `kind`, without the keys that are at fault, which are reported.

    None where what is left is not enough to make one.
    """
    if not isinstance(values, dict):
        report.fault(where, scalars.expected("a mapping", values))
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
    no_limit = Mismatch("0 is a fault", "leave the key out for no limit")
    too_small = Mismatch("has to be above 0")
    seconds, dollars = "a number of seconds", "an amount in US dollars"
    hooks: dict[Any, Hook] = {
        str: scalars.exactly(str, "text"),
        int: scalars.exactly(int, "a whole number"),
        bool: scalars.exactly(bool, "true or false"),
        schema.Count: scalars.above_0(zero=no_limit),
        schema.Size: scalars.above_0(zero=too_small),
        schema.Off: scalars.off,
        schema.Seconds: scalars.number(seconds, zero=False),
        schema.SecondsOrZero: scalars.number(seconds, zero=True),
        schema.Dollars: scalars.number(dollars, zero=False, most=_MOST_DOLLARS),
        schema.DollarsOrZero: scalars.number(dollars, zero=True, most=_MOST_DOLLARS),
        schema.Weight: scalars.number("a number", zero=False, most=_MOST_WEIGHT),
        schema.Duration: scalars.parsed("a duration such as 1s", amounts.interval),
        schema.Part: scalars.parsed("a part such as 10%", amounts.part),
        schema.Per: scalars.parsed("a span such as day or 5h", amounts.per),
        **{word: scalars.word(choice) for word, choice in schema.WORDS.items()},
    }
    for kind, hook in hooks.items():
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook(schema.Names, _names(converter))
    return converter


def _made_of(origin: object) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) is origin


def _class(converter: cattrs.Converter) -> Callable[[Any], Hook]:
    def factory(kind: Any) -> Hook:
        inner: Hook = cattrs.gen.make_dict_structure_fn(kind, converter)

        def structure(value: Any, _: Any) -> Any:
            if not isinstance(value, dict):
                raise Mismatch(scalars.expected("a mapping", value))
            return inner(value, kind)

        return structure

    return factory


def _sequence(converter: cattrs.Converter) -> Callable[[Any], Hook]:
    def factory(kind: Any) -> Hook:
        item = get_args(kind)[0]
        hook = converter.get_structure_hook(item)

        def structure(value: Any, _: Any) -> Any:
            if not isinstance(value, list):
                raise Mismatch(scalars.expected("a list", value))
            return tuple(each for _, each in _each(enumerate(value), hook, item, kind))

        return structure

    return factory


def _mapping(converter: cattrs.Converter) -> Callable[[Any], Hook]:
    def factory(kind: Any) -> Hook:
        item = get_args(kind)[1]
        hook = converter.get_structure_hook(item)

        def structure(value: Any, _: Any) -> Any:
            if not isinstance(value, dict):
                raise Mismatch(scalars.expected("a mapping", value))
            return dict(_each(value.items(), hook, item, kind))

        return structure

    return factory


def _each(
    values: Iterable[tuple[Any, Any]], hook: Hook, item: Any, kind: Any
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


def _names(converter: cattrs.Converter) -> Hook:
    several = converter.get_structure_hook(tuple[str, ...])

    def structure(value: Any, _: Any) -> Any:
        if isinstance(value, list):
            return several(value, tuple[str, ...])
        return scalars.exactly(str, "a name, or a list of names")(value, str)

    return structure

"""Making up a value that a JSON Schema allows.

Reads what OpenAI's structured outputs take ("Supported schemas"), and `allOf`, `oneOf`
and `default` besides. Patterns and negations are not weighed: this is an echo, not a
validator. The same schema and text always give the same value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeGuard

import attrs

_LONGEST_ECHO: Final = 200  # characters of the user's text in one string
_DEEPEST: Final = 16  # levels; a schema that requires itself has no end
_MOST: Final = 1_000  # values in one example
_NUMBER: Final = re.compile(r"(?<![\w.])-?\d{1,9}(?:\.\d{1,9})?(?!\w)", re.ASCII)

_FORMATS: Final = {
    "date-time": "2025-01-01T12:00:00Z",
    "date": "2025-01-01",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class Impossible(ValueError):
    """No value can be made up for a schema; says why."""


def example(text: str, schema: Mapping[str, object]) -> object:
    """A JSON value that `schema` allows, taken from `text`.

    Each string is the text, and each number the next of its numbers that fits.

    Raises:
        Impossible: none was found, or it would be unreasonably large.
    """
    return _Maker(schema, text[:_LONGEST_ECHO] or "text").make(schema, 0)


@attrs.define
class _Maker:
    _root: Mapping[str, object]
    _text: str
    _made: int = 0
    _above: list[str] = attrs.field(factory=list)  # references that led here
    _numbers: list[float] = attrs.field(init=False)  # of the text, not taken yet

    def __attrs_post_init__(self) -> None:
        self._numbers = [float(said) for said in _NUMBER.findall(self._text)]

    def make(self, schema: object, depth: int) -> object:
        led = len(self._above)
        try:
            return self._make(schema, depth)
        finally:
            del self._above[led:]

    def _make(self, schema: object, depth: int) -> object:
        self._made += 1
        if depth > _DEEPEST or self._made > _MOST:
            raise Impossible("it is too deep or too large")
        if not isinstance(schema, Mapping):
            if schema is False:
                raise Impossible("it allows nothing")
            return self._text
        schema = self._whole(schema, depth)
        for keyword in ("const", "default"):
            if keyword in schema:
                return schema[keyword]
        if "enum" in schema:
            return _first(schema["enum"])
        for keyword in ("anyOf", "oneOf"):
            if isinstance(schema.get(keyword), list):
                return self._alternative(schema, keyword, depth)
        return self._typed(schema, depth)

    def _typed(self, schema: Mapping[str, object], depth: int) -> object:
        match _kind(schema):
            case "object":
                return dict(self._members(schema, depth))
            case "array":
                return self._items(schema, depth)
            case "integer" | "number" as kind:
                return self._number(schema, whole=kind == "integer")
            case "boolean":
                return True
            case "null":
                return None
        return self._string(schema)

    def _whole(self, schema: Mapping[str, object], depth: int) -> Mapping[str, object]:
        """The schema with `$ref` followed and `allOf` merged."""
        reference, parts = schema.get("$ref"), schema.get("allOf")
        more = [self._referred(reference)] if isinstance(reference, str) else []
        more += [p for p in parts if isinstance(p, Mapping)] if _is_list(parts) else []
        whole = {k: v for k, v in schema.items() if k not in ("$ref", "allOf")}
        for part in more:
            for keyword, value in self._whole(part, depth + 1).items():
                whole[keyword] = _merged(whole.get(keyword), value)
        return whole

    def _referred(self, reference: str) -> Mapping[str, object]:
        """What a pointer such as `#/$defs/item` leads to (RFC 6901)."""
        if reference in self._above:
            raise Impossible("a value of it would have no end")
        self._above.append(reference)
        found: object = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise Impossible(f"the reference '{reference}' points nowhere")
        return found

    def _alternative(
        self, schema: Mapping[str, object], keyword: str, depth: int
    ) -> object:
        """The first alternative that works, under all else the schema says."""
        options = schema[keyword]
        rest = {k: v for k, v in schema.items() if k != keyword}
        for option in options if isinstance(options, list) else ():
            try:
                both = {"allOf": [rest, option]} if rest else option
                return self.make(both, depth + 1)
            except Impossible:
                continue
        raise Impossible(f"no alternative of {keyword} works")

    def _members(
        self, schema: Mapping[str, object], depth: int
    ) -> Iterator[tuple[str, object]]:
        """What is required; all that is known, where nothing is required."""
        known = schema.get("properties")
        known = known if isinstance(known, Mapping) else {}
        required = schema.get("required")
        needed = (
            [n for n in required if isinstance(n, str)] if _is_list(required) else []
        )
        for name in needed:
            yield name, self.make(known.get(name, True), depth + 1)
        for name in () if needed else known:
            try:
                yield name, self.make(known[name], depth + 1)
            except Impossible:
                continue  # it may be left out

    def _items(self, schema: Mapping[str, object], depth: int) -> list[object]:
        """One item, or as many as are asked for; none where one would have no end."""
        first = schema.get("prefixItems")
        kinds: list[object] = list(first) if _is_list(first) else []
        least = _whole_number(schema.get("minItems"), 0)
        most = _whole_number(schema.get("maxItems"), _MOST)
        wanted = max(least, min(len(kinds) or 1, most))
        kinds += [schema.get("items", True)] * (min(wanted, _MOST) - len(kinds))
        try:
            return [self.make(kind, depth + 1) for kind in kinds[:wanted]]
        except Impossible:
            if least:
                raise
            return []

    def _number(self, schema: Mapping[str, object], *, whole: bool) -> int | float:
        for said in self._numbers:
            if _fits(said, schema, whole=whole):
                self._numbers.remove(said)
                return int(said) if said.is_integer() else said
        return _least(schema, whole=whole)

    def _string(self, schema: Mapping[str, object]) -> str:
        known = _FORMATS.get(str(schema.get("format")))
        if known is not None:
            return known
        least = min(_whole_number(schema.get("minLength"), 0), _LONGEST_ECHO * 50)
        most = _whole_number(schema.get("maxLength"), max(least, _LONGEST_ECHO))
        return self._text.ljust(least, ".")[:most]


def _kind(schema: Mapping[str, object]) -> object:
    """The first type that is not null; guessed from the keywords if none is given."""
    kinds = schema.get("type")
    if _is_list(kinds):
        return next((k for k in kinds if k != "null"), "null")
    if kinds is None and "properties" in schema:
        return "object"
    if kinds is None and ("items" in schema or "prefixItems" in schema):
        return "array"
    if kinds is None and ("minimum" in schema or "maximum" in schema):
        return "number"
    return kinds


def _fits(number: float, schema: Mapping[str, object], *, whole: bool) -> bool:
    low, high = _bound(schema, "inimum", 1, whole), _bound(schema, "aximum", -1, whole)
    step = schema.get("multipleOf")
    return (
        (number.is_integer() or not whole)
        and (low is None or number >= low)
        and (high is None or number <= high)
        and not (_is_number(step) and step > 0 and number % step)
    )


def _least(schema: Mapping[str, object], *, whole: bool) -> int | float:
    """The least allowed number that is not negative, else the greatest that is."""
    low, high = _bound(schema, "inimum", 1, whole), _bound(schema, "aximum", -1, whole)
    value = 1.0 if low is None else max(low, 0.0) if high is None or high >= 0 else low
    if high is not None:
        value = min(value, high)
    step = schema.get("multipleOf")
    if _is_number(step) and step > 0:
        value = math.ceil(value / step) * step
    return int(value) if whole else value


def _bound(
    schema: Mapping[str, object], end: str, inwards: int, whole: bool
) -> float | None:
    bound = schema.get(f"m{end}")
    beyond = schema.get(f"exclusiveM{end}")
    if _is_number(beyond):
        return beyond + inwards * (1 if whole else 0.5)
    return float(bound) if _is_number(bound) else None


def _merged(one: object, other: object) -> object:
    """Two values of one keyword: of `properties` and `required` the union."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return {**one, **other}
    if _is_list(one) and _is_list(other):
        return [*one, *(item for item in other if item not in one)]
    return other if one is None else one


def _first(values: object) -> object:
    if not _is_list(values) or not values:
        raise Impossible("enum allows nothing")
    return values[0]


def _is_list(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _is_number(value: object) -> TypeGuard[int | float]:
    return type(value) in (int, float)


def _whole_number(value: object, otherwise: int) -> int:
    return int(value) if _is_number(value) and value >= 0 else otherwise

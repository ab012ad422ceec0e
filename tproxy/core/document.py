"""A JSON object as received: its values, and where each stands in the text.

Knowing the positions lets one value be replaced without touching any other byte: no key
is reordered, no number reformatted, nothing unknown is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from json.scanner import make_scanner
from typing import Any, Never

import attrs

from tproxy.core.values import value

MAX_DEPTH = 64  # of nesting, the body itself being 1
_GZIP = b"\x1f\x8b"  # begins every gzip file (RFC 1952, 2.3.1)
_MAX_NUMBER = 500  # characters; nobody means a longer number
_SHORT = 4_096  # characters that may be read twice, should a position be asked for

_BLANK = re.compile(r"[ \t\n\r]*").match
_KEY = r'"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*'  # one without escapes
_END = r"(\})[ \t\n\r]*"
# What begins an object, and what goes on after a value: a key, another key, or the end.
_OPENING = re.compile(rf"[ \t\n\r]*{{[ \t\n\r]*(?:{_KEY}|{_END})?").match
_NEXT = re.compile(rf"[ \t\n\r]*(?:,[ \t\n\r]*(?:{_KEY})?|{_END})").match


class Malformed(ValueError):
    """Not an acceptable JSON object. The text is a sentence fit for the client."""


@value
class Document:
    """`values` by key. Without `_spans` the text is looked through for a position."""

    raw: bytes = attrs.field(repr=False)
    text: str = attrs.field(repr=False)
    values: Mapping[str, object] = attrs.field(repr=False)
    _spans: Mapping[str, tuple[int, int]] = attrs.field(repr=False, eq=False)

    def span(self, key: str) -> tuple[int, int] | None:
        """Where the value of `key` is in `text`, in characters; None: there is none."""
        if self._spans or key not in self.values:
            return self._spans.get(key)
        for name, _, start, end in _members(self.text, _look):
            if name == key:
                return start, end
        return None

    def replaced(self, key: str, value: str) -> bytes:
        """The text with `key` set to the string `value`, all else as it was."""
        start, end, *said = self._change(key, value)
        first, last = self._bytes(start, end)
        raw = memoryview(self.raw)
        return b"".join((raw[:first], "".join(said).encode(), raw[last:]))

    def having(self, key: str, value: object) -> Document:
        """The same with `value` for `key`, which may be new; all else as it was."""
        start, end, before, said, after = self._change(key, value)
        longer = start + len(before) + len(said) + len(after) - end
        spans = {
            name: (first + longer, last + longer) if first >= start else (first, last)
            for name, (first, last) in self._spans.items()
        }
        if spans:
            at = start + len(before)
            spans[key] = (at, at + len(said))
        text = f"{self.text[:start]}{before}{said}{after}{self.text[end:]}"
        return Document(text.encode(), text, {**self.values, key: value}, spans)

    def _bytes(self, start: int, end: int) -> tuple[int, int]:
        """Where in `raw` the characters from `start` to `end` are."""
        raw, text = self.raw, self.text
        if len(raw) == len(text):  # characters are bytes
            return start, end
        if start < len(text) // 2:
            first = len(text[:start].encode())
        else:
            first = len(raw) - len(text[start:].encode())
        return first, first + len(text[start:end].encode())

    def _change(self, key: str, value: object) -> tuple[int, int, str, str, str]:
        """From where to where `key` is to be set; what is before, in and after it."""
        said, span = json.dumps(value), self.span(key)
        if span is not None:
            return *span, "", said, ""
        start = self.text.index("{") + 1
        return start, start, f"{json.dumps(key)}:", said, "," if self.values else ""


def parse(raw: bytes) -> Document:
    """Read `raw` as one JSON object.

    Stricter than `json.loads`, so that what we act on is what the provider reads: UTF-8
    only, no key twice at any depth, no NaN or Infinity, no nesting beyond `MAX_DEPTH`,
    no numbers of absurd length.

    Raises:
        Malformed: anything else; the message says what, and quotes nothing.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        if raw.startswith(_GZIP):
            raise Malformed("The body is compressed; send it as it is.") from None
        raise Malformed("The body is not UTF-8.") from None
    try:
        values, spans = _read(text)
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise Malformed(f"The body is not valid JSON: see {place}.") from None
    if _may_be_deep(raw) and _is_deep(values):
        raise _too_deep()
    return Document(raw, text, values, spans)


def _read(text: str) -> tuple[dict[str, object], dict[str, tuple[int, int]]]:
    """Values and their spans; no spans of a short text, where they are soon found."""
    values = _at_once(text) if len(text) <= _SHORT else None
    if values is not None:
        return values, {}
    values, spans = {}, {}
    for key, said, start, end in _members(text, _scan):
        if key in values:
            raise _twice()
        values[key], spans[key] = said, (start, end)
    return values, spans


def _at_once(text: str) -> dict[str, object] | None:
    """The values of a sound text as it mostly comes; of others, None."""
    try:
        values, end = _scan(text, 0)
    except (StopIteration, json.JSONDecodeError):
        return None
    whole = end == len(text) and isinstance(values, dict)
    return values if whole else None


def _members(text: str, scan: make_scanner) -> Iterator[tuple[str, object, int, int]]:
    """Each key, its value as `scan` reads it, and where that begins and ends.

    Raises:
        json.JSONDecodeError: at the first thing that is wrong.
        Malformed: that is not its form.
    """
    found = _OPENING(text)
    if found is None:
        _DECODER.decode(text)  # says what is wrong, unless it is valid and no object
        raise Malformed("The body is not a JSON object.")
    (key, end), at = found.groups(), found.end()
    while end is None:
        if key is None:
            key, at = _escaped_key(text, at)
        try:
            value, after = scan(text, at)
        except StopIteration as stop:
            raise json.JSONDecodeError("expected a value", text, stop.value) from None
        yield key, value, at, after
        found = _NEXT(text, after)
        if found is None:
            raise json.JSONDecodeError("expected ',' or '}'", text, after)
        (key, end), at = found.groups(), found.end()
    if at != len(text):
        raise json.JSONDecodeError("text after the object", text, at)


def _escaped_key(text: str, at: int) -> tuple[str, int]:
    """A key with escapes in it, and the position of its value."""
    if text[at : at + 1] != '"':
        raise json.JSONDecodeError("expected a key", text, at)
    key, at = _DECODER.raw_decode(text, at)
    at = _end_of_blank(text, at)
    if text[at : at + 1] != ":":
        raise json.JSONDecodeError("expected ':'", text, at)
    return key, _end_of_blank(text, at + 1)


def _end_of_blank(text: str, at: int) -> int:
    blank = _BLANK(text, at)
    return at if blank is None else blank.end()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _twice()
    return values


def _constant(name: str) -> None:
    raise Malformed(f"The body holds {name}, which is not JSON.")


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= _MAX_NUMBER else _absurd()


def _float(digits: str) -> float:
    return float(digits) if len(digits) <= _MAX_NUMBER else _absurd()


def _absurd() -> Never:
    raise Malformed("The body holds a number of absurd length.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_int=_integer,
    parse_float=_float,
)
# As `raw_decode`, without its words for what is wrong; and for what was judged already.
_scan = make_scanner(_DECODER)  # type: ignore[arg-type]  # typeshed errs
_look = make_scanner(json.JSONDecoder())  # type: ignore[arg-type]  # here, too


def _twice() -> Malformed:
    return Malformed("The body has a key twice in one object.")


def _too_deep() -> Malformed:
    return Malformed("The body is nested too deeply.")


def _may_be_deep(raw: bytes) -> bool:
    """Whether there are brackets enough. `find` is ten times as fast as `count`."""
    left = MAX_DEPTH
    for bracket in (b"{", b"["):
        at = raw.find(bracket)
        while at >= 0:
            left -= 1
            if left < 0:
                return True
            at = raw.find(bracket, at + 1)
    return False


def _is_deep(values: dict[str, object]) -> bool:
    level: list[dict[str, object] | list[object]] = [values]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True

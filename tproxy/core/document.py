"""A JSON object as received: its values, and where each stands in the text.

Parsing once and remembering positions lets one value be replaced without touching any
other byte: no key is reordered, no number reformatted, nothing unknown is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from json.scanner import make_scanner
from typing import Any, Never

import attrs

from tproxy.core.values import value

MAX_DEPTH = 64  # of nesting, the body itself being 1
_GZIP = b"\x1f\x8b"  # begins every gzip file (RFC 1952, 2.3.1)
_MAX_NUMBER = 500  # characters; nobody means a longer number

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
    """`values` by key; `spans` are the values' positions in `text`, in characters."""

    raw: bytes = attrs.field(repr=False)
    text: str = attrs.field(repr=False)
    values: Mapping[str, object] = attrs.field(repr=False)
    spans: Mapping[str, tuple[int, int]] = attrs.field(repr=False)

    def replaced(self, key: str, value: str) -> bytes:
        """The text with `key` set to the string `value`, all else as it was."""
        said = json.dumps(value)
        span = self.spans.get(key)
        if span is None:
            start = end = self.text.index("{") + 1
            said = f"{json.dumps(key)}:{said}" + ("," if self.values else "")
        else:
            start, end = span
        if len(self.raw) == len(self.text):  # characters are bytes
            return b"".join((self.raw[:start], said.encode(), self.raw[end:]))
        return f"{self.text[:start]}{said}{self.text[end:]}".encode()

    def having(self, key: str, value: object) -> Document:
        """The same with `value` for `key`, which may be new; all else as it was."""
        said, before, after = json.dumps(value), "", ""
        if key in self.spans:
            start, end = self.spans[key]
        else:
            start = end = self.text.index("{") + 1
            before, after = f"{json.dumps(key)}:", "," if self.values else ""
        longer = start + len(before) + len(said) + len(after) - end
        spans = {
            name: (first + longer, last + longer) if first >= start else (first, last)
            for name, (first, last) in self.spans.items()
        }
        at = start + len(before)
        spans[key] = (at, at + len(said))
        text = f"{self.text[:start]}{before}{said}{after}{self.text[end:]}"
        return Document(text.encode(), text, {**self.values, key: value}, spans)


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
        document = _read(raw, text)
    except Malformed:
        raise
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise Malformed(f"The body is not valid JSON: see {place}.") from None
    if _may_be_deep(raw) and _is_deep(document.values):
        raise _too_deep()
    return document


def _read(raw: bytes, text: str) -> Document:
    found = _OPENING(text)
    if found is None:
        _DECODER.decode(text)  # says what is wrong, unless it is valid and no object
        raise Malformed("The body is not a JSON object.")
    values: dict[str, object] = {}
    spans: dict[str, tuple[int, int]] = {}
    (key, end), at = found.groups(), found.end()
    while end is None:
        if key is None:
            key, at = _escaped_key(text, at)
        if key in values:
            raise _twice()
        try:
            values[key], after = _scan(text, at)
        except StopIteration as stop:
            raise json.JSONDecodeError("expected a value", text, stop.value) from None
        spans[key] = (at, after)
        found = _NEXT(text, after)
        if found is None:
            raise json.JSONDecodeError("expected ',' or '}'", text, after)
        (key, end), at = found.groups(), found.end()
    if at != len(text):
        raise json.JSONDecodeError("text after the object", text, at)
    return Document(raw, text, values, spans)


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
_scan = make_scanner(_DECODER)  # type: ignore[arg-type]  # typeshed errs; raw_decode, without its words for what is wrong


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


def _is_deep(values: Mapping[str, object]) -> bool:
    level: list[object] = [values]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in _members(outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def _members(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()

"""Answers as a broken or a hostile provider might send them, made from good ones."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

_BLANK_LINE = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")
_DATA = re.compile(
    rb"(?:(?<=^data: )|(?<![^\n])(?=\{))(\{.*\}|\[.*\])(?=\r?$)", re.MULTILINE
)

# Bodies that are no answer at all.
WORTHLESS = {
    "nothing": b"",
    "blank": b" \r\n\r\n ",
    "null": b"null",
    "true": b"true",
    "a number": b"1e999",
    "a string": b'"ok"',
    "an empty object": b"{}",
    "an empty array": b"[]",
    "an array of null": b"[null]",
    "a page": b"<!DOCTYPE html><html><title>502</title></html>",
    "no UTF-8": b"\xff\xfe{\x00}\x00",
    "half an object": b'{"choices": [',
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
}
_VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1.5, 10**400, float("inf"), float("nan")),
    *("", " ", "x", "\ud800", "error", "[DONE]", "1"),
    *([], [None], [[]], [{}], {}, {"a": None}, {"error": {}}, {"": []}),
)


def answers(
    body: bytes, chance: random.Random, count: int, key: str
) -> Iterator[bytes]:
    """So many variants of a body; in some of them `key` is quoted."""
    for _ in range(count):
        yield _tampered(body, chance, key)


def streams(
    body: bytes, chance: random.Random, count: int, key: str
) -> Iterator[bytes]:
    """So many variants of a stream, and two more: twice, and backwards."""
    events = [event for event in _BLANK_LINE.split(body) if event]
    if len(events) == 1:
        events = body.splitlines(keepends=True)
    yield body + body
    yield b"".join(reversed(events))
    for _ in range(count):
        changed = [*events]
        for _ in range(chance.randint(1, 3)):
            if changed:
                _change_events(changed, chance, key)
        yield b"".join(changed)


def lacking(body: bytes) -> Iterator[bytes]:
    """The body, or all events of a stream, without what stands under one name.

    It is gone, null, empty or of another type; and so for each name in turn.
    """
    events = _DATA.findall(body)
    names = {name for data in events or [body] for _, name in _places(_parsed(data))}
    for name in sorted(name for name in names if isinstance(name, str)):
        for change in (_remove, _nullify, _empty, _swap):
            parts = _DATA.split(body) if events else [b"", body, b""]
            parts[1::2] = map(partial(_lack, name, change), parts[1::2])
            yield b"".join(parts)


def quoting(body: bytes, key: str) -> Iterator[bytes]:
    """The body with `key` quoted in one string after the other, all through it."""
    value = _parsed(body)
    count = len(_places(value))
    for number in range(count):
        value = _parsed(body)
        holder, name = _places(value)[number]
        if isinstance(holder[name], str):
            holder[name] = f"{holder[name]} {key} {holder[name]}"
            yield _encoded(value)


def _change_events(events: list[bytes], chance: random.Random, key: str) -> None:
    at = chance.randrange(len(events))
    match chance.randrange(7):
        case 0:
            del events[at]
        case 1:
            events.insert(at, events[at])
        case 2:
            other = chance.randrange(len(events))
            events[at], events[other] = events[other], events[at]
        case 3:
            events[at] = _cut(events[at], chance)
        case _:
            found = _DATA.search(events[at])
            if found is not None:
                data = _tampered(found[1], chance, key)
                event = events[at]
                events[at] = event[: found.start(1)] + data + event[found.end(1) :]


def _tampered(body: bytes, chance: random.Random, key: str) -> bytes:
    value = _parsed(body)
    if value is None or chance.random() < 0.1:
        return _cut(body, chance)
    for _ in range(chance.randint(1, 3)):
        places = _places(value)
        if places:
            holder, name = chance.choice(places)
            _change(holder, name, chance, key)
    return _encoded(value)


def _cut(body: bytes, chance: random.Random) -> bytes:
    """A piece lost, doubled, or turned into something else."""
    start, end = sorted(chance.randrange(len(body) + 1) for _ in range(2))
    match chance.randrange(4):
        case 0:
            return body[:start]
        case 1:
            return body[:start] + body[end:]
        case 2:
            return body[:end] + body[start:]
        case _:
            return body[:start] + chance.randbytes(3) + body[start + 3 :]


def _change(holder: Any, name: Any, chance: random.Random, key: str) -> None:
    """Change one member or element."""
    value = holder[name]
    match chance.randrange(6):
        case 0:
            del holder[name]
        case 1:
            holder[name] = key
        case 2:
            holder[name] = [value, value]
        case 3 if isinstance(value, str):
            holder[name] = value[: chance.randrange(len(value) + 1)]
        case 3 if isinstance(value, list):
            chance.shuffle(value)
        case _:
            holder[name] = copy.deepcopy(chance.choice(_VALUES))


def _lack(name: str, change: Callable[[Any, str], None], data: bytes) -> bytes:
    value = _parsed(data)
    for holder, key in _places(value):
        if key == name:
            change(holder, name)
    return _encoded(value)


def _remove(holder: Any, name: str) -> None:
    del holder[name]


def _nullify(holder: Any, name: str) -> None:
    holder[name] = None


def _empty(holder: Any, name: str) -> None:
    kind = type(holder[name])
    holder[name] = kind() if kind in (str, list, dict) else 0


def _swap(holder: Any, name: str) -> None:
    other: dict[type, object] = {str: 7, list: {}, dict: []}
    holder[name] = other.get(type(holder[name]), -1)


def _places(value: object) -> list[tuple[Any, Any]]:
    """All objects and arrays within `value`, each with each of its keys."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        found += [(value, name) for name in value]
    elif isinstance(value, list):
        found += [(value, place) for place in range(len(value))]
    return found + [deep for holder, name in found for deep in _places(holder[name])]


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _encoded(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")

"""Server-sent events: cutting a byte stream into whole events, and reading one.

Source: WHATWG HTML, "Server-sent events", "Interpreting an event stream". Line ends may
be LF, CRLF or CR; a read may end anywhere.
"""

from __future__ import annotations

import re

import attrs

MAX_EVENT = 8_388_608  # bytes, a picture's worth; a longer one is no event

_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")
_BLANK_LF = re.compile(rb"\n\n")
_BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r")  # at the end of which an event ends
_LINE_END = re.compile(rb"\r\n|\n|\r")
_NEW_LINE = b"\r\n"
# Events that say nothing: of comments, or of nothing at all. They may come in floods.
_SILENT = re.compile(rb"(?:(?::[^\r\n]*+(?:\r\n|\n|\r))*+(?:\r\n|\n|\r))++")
_SILENT_BEGIN = b":\r\n"
_BOM = b"\xef\xbb\xbf"


@attrs.frozen
class Event:
    """One event. `data` is None where it had no data line, as comments have."""

    name: bytes
    data: bytes | None


@attrs.define
class Cutter:
    """Holds back what is not yet a whole event. Bytes come out as they went in.

    A blank line before an event leaves at once, as if it were one. `held` is what waits
    for the rest of its event.
    `overlong` once an event goes on beyond `MAX_EVENT` bytes; from then on nothing
    comes out.
    """

    overlong: bool = attrs.field(default=False, init=False)
    held: bytearray = attrs.field(factory=bytearray, init=False)

    def feed(self, data: bytes) -> bytes:
        """Take a read; return all events that are whole by now."""
        if self.overlong:
            return b""
        held = self.held
        if held:
            searched = max(len(held) - 2, 0)
            held += data
            end = _last_event_end(held, searched)
            whole = bytes(held[:end])
            del held[:end]
        else:
            end = _last_event_end(data, 0)
            if end == len(data) <= MAX_EVENT:
                return data
            whole = data[:end]
            held += data[end:]
        if len(whole) > MAX_EVENT or len(held) > MAX_EVENT:
            return self._bounded(whole)
        return whole

    def rest(self) -> bytes:
        """What was held back, at the end of the stream."""
        rest = bytes(self.held)
        self.held.clear()
        return rest

    def _bounded(self, whole: bytes) -> bytes:
        """The events before the first that is too long."""
        ready = []
        for event in split(whole):
            if len(event) > MAX_EVENT:
                self.overlong = True
                break
            ready.append(event)
        if self.overlong or len(self.held) > MAX_EVENT:
            self.overlong = True
            self.held.clear()
        return b"".join(ready)


def _last_event_end(data: bytes | bytearray, start: int) -> int:
    """The position after the last blank line at or after `start`; 0 if none."""
    if data.endswith(b"\n\n"):
        return len(data)
    found = [(data.rfind(blank, start), len(blank)) for blank in _BLANK_LINES]
    end = max((at + length for at, length in found if at >= 0), default=0)
    while end < len(data) and data[end] in _NEW_LINE:
        end += 1
    return end


def split(whole: bytes) -> list[bytes]:
    """Cut whole events apart; those that say nothing stay together.

    Joined they are `whole` again.
    """
    blank = _BLANK_LINE if b"\r" in whole else _BLANK_LF
    events, start = [], 0
    while start < len(whole):
        found = None
        if whole[start] in _SILENT_BEGIN:
            found = _SILENT.match(whole, start)
        if found is None:
            found = blank.search(whole, start)
        end = len(whole) if found is None else found.end()
        events.append(whole[start:end])
        start = end
    return events


def read(raw: bytes) -> Event:
    """Read one event's lines. Fields other than `event` and `data` are passed over."""
    name, data = b"", []
    if _SILENT.fullmatch(raw) is not None:
        return Event(name, None)
    for line in _LINE_END.split(raw.removeprefix(_BOM)):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return Event(name, b"\n".join(data) if data else None)


def is_text(raw: bytes) -> bool:
    """Whether it is UTF-8, as an event has to be; a strict client stumbles else."""
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def encode(data: bytes) -> bytes:
    """One event with `data`, which holds no line end."""
    return b"data: " + data + b"\n\n"

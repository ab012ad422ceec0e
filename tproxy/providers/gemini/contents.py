"""The messages of a chat as Gemini's `systemInstruction` and `contents`.

Source: Gemini API reference, `Content` and `Part`; guides "Function calling" and
"Thought signatures".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import attrs

from tproxy.core import message, wishes
from tproxy.core.message import Link, Media, Message, Part, Text, ToolCall
from tproxy.core.model import Model
from tproxy.providers.gemini import wire
from tproxy.providers.gemini.endpoint import Endpoint

_Said = dict[str, object]

# Files that Google holds itself, or fetches: uploaded ones, Cloud Storage, YouTube.
_FILES = "https://generativelanguage.googleapis.com/v1beta/"
_UPLOADED = re.compile(r"files/[\w-]+").fullmatch
_FETCHED = re.compile(
    r"gs://.+|https://generativelanguage\.googleapis\.com/[\w.]+/files/.+"
    r"|https://(?:www\.|m\.)?youtube\.com/.+|https://youtu\.be/.+"
).fullmatch
# The beginnings of media that come without a type, in Base64.
_KINDS = {
    "JVBERi": "application/pdf",
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
# What the third generation takes within the result of a function.
_IN_RESULTS = re.compile(
    r"image/(?:png|jpeg|webp)|application/pdf|text/plain"
).fullmatch
# The documented stand-in for the signature of a call that another model has made.
_UNSIGNED = "skip_thought_signature_validator"


@attrs.frozen
class Conversation:
    system: Sequence[_Said]
    contents: Sequence[Mapping[str, object]]


def conversation(
    messages: Iterable[Message], endpoint: Endpoint, model: Model
) -> Conversation:
    """Say `messages` in Gemini's way.

    Raises:
        InvalidRequest: a part has no type, and shows none.
        UpstreamFailed: `UNSUPPORTED`, for a link that Google will not follow.
    """
    writer = _Writer(endpoint, model)
    for one in messages:
        writer.take(one)
    return writer.whole()


@attrs.define
class _Writer:
    _endpoint: Endpoint
    _model: Model
    _system: list[_Said] = attrs.field(factory=list, init=False)
    _contents: list[tuple[str, list[_Said]]] = attrs.field(factory=list, init=False)
    _order: Sequence[str] = attrs.field(default=(), init=False)  # ids of open calls
    _results: list[tuple[int, _Said]] = attrs.field(factory=list, init=False)
    _media: list[_Said] = attrs.field(factory=list, init=False)

    def take(self, one: Message) -> None:
        if one.role == "tool":
            self._take_result(one)
            return
        self._close_results()
        if one.role == "system":
            self._system += self._parts(one.parts, one.path)
        elif one.role == "user":
            self._add("user", self._parts(one.parts, one.path) or [{"text": ""}])
        else:
            self._add("model", self._answer(one))
            if one.calls:
                self._order = [call.id for call in one.calls]

    def whole(self) -> Conversation:
        self._close_results()
        if not self._contents and self._system:  # there has to be a question
            self._add("user", [self._system.pop()])
        if not self._contents or self._contents[0][0] == "model":
            self._contents.insert(0, ("user", [{"text": " "}]))
        contents = [{"role": role, "parts": parts} for role, parts in self._contents]
        return Conversation(self._system, contents)

    def _add(self, role: str, parts: list[_Said]) -> None:
        """Add a turn; neighbours of one role become one."""
        if not parts:
            return
        if self._contents and self._contents[-1][0] == role:
            last = self._contents[-1][1]
            # Results are counted against calls: they keep a turn of their own.
            if "functionResponse" not in last[0]:
                last += parts
                return
        self._contents.append((role, parts))

    def _answer(self, one: Message) -> list[_Said]:
        thoughts: list[_Said] = []
        if one.reasoning:
            thoughts = [{"text": one.reasoning, "thought": True}]
        parts = self._parts(one.parts, one.path)
        calls = [_call(call) for call in one.calls]
        signature = _signature(one.extra)
        stand_in = _UNSIGNED if self._endpoint.wants_signatures else ""
        if signature and parts:
            parts[-1]["thoughtSignature"] = signature
            signature = ""
        if calls and not any("thoughtSignature" in call for call in calls):
            calls[0] |= _signed(signature or stand_in)
        return [*thoughts, *parts, *calls]

    def _take_result(self, one: Message) -> None:
        if not one.name:
            raise message.bad(f"{one.path}.tool_call_id", "names no call before it")
        media = any(not isinstance(part, Text) for part in one.parts)
        response: _Said = {
            "name": one.name,
            "response": {} if media and not one.text else _object(one.text),
        }
        if one.call_id:
            response["id"] = one.call_id
        inside = []
        for said in self._parts(one.parts, one.path):
            if self._goes_inside(said):
                inside.append(said)
            elif "text" not in said:
                self._media.append(said)
        if inside:
            response["parts"] = inside
        known = one.call_id in self._order
        place = self._order.index(one.call_id) if known else len(self._order)
        self._results.append((place, {"functionResponse": response}))

    def _goes_inside(self, said: _Said) -> bool:
        match said:
            case {"inlineData": {"mimeType": str(kind)}}:
                return self._endpoint.version >= (3, 0) and bool(_IN_RESULTS(kind))
        return False

    def _close_results(self) -> None:
        """All results of one turn, as its calls were ordered; then their media."""
        if self._results:
            self._results.sort(key=lambda result: result[0])
            parts = [said for _, said in self._results]
            self._contents.append(("user", parts))
            if self._media:
                self._contents.append(("user", self._media))
            self._results, self._media = [], []

    def _parts(self, parts: Iterable[Part], path: str) -> list[_Said]:
        said = (
            self._part(part, f"{path}.content[{place}]")
            for place, part in enumerate(parts)
        )
        return [part for part in said if part]

    def _part(self, part: Part, path: str) -> _Said:
        match part:
            case Text(text):
                return {"text": text} if text else {}
            case Media(kind, data):
                kind = kind or _shown(data)
                if not kind:
                    raise message.bad(path, "must name the media type of its file")
                return {"inlineData": {"mimeType": kind, "data": data}}
            case Link(url):
                return {"fileData": {"fileUri": self._file(url, path)}}

    def _file(self, url: str, path: str) -> str:
        if _UPLOADED(url):
            return f"{_FILES}{url}"
        if _FETCHED(url):
            return url
        raise wishes.unsupported(self._model, path, "a file elsewhere")


def _signature(extra: Mapping[str, object]) -> str:
    """A thought signature that came back; "" if none did."""
    google = extra.get("google")
    found = google.get("thought_signature") if isinstance(google, Mapping) else None
    return found if isinstance(found, str) else ""


def _call(call: ToolCall) -> _Said:
    said = {"id": call.id, "name": call.name, "args": call.parsed()}
    return {"functionCall": said, **_signed(_signature(call.extra))}


def _signed(signature: str) -> _Said:
    return {"thoughtSignature": signature} if signature else {}


def _shown(data: str) -> str:
    found = (kind for start, kind in _KINDS.items() if data.startswith(start))
    return next(found, "")


def _object(text: str) -> object:
    """The result of a function, which has to be an object."""
    said = wire.parsed(text.encode("utf-8", "surrogatepass"))
    if isinstance(said, dict):
        return said
    return {"result": said if isinstance(said, list) else text}

"""Gemini's answers, whole ones and the events of a stream, which have one shape.

Source: Gemini API reference, `GenerateContentResponse`, `Candidate`, `FinishReason`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import attrs

from tproxy.core import failures
from tproxy.core.completion import Tokens
from tproxy.core.errors import UpstreamFailed
from tproxy.core.message import ToolCall
from tproxy.core.model import Model
from tproxy.providers import complaint
from tproxy.providers.gemini import media, wire
from tproxy.providers.gemini.media import Media
from tproxy.providers.gemini.partial import Halves
from tproxy.providers.said import Object, checked, malformed, string, whole

STOP = "stop"
SILENT = frozenset({"length", "content_filter"})  # an answer may end so without a word

_FINISHES = {
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        [
            *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
            *("LANGUAGE", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT"),
            "IMAGE_RECITATION",
        ],
        "content_filter",
    ),
}
_BOTCHED = {
    *("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"),
    *("MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE"),
}
_CODE = re.compile(r"[A-Z_]{1,64}", re.ASCII).fullmatch
_NOT_IN_IDS = re.compile(r"[^\w-]", re.ASCII)
_LONGEST_ID = 28  # characters; OpenAI takes ids of calls up to 40
_MOST_CANDIDATES, _MOST_CALLS = 128, 1_024


@attrs.frozen
class Candidate:
    """One of the answers, or a piece of one. `finish` is OpenAI's word.

    `signature` is that of anything but a call.
    """

    index: int
    text: str
    reasoning: str
    calls: Sequence[ToolCall]
    media: Media
    signature: str
    finish: str | None

    @property
    def says_something(self) -> bool:
        return bool(self.text or self.reasoning or self.calls or self.media)

    @property
    def is_silent(self) -> bool:
        """Whether it may end without a word, and honestly so."""
        return self.finish in SILENT

    def beside(self, request: str) -> dict[str, object]:
        """What goes beside the content of a message; `request` is its id."""
        found = signed(self.signature)
        if self.media.pictures:
            found["images"] = media.images(self.media.pictures)
        if self.media.sound:
            found["audio"] = self.media.audio(request)
        return found


@attrs.define
class Ids:
    """Names the calls of one answer where Gemini does not, and no two alike.

    The names come of the answer's id, so that the same answer always has the same.
    """

    _own: str  # the request's id, where the answer has none
    _taken: set[str] = attrs.field(factory=set, init=False)
    halves: Halves = attrs.field(factory=Halves, init=False)

    def of(self, given: str, answer: str) -> str:
        found, number = given, len(self._taken)
        while not found or found in self._taken:
            found = f"call_{answer or _id(self._own)}_{number}"
            number += 1
        self._taken.add(found)
        return found

    @property
    def exhausted(self) -> bool:
        return len(self._taken) > _MOST_CALLS


@attrs.frozen
class Said:
    """`id` is "" where Gemini gives none, `tokens` None where it counts none."""

    id: str
    candidates: Sequence[Candidate]
    tokens: Tokens | None


def reason(finish: str | None, *, called: bool) -> str:
    """OpenAI's reason to finish: Gemini stops, too, in order to have a tool called."""
    return "tool_calls" if called and finish in (None, STOP) else finish or STOP


def signed(signature: str) -> dict[str, object]:
    return {"extra_content": _extra(signature)} if signature else {}


def opened(
    body: bytes, headers: Mapping[str, str], model: Model
) -> Mapping[str, object]:
    """What a whole answer says, if it tells of no error.

    Raises:
        UpstreamFailed: it does; or it is empty, or no object.
    """
    if not body.strip():
        raise UpstreamFailed.of(model.name, failures.EMPTY, "no body")
    return no_error(wire.parsed(body), body, headers, model)


def no_error(
    said: object, data: bytes, headers: Mapping[str, str], model: Model
) -> Mapping[str, object]:
    """`said`, which was in `data`, if it is an object and tells of no error.

    Raises:
        UpstreamFailed: it does, or it is no object.
    """
    if isinstance(said, list) or (isinstance(said, dict) and said.get("error")):
        raise complaint.read(None, headers, data, model)
    if not isinstance(said, dict):
        raise malformed(model, "no JSON object")
    return said


def read(said: Mapping[str, object], model: Model, ids: Ids) -> Said:
    """Read what Gemini said; `ids` are those of all calls in this answer.

    Raises:
        UpstreamFailed: the prompt was blocked, the model botched its answer, or it is
            not readable.
    """
    _check_prompt(said.get("promptFeedback"), model)
    own = _id(said.get("responseId"))
    candidates = said.get("candidates")
    if candidates is None:
        candidates = []
    if not isinstance(candidates, list) or len(candidates) > _MOST_CANDIDATES:
        raise malformed(model, "candidates that are none")
    found = [_candidate(one, model, own, ids) for one in candidates]
    return Said(own, found, tokens(said.get("usageMetadata")))


def _id(said: object) -> str:
    return _NOT_IN_IDS.sub("", said)[:_LONGEST_ID] if isinstance(said, str) else ""


def _candidate(said: object, model: Model, id: str, ids: Ids) -> Candidate:
    content = said.get("content") if isinstance(said, dict) else None
    index = said.get("index", 0) if isinstance(said, dict) else None
    if not isinstance(said, dict) or type(index) is not int:
        raise malformed(model, "a candidate that is none")
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(content or {}, dict) or not isinstance(parts or [], list):
        raise malformed(model, "content without parts")
    text, reasoning, signature = "", "", ""
    made: list[ToolCall] = []
    shown: list[Object] = []
    for part in parts or ():
        if not isinstance(part, dict):
            raise malformed(model, "a part that is no object")
        signed = string(part, "thoughtSignature", model)
        called = part.get("functionCall")
        if called is not None:
            called = checked(called, "a call", model)
            ready = ids.halves.whole(index, called, signed, model)
            if ready is not None:
                made.append(_call(ready[0], model, id, ids, ready[1]))
            continue
        signature = signed or signature
        if part.get("thought") is True:
            reasoning += string(part, "text", model)
            continue
        text += string(part, "text", model)
        shown.append(part)
    found = media.read(shown, model)
    finish = _finish(said.get("finishReason"), model)
    return Candidate(index, text, reasoning, made, found, signature, finish)


def _call(
    said: Object, model: Model, answer: str, ids: Ids, signature: str
) -> ToolCall:
    name = string(said, "name", model)
    if not name:
        raise malformed(model, "a call without a name")
    try:
        written = wire.written(checked(said.get("args") or {}, "arguments", model))
    except ValueError:
        raise malformed(model, "arguments out of bounds") from None
    extra = _extra(signature) if signature else {}
    id = ids.of(string(said, "id", model), answer)
    if ids.exhausted:
        raise malformed(model, "calls without end")
    return ToolCall(id, name, written, extra)


def _extra(signature: str) -> Mapping[str, object]:
    return {"google": {"thought_signature": signature}}


def _finish(said: object, model: Model) -> str | None:
    """OpenAI's word for it, calls left out of account."""
    if said is None:
        return None
    if not isinstance(said, str):
        raise malformed(model, "a finish reason that is no word")
    if said in _BOTCHED:
        raise UpstreamFailed.of(model.name, failures.MODEL_FAULT, said)
    return _FINISHES.get(said, STOP)


def _check_prompt(said: object, model: Model) -> None:
    reason = said.get("blockReason") if isinstance(said, dict) else None
    if reason is None or reason == "BLOCK_REASON_UNSPECIFIED":
        return
    code = reason if isinstance(reason, str) and _CODE(reason) else "blocked"
    raise UpstreamFailed(
        message=f"{model.name}: {failures.FILTERED.said}: {code}.",
        failure=failures.FILTERED,
        model=model.name,
        detail=code,
    )


def tokens(said: object) -> Tokens | None:
    """Usage in OpenAI's sense; None where Gemini counted nothing.

    Thoughts are not among the candidates' tokens; those of built-in tools are apart;
    what is cached is within the prompt.
    """
    if not isinstance(said, dict):
        return None
    thoughts = whole(said.get("thoughtsTokenCount"))
    prompt = whole(said.get("promptTokenCount")) or 0
    return Tokens(
        prompt=prompt + (whole(said.get("toolUsePromptTokenCount")) or 0),
        completion=(whole(said.get("candidatesTokenCount")) or 0) + (thoughts or 0),
        cached=whole(said.get("cachedContentTokenCount")),
        reasoning=thoughts,
    )

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
from tproxy.providers.gemini import wire

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

    `pictures` are data URLs; `signature` is that of anything but a call.
    """

    index: int
    text: str
    reasoning: str
    calls: Sequence[ToolCall]
    pictures: Sequence[str]
    signature: str
    finish: str | None

    @property
    def says_something(self) -> bool:
        return bool(self.text or self.reasoning or self.calls or self.pictures)

    @property
    def is_silent(self) -> bool:
        """Whether it may end without a word, and honestly so."""
        return self.finish in SILENT

    @property
    def beside(self) -> dict[str, object]:
        """What goes beside the content of a message: pictures, and a signature."""
        found: dict[str, object] = {}
        if self.pictures:
            found["images"] = [
                {"type": "image_url", "image_url": {"url": url}}
                for url in self.pictures
            ]
        if self.signature:
            found["extra_content"] = _extra(self.signature)
        return found


@attrs.define
class Ids:
    """Names the calls of one answer where Gemini does not, and no two alike.

    The names come of the answer's id, so that the same answer always has the same.
    """

    _own: str  # the request's id, where the answer has none
    _taken: set[str] = attrs.field(factory=set, init=False)

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


def opened(
    body: bytes, headers: Mapping[str, str], model: Model
) -> Mapping[str, object]:
    """What a whole answer says, if it tells of no error.

    Raises:
        UpstreamFailed: it does; or it is empty, or no object.
    """
    if not body.strip():
        raise UpstreamFailed.of(model.name, failures.EMPTY, "no body")
    return checked(wire.parsed(body), body, headers, model)


def checked(
    said: object, data: bytes, headers: Mapping[str, str], model: Model
) -> Mapping[str, object]:
    """`said`, which was in `data`, if it is an object and tells of no error.

    Raises:
        UpstreamFailed: it does, or it is no object.
    """
    if isinstance(said, list) or (isinstance(said, dict) and said.get("error")):
        raise complaint.read(None, headers, data, model)
    if not isinstance(said, dict):
        raise _malformed(model, "no JSON object")
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
        raise _malformed(model, "candidates that are none")
    found = [_candidate(one, model, own, ids) for one in candidates]
    return Said(own, found, tokens(said.get("usageMetadata")))


def _id(said: object) -> str:
    return _NOT_IN_IDS.sub("", said)[:_LONGEST_ID] if isinstance(said, str) else ""


def _candidate(said: object, model: Model, id: str, ids: Ids) -> Candidate:
    content = said.get("content") if isinstance(said, dict) else None
    index = said.get("index", 0) if isinstance(said, dict) else None
    if not isinstance(said, dict) or type(index) is not int:
        raise _malformed(model, "a candidate that is none")
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(content or {}, dict) or not isinstance(parts or [], list):
        raise _malformed(model, "content without parts")
    text, reasoning, signature = "", "", ""
    made: list[ToolCall] = []
    pictures: list[str] = []
    for part in parts or ():
        if not isinstance(part, dict):
            raise _malformed(model, "a part that is no object")
        signed = _string(part, "thoughtSignature", model)
        called = part.get("functionCall")
        if called is not None:
            made.append(_call(called, model, id, ids, signed))
            continue
        signature = signed or signature
        if part.get("thought") is True:
            reasoning += _string(part, "text", model)
            continue
        text += _string(part, "text", model)
        pictures += _picture(part.get("inlineData"), model)
    finish = _finish(said.get("finishReason"), model)
    return Candidate(index, text, reasoning, made, pictures, signature, finish)


def _call(
    said: object, model: Model, answer: str, ids: Ids, signature: str
) -> ToolCall:
    if not isinstance(said, dict):
        raise _malformed(model, "a call that is no object")
    name, args = _string(said, "name", model), said.get("args")
    if not name or not isinstance(args or {}, dict):
        raise _malformed(model, "a call without a name or arguments")
    try:
        written = wire.written(args or {})
    except ValueError:
        raise _malformed(model, "arguments out of bounds") from None
    extra = _extra(signature) if signature else {}
    id = ids.of(_string(said, "id", model), answer)
    if ids.exhausted:
        raise _malformed(model, "calls without end")
    return ToolCall(id, name, written, extra)


def _extra(signature: str) -> Mapping[str, object]:
    return {"google": {"thought_signature": signature}}


def _picture(said: object, model: Model) -> list[str]:
    """Sounds and files have no place in an answer of OpenAI's."""
    if said is None:
        return []
    if not isinstance(said, dict):
        raise _malformed(model, "media that are no object")
    kind, data = _string(said, "mimeType", model), _string(said, "data", model)
    return [f"data:{kind};base64,{data}"] if kind.startswith("image/") and data else []


def _finish(said: object, model: Model) -> str | None:
    """OpenAI's word for it, calls left out of account."""
    if said is None:
        return None
    if not isinstance(said, str):
        raise _malformed(model, "a finish reason that is no word")
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
    thoughts = _count(said, "thoughtsTokenCount")
    prompt = _count(said, "promptTokenCount") or 0
    return Tokens(
        prompt=prompt + (_count(said, "toolUsePromptTokenCount") or 0),
        completion=(_count(said, "candidatesTokenCount") or 0) + (thoughts or 0),
        cached=_count(said, "cachedContentTokenCount"),
        reasoning=thoughts,
    )


def _count(said: Mapping[str, object], name: str) -> int | None:
    count = said.get(name)
    return count if type(count) is int and count >= 0 else None


def _string(said: Mapping[str, object], name: str, model: Model) -> str:
    value = said.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _malformed(model, f"{name} is no string")
    return value


def _malformed(model: Model, detail: str) -> UpstreamFailed:
    return UpstreamFailed.of(model.name, failures.MALFORMED, detail)

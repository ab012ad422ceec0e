"""What Cohere answered, read alike from a whole answer and from an event."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tproxy.core import failures
from tproxy.core.completion import Choice, Tokens
from tproxy.core.errors import UpstreamFailed
from tproxy.core.message import ToolCall
from tproxy.core.model import Model
from tproxy.providers import complaint
from tproxy.providers.calls import check_arguments, check_ids
from tproxy.providers.said import Object, checked, listed, string, whole
from tproxy.providers.translated import failed

_FINISHES = {
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
    "TOOL_CALL": "tool_calls",
}
_BREAKDOWNS = {"TIMEOUT": failures.TIMED_OUT, "USER_CANCEL": failures.EARLY_END}
_SILENT = ("length", "content_filter")  # honest ends of an answer that says nothing


def choice(said: Object, model: Model) -> Choice:
    """The one choice of a whole answer.

    Raises:
        UpstreamFailed: it is unreadable, or says nothing and should have.
    """
    message = checked(said.get("message"), "a message", model)
    text: list[str] = []
    reasoning = [string(message, "tool_plan", model)]
    for one in listed(message, "content", model):
        part = checked(one, "a part", model)
        reasoning.append(string(part, "thinking", model))
        text.append(string(part, "text", model))
    calls = [call(one, model) for one in listed(message, "tool_calls", model)]
    found = listed(message, "citations", model)
    citations = [cited(citation, model) for citation in found]
    check_ids(calls, model)
    finish = ended(
        said, spoke=any(text) or any(reasoning), called=bool(calls), model=model
    )
    check_arguments((call.arguments for call in calls), finish, model)
    return Choice(
        "".join(text) or (None if calls else ""),
        finish,
        calls,
        "".join(reasoning),
        {"citations": citations} if citations else {},
    )


def call(said: object, model: Model, *, whole: bool = True) -> ToolCall:
    """A call; a `whole` one has arguments, be they none."""
    found = checked(said, "a call", model)
    function = checked(found.get("function"), "a function", model)
    id, name = string(found, "id", model), string(function, "name", model)
    if not id or not name:
        raise failed(failures.MALFORMED, model, "a call without an id or a name")
    arguments = string(function, "arguments", model)
    return ToolCall(id, name, arguments or ("{}" if whole else ""))


def breakdown(said: Object, model: Model) -> UpstreamFailed | None:
    """An error told as the end of an answer."""
    reason = said.get("finish_reason")
    if reason == "ERROR":
        told = {name: said.get(name) for name in ("error", "error_type", "message")}
        words = {name: one for name, one in told.items() if isinstance(one, str)}
        body = json.dumps({"error": "no reason", **words}).encode()
        return complaint.read(None, {}, body, model)
    row = _BREAKDOWNS.get(reason) if isinstance(reason, str) else None
    return None if row is None else failed(row, model, f"finish reason {reason}")


def cited(said: object, model: Model) -> Object:
    """A citation, which goes through as it is, if it can."""
    try:
        json.dumps(said, allow_nan=False)
    except (ValueError, RecursionError):
        raise failed(failures.MALFORMED, model, "a citation that is no JSON") from None
    return checked(said, "a citation", model)


def ended(said: Object, *, spoke: bool, called: bool, model: Model) -> str:
    """How an answer ended, in OpenAI's words, all of it considered.

    Raises:
        UpstreamFailed: it broke down or did not end, or says nothing and should have.
    """
    reason = said.get("finish_reason")
    if not isinstance(reason, str):
        raise failed(failures.EARLY_END, model, "no finish reason")
    if (fault := breakdown(said, model)) is not None:
        raise fault
    finish = _FINISHES.get(reason, "stop")
    if finish in ("stop", "tool_calls"):
        finish = "tool_calls" if called else "stop"
    if not (spoke or called or finish in _SILENT):
        raise failed(failures.EMPTY, model, "no content")
    return finish


def tokens(said: object) -> Tokens | None:
    """What was read and written; what was billed, where nothing else is told."""
    if not isinstance(said, Mapping):
        return None
    counts = said.get("tokens")
    if not isinstance(counts, Mapping):
        counts = said.get("billed_units")
    if not isinstance(counts, Mapping):
        return None
    prompt = _whole(counts.get("input_tokens"))
    completion = _whole(counts.get("output_tokens"))
    if prompt is None and completion is None:
        return None
    return Tokens(
        prompt or 0,
        completion or 0,
        cached=_whole(said.get("cached_tokens")),
        reasoning=_whole(counts.get("reasoning_tokens")),
    )


def _whole(said: object) -> int | None:
    """A count, which Cohere's reference gives as a float."""
    if isinstance(said, float) and said.is_integer():
        said = int(said)
    return whole(said)

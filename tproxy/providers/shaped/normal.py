"""What an answer of OpenAI's shape says, in OpenAI's own fields and no others.

Source: OpenAI API reference, "The chat completion object"; what providers say otherwise
is noted where it is met. What has no field there is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Final

from tproxy.core import failures, tokens
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.providers.said import Object, malformed, whole

# After which an answer may hold nothing.
SILENT: Final = frozenset({"length", "content_filter"})
_TOLD = {
    "stop": "stop end_turn eos eos_token stop_sequence complete completed finished end",
    "length": "length max_tokens max_output_tokens model_length token_limit",
    "tool_calls": "tool_calls tool_call tool_use",
    "content_filter": "content_filter content_filtered safety sensitive refusal blocked"
    " recitation blocklist prohibited_content spii guardrail_intervened",
    "function_call": "function_call",
}
_FINISHES = {word: told for told, words in _TOLD.items() for word in words.split()}
_LONGEST = 512  # characters of what each chunk repeats
_BESIDE = frozenset({"role", "extra_content", "annotations"})
_REASONING = ("reasoning_content", "reasoning", "thinking")
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority"})
_COUNTS: Mapping[str, tuple[str, ...]] = {
    "prompt": ("cached_tokens", "audio_tokens"),
    "completion": (
        *("reasoning_tokens", "audio_tokens"),
        *("accepted_prediction_tokens", "rejected_prediction_tokens"),
    ),
}


def head(said: Object, kind: str, chat: ChatRequest, model: Model) -> dict[str, object]:
    """The members before the choices; `kind` is for `object`."""
    created = whole(said.get("created"))
    told: dict[str, object] = {
        "id": text(said.get("id"))[:_LONGEST] or f"chatcmpl-{chat.id or 0}",
        "object": kind,
        "created": created or chat.created,
        "model": model.name,
    }
    if text(said.get("service_tier")) in _TIERS:
        told["service_tier"] = said["service_tier"]
    fingerprint = text(said.get("system_fingerprint"))
    if fingerprint:
        told["system_fingerprint"] = fingerprint[:_LONGEST]
    return told


def usage(said: Object) -> dict[str, object] | None:
    """As told, or as Groq tells it in a stream. Details are never more than the whole.

    The total is the sum: xAI adds the tokens of reasoning to it alone.
    """
    groq = member(said.get("x_groq"))
    found = member(said.get("usage")) or member(groq.get("usage"))
    if not found:
        return None
    counts = {name: tokens.counted(found.get(f"{name}_tokens")) for name in _COUNTS}
    told: dict[str, object] = {f"{name}_tokens": n for name, n in counts.items()}
    told["total_tokens"] = sum(counts.values())
    for name, count in counts.items():
        parts = member(found.get(f"{name}_tokens_details"))
        kept = {part: whole(parts.get(part)) for part in _COUNTS[name]}
        details = {part: min(n, count) for part, n in kept.items() if n is not None}
        if details:
            told[f"{name}_tokens_details"] = details
    return told


def reason(word: object) -> str:
    """To finish, in OpenAI's words; "" where none is told."""
    known = isinstance(word, str) and word
    return _FINISHES.get(known.lower(), "stop") if known else ""


def finish(word: object, *, calls: bool, function: bool) -> str:
    """One of OpenAI's reasons to finish; one of calls only where there are some."""
    told = reason(word)
    if told in SILENT:
        return told
    return "tool_calls" if calls else "function_call" if function else "stop"


def spoken(said: Object) -> dict[str, object]:
    """Of a message or a delta: all that it says, but for calls of tools.

    Mistral's content may be parts, thoughts among them.
    """
    content = said.get("content")
    words, thoughts = text(content), ""
    for part in objects(content):
        words += text(part.get("text"))
        thoughts += text(part.get("thinking"))
        thoughts += "".join(text(t.get("text")) for t in objects(part.get("thinking")))
    thoughts += next(filter(None, (text(said.get(name)) for name in _REASONING)), "")
    told = {
        "content": words,
        "reasoning_content": thoughts,
        "refusal": text(said.get("refusal")),
        "function_call": _function(member(said.get("function_call"))),
        "audio": member(said.get("audio")),
        "images": pictures(said.get("images")),
        "extra_content": wanted_back(said),
    }
    return {name: value for name, value in told.items() if value}


def says_something(spoken: Object) -> bool:
    """Whether there is content in what is told of a message or a delta."""
    return any(value for name, value in spoken.items() if name not in _BESIDE)


def _function(said: Object) -> dict[str, object]:
    """A call in the form of old, or a part of it."""
    return {name: said[name] for name in ("name", "arguments") if text(said.get(name))}


def wanted_back(said: Object) -> dict[str, object]:
    """What a provider wants back, under its own name: Google's thought signatures."""
    found = member(said.get("extra_content"))
    return {name: value for name, value in found.items() if member(value)}


def pictures(said: object) -> list[object]:
    """Pictures beside the content, in the form that OpenRouter gave them."""
    urls = [text(member(one.get("image_url")).get("url")) for one in objects(said)]
    return [{"type": "image_url", "image_url": {"url": url}} for url in urls if url]


def citations(said: object) -> list[object]:
    """Annotations: of a citation OpenRouter also tells the content."""
    found: list[object] = []
    for one in objects(said):
        cited = member(one.get("url_citation"))
        told: dict[str, object] = {n: text(cited.get(n)) for n in ("title", "url")}
        for name in ("start_index", "end_index"):
            told[name] = whole(cited.get(name)) or 0
        if told["url"]:
            found.append({"type": "url_citation", "url_citation": told})
    return found


def logprobs(said: object) -> dict[str, object] | None:
    """None too where they are in the form of old: Together's."""
    found = member(said)
    told = {n: list(map(_token, objects(found.get(n)))) for n in ("content", "refusal")}
    return {n: them or None for n, them in told.items()} if any(told.values()) else None


def _token(said: Object) -> dict[str, object]:
    top = [_scored(one) for one in objects(said.get("top_logprobs"))]
    return {**_scored(said), "top_logprobs": top}


def _scored(said: Object) -> dict[str, object]:
    score, raw = said.get("logprob"), said.get("bytes")
    finite = isinstance(score, float) and math.isfinite(score)
    octets = isinstance(raw, list) and None not in map(whole, raw)
    return {
        "token": text(said.get("token")),
        "logprob": score
        if finite or type(score) is int
        else -9999.0,  # OpenAI's word for the least likely
        "bytes": raw if octets else None,
    }


def text(said: object) -> str:
    return said if isinstance(said, str) else ""


def member(said: object) -> dict[str, object]:
    """An object; an empty one for all else."""
    return said if isinstance(said, dict) else {}


def objects(said: object) -> list[dict[str, object]]:
    """The objects in a list; none for all else."""
    found = said if isinstance(said, list) else []
    return [one for one in found if isinstance(one, dict)]


def encoded(said: Object, model: Model) -> bytes:
    """As JSON.

    Raises:
        UpstreamFailed: `MALFORMED`, it is too deep, or holds a number that is none.
    """
    try:
        told = json.dumps(
            said, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except (ValueError, RecursionError):
        raise malformed(model, "what no JSON can tell") from None
    return told.encode("utf-8", "backslashreplace")


def silence(model: Model) -> UpstreamFailed:
    """Nothing that was said has a field in OpenAI's form."""
    return UpstreamFailed.of(model.name, failures.EMPTY, "no content in OpenAI's form")

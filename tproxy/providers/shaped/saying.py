"""What an answer of OpenAI's shape says, or a chunk of it: words, ends, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tproxy.core import failures, tokens
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Usage
from tproxy.providers import complaint

# An answer may end for these reasons without a word, and honestly so: the budget went
# into thinking, or a filter took it. `model_length` is Mistral's, `sensitive` Z.ai's.
_HONEST_SILENCE = frozenset(
    {
        *("length", "model_length", "content_filter", "sensitive"),
        *("tool_calls", "function_call"),
    }
)
# And these are no ends but breakdowns: DeepSeek's, Z.ai's and several providers'.
_BREAKDOWNS = {
    "insufficient_system_resource": failures.OVERLOADED,
    "network_error": failures.SERVER,
    "error": failures.SERVER,
}
# Of a message, what says nothing: `token_id` is Together's, `channel` Groq's.
_NO_CONTENT = frozenset({"role", "token_id", "channel"})
# Perplexity sends both, the delta empty where the answer is not streamed.
_SPOKEN = ("delta", "message")


def is_error(said: object) -> bool:
    """OpenAI's shape, also in an array; vLLM's and Mistral's; or no completion."""
    if not isinstance(said, dict):
        return isinstance(said, list)
    if said.get("error") or said.get("object") == "error":
        return True
    groq = said.get("x_groq")
    if isinstance(groq, dict) and groq.get("error"):  # why a stream stops early
        return True
    return "choices" not in said and any(
        said.get(name) for name in ("detail", "message", "msg", "errors")
    )


def choices(said: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Those of an answer, or of a chunk."""
    found = said.get("choices")
    if not isinstance(found, list):
        return []
    return [choice for choice in found if isinstance(choice, dict)]


def breakdown(
    choice: Mapping[str, object], headers: Mapping[str, str], model: Model
) -> UpstreamFailed | None:
    """An error within a choice, as OpenRouter sends it, or told as a finish reason."""
    if choice.get("error"):
        try:
            body = json.dumps({"error": choice["error"]}).encode()
        except RecursionError:  # what can just be read may be too deep to be written
            body = b""
        return complaint.read(None, headers, body, model)
    finish = choice.get("finish_reason")
    row = _BREAKDOWNS.get(finish) if isinstance(finish, str) else None
    return (
        None
        if row is None
        else UpstreamFailed.of(model.name, row, f"finish reason {finish}")
    )


def says_something(choice: Mapping[str, object]) -> bool:
    """Whether a choice, or its delta, carries anything but a role, or need not."""
    finish = choice.get("finish_reason")
    if choice.get("text") or (isinstance(finish, str) and finish in _HONEST_SILENCE):
        return True
    for spoken in _SPOKEN:
        said = choice.get(spoken)
        if isinstance(said, dict):
            for name, value in said.items():
                if value and name not in _NO_CONTENT:
                    return True
    return False


def usage(said: object) -> Usage | None:
    """As OpenAI gives it, or Groq, within `x_groq` of a stream's last chunk."""
    if not isinstance(said, dict):
        return None
    usage = said.get("usage")
    if not usage:
        groq = said.get("x_groq")
        usage = groq.get("usage") if isinstance(groq, dict) else None
    if not isinstance(usage, dict):
        return None
    return Usage(
        tokens.counted(usage.get("prompt_tokens")),
        tokens.counted(usage.get("completion_tokens")),
    )

"""OpenAI's own dialect, spoken by OpenAI, Groq, OpenRouter and many more.

Bytes go through as they are; this file judges them. Source: OpenAI API reference,
"Chat"; what compatible providers do otherwise is noted where it is met.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import attrs

from tproxy.core import failures, sse
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import (
    Dialect,
    Reply,
    StreamReader,
    UpstreamHead,
    UpstreamRequest,
    Usage,
)
from tproxy.core.wishes import includes_usage
from tproxy.providers import complaint
from tproxy.providers.said import parsed, stream_kind
from tproxy.providers.shaped.embeddings import Embeddings
from tproxy.providers.shaped.images import Images
from tproxy.providers.unstreamed import Unstreamed

# An answer may end for these reasons without a word, and honestly so: the budget went
# into thinking, or a filter took it. `model_length` is Mistral's, `sensitive` Z.ai's.
_HONEST_SILENCE = (
    *("length", "model_length", "content_filter", "sensitive"),
    *("tool_calls", "function_call"),
)
# And these are no ends but breakdowns: DeepSeek's, Z.ai's and several providers'.
_BREAKDOWNS = {
    "insufficient_system_resource": failures.OVERLOADED,
    "network_error": failures.SERVER,
    "error": failures.SERVER,
}
# Of a message, what says nothing: `token_id` is Together's, `channel` Groq's.
_NO_CONTENT = ("role", "token_id", "channel")
# Their streams end with usage in any case, and `stream_options` is refused (a 422).
_TELL_USAGE_UNASKED = frozenset({"api.mistral.ai"})
# An event of comments and one chunk; and what makes a chunk worth a closer look.
_CHUNK = re.compile(rb"(?::.*+\n)*+data: ?\{.*+(?<=\})\n\n").fullmatch
_NOTABLE = re.compile(rb'"(?:error"|finish_reason"\s*:\s*"|usage"\s*:\s*\{)').search


@attrs.frozen
class OpenAI:
    """The `core.upstream.ProviderAdapter` of this dialect."""

    def build_request(self, chat: ChatRequest, model: Model) -> UpstreamRequest:
        accept = "text/event-stream" if chat.stream else "application/json"
        if _is_ours_to_count(chat, model):
            chat = chat.wanting_usage()
        return UpstreamRequest(
            method="POST",
            url=model.upstream.url,
            headers=(
                ("Content-Type", "application/json"),
                ("Accept", accept),
                *model.upstream.headers,
            ),
            body=chat.naming(model.upstream_name),
        )

    def parse_response(
        self, head: UpstreamHead, body: bytes, chat: ChatRequest, model: Model
    ) -> Reply:
        # OpenRouter and DeepSeek send blank lines while the model works; strip them
        # for reading only.
        if not body.strip():
            raise UpstreamFailed.of(model.name, failures.EMPTY, "no body")
        said = parsed(body)
        if _is_error(said):
            raise complaint.read(None, head.headers, body, model)
        if not isinstance(said, dict):
            raise UpstreamFailed.of(model.name, failures.MALFORMED, "no JSON object")
        speaks = False
        for choice in _choices(said):
            fault = _breakdown(choice, head.headers, model)
            if fault is not None:
                raise fault
            speaks = speaks or _says_something(choice)
        if not speaks:
            raise UpstreamFailed.of(
                model.name, failures.EMPTY, "no content in any choice"
            )
        return Reply(body, _usage(said))

    def parse_error(
        self, head: UpstreamHead, body: bytes, model: Model
    ) -> UpstreamFailed:
        return complaint.read(head.status, head.headers, body, model)

    def stream_reader(
        self, head: UpstreamHead, chat: ChatRequest, model: Model
    ) -> StreamReader:
        if stream_kind(head, model).endswith("json"):
            # An error in disguise, as a rule; or all of the answer at once.
            parse = partial(self.parse_response, head, chat=chat, model=model)
            return Unstreamed(parse, chat, model)
        hides_usage = _is_ours_to_count(chat, model)
        return PassThrough(model, head.headers, hides_usage)


@attrs.define
class PassThrough:
    """The `core.upstream.StreamReader` of this dialect: hands on whole events.

    Their bytes stay as they are. Until content has begun each is parsed; from then on
    only those that look like an error, an end, usage, or unlike a chunk.
    """

    _model: Model
    _headers: Mapping[str, str] = attrs.field(factory=dict)
    _hides_usage: bool = False  # which the client has not asked for
    begun: bool = attrs.field(default=False, init=False)
    failure: UpstreamFailed | None = attrs.field(default=None, init=False)
    usage: Usage | None = attrs.field(default=None, init=False)
    _cutter: sse.Cutter = attrs.field(factory=sse.Cutter, init=False)
    _is_usage: bool = attrs.field(default=False, init=False)  # of the event at hand
    _ended: bool = attrs.field(default=False, init=False)  # [DONE] or a finish reason

    def feed(self, data: bytes) -> bytes:
        if self.failure is not None:
            return b""
        ready = self._take(self._cutter.feed(data))
        if self._cutter.overlong and self.failure is None:
            self.failure = UpstreamFailed.of(
                self._model.name, failures.MALFORMED, "an endless event"
            )
        return ready

    def close(self) -> bytes:
        if self.failure is not None:
            return b""
        rest = self._cutter.rest()
        # The blank line after the last event may be missing, half an event may not.
        ready = self._take(rest, last=True)
        self.failure = self._verdict()
        return ready

    def _verdict(self) -> UpstreamFailed | None:
        """What is wrong with the stream as a whole, now that it has ended."""
        if self.failure is not None:
            return self.failure
        if not self._ended:
            return UpstreamFailed.of(
                self._model.name, failures.EARLY_END, "no finish reason"
            )
        if not self.begun:
            return UpstreamFailed.of(self._model.name, failures.EMPTY, "no content")
        return None

    def _take(self, whole: bytes, *, last: bool = False) -> bytes:
        """Go through `whole` event by event, up to the first that is an error."""
        ready = []
        for raw in sse.split(whole):
            if not (self.begun and _is_plain(raw)):
                self.failure = self._fault(raw, last=last)
                if self.failure is not None:
                    break
                if self._is_usage and self._hides_usage:
                    continue
            ready.append(raw)
        return b"".join(ready)

    def _fault(self, raw: bytes, *, last: bool) -> UpstreamFailed | None:
        """Note what an event says; return what is wrong with it."""
        event = sse.read(raw)
        data = event.data
        self._is_usage = False
        if data is None and raw.lstrip().startswith((b"{", b"[")):
            data = raw  # an error's body where an event was due
        if data is None:
            if last and not _is_comment(raw):
                return UpstreamFailed.of(
                    self._model.name, failures.EARLY_END, "half an event"
                )
            return None
        if data.strip() == b"[DONE]":
            self._ended = True
            return None
        said = parsed(data)
        usage = _usage(said)
        self.usage = usage or self.usage
        self._is_usage = usage is not None and not (
            isinstance(said, dict) and _choices(said)
        )
        if event.name == b"error" or _is_error(said):
            return complaint.read(None, self._headers, data, self._model)
        if not isinstance(said, dict):
            row = failures.EARLY_END if last else failures.MALFORMED
            return UpstreamFailed.of(
                self._model.name, row, "an event that is no JSON object"
            )
        choices = _choices(said)
        for choice in choices:
            fault = _breakdown(choice, self._headers, self._model)
            if fault is not None:
                return fault
        self._ended = self._ended or any(c.get("finish_reason") for c in choices)
        self.begun = self.begun or any(map(_says_something, choices))
        return None


def _is_ours_to_count(chat: ChatRequest, model: Model) -> bool:
    """Whether we need to hear of a usage that the client has not asked for."""
    if not (chat.stream and model.counts_tokens):
        return False
    unasked = urlsplit(model.upstream.url).hostname in _TELL_USAGE_UNASKED
    return not (unasked or includes_usage(chat.document.values))


def _is_plain(raw: bytes) -> bool:
    """Whether an event is a chunk like most, that needs no parsing."""
    return _CHUNK(raw) is not None and b'"choices"' in raw and _NOTABLE(raw) is None


def _is_comment(raw: bytes) -> bool:
    """Whether there is nothing but comments, or nothing at all."""
    return all(line.startswith(b":") for line in raw.splitlines() if line)


def _is_error(said: object) -> bool:
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


def _choices(said: Mapping[str, object]) -> list[Mapping[str, object]]:
    choices = said.get("choices")
    if not isinstance(choices, list):
        return []
    return [choice for choice in choices if isinstance(choice, dict)]


def _breakdown(
    choice: Mapping[str, object], headers: Mapping[str, str], model: Model
) -> UpstreamFailed | None:
    """An error within a choice, as OpenRouter sends it, or told as a finish reason."""
    if choice.get("error"):
        body = json.dumps({"error": choice["error"]}).encode()
        return complaint.read(None, headers, body, model)
    finish = choice.get("finish_reason")
    row = _BREAKDOWNS.get(finish) if isinstance(finish, str) else None
    return (
        None
        if row is None
        else UpstreamFailed.of(model.name, row, f"finish reason {finish}")
    )


def _says_something(choice: Mapping[str, object]) -> bool:
    """Whether a choice, or its delta, carries anything but a role, or need not."""
    finish = choice.get("finish_reason")
    if choice.get("text") or (isinstance(finish, str) and finish in _HONEST_SILENCE):
        return True
    # Perplexity sends both, the delta empty where the answer is not streamed.
    return _has_content(choice.get("delta")) or _has_content(choice.get("message"))


def _has_content(said: object) -> bool:
    if isinstance(said, dict):
        for name, value in said.items():
            if value and name not in _NO_CONTENT:
                return True
    return False


def _usage(said: object) -> Usage | None:
    """As OpenAI gives it, or Groq, within `x_groq` of a stream's last chunk."""
    if not isinstance(said, dict):
        return None
    groq = said.get("x_groq")
    usage = said.get("usage") or (groq.get("usage") if isinstance(groq, dict) else None)
    if not isinstance(usage, dict):
        return None
    return Usage(_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))


def _count(usage: Mapping[str, object], name: str) -> int:
    count = usage.get(name)
    return count if isinstance(count, int) and count >= 0 else 0


DIALECT: Final = Dialect(chat=OpenAI(), images=Images(), embeddings=Embeddings())

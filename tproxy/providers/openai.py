"""OpenAI's own dialect, spoken by OpenAI, Groq, OpenRouter and many more.

Bytes go through as they are; this file judges them. Source: OpenAI API reference,
"Chat"; what compatible providers do otherwise is noted where it is met.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import attrs

from tproxy.core import failures, sse
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model, Prefill
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
from tproxy.providers.shaped import saying
from tproxy.providers.shaped.embeddings import Embeddings
from tproxy.providers.shaped.images import Images
from tproxy.providers.shaped.normalising import normalised
from tproxy.providers.unstreamed import Unstreamed

_TYPE = ("Content-Type", "application/json")
_WHOLE = (_TYPE, ("Accept", "application/json"))
_STREAMED = (_TYPE, ("Accept", "text/event-stream"))
# Their streams end with usage in any case, and `stream_options` is refused (a 422).
_TELL_USAGE_UNASKED = frozenset({"api.mistral.ai"})
# An event of comments and one chunk; and what makes a chunk worth a closer look.
_CHUNK = re.compile(rb"(?::.*+\n)*+data: ?\{.*+(?<=\})\n\n").fullmatch
_NOTABLE = re.compile(rb'"(?:error"|finish_reason"\s*:\s*"|usage"\s*:\s*\{)').search
# Up to the text of a chunk, and what may come after it, the last quote of it first.
_TEXT = re.compile(rb'"(?:(?:reasoning_)?content|reasoning|arguments)": ?"').search
_REST = re.compile(rb'"(?!\s*:).*+(?<=\})\n\n').fullmatch
_KEPT = 4_096  # bytes of either to compare with; chunks of words are shorter


@attrs.frozen
class OpenAI:
    """The `core.upstream.ProviderAdapter` of this dialect."""

    def build_request(self, chat: ChatRequest, model: Model) -> UpstreamRequest:
        if chat.stream and _is_ours_to_count(chat, model):
            chat = chat.wanting_usage()
        return UpstreamRequest(
            "POST",
            model.upstream.url,
            (_STREAMED if chat.stream else _WHOLE) + model.upstream.headers,
            chat.naming(model.upstream_name),
        )

    def parse_response(
        self, head: UpstreamHead, body: bytes, chat: ChatRequest, model: Model
    ) -> Reply:
        # OpenRouter and DeepSeek send blank lines while the model works; they are left
        # out for reading only.
        said = parsed(body)
        if said is None and not body.strip():
            raise UpstreamFailed.of(model.name, failures.EMPTY, "no body")
        if saying.is_error(said):
            raise complaint.read(None, head.headers, body, model)
        if not isinstance(said, dict):
            raise UpstreamFailed.of(model.name, failures.MALFORMED, "no JSON object")
        speaks = False
        for choice in saying.choices(said):
            fault = saying.breakdown(choice, head.headers, model)
            if fault is not None:
                raise fault
            speaks = speaks or saying.says_something(choice)
        if not speaks:
            raise UpstreamFailed.of(
                model.name, failures.EMPTY, "no content in any choice"
            )
        return Reply(body, saying.usage(said))

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
    # Of plain chunks: what came before their text, and what after it.
    _before: bytes = attrs.field(default=b"", init=False)
    _after: bytes = attrs.field(default=b"", init=False)

    def feed(self, data: bytes) -> bytes:
        if self.failure is not None:
            return b""
        if self.begun and not self._cutter.held and self._is_plain(data):
            return data  # one event, as they mostly come
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
            if not (self.begun and self._is_plain(raw)):
                self.failure = self._fault(raw, last=last)
                if self.failure is not None:
                    break
                if self._is_usage and self._hides_usage:
                    continue
            ready.append(raw)
        return b"".join(ready)

    def _is_plain(self, raw: bytes) -> bool:
        """Whether this is one event, and a chunk like most, that needs no parsing.

        The chunks of a stream differ in their text: all else is looked at once, until
        it changes. A text without quotes has nothing notable in it, unless it is one.
        """
        start = len(self._before)
        if start and raw.startswith(self._before):
            end = raw.find(b'"', start)
            text, after = raw[start:end], raw[end:]
            known = after == self._after or self._is_rest(after)
            if known and text != b"error" and 10 not in text:  # 10 is a line's end
                return raw.isascii() or sse.is_text(raw)
        if _CHUNK(raw) is None or _NOTABLE(raw) is not None:
            return False
        choices = raw.find(b'"choices"')
        if choices < 0:
            return False
        found = _TEXT(raw, choices)
        if found is not None and found.end() <= _KEPT:
            self._before = raw[: found.end()]
        return raw.isascii() or sse.is_text(raw)

    def _is_rest(self, after: bytes) -> bool:
        plain = _REST(after) is not None and _NOTABLE(after) is None
        if plain and len(after) <= _KEPT:
            self._after = after
        return plain

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
        usage = saying.usage(said)
        self.usage = usage or self.usage
        self._is_usage = usage is not None and not (
            isinstance(said, dict) and saying.choices(said)
        )
        if event.name == b"error" or saying.is_error(said):
            return complaint.read(None, self._headers, data, self._model)
        if not isinstance(said, dict):
            row = failures.EARLY_END if last else failures.MALFORMED
            return UpstreamFailed.of(
                self._model.name, row, "an event that is no JSON object"
            )
        choices = saying.choices(said)
        for choice in choices:
            fault = saying.breakdown(choice, self._headers, self._model)
            if fault is not None:
                return fault
        self._ended = self._ended or any(c.get("finish_reason") for c in choices)
        self.begun = self.begun or any(map(saying.says_something, choices))
        return None


def _is_ours_to_count(chat: ChatRequest, model: Model) -> bool:
    """Whether we need to hear of a usage that who asked for a stream has not."""
    if not model.counts_tokens or chat.plain:
        return False
    unasked = urlsplit(model.upstream.url).hostname in _TELL_USAGE_UNASKED
    return not (unasked or includes_usage(chat.document.values))


def _is_comment(raw: bytes) -> bool:
    """Whether there is nothing but comments, or nothing at all."""
    return all(line.startswith(b":") for line in raw.splitlines() if line)


DIALECT: Final = normalised(
    Dialect(OpenAI(), Images(), Embeddings(), prefills=frozenset(Prefill))
)

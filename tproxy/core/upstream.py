"""The upstream side: what is sent, what comes back, and the ports that do it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import attrs

from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.model import Model, Patience, Upstream

Headers = tuple[tuple[str, str], ...]


@attrs.frozen
class UpstreamRequest:
    """One HTTP request to a provider. Signed or not, it is never logged."""

    method: str
    url: str = attrs.field(repr=False)
    headers: Headers = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class UpstreamHead:
    """Status and headers of a reply. Names are lower case; repeated ones are joined."""

    status: int
    headers: Mapping[str, str]


@attrs.frozen
class Usage:
    """Tokens a provider reports for one answer."""

    prompt: int
    completion: int


@attrs.frozen
class Broken(Exception):
    """An exchange broke; `failure` says how far it had got, `detail` is for our log."""

    failure: Failure
    detail: str

    def __str__(self) -> str:
        return f"{self.failure.name}: {self.detail}"


class UpstreamReply(Protocol):
    """A reply whose head has arrived. `body` yields reads; a read ends anywhere.

    Reading raises Broken where the provider falls silent or breaks off.
    """

    @property
    def head(self) -> UpstreamHead: ...

    @property
    def body(self) -> AsyncGenerator[bytes, None]: ...


class Transport(Protocol):
    """Opens exchanges with providers."""

    def open(
        self, request: UpstreamRequest, upstream: Upstream, patience: Patience
    ) -> AbstractAsyncContextManager[UpstreamReply]:
        """Send `request` and wait for the head. Leaving the block hangs up.

        `patience.first_byte` bounds the wait for the head, `patience.silence` each
        read after it; `patience.whole` is the caller's to watch.

        Raises:
            Broken: no head came.
        """
        ...

    def close(self) -> None:
        """Let go of every connection kept for later."""
        ...


class StreamReader(Protocol):
    """Reads one provider stream and hands on events in OpenAI's form.

    Fed any slicing of the same bytes, it hands on the same bytes. Made per stream.
    """

    @property
    def begun(self) -> bool:
        """Whether what was handed on so far holds content for the client."""
        ...

    @property
    def failure(self) -> UpstreamFailed | None:
        """Why nothing after what was handed on can be used; None while all is well."""
        ...

    @property
    def usage(self) -> Usage | None:
        """As reported so far."""
        ...

    def feed(self, data: bytes) -> bytes:
        """Take a read; return the events that are ready for the client."""
        ...

    def close(self) -> bytes:
        """Take the end of the stream; return what was still held back."""
        ...


@attrs.frozen
class Reply:
    """A whole answer, ready for the client."""

    body: bytes = attrs.field(repr=False)
    usage: Usage | None


class ProviderAdapter(Protocol):
    """One dialect. Stateless and pure: values in, values out."""

    def build_request(self, chat: ChatRequest, model: Model) -> UpstreamRequest:
        """What to send; no credentials in it yet."""
        ...

    def parse_response(self, head: UpstreamHead, body: bytes, model: Model) -> Reply:
        """Judge and translate a 2xx answer that was not streamed.

        Raises:
            UpstreamFailed: an error in disguise, an empty or an unreadable answer.
        """
        ...

    def parse_error(
        self, head: UpstreamHead, body: bytes, model: Model
    ) -> UpstreamFailed:
        """Say what any other answer means."""
        ...

    def stream_reader(self, head: UpstreamHead, model: Model) -> StreamReader:
        """A reader for a 2xx answer that is streamed.

        Raises:
            UpstreamFailed: the head shows that it is no stream.
        """
        ...


class Signer(Protocol):
    """Puts a credential on a request."""

    async def sign(
        self, request: UpstreamRequest, upstream: Upstream
    ) -> UpstreamRequest: ...

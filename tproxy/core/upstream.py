"""The upstream side: what is sent, what comes back, and the ports that do it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import attrs

from tproxy.core.chat import ChatRequest
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.image import ImageRequest
from tproxy.core.model import Model, Patience, Prefill, Upstream
from tproxy.core.values import value

T = TypeVar("T")

Headers = tuple[tuple[str, str], ...]
Sink = Callable[[bytes], bool]


@value
class UpstreamRequest:
    """One HTTP request to a provider. Signed or not, it is never logged.

    `dropped` names the client's fields that are left out, being hints which the dialect
    has no words for. What is not `ours` goes without our key: it leads elsewhere.
    """

    method: str
    url: str = attrs.field(repr=False)
    headers: Headers = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    dropped: tuple[str, ...] = ()
    ours: bool = True


@value
class UpstreamHead:
    """Status and headers of a reply. Names are lower case; repeated ones are joined."""

    status: int
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@value
class Usage:
    """Tokens a provider reports for one answer."""

    prompt: int
    completion: int

    def and_also(self, other: Usage) -> Usage:
        """Of two answers together."""
        return Usage(self.prompt + other.prompt, self.completion + other.completion)


@attrs.frozen
class Broken(Exception):
    """An exchange broke; `failure` says how far it had got, `detail` is for our log."""

    failure: Failure
    detail: str

    def __str__(self) -> str:
        return f"{self.failure.name}: {self.detail}"


class UpstreamReply(Protocol):
    """A reply whose head has arrived."""

    @property
    def head(self) -> UpstreamHead: ...

    async def read(self, sink: Sink | None = None) -> bytes:
        """What has come since the last read, or comes next; a read ends anywhere.

        Empty at the end of the body. One reader at a time. While it waits, what comes
        may be handed to `sink` first, which says whether it has dealt with it; that
        spares waking the reader. What it has not dealt with is the very next read, by
        itself. Who brings the reply need not do so.

        Raises:
            Broken: the provider fell silent, broke off, or took too long in all.
        """
        ...


class Transport(Protocol):
    """Opens exchanges with providers."""

    def open(
        self, request: UpstreamRequest, upstream: Upstream, patience: Patience
    ) -> AbstractAsyncContextManager[UpstreamReply]:
        """Send `request` and wait for the head. Leaving the block hangs up.

        `patience.first_byte` bounds the wait for the head, `patience.silence` each
        read after it, and `patience.whole` all of it, from now to the last read.

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


@value
class Reply:
    """A whole answer, ready for the client."""

    body: bytes = attrs.field(repr=False)
    usage: Usage | None


@attrs.frozen
class Picture:
    """One image: its bytes, or where they are. `kind` is their true media type."""

    kind: str
    data: bytes | None = attrs.field(default=None, repr=False)
    url: str | None = attrs.field(default=None, repr=False)
    revised_prompt: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class ImageReply:
    """Images made. `body` is the provider's own answer where that is OpenAI's."""

    pictures: tuple[Picture, ...]
    usage: Usage | None = None
    body: bytes | None = attrs.field(default=None, repr=False)


class ProviderAdapter(Protocol):
    """How one dialect chats. Stateless and pure: values in, values out."""

    def build_request(self, chat: ChatRequest, model: Model) -> UpstreamRequest:
        """What to send; no credentials in it yet.

        Raises:
            UpstreamFailed: `UNSUPPORTED`, where the dialect has no words for a field
                that carries meaning; `param` names it.
        """
        ...

    def parse_response(
        self, head: UpstreamHead, body: bytes, chat: ChatRequest, model: Model
    ) -> Reply:
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

    def stream_reader(
        self, head: UpstreamHead, chat: ChatRequest, model: Model
    ) -> StreamReader:
        """A reader for a 2xx answer that is streamed.

        Raises:
            UpstreamFailed: the head shows that it is no stream.
        """
        ...


@attrs.frozen
class Received:
    """A whole 2xx answer, as it came."""

    head: UpstreamHead
    body: bytes = attrs.field(repr=False)


Steps = Generator[UpstreamRequest, Received, T]
"""A conversation of one request or several: each is yielded, and its answer sent in.

Answers that are not 2xx never come in: the caller has `parse_error` read them.
"""


class ImageAdapter(Protocol):
    """How one dialect makes images."""

    def draw(self, image: ImageRequest, model: Model) -> Steps[ImageReply]:
        """Ask for images, which come with their bytes if `image.wants_bytes`.

        Raises:
            UpstreamFailed: as the methods of `ProviderAdapter`; no image is EMPTY.
        """
        ...


class EmbeddingAdapter(Protocol):
    """How one dialect makes vectors of texts."""

    def embed(self, texts: EmbeddingRequest, model: Model) -> Steps[Reply]:
        """Ask for vectors; the reply is in OpenAI's form.

        Raises:
            UpstreamFailed: as the methods of `ProviderAdapter`.
        """
        ...


@attrs.frozen
class Dialect:
    """What one provider's API can do. `chat` reads errors for all three.

    `takes_links`: it can be sent URLs of pictures; others need the pictures themselves.
    `draws_singly`: n images take n requests there. `prefills` are the ways in which it
    can tell a model to go on from a text, if that model can. `normal` is the same one,
    but tells OpenAI's own fields alone; None where this one does.
    """

    chat: ProviderAdapter
    images: ImageAdapter | None = None
    embeddings: EmbeddingAdapter | None = None
    takes_links: bool = True
    draws_singly: bool = False
    prefills: frozenset[Prefill] = frozenset()
    normal: Dialect | None = None


class Signer(Protocol):
    """Puts a credential on a request."""

    async def sign(
        self, request: UpstreamRequest, upstream: Upstream
    ) -> UpstreamRequest:
        """The request with its credential.

        Raises:
            UpstreamFailed: there is none to be had. It names no model.
        """
        ...

    def refused(self, request: UpstreamRequest, upstream: Upstream) -> bool:
        """The provider did not take the credential of `request`, as `sign` made it.

        It is not used again. True where another try may go better: the credential was
        not made for this request, but earlier, and may have died since.
        """
        ...

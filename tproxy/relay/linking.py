"""Fetching the pictures that a chat links to, for providers that need the bytes."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from urllib.parse import urlsplit

import attrs

from tproxy.core import links, pictures, wishes
from tproxy.core.chat import ChatRequest
from tproxy.core.links import Link
from tproxy.core.model import Model
from tproxy.core.upstream import Broken, Transport, UpstreamRequest
from tproxy.relay.reading import whole

MOST_LINKS = 16  # in one chat
LARGEST_IN_ALL = 20_971_520  # bytes of all pictures of one chat
SECONDS = 30.0  # for all of them


@attrs.frozen
class _Unfetched(Exception):
    """Why a picture could not be had, in words for the client, and where it stands."""

    path: str
    problem: str


@attrs.define(eq=False)
class Linking:
    """The links of one chat: each is fetched once, when a candidate first needs it."""

    _chat: ChatRequest
    _outside: Transport
    _fetched: dict[str, str] = attrs.field(factory=dict, init=False)
    _unfetched: _Unfetched | None = attrs.field(default=None, init=False)
    _left: int = attrs.field(default=LARGEST_IN_ALL, init=False)

    @property
    def has_links(self) -> bool:
        return bool(links.links(self._chat))

    async def embedded(self, model: Model, left: float = SECONDS) -> ChatRequest:
        """The chat with its pictures in it, for `model`; within `left` seconds.

        Links to where the model is asked itself stay: its provider has the files.

        Raises:
            UpstreamFailed: `UNSUPPORTED`, where a picture cannot be had; `param` names
                the part.
        """
        home = urlsplit(model.upstream.url).netloc
        far = [
            link
            for link in links.links(self._chat)
            if urlsplit(link.url).netloc != home
        ]
        if self._unfetched is None and far:
            try:
                await self._fetch_all(far, model, min(left, SECONDS))
            except _Unfetched as unfetched:
                self._unfetched = unfetched
        problem = self._unfetched
        if problem is not None:
            raise wishes.unsupported(model, problem.path, problem.problem)
        return links.embedded(self._chat, self._fetched) if far else self._chat

    async def _fetch_all(
        self, far: Sequence[Link], model: Model, seconds: float
    ) -> None:
        if len(far) > MOST_LINKS:
            raise _Unfetched(far[MOST_LINKS].path, f"over {MOST_LINKS} links")
        link = far[0]
        try:
            async with asyncio.timeout(seconds):
                for link in far:
                    if link.url not in self._fetched:
                        data = await self._fetch(link, model)
                        self._left -= len(data)
                        if self._left < 0:
                            raise _Unfetched(link.path, "pictures too large in all")
                        self._fetched[link.url] = _data_url(data, link)
        except TimeoutError:
            raise _Unfetched(link.path, "not fetched in time") from None

    async def _fetch(self, link: Link, model: Model) -> bytes:
        request = UpstreamRequest(
            "GET", link.url, (("Accept", "image/*"),), b"", ours=False
        )
        upstream = model.upstream
        try:
            async with self._outside.open(
                request, upstream, upstream.patience
            ) as reply:
                if reply.head.status != 200:
                    problem = f"fetching it brought a {reply.head.status}"
                    raise _Unfetched(link.path, problem)
                return await whole(reply)
        except Broken:
            # No word of why: a client must not learn who is at home in our network.
            raise _Unfetched(link.path, "it could not be fetched") from None


def _data_url(data: bytes, link: Link) -> str:
    kind = pictures.sniff(data)
    if kind is None:
        raise _Unfetched(link.path, "it leads to no image")
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"

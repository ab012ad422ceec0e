"""What is fetched is of Tornado's classes to whoever looks, and made so only then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tornado.httpclient import HTTPRequest, HTTPResponse

from tests.transport.scripted import (
    OK,
    PATIENT,
    always,
    ask,
    provider,
    reads,
    run,
    upstream,
)
from tproxy.transport.client import PooledClient
from tproxy.transport.pooled import PooledTransport


class Watching(PooledClient):
    """Looks at `name` of each request before any other attribute."""

    name = "method"
    seen: Any = None
    futures: tuple[asyncio.Future[HTTPResponse], ...] = ()

    def fetch(
        self, request: str | HTTPRequest, raise_error: bool = True, **kwargs: Any
    ) -> asyncio.Future[HTTPResponse]:
        self.seen = getattr(request, self.name)
        future = super().fetch(request, raise_error, **kwargs)
        self.futures += (future,)
        return future


async def asked(client: Watching, url: str) -> bytes:
    transport = PooledTransport(client=client)
    async with transport.open(ask(url, b"hi"), upstream(), PATIENT) as reply:
        return b"".join([data async for data in reads(reply)])


@pytest.mark.parametrize(
    ("name", "value"),
    [("method", "POST"), ("body", b"hi"), ("_body", b"hi"), ("max_redirects", None)],
)
def test_whatever_is_looked_at_first_is_there(
    loop: str, name: str, value: object
) -> None:
    async def main() -> None:
        async with provider(always(OK)) as there:
            client = Watching(force_instance=True)
            client.name = name
            assert await asked(client, there.url) == b"ok"
            assert client.seen == value
            client.close()

    run(loop, main())


def test_the_response_says_what_is_known_of_it(loop: str) -> None:
    async def main() -> None:
        async with provider(always(OK)) as there:
            client = Watching(force_instance=True)
            await asked(client, there.url)
            response = await client.futures[0]
            assert (response.effective_url, response.code) == (there.url, 200)
            assert (response.reason, response.body) == ("OK", b"")
            response.rethrow()
            with pytest.raises(AttributeError):
                response.nothing_of_the_kind  # type: ignore[attr-defined] # noqa: B018
            client.close()

    run(loop, main())

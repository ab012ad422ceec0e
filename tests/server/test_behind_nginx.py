"""Smuggling, tried through a proxy that reads some of it otherwise than we do.

nginx keeps its connections to us open and sends one client's request behind another's.
If the two of us disagreed on where a request ends, the next client would get the
answer to what was hidden in it. Where there is no nginx, what it once made of the same
requests is played back.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tornado.web import RequestHandler

from tests.server.nginx import BINARY, nginx
from tests.server.serving import Client, on_both_loops, scripted, serving
from tests.server.smuggling import VICTIM, attempts, recorded, through


@pytest.mark.skipif(BINARY is None, reason="nginx is not installed")
@pytest.mark.parametrize("buffering", ["on", "off"])
@on_both_loops
async def test_nobody_gets_the_answer_to_another_request(
    tmp_path: Path, buffering: str
) -> None:
    seen: list[RequestHandler] = []

    async with (
        serving(scripted(seen=seen)) as served,
        nginx(tmp_path, served.port, buffering) as port,
    ):
        for name, request in attempts():
            seen.clear()
            said = await through(port, request, 0.01 if "short" in name else 0.05)
            assert "/hidden" not in [handler.request.path for handler in seen], name
            if said[:13] == b"HTTP/1.1 400 " and b"<center>nginx" in said:
                continue  # nginx refused it: we have heard nothing
            answer = await through(port, VICTIM, 5.0)
            assert b"\r\nX-Asked: GET /victim\r\n" in answer, name


async def answered(client: Client, piece: bytes) -> bool:
    """Whether `piece` has its own answer, or else is refused for good."""
    head, _, body = piece.partition(b"\r\n\r\n")
    method, target, _ = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    answer = await client.response(bodiless=method == "HEAD")
    if answer.status == 400:
        assert await client.rest() == b""
        return False
    if answer.status != 405:  # the handler knows some methods only
        assert answer.headers["x-asked"] == f"{method} {target}"
        assert answer.body == (b"" if method == "HEAD" else body)
    return True


@pytest.mark.parametrize("together", [False, True])
@on_both_loops
async def test_requests_end_where_nginx_says_they_do(together: bool) -> None:
    """One after the other, as nginx sends them; and all at once, which is harder."""
    seen: list[RequestHandler] = []
    reached = 0

    async with serving(scripted(seen=seen)) as served:
        for passed in recorded():
            for *others, last in passed.connections:
                seen.clear()
                async with served.client() as client:
                    if together:
                        client.send(b"".join(others) + last)
                    for piece in (*others, last):
                        if not together:
                            client.send(piece)
                        if piece is last and not last.startswith(b"GET /victim "):
                            await asyncio.sleep(0)  # nginx left in the middle of it
                        elif not await answered(client, piece):
                            break
                    else:
                        reached += 1
                assert len(seen) <= len(others) + 1, passed
                assert "/hidden" not in [handler.request.path for handler in seen]
    assert reached > 40

"""Smuggling, tried through a proxy that reads some of it otherwise than we do.

nginx keeps its connections to us open and sends one client's request behind another's.
If the two of us disagreed on where a request ends, the next client would get the
answer to what was hidden in it.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tornado.web import RequestHandler

from tests.server.serving import (
    Client,
    chunked,
    get,
    on_both_loops,
    post,
    scripted,
    serving,
)
from tests.server.test_strictness import MALFORMED

CONFIG = """
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/log;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {home}; proxy_temp_path {home};
    fastcgi_temp_path {home}; uwsgi_temp_path {home}; scgi_temp_path {home};
    client_header_timeout 1s; client_body_timeout 1s;
    keepalive_timeout 0;  # it takes one request from each client, and no hidden one
    upstream us {{ server 127.0.0.1:{ours}; keepalive 1; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://us; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_request_buffering {buffering};
            proxy_pass_request_headers on; proxy_next_upstream off;
        }}
    }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def nginx(home: Path, ours: int, buffering: str) -> AsyncIterator[int]:
    port, config = free_port(), home / "nginx.conf"
    config.write_text(
        CONFIG.format(home=home, ours=ours, port=port, buffering=buffering)
    )
    command = ["nginx", "-c", str(config), "-p", str(home), "-e", str(home / "log")]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                assert process.returncode is None
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                break
        yield port
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
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

        async def ask(request: bytes) -> bytes:
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            client.send(request)
            said = b""
            try:
                async with asyncio.timeout(0.05):
                    while data := await client.reader.read(65_536):
                        said += data
            except (TimeoutError, ConnectionError):
                pass
            await client.close()
            return said

        hidden = get("/hidden")
        tries = [*MALFORMED.values(), post(b"a"), chunked(b"a")]
        for number, request in enumerate(tries):
            for smuggled in (request, request + hidden, request[:-1]):
                seen.clear()
                await ask(smuggled)
                assert "/hidden" not in [handler.request.path for handler in seen]

            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            client.send(get(f"/victim/{number}"))
            answer = await client.response()
            await client.close()
            assert answer.headers["x-asked"] == f"GET /victim/{number}"

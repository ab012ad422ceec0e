"""What a stream holds while its client does not read, whatever is offered to it.

Events of some size, that is: one is held until it is whole, and bounded by itself.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from pathlib import Path

import pytest

from tests.daemon import running
from tests.dialect import DONE, event
from tests.serving import chat, read_reply, run

CERTIFICATE = Path(__file__).parents[1] / "data" / "localhost.pem"
STREAMS = 20
MOST = 256 * 1024  # bytes a stream
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


OFFERED = {
    "small chunks": chunk(event("word " * 80)) * 200,
    "large chunks": chunk(event("x" * 10_000) * 10),
    "a chunk without end": event("x" * 1_000) * 100,
}


def resident(pid: int) -> int:
    """Bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s*(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1_024


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of who shows the certificate, and of who trusts it."""
    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shown.load_cert_chain(CERTIFICATE)
    return shown, ssl.create_default_context(cafile=CERTIFICATE)


def choose(loop: str, folder: Path) -> None:
    """Have a daemon that is started in `folder` run on it."""
    if loop == "asyncio":  # found before the real one
        (folder / "uvloop.py").write_text("raise ImportError")


def configuration(port: int, *, tls: bool) -> str:
    text = (
        "models: [{name: p/a, provider: p, token: k, model_size: SMALL,\n"
        f" url: 'http://localhost:{port}/v1/chat/completions'}}]\n"
        "state: {backend: memory}\n"
    )
    if not tls:
        return text
    client = f"http_client_config: {{ca_file: {CERTIFICATE}}}"
    server = f"server: {{tls: {{cert: {CERTIFICATE}, key: {CERTIFICATE}}}}}\n"
    return text.replace("url: 'http:", f"{client}, url: 'https:") + server


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux")
@pytest.mark.parametrize(
    ("offered", "tls", "loop"),
    [
        ("small chunks", False, "uvloop"),
        ("a chunk without end", False, "asyncio"),
        ("large chunks", True, "uvloop"),
        ("large chunks", True, "asyncio"),
    ],
)
def test_a_slow_client_costs_little(
    tmp_path: Path, offered: str, tls: bool, loop: str
) -> None:
    """TLS is from the client and to the provider as well."""
    taken = 0
    shown, trusting = contexts() if tls else (None, None)
    choose(loop, tmp_path)

    async def provide(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal taken
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = re.search(rb"Content-Length: (\d+)", head)
                assert size is not None
                asked = await reader.readexactly(int(size[1]))
                writer.write(HEAD + chunk(event("Once")))
                if b"whole" in asked:
                    writer.write(chunk(event(finish="stop") + DONE) + b"0\r\n\r\n")
                    continue
                if not OFFERED[offered][:1].isdigit():
                    writer.write(b"%x\r\n" % (1 << 40))
                while True:
                    writer.write(OFFERED[offered])
                    await writer.drain()
                    taken += len(OFFERED[offered])
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def begun(port: int) -> asyncio.StreamWriter:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(
            sock=sock,
            limit=1_024,
            ssl=trusting,
            server_hostname="localhost" if tls else None,
        )
        writer.write(chat(stream=True))
        await reader.readuntil(b"\r\n\r\n")
        return writer

    async def test() -> None:
        server = await asyncio.start_server(provide, "127.0.0.1", 0, ssl=shown)
        port = server.sockets[0].getsockname()[1]
        (tmp_path / "c.yaml").write_text(configuration(port, tls=tls))
        async with running("--config", "c.yaml", cwd=tmp_path) as daemon:
            assert daemon.lines[-1]["loop"] == loop
            for _ in range(20):  # so that all is loaded that will be
                reader, writer = await asyncio.open_connection(
                    "localhost", daemon.port, ssl=trusting, family=socket.AF_INET
                )
                writer.write(chat(stream=True, user="whole"))
                assert (await read_reply(reader)).body.endswith(DONE)
                writer.close()
            before = resident(daemon.process.pid)
            clients = [await begun(daemon.port) for _ in range(STREAMS)]
            seen = -1
            while seen != taken:  # another process: it tells nobody that it waits
                seen = taken
                await asyncio.sleep(0.2)
            after = resident(daemon.process.pid)
            for client in clients:
                client.transport.abort()
        server.close()
        assert taken > STREAMS * MOST  # far more was there to be held
        assert (after - before) / STREAMS < MOST

    run(test, seconds=30)

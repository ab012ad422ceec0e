"""What several processes listen on together."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from pathlib import Path

from tests.crew import ECHO, SERVE
from tests.daemon import Daemon, result, running, spawn
from tests.serving import chat, read_reply, request, run

CERTIFICATE = Path(__file__).parent / "data" / "localhost.pem"


def test_a_port_that_workers_share_is_taken_all_the_same(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "c.yaml").write_text(ECHO)
        async with running(*SERVE, cwd=tmp_path) as daemon:
            address = f"127.0.0.1:{daemon.port}"
            for count in ("1", "2"):
                second = (*SERVE[:-1], count, "--addr", address)
                code, _, err = await result(*second, cwd=tmp_path)

                assert code == 1
                assert f"cannot listen on {address}" in err

    run(test, seconds=30)


def test_a_unix_socket_is_shared_and_taken_away_in_the_end(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "proxy.sock"
        (tmp_path / "c.yaml").write_text(ECHO)
        arguments = (*SERVE, "--addr", f"unix:{path}")
        daemon = Daemon(await spawn(*arguments, cwd=tmp_path))
        try:
            line = await daemon.logged("serving")
            assert line["url"] == f"unix:{path}"
            for _ in range(10):
                reader, writer = await asyncio.open_unix_connection(str(path))
                writer.write(chat())
                assert (await read_reply(reader)).status == 200
                writer.close()
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0
            assert not path.exists()
        finally:
            if daemon.process.returncode is None:
                daemon.process.kill()
            await daemon.process.communicate()

    run(test, seconds=30)


def test_a_tls_session_begun_with_one_goes_on_with_the_other(tmp_path: Path) -> None:
    def resumed(port: int) -> list[bool]:
        trust = ssl.create_default_context(cafile=CERTIFICATE)
        session = None
        seen = []
        for _ in range(12):
            with (
                socket.create_connection(("127.0.0.1", port)) as plain,
                trust.wrap_socket(
                    plain, server_hostname="localhost", session=session
                ) as secure,
            ):
                seen.append(bool(secure.session_reused))
                secure.sendall(request("GET", "/ping", headers=()))
                assert b"200 OK" in secure.recv(4_096)
                session = secure.session
        return seen

    async def test() -> None:
        tls = f"tls: {{cert: {CERTIFICATE}, key: {CERTIFICATE}}}"
        (tmp_path / "c.yaml").write_text(f"{ECHO}server: {{workers: 2, {tls}}}\n")
        async with running("--config", "c.yaml", cwd=tmp_path) as daemon:
            assert str(daemon.lines[-1]["url"]).startswith("https:")
            first, *later = await asyncio.to_thread(resumed, daemon.port)

            assert not first
            assert all(later)

    run(test, seconds=30)

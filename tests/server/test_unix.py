from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from pathlib import Path

import attrs
import pytest

from tests.serving import TOKEN, Recorder, read_reply, request, run, settings
from tproxy.app import Proxy
from tproxy.core.secret import Secret
from tproxy.server.unix import bind_unix, unbind
from tproxy.status import Unanswered, ask


def test_a_proxy_is_asked_over_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "proxy.sock"
    plain = settings()
    served = attrs.evolve(plain, server=attrs.evolve(plain.server, path=str(path)))

    async def test() -> None:
        proxy = Proxy(served, Recorder())
        await proxy.start()
        try:
            assert proxy.url == f"unix:{path}"
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(request("GET", "/ping", headers=()))
            assert (await read_reply(reader)).body == b"OK"
            writer.close()
            await writer.wait_closed()
            said = await asyncio.to_thread(ask, proxy.url, Secret(TOKEN))
            assert json.loads(said)["worker"] == os.getpid()
            with pytest.raises(Unanswered, match="refuses"):
                await asyncio.to_thread(ask, proxy.url, Secret(""))
        finally:
            await proxy.stop()

    run(test)
    assert not path.exists()


def test_only_owner_and_group_may_connect(tmp_path: Path) -> None:
    with bind_unix(str(tmp_path / "s")):
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o660


def test_a_socket_left_behind_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    bind_unix(path).close()

    with bind_unix(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_a_socket_in_use_is_not_taken_away(tmp_path: Path) -> None:
    path = str(tmp_path / "s")

    with bind_unix(path), socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(OSError, match="in use"):
            bind_unix(path)
        unbind(path)
        client.connect(path)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("kept")

    with pytest.raises(OSError, match="no socket"):
        bind_unix(str(tmp_path / "s"))

    assert (tmp_path / "s").read_text() == "kept"

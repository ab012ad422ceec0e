"""What is bound: alone, or for several processes."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path

import attrs
import pytest

from tproxy.listening import Listening, listen, listen_together
from tproxy.settings import ServerSettings

LOOPBACK = ServerSettings("127.0.0.1", 0)
CERTIFICATE = str(Path(__file__).parent / "data" / "localhost.pem")


def close(*bound: Listening) -> None:
    for each in bound:
        each.close()


@pytest.mark.parametrize(
    ("server", "url"),
    [
        (LOOPBACK, "http://127.0.0.1:{port}/v1"),
        (ServerSettings("::1", 0), "http://[::1]:{port}/v1"),
        (ServerSettings("", 0), "http://127.0.0.1:{port}/v1"),
        (
            attrs.evolve(LOOPBACK, tls_cert=CERTIFICATE, tls_key=CERTIFICATE),
            "https://127.0.0.1:{port}/v1",
        ),
    ],
)
def test_the_url_is_one_for_clients_on_this_machine(
    server: ServerSettings, url: str
) -> None:
    listening = listen(server)

    assert listening.port > 0
    assert listening.url == url.format(port=listening.port)
    assert (listening.tls is None) == (server.tls_cert is None)
    assert listening.tls is None or listening.tls.options & ssl.OP_NO_RENEGOTIATION
    close(listening)


def test_several_have_a_socket_each_and_one_address() -> None:
    several = listen_together(attrs.evolve(LOOPBACK, workers=3))

    assert len({each.sockets for each in several}) == 3
    assert len({each.url for each in several}) == 1
    assert {each.port for each in several} == {several[0].port}
    close(*several)


def test_connections_are_dealt_out_to_all() -> None:
    several = listen_together(attrs.evolve(LOOPBACK, workers=2))
    clients = [
        socket.create_connection(("127.0.0.1", several[0].port)) for _ in range(60)
    ]

    got = []
    for (bound,) in (each.sockets for each in several):
        bound.setblocking(False)
        accepted = 0
        while True:
            try:
                bound.accept()[0].close()
            except BlockingIOError:
                break
            accepted += 1
        got.append(accepted)
    assert sum(got) == 60
    assert min(got) >= 10
    for client in clients:
        client.close()
    close(*several)


def test_several_share_one_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "s")

    several = listen_together(ServerSettings("", 0, path, workers=2))

    assert several[0].sockets == several[1].sockets
    assert (several[0].url, several[0].port) == (f"unix:{path}", 0)
    close(*several)
    several[0].remove()
    assert not os.path.exists(path)


def test_the_file_of_a_unix_socket_is_left_to_who_made_it(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    listening = listen(ServerSettings("", 0, path))
    close(listening)

    attrs.evolve(listening, made_by=os.getpid() + 1).remove()
    assert os.path.exists(path)

    listening.remove()
    assert not os.path.exists(path)

"""Names and addresses: what cannot be reached is said, a bad address is survived."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.transport.scripted import OK, PATIENT, always, ask, provider, run, upstream
from tproxy.core import failures
from tproxy.core.model import Patience, Reach
from tproxy.core.upstream import Broken
from tproxy.transport import dial
from tproxy.transport.pooled import PooledTransport

_V4, _V6, _TCP = socket.AF_INET, socket.AF_INET6, socket.SOCK_STREAM


def address(port: int) -> dial._Address:
    return (_V4, _TCP, 0, "", ("127.0.0.1", port))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return int(unused.getsockname()[1])


@contextlib.contextmanager
def hole() -> Iterator[int]:
    """A port where connecting neither succeeds nor fails: its queue is full."""
    with contextlib.ExitStack() as held:
        listening = held.enter_context(
            socket.create_server(("127.0.0.1", 0), backlog=0)
        )
        port = listening.getsockname()[1]
        for _ in range(4):
            sock = held.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        yield port


def test_a_name_that_does_not_resolve(loop: str) -> None:
    async def main() -> None:
        with pytest.raises(Broken) as broken:
            async with PooledTransport().open(ask(url), upstream(), PATIENT):
                pass
        assert broken.value.failure is failures.UNRESOLVED

    url = f"http://{'x' * 64}.invalid/"  # a label this long is asked of nobody
    run(loop, main())


def test_what_is_near_is_asked_within_a_few_rounds_of_the_loop(loop: str) -> None:
    """Many begin at once, and each round serves all of them."""

    async def main() -> None:
        async with provider(always(OK)) as there:
            transport = PooledTransport()
            exchange = transport.open(ask(there.url), upstream(), PATIENT)
            entering = asyncio.create_task(exchange.__aenter__())
            rounds = 0
            while not exchange.sent:
                await asyncio.sleep(0)
                rounds += 1
            await entering
            assert rounds < 6  # 3, where the kernel connects at once
            await exchange.__aexit__(None, None, None)
            transport.close()

    run(loop, main())


def test_a_connection_that_does_not_come_is_given_up(loop: str) -> None:
    async def main(port: int) -> None:
        request = ask(f"http://127.0.0.1:{port}")
        with pytest.raises(Broken, match="not in time: connecting") as broken:
            async with PooledTransport().open(request, upstream(), Patience(0.1)):
                pass
        assert broken.value.failure is failures.NO_CONNECT

    with hole() as port:
        run(loop, main(port))


def test_the_next_address_is_tried(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once after a refusal, and beside one that keeps silent."""
    monkeypatch.setattr(dial, "_STAGGER", 0.01)

    async def main(silent: int) -> None:
        async with provider(always(OK)) as there:
            table = (
                [address(closed_port()), address(there.port)],
                [address(silent), address(there.port)],
                [address(silent), address(closed_port()), address(there.port)],
            )
            for number, addresses in enumerate(table, 1):
                sock = await dial._race(addresses)
                assert sock.getpeername()[1] == there.port
                await there.visit(number)
                sock.close()

    with hole() as silent:
        run(loop, main(silent))


def test_the_first_refusal_is_told(loop: str) -> None:
    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await dial._race([address(closed_port()), address(closed_port())])

    run(loop, main())


def test_leaving_while_connecting_leaves_nothing(loop: str) -> None:
    async def main(silent: int) -> None:
        asking = asyncio.ensure_future(dial._race([address(silent), address(silent)]))
        await asyncio.sleep(0)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking

    with hole() as silent:
        run(loop, main(silent))


def test_families_take_turns() -> None:
    found: list[dial._Address] = [
        (family, _TCP, 0, "", (str(number), 1))
        for number, family in enumerate([_V6, _V6, _V6, _V4, _V4])
    ]

    assert [a[4][0] for a in dial._interleaved(found)] == ["0", "3", "1", "4", "2"]


@pytest.mark.parametrize("way", ["plain", "secure", "through a tunnel"])
def test_a_connection_reset_as_it_is_made_is_closed_once(
    loop: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is closed twice may be another's by then."""
    sockets: list[socket.socket] = []
    connected = dial._connected

    async def reset(sock: socket.socket, to: dial._Address) -> socket.socket:
        sockets.append(await connected(sock, to))
        there, _ = listening.accept()
        there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        there.close()
        return sock

    async def main() -> None:
        here = f"127.0.0.1:{listening.getsockname()[1]}"
        proxy = f"http://{here}" if way == "through a tunnel" else None
        transport = PooledTransport(reach=lambda _: Reach(proxy=proxy))
        url = f"http://{here}" if way == "plain" else f"https://{here}"
        with pytest.raises(Broken):
            async with transport.open(ask(url), upstream(), PATIENT):
                pass
        await asyncio.sleep(0)
        assert [sock.fileno() for sock in sockets] == [-1]

    monkeypatch.setattr(dial, "_connected", reset)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        run(loop, main())


@pytest.mark.parametrize("host", ["\udcff", "x" * 64 + "\0"])
def test_what_is_no_name_either_frees_its_place(loop: str, host: str) -> None:
    async def main() -> None:
        transport = PooledTransport(reach=lambda _: Reach(proxy=f"http://{host}"))
        with pytest.raises(Broken):
            async with transport.open(ask("http://a.test"), upstream(), PATIENT):
                pass
        await asyncio.sleep(0)
        assert transport.connections == (0, 0, 0)

    run(loop, main())

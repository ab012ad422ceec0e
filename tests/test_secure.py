"""TLS between two ends and without a network: all of it, in order, and its end told."""

from __future__ import annotations

import asyncio
import gc
import ssl
import weakref
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tproxy.secure import Secure

CERTIFICATE = Path(__file__).parent / "data" / "localhost.pem"
TRUSTING = ssl.create_default_context(cafile=CERTIFICATE)
SERVING = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
SERVING.load_cert_chain(CERTIFICATE)
OLDER = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
OLDER.load_cert_chain(CERTIFICATE)
OLDER.maximum_version = ssl.TLSVersion.TLSv1_2
DATA = bytes(range(251)) * 200  # over three records
READ = 16_384  # bytes, as either engine reads them


class Wire(asyncio.Transport):
    """One side of a socket: what is written stays until the other side reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.paused = self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closing
        self.sent += data

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        assert not self.closing
        self.paused = False

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close


class End(Secure):
    """Keeps what it reads."""

    def __init__(self, context: ssl.SSLContext, read: int, host: str | None) -> None:
        super().__init__(context, memoryview(bytearray(read)), host=host)
        self.wire = Wire()
        self.read, self.said = bytearray(), bytearray()
        self.ended = self.silent = False
        self.on_read: Callable[[], None] = lambda: None

    def feed(self, data: bytes | bytearray) -> int:
        """Read of `data` what one read takes, and say how much."""
        if self.wire.paused or self.wire.closing or not data:
            return 0
        view = self.get_buffer(-1)
        count = min(len(data), len(view))
        view[:count] = data[:count]
        self.buffer_updated(count)
        return count

    def do(self, what: str, data: bytes) -> None:
        silent = self.silent or self.wire.closing
        match what:
            case "write" if not silent:
                self.said += data
                self.write(data)
            case "writelines" if not silent:
                self.said += data
                self.writelines([data[:100], b"", memoryview(data)[100:]])
            case "end":
                self.silent = True
                self.write_eof()
            case "hold":
                self.pause_reading()
            case "catch":  # in mid-read, with more of it decrypted
                self.on_read = self.pause_reading
            case "go on":
                self.on_read = lambda: None
                self.resume_reading()

    def _on_secured(self) -> None:
        self._pump()

    def _on_refused(self, error: OSError) -> None:
        raise error

    def _on_read(self, count: int) -> None:
        assert self._secured
        assert not self._paused
        assert not self.ended
        self.read += self._view[:count]
        self.on_read()

    def _on_notified(self) -> None:
        self.ended = True
        self.close()


def ends(context: ssl.SSLContext = SERVING, read: int = READ) -> tuple[End, End]:
    client, server = End(TRUSTING, read, "localhost"), End(context, read, None)
    client.connection_made(client.wire)
    server.connection_made(server.wire)
    return client, server


def move(end: End, other: End, most: int = 1 << 20) -> bool:
    """Carry at most so many bytes across; whether there were any to carry."""
    count = other.feed(end.wire.sent[:most])
    del end.wire.sent[:count]
    return count > 0


def settle(one: End, other: End) -> None:
    while move(one, other) or move(other, one):
        pass


def secured(context: ssl.SSLContext = SERVING) -> tuple[End, End]:
    client, server = ends(context)
    settle(client, server)
    return client, server


def run(main: Coroutine[Any, Any, None]) -> list[object]:
    """Run `main`; return what was raised to the loop."""
    raised: list[object] = []
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(
            lambda _, what: raised.append(what["exception"])
        )
        runner.run(main)
    return raised


STEP = st.tuples(
    st.sampled_from(["write", "writelines", "move", "hold", "catch", "go on", "end"]),
    st.sampled_from([0, 1]),
    st.integers(0, 300) | st.integers(0, len(DATA)),
)


@settings(max_examples=60)
@given(
    st.lists(STEP, max_size=40),
    st.sampled_from([SERVING, OLDER]),
    st.sampled_from([97, READ]),
    st.booleans(),
)
def test_all_arrives_in_order_however_it_is_cut_and_held(
    steps: list[tuple[str, int, int]],
    context: ssl.SSLContext,
    read: int,
    from_the_first: bool,
) -> None:
    async def main() -> None:
        client, server = both = ends(context, read)
        if not from_the_first:
            settle(client, server)
        for what, side, size in steps:
            if what == "move":
                move(both[side], both[1 - side], size)
            elif both[side]._secured:
                both[side].do(what, DATA[-size:])
                await asyncio.sleep(0)
        settle(client, server)
        for what in ("go on", "end"):
            for end in both:
                end.do(what, b"")
            await asyncio.sleep(0)
            settle(client, server)

        assert server.read == client.said
        assert client.read == server.said
        assert server.ended or client.ended

    assert run(main()) == []


@pytest.mark.parametrize("context", [SERVING, OLDER], ids=["1.3", "1.2"])
def test_what_is_held_is_delivered_though_its_sender_has_left(
    context: ssl.SSLContext,
) -> None:
    async def main() -> None:
        client, server = secured(context)
        server.on_read = server.pause_reading
        client.write(DATA)
        client.close()
        for _ in range(100):
            settle(client, server)
            assert server.wire.paused or server.ended
            if server.ended:
                break
            server.resume_reading()
            await asyncio.sleep(0)

        assert server.read == DATA

    assert run(main()) == []


def test_to_say_that_nothing_more_comes_loses_nothing_that_came() -> None:
    async def main() -> None:
        client, server = ends(read=97)
        settle(client, server)
        server.on_read = server.pause_reading
        client.write(DATA)
        settle(client, server)
        server.write(b"all")
        server.write_eof()
        server.do("go on", b"")
        await asyncio.sleep(0)
        settle(client, server)

        assert server.read == DATA
        assert client.read == b"all"
        assert client.ended

    assert run(main()) == []


def test_what_is_written_too_late_is_lost_in_silence() -> None:
    async def main() -> None:
        client, server = secured()
        server.feed(b"this is no record")
        assert isinstance(server._error, ssl.SSLError)
        for _ in ("before the loop says that it is gone", "after"):
            server.write(b"a")
            server.writelines([DATA])
            server.write_eof()
            server.resume_reading()
            await asyncio.sleep(0)
            server.close()
            if server.wire.sent:  # the alert
                move(server, client)
                server.connection_lost(None)

        assert not client.read
        assert not client.ended

    assert run(main()) == []


def test_nothing_is_read_on_for_an_inside_that_raised() -> None:
    def fail() -> None:
        raise KeyError

    async def main() -> None:
        client, server = secured()
        server.pause_reading()
        client.write(b"a")
        server._incoming.write(client.wire.sent)
        server.on_read = fail
        server.resume_reading()
        await asyncio.sleep(0)

        assert server.wire.closing

    [raised] = run(main())
    assert isinstance(raised, KeyError)


def test_what_tls_holds_goes_with_its_connection() -> None:
    """And waits for no collector, though the connection may."""

    async def main() -> None:
        _, server = secured()
        gc.disable()
        held = weakref.ref(server._tls)
        server.on_read = server.close  # refers to itself
        server.connection_lost(None)

        assert held() is None

    try:
        assert run(main()) == []
    finally:
        gc.enable()

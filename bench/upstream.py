"""A mock provider as a process of its own, too cheap to be what is measured.

Each request says in a `Plan` what it wants. `GET /stats` counts what arrived.
"""

from __future__ import annotations

import argparse
import asyncio
import json

import attrs

from bench import wire
from bench.wire import Connection, Plan, Reader

_OK = b"HTTP/1.1 200 OK\r\n"
_JSON = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
_SMALL = _OK + _JSON % (len(wire.ANSWER), wire.ANSWER)
_STREAM = _OK + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_ERROR = b'{"error":{"message":"as planned","type":"server_error","code":null}}'


def _framed(event: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event), event)


_LAST = _framed(wire.END) + b"0\r\n\r\n"


@attrs.define
class Stats:
    """`hung_up` counts answers that were not wanted to their end."""

    connections: int = 0
    open: int = 0
    requests: int = 0
    hung_up: int = 0


@attrs.define(eq=False)
class Provider(Connection):
    """One connection."""

    _stats: Stats
    _reader: Reader = attrs.field(factory=lambda: Reader(response=False))
    _body: list[bytes] = attrs.field(factory=list)
    _timer: asyncio.TimerHandle | None = None  # set while an answer is due
    _loop: asyncio.AbstractEventLoop = attrs.field(
        factory=asyncio.get_running_loop, init=False
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._stats.connections += 1
        self._stats.open += 1

    def connection_lost(self, error: Exception | None) -> None:
        self._stats.open -= 1
        if self._timer is not None:
            self._stats.hung_up += 1
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._body.append(self._reader.feed(data))
        if not self._reader.done:
            return
        body = b"".join(self._body)
        self._body = []
        if self._reader.head.startswith(b"GET /stats "):
            said = json.dumps(attrs.asdict(self._stats)).encode()
            self.transport.write(_OK + _JSON % (len(said), said))
            return
        self._stats.requests += 1
        plan = Plan.of(body)
        if plan.delay:
            self._timer = self._loop.call_later(plan.delay, self._answer, plan)
        else:
            self._answer(plan)

    def _answer(self, plan: Plan) -> None:
        self._timer = None
        if plan.fault.isdecimal():
            head = b"HTTP/1.1 %s As planned\r\n" % plan.fault.encode()
            self.transport.write(head + _JSON % (len(_ERROR), _ERROR))
        elif plan.fault == "silent":
            return
        elif plan.fault == "reset":
            self.transport.abort()
        elif plan.fault == "garbage":
            self.transport.write(b"no such protocol\r\n\r\n")
        elif plan.chunks:
            self._go_on(plan, 0, _STREAM)
        elif plan.fault == "cut":
            self.transport.write(_SMALL[:-100])
            self.transport.close()
        else:
            self.transport.write(_SMALL)

    def _go_on(self, plan: Plan, number: int, head: bytes = b"") -> None:
        sent = wire.now()
        end = min(number + plan.burst, plan.chunks)
        events = [_framed(wire.chunk(n, sent)) for n in range(number, end)]
        self._timer = None
        if end == plan.chunks:
            self.transport.write(b"".join((head, *events, _LAST)))
            return
        self.transport.write(b"".join((head, *events)))
        if plan.fault and end * 2 >= plan.chunks:
            if plan.fault == "error":
                self.transport.write(_framed(b"data: %s\n\n" % _ERROR))
            self.transport.close()
            return
        self._timer = self._loop.call_later(plan.gap, self._go_on, plan, end)


async def serve(port: int) -> None:
    """Answer until cancelled."""
    stats, loop = Stats(), asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Provider(stats), wire.HOST, port, backlog=4_096
    )
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    wire.run(serve(parser.parse_args().port))

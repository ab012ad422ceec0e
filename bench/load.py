"""Asks a proxy, checks every byte of its answers, and times them.

A run ends after a number of requests, or after some seconds; with `--rate` requests
begin at that pace, whatever the answers do. Prints a `Report` as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import attrs

from bench import wire
from bench.wire import HOST, PATH, TOKEN, Plan, Reader

_HEAD = (
    f"POST {PATH} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {TOKEN}\r\n"
    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
).encode()


@attrs.frozen
class Report:
    """What one run saw. Each pair of times is the median and the 99th percentile.

    `reads` counts what the network handed us: chunks that left together arrive so.
    """

    requests: int
    seconds: float
    problems: Mapping[str, int]
    whole: Sequence[float] = (0.0, 0.0)  # seconds, to the end of the answer
    first: Sequence[float] = (0.0, 0.0)  # seconds, to the first byte of its body
    late: Sequence[float] = (0.0, 0.0)  # seconds from provider to us, per chunk
    chunks: int = 0
    reads: int = 0


@attrs.define(eq=False)
class Check:
    """Follows one answer against its plan."""

    plan: Plan
    problems: list[str] = attrs.field(factory=list)
    late: list[int] = attrs.field(factory=list)  # microseconds, per chunk
    _next: int = 0
    _held: bytes = b""
    _tail: bytes = b""  # what came after the last chunk

    def feed(self, body: bytes) -> None:
        if not self.plan.chunks:
            self._held += body
            return
        *events, self._held = (self._held + body).split(b"\n\n")
        arrived = wire.now()
        for event in events:
            if self._next < self.plan.chunks:
                self._chunk(event + b"\n\n", arrived)
            else:
                self._tail += event + b"\n\n"

    def end(self, status: int, *, whole: bool) -> None:
        if status != 200:
            self.problems.append(f"status {status}")
        elif not whole:
            self.problems.append("broke off")
        elif not self.plan.chunks:
            if self._held != wire.ANSWER:
                self.problems.append("another answer")
        elif self._next < self.plan.chunks:
            self.problems.append("chunks lost")
        elif self._tail + self._held != wire.END:
            self.problems.append("another end")

    def _chunk(self, event: bytes, arrived: int) -> None:
        try:
            number, sent = wire.read_chunk(event)
        except ValueError:
            number, sent = -1, 0
        if number < 0 or event != wire.chunk(number, sent):
            self.problems.append("chunk damaged")
            return
        if number != self._next:
            self.problems.append("chunks lost or out of order")
        self._next = number + 1
        self.late.append(arrived - sent)


@attrs.define(eq=False)
class Caller(asyncio.Protocol):
    """One client: a connection that is kept, and opened again when it has to be."""

    _port: int
    reads: int = 0
    first: float = 0.0  # seconds to the first byte of the last answer
    _asked: float = 0.0
    _reader: Reader = attrs.field(factory=lambda: Reader(response=True))
    _check: Check = attrs.field(factory=lambda: Check(Plan()))
    _transport: asyncio.Transport | None = None
    _answered: asyncio.Future[bool] | None = None

    async def connect(self) -> asyncio.Transport:
        loop = asyncio.get_running_loop()
        self._reader = Reader(response=True)
        self._transport, _ = await loop.create_connection(
            lambda: self, HOST, self._port
        )
        return self._transport

    async def ask(self, plan: Plan, body: bytes, leave: float | None = None) -> Check:
        """Ask, and wait for the end; or hang up after `leave` seconds."""
        transport = self._transport or await self.connect()
        check = self._check = Check(plan)
        self._answered = asyncio.get_running_loop().create_future()
        self._asked, self.first = time.perf_counter(), 0.0
        transport.write(_HEAD % len(body) + body)
        whole = False
        with suppress(TimeoutError):
            if leave is None:
                whole = await self._answered
            else:
                async with asyncio.timeout(leave):
                    whole = await self._answered
        check.end(self._reader.status, whole=whole)
        if not whole or (check.problems and self._reader.status == 200):
            self.close()  # after an error in its stream, so does the proxy
        return check

    @property
    def head(self) -> bytes:
        """Of the last answer."""
        return self._reader.head

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def data_received(self, data: bytes) -> None:
        self.reads += 1
        body = self._reader.feed(data)
        if body:
            self.first = self.first or time.perf_counter() - self._asked
            self._check.feed(body)
        if self._reader.done:
            if b"\r\nConnection: close" in self._reader.head:
                self.close()
            self._end(whole=True)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._end(whole=False)

    def _end(self, *, whole: bool) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(whole)


def percentiles(values: Iterable[float]) -> tuple[float, float]:
    """Median and 99th percentile; zeros for none."""
    ranked = sorted(values)
    if not ranked:
        return 0.0, 0.0
    return ranked[len(ranked) // 2], ranked[int(len(ranked) * 0.99)]


async def load(
    port: int,
    plan: Plan,
    *,
    connections: int,
    requests: int = 1 << 62,
    seconds: float = 3_600.0,
    rate: float = 0.0,
    size: int = 1_024,
) -> Report:
    """Ask from that many connections at once until one of the limits is reached."""
    body = plan.body(size)
    callers = [Caller(port) for _ in range(connections)]
    for caller in callers:
        await caller.connect()
    turns = iter(range(requests))
    checks: list[Check] = []
    times: list[tuple[float, float]] = []
    start = time.perf_counter()

    async def work(caller: Caller) -> None:
        for turn in turns:
            begun = time.perf_counter()
            if rate and start + turn / rate > begun:
                await asyncio.sleep(start + turn / rate - begun)
                begun = time.perf_counter()
            if begun - start >= seconds:
                break
            checks.append(await caller.ask(plan, body))
            times.append((time.perf_counter() - begun, caller.first))

    await asyncio.gather(*map(work, callers))
    took = time.perf_counter() - start
    for caller in callers:
        caller.close()
    late = [microseconds / 1e6 for check in checks for microseconds in check.late]
    return Report(
        requests=len(checks),
        seconds=took,
        problems=Counter(what for check in checks for what in check.problems),
        whole=percentiles(whole for whole, _ in times),
        first=percentiles(first for _, first in times),
        late=percentiles(late),
        chunks=len(late),
        reads=sum(caller.reads for caller in callers),
    )


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--requests", type=int, default=1 << 62)
    parser.add_argument("--seconds", type=float, default=3_600.0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--size", type=int, default=1_024)
    for field in attrs.fields(Plan):
        parser.add_argument(
            f"--{field.name}", type=type(field.default), default=field.default
        )
    said = vars(parser.parse_args())
    plan = Plan(**{field.name: said.pop(field.name) for field in attrs.fields(Plan)})
    print(json.dumps(attrs.asdict(wire.run(load(plan=plan, **said)))))


if __name__ == "__main__":
    _main()

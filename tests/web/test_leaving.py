"""A client that leaves, in whatever phase, takes along all that was held for it.

Over sockets, on both loops: the provider's connection closes at once, and the proxy is
as it was before the request came.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Mapping

import attrs
import pytest

from tests.dialect import event
from tests.e2e.stage import Stage, at, said, staged
from tests.faults.script import JSON, End, Script, chunked, head, whole
from tests.faults.upstream import ScriptedUpstream, deaf, scripted
from tests.serving import chat, request, serving
from tests.transport.scripted import LOOPS, run
from tests.values import per
from tproxy.core.budget import Budget
from tproxy.core.model import Limits, Model, Reach, RetryPolicy, Routing, Throttle
from tproxy.core.windows import MINUTE
from tproxy.server.connection import Connection
from tproxy.transport.client import PooledClient
from tproxy.transport.pooled import PooledTransport

SOON = 0.1  # seconds
TIMES = 3  # of which the median counts: a machine may be busy
TURNS = 100  # of the loop, which is no time at all

BEGUN = [event(), event("Once"), event(" upon")]
HOLD: Script = [End.HOLD]
HALF_A_HEAD: Script = [b"HTTP/1.1 200 OK\r\n", End.HOLD]
CUT: Script = [
    head(200, {**JSON, "Content-Length": "1000"}),
    b'{"choices": [',
    End.HOLD,
]
ERROR: Script = [head(500, {**JSON, "Content-Length": "9"}), b"{", End.HOLD]
PATIENT = Routing(wait_seconds=100.0)
REPEATING = RetryPolicy(max_retries=3, base_delay=60.0, max_delay=60.0)


def reaching(model: Model, url: str, reach: Reach) -> Model:
    upstream = attrs.evolve(model.upstream, url=url, reach=reach)
    return attrs.evolve(model, upstream=upstream)


def alone(model: Model) -> Model:
    return reaching(model, model.upstream.url, Reach(Limits(max_conns_per_host=1)))


def secure(model: Model) -> Model:
    url = model.upstream.url.replace("http:", "https:")
    return reaching(model, url, Reach())


def proxied(model: Model) -> Model:
    """What listens is the proxy."""
    proxy = model.upstream.url.partition("/v1/")[0]
    return reaching(model, "https://provider.invalid/v1", Reach(proxy=proxy))


def throttled(model: Model) -> Model:
    return attrs.evolve(model, throttle=Throttle("t", max_concurrent=1))


def limited(model: Model) -> Model:
    return attrs.evolve(model, budgets=(Budget("b", (per(MINUTE, 1),)),))


@attrs.frozen
class Phase:
    """Where a request stands when its client leaves.

    `does` is what the provider does when asked, whole and streamed. `blocked`: so many
    other requests are under way, and hold what this one wants. `reached`, from what is
    held, says that it is there; without it, that is when the provider has been asked.
    """

    name: str
    does: tuple[Script, Script] = (HOLD, HOLD)
    change: Callable[[Model], Model] = lambda model: model
    blocked: int = 0
    reached: Callable[[Mapping[str, int]], bool] | None = None
    on_accept: Script = ()
    deaf: bool = False  # it is asked where connections are never accepted


PHASES = [
    Phase(
        "waits for a connection",
        change=alone,
        blocked=1,
        reached=lambda held: held["waiting"] == 1,
    ),
    Phase(
        "is first in line at a throttle",
        change=throttled,
        blocked=1,
        reached=lambda held: held["lines"] == 1,
    ),
    Phase(
        "is next in line at a throttle",
        change=throttled,
        blocked=2,
        reached=lambda held: held["line"] == 1,
    ),
    Phase(
        "waits for a quota",
        change=limited,
        blocked=1,
        reached=lambda held: held["lines"] == 1,
    ),
    Phase("connects", deaf=True, reached=lambda held: held["dials"] == 1),
    Phase("waits for a proxy", change=proxied),
    Phase("shakes hands", change=secure, reached=lambda held: held["there"] == 1),
    Phase(
        "is in the handshake",
        change=secure,
        on_accept=[b"\x16\x03\x03"],
        reached=lambda held: held["there"] == 1,
    ),
    Phase("waits for the head"),
    Phase("is in the head", (HALF_A_HEAD, HALF_A_HEAD)),
    Phase("waits for content", (CUT, chunked([BEGUN[0], End.HOLD]))),
    Phase("is in the answer", (CUT, chunked([*BEGUN, End.HOLD]))),
    Phase("is in an error", (ERROR, ERROR)),
    Phase(
        "pauses before it asks again",
        (whole(b"{}", 500),) * 2,
        reached=lambda held: held["repeats"] > 0,
    ),
]  # fmt: skip


def held(stage: Stage, upstream: ScriptedUpstream) -> dict[str, int]:
    """All that a request may hold."""
    proxy = stage.proxy
    assert isinstance(proxy.transport, PooledTransport)
    client = proxy.transport._client
    assert client is None or isinstance(client, PooledClient)
    hosts = [] if client is None else list(client._pool.hosts.values())
    queues, budget = proxy._admission.queues, proxy._ports.budget
    idle = sum(len(host._idle) for host in hosts)
    server = proxy._server
    assert server is not None
    return {
        "handlers": len(proxy._context.active),
        "clients": server.connections,
        "leases": len(proxy._ports.leases._open),
        "repeats": sum(budget._repeats.values()),
        "asked": sum(budget._under_way.values()),
        "lines": len(queues.lengths()),
        "line": sum(queues.lengths().values()),
        "used": sum(host.places for host in hosts) - idle,
        "waiting": sum(len(host.waiting) for host in hosts),
        "dials": sum(len(host._dials) for host in hosts),
        "there": len(upstream.connected) - idle,
        "files": len(os.listdir("/proc/self/fd")) - 2 * idle,  # its ends are both ours
    }


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing in it can be awaited
        await asyncio.sleep(0)


async def come(stage: Stage, stream: bool) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", stage.proxy.port)
    writer.write(request("POST", "/v1/chat/completions", said(stream=stream)))
    return writer


async def forgotten(
    phase: Phase, stage: Stage, upstream: ScriptedUpstream, stream: bool
) -> float:
    """Seconds from leaving, in that phase, until all is as it was before."""
    before, asked = held(stage, upstream), len(upstream.asked)
    logged = len(stage.recorder.requests)
    writer = await come(stage, stream)
    if phase.reached is None:
        await until(lambda: len(upstream.asked) > asked)
    else:
        is_there = phase.reached
        await until(lambda: is_there(held(stage, upstream)))
    for _ in range(TURNS):  # to where it waits
        await asyncio.sleep(0)
    assert held(stage, upstream) != before
    writer.transport.abort()
    began = time.perf_counter()
    await until(lambda: held(stage, upstream) == before)
    took = time.perf_counter() - began
    [line] = stage.recorder.requests[logged:]
    assert line.left
    return took


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.name)
@pytest.mark.parametrize("loop", LOOPS)
def test_nothing_is_held_for_a_client_that_has_left(
    loop: str, phase: Phase, stream: bool
) -> None:
    async def main() -> None:
        async with scripted(phase.does[stream], on_accept=phase.on_accept) as upstream:
            url = f"http://127.0.0.1:{silent}/v1" if phase.deaf else upstream.url
            model = phase.change(at(url, "p/a"))
            async with staged(model, routing=PATIENT, retry=REPEATING) as stage:
                others: list[asyncio.StreamWriter] = []
                for _ in range(phase.blocked):
                    others.append(await come(stage, stream))
                    await upstream.first_asked()
                    await until(
                        lambda: held(stage, upstream)["handlers"] == len(others)
                    )
                times = [
                    await forgotten(phase, stage, upstream, stream)
                    for _ in range(TIMES)
                ]
                assert statistics.median(times) < SOON
                for other in others:
                    other.transport.abort()
                await until(lambda: not held(stage, upstream)["handlers"])

    with deaf() as silent:
        run(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_that_leaves_as_it_asks_is_told_of(loop: str) -> None:
    """Over TLS, a request and the end may come in one read."""

    async def main() -> None:
        async with serving() as (proxy, recorder):
            server = proxy._server
            assert server is not None
            _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            await until(lambda: server.connections == 1)
            [connection] = server._open()
            assert isinstance(connection, Connection)
            connection.data_received(chat())
            connection.eof_received()
            await until(lambda: server.connections == 0)
            writer.close()

            [line] = recorder.requests
            assert (line.left, line.attempts) == (True, ())  # nobody was asked

    run(loop, main())

"""D: what it costs to decide, where all is well: whom to ask, whether it may be asked.

In this process, without sockets: a whole answer from a provider that takes no time,
less what is no decision of ours, its request written and its answer read; and less its
quotas taken and settled, which are told of apart. The rest is the search for the model,
eligibility, turns, the breaker, what is let go of, and the trail. Also told of apart is
the choice alone: all up to knowing whom to ask, in which order.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from bench import wire
from bench.reliability import house
from bench.reliability.figures import Figure
from bench.wire import TOKEN, Plan
from tproxy.app import Dialects, Proxy
from tproxy.core.chat import ChatRequest
from tproxy.core.events import Event
from tproxy.core.leases import Lease
from tproxy.core.model import Client, Patience, Upstream
from tproxy.core.upstream import UpstreamHead, UpstreamRequest
from tproxy.process import spare_what_stays
from tproxy.providers import dialect
from tproxy.relay.answer import passed_on
from tproxy.relay.cost import Purse
from tproxy.relay.reading import at_once, whole
from tproxy.relay.relay import Relay
from tproxy.relay.search import Search
from tproxy.relay.trail import Trail
from tproxy.settings import load

_ROUNDS = 20
_EACH = 500  # requests a round
_QUOTAS = (
    "requests_per_minute: 100000000",
    "requests_per_day: 100000000",
    "tokens_per_day: 100000000000",
)
_HEAD = UpstreamHead(200, {"content-type": "application/json"})
_CASES = {"one model": ("only", 1), "of 3": ("bench", 3), "of 10": ("bench", 10)}


@attrs.define(eq=False)
class Instant:
    """A transport, and its reply: the whole answer at once."""

    head: UpstreamHead = _HEAD
    _left: bytes = b""

    def open(
        self, request: UpstreamRequest, upstream: Upstream, patience: Patience
    ) -> Self:
        self._left = wire.ANSWER
        return self

    def rest(self) -> bytes:
        data, self._left = self._left, b""
        return data

    async def read(self, sink: object = None) -> bytes:
        return self.rest()

    def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Silent:
    """An observer."""

    def emit(self, event: Event) -> None: ...


def run(folder: Path, scale: float) -> Iterator[Figure]:
    rounds = max(int(_ROUNDS * scale), 1)
    for name, (asked, count) in _CASES.items():
        bench = [
            house.model(f"model-{number}", 9, *_QUOTAS, category="bench")
            for number in range(count)
        ]
        file = folder / "tproxy.yaml"
        file.write_text(house.config([*bench, house.model("only", 9, *_QUOTAS)]))
        file.chmod(0o600)
        settings = load(
            file, environ={"AUTH_TOKEN": TOKEN}, dialects=Dialects(), env_files=()
        )
        spare_what_stays()  # as the daemon does
        proxy = Proxy(settings, Silent(), transport=Instant())
        relay = proxy._context.snapshot.relay  # there is no other way to one
        body = house.body(Plan(), asked)
        client = settings.clients[0]
        chosen, decided, counted = asyncio.run(_parts(relay, client, body, rounds))
        yield Figure(f"{name}: the choice in it", chosen, "µs")
        yield Figure(f"{name}: a decision", decided, "µs", most=10)
        yield Figure(f"{name}: three limits taken and settled", counted, "µs")


async def _parts(
    relay: Relay, client: Client, body: bytes, rounds: int
) -> tuple[float, float, float]:
    """Microseconds of a choice, a decision and its quotas, the medians of rounds."""
    chat = ChatRequest.parse(body, "bench", 0)
    model = relay.catalog.find(chat.model, chat.kind).models[0]
    adapter, doors = dialect(model.upstream.dialect).chat, relay.doors

    async def answer() -> None:
        await (await relay.answer(chat, client, Trail())).end()

    async def relayed() -> None:
        request = await doors.signed(adapter.build_request(chat, model), model, 9.0)
        upstream = model.upstream
        async with doors.transport.open(request, upstream, upstream.patience) as reply:
            said = at_once(reply) or await whole(reply)
        adapter.parse_response(reply.head, said, chat, model)
        passed_on(reply.head.headers, kind="application/json")

    purse, quotas = Purse.of(model, client), relay.ports.quotas
    cost, actual = purse.cost(250, 400, 1), purse.cost(250, 60, 1)

    async def counted() -> None:
        lease = await quotas.reserve(purse.budgets, cost)
        if isinstance(lease, Lease):
            await quotas.settle(lease, actual)

    outlook = relay._outlook

    async def chosen() -> None:
        asked = relay.catalog.find(chat.model, chat.kind)
        search = Search(chat, client, Trail(), asked, math.inf)
        if outlook.alone(search) is None:
            await outlook.selection(search)

    figures = [
        [await _timed(f) for f in (answer, relayed, counted, chosen)]
        for _ in range(rounds)
    ]
    choices = [choice for *_, choice in figures]
    decisions = [all - base - quota for all, base, quota, _ in figures]
    taken = [quota for _, _, quota, _ in figures]
    choice, decision, quota = map(statistics.median, (choices, decisions, taken))
    return choice * 1e6, decision * 1e6, quota * 1e6


async def _timed(once: Callable[[], Awaitable[None]]) -> float:
    """Seconds of one."""
    begun = time.process_time()
    for _ in range(_EACH):
        await once()
    return (time.process_time() - begun) / _EACH

"""A relay with a script at every port."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest

from tests import dialect as openai
from tests.clocks import LoopClock, in_no_time
from tests.fakes import Act, FakeBreakers, FakeQuotas, FakeTransport, Gate, Script
from tproxy import providers
from tproxy.core import failures
from tproxy.core.budget import Budget
from tproxy.core.catalog import Catalog
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import ProxyError
from tproxy.core.failures import Failure
from tproxy.core.hedging import Hedging
from tproxy.core.leases import QuotaStore
from tproxy.core.model import Client, Model, Patience, RetryPolicy, Routing, Upstream
from tproxy.core.pace import Paces
from tproxy.core.request import Request
from tproxy.core.secret import Secret
from tproxy.core.selection import Candidate, Selection
from tproxy.core.state import Breakers, Clock
from tproxy.core.upstream import Broken, Dialect, UpstreamRequest
from tproxy.relay.admission import Admission
from tproxy.relay.answer import Answer
from tproxy.relay.attempt import Ports
from tproxy.relay.budget import RetryBudget
from tproxy.relay.cost import Answers
from tproxy.relay.doors import Doors
from tproxy.relay.leases import OpenLeases
from tproxy.relay.queues import Queues
from tproxy.relay.relay import Relay
from tproxy.relay.trail import Trail
from tproxy.selection.eligible import select, unfit
from tproxy.selection.strategies import strategy
from tproxy.state.memory import MemoryStarts, MemoryTurns

ANYBODY = Client("anybody", ())
SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}

DOWN = Broken(failures.UNREACHABLE, "refused")
ROWS = [row for row in vars(failures).values() if isinstance(row, Failure)]
# No failures, and repeated for free.
NOBODYS = (failures.STALE, failures.EXPIRED, failures.UNTAKEN)
ONCE = RetryPolicy(max_retries=0)

streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def says(text: str) -> Script:
    """A whole answer that is streamed."""
    return Script(openai.stream(text), headers=SSE)


def tells(text: str) -> Script:
    """A whole answer that is not."""
    return Script([openai.completion(text)], headers=JSON)


def good(text: str, stream: bool) -> Script:
    return says(text) if stream else tells(text)


def whole(script: Script) -> bytes:
    return b"".join(read for read in script.reads if isinstance(read, bytes))


def fails(status: int, body: bytes = b"", **headers: str) -> Script:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Script([body], status=status, headers={**JSON, **named})


def model(name: str, *, category: str | None = "SMALL", priority: int = 1) -> Model:
    return Model(
        name=name,
        provider=f"account-of-{name}",
        upstream_name=name,
        upstream=Upstream(
            f"https://{name}/v1/chat/completions", "openai", Secret("a-secret")
        ),
        category=category,
        priority=priority,
        budgets=(Budget(f"quota of {name}"),),
    )


def request(called: str | None = "SMALL", *, stream: bool = False) -> ChatRequest:
    said = {"messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    if called is not None:
        said["model"] = called
    return ChatRequest.parse(json.dumps(said).encode())


@attrs.define
class Seen:
    """What a client got: an answer with its body, or an error."""

    reads: list[bytes]
    answer: Answer | None = None
    error: ProxyError | None = None

    def out(self, data: bytes) -> asyncio.Future[None]:
        """Where the body is poured; it takes all at once."""
        self.reads.append(data)
        taken = asyncio.get_running_loop().create_future()
        taken.set_result(None)
        return taken

    @property
    def text(self) -> bytes:
        whole = None if self.answer is None else self.answer.begun.whole
        return b"".join(self.reads) if whole is None else whole

    @property
    def told(self) -> tuple[int, str]:
        assert self.error is not None, self.text
        return self.error.told.status, self.error.told.code

    @property
    def retry_after(self) -> object:
        return getattr(self.error, "retry_after", None)


@attrs.define(eq=False)
class Rig:
    """Models are named like the hosts of `acts`, and asked in that order."""

    acts: Mapping[str, Act | Sequence[Act]]
    routing: Routing = Routing()
    retry: RetryPolicy = RetryPolicy(jitter=0.0)
    patience: Patience = Patience()
    models: tuple[Model, ...] = ()
    gate: Gate = attrs.field(factory=Gate)
    clock: Clock = attrs.field(factory=LoopClock)
    chance: float = 0.5
    trail: Trail = attrs.field(factory=Trail)
    slept: list[float] = attrs.field(factory=list)
    serving: int = attrs.field(default=0, init=False)
    starts: MemoryStarts = attrs.field(init=False)
    quotas: FakeQuotas = attrs.field(init=False)
    breakers: FakeBreakers = attrs.field(init=False)
    transport: FakeTransport = attrs.field(init=False)
    dialect: Callable[[str], Dialect] = providers.dialect
    outside: FakeTransport = attrs.field(factory=lambda: FakeTransport({}))
    fetches_links: bool = False
    budget: RetryBudget = attrs.field(factory=RetryBudget)
    queues: Queues = attrs.field(factory=Queues)
    leases: OpenLeases = attrs.field(factory=OpenLeases)
    answers: Answers = attrs.field(factory=Answers)
    hedging: dict[str, Hedging] = attrs.field(factory=lambda: defaultdict(Hedging))
    plain: set[tuple[str, str]] = attrs.field(factory=set)
    paces: Paces = attrs.field(factory=Paces)
    died: list[bool] = attrs.field(factory=list)  # whether a refused token had
    real_quotas: QuotaStore | None = None
    real_breakers: Breakers | None = None

    def __attrs_post_init__(self) -> None:
        self.starts = MemoryStarts(self.clock)
        self.quotas = FakeQuotas(self.gate)
        self.breakers = FakeBreakers(self.gate)
        acts = {
            name: [act] if not isinstance(act, Sequence) else act
            for name, act in self.acts.items()
        }
        self.transport = FakeTransport(acts, self.gate)
        if not self.models:
            self.models = tuple(
                model(name, priority=number) for number, name in enumerate(self.acts)
            )

    @property
    def asked(self) -> list[str]:
        return self.transport.asked

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        """What the breakers were told of attempts that ended."""
        return [told for told in self.breakers.told if told[1] != "asked"]

    @property
    def relay(self) -> Relay:
        models = [
            attrs.evolve(m, upstream=attrs.evolve(m.upstream, patience=self.patience))
            for m in self.models
        ]
        return Relay(
            catalog=Catalog.of(models, self.routing.fallbacks),
            select=self._select,
            unfit=unfit,
            dialect=self.dialect,
            doors=Doors(self, self.transport, self.outside),
            admission=Admission(
                Ports(
                    self.real_quotas or self.quotas,
                    self.real_breakers or self.breakers,
                    self.clock,
                    self.budget,
                    self.leases,
                    self.answers,
                    self.hedging,
                    self.plain,
                    self.paces,
                ),
                self.starts,
                MemoryTurns(),
                self.sleep,
                queues=self.queues,
            ),
            routing=self.routing,
            retry=self.retry,
            chance=lambda: self.chance,
            sleep=self.sleep,
            fetches_links=self.fetches_links,
        )

    def _select(
        self,
        request: Request,
        client: Client,
        candidates: Sequence[Candidate],
        called: str,
    ) -> Selection:
        order = strategy(self.routing.by)
        return select(request, client, candidates, order, called=called)

    async def sign(
        self, request: UpstreamRequest, upstream: Upstream
    ) -> UpstreamRequest:
        await self.gate.passing("signer.sign")
        return request

    def refused(self, request: UpstreamRequest, upstream: Upstream) -> bool:
        return self.died.pop(0) if self.died else False

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self.gate.passing("sleep")
        await asyncio.sleep(seconds)  # takes no time on the loop of `in_no_time`

    @asynccontextmanager
    async def answering(
        self, request: Request, client: Client = ANYBODY
    ) -> AsyncIterator[Answer]:
        answer = await self.relay.answer(request, client, self.trail)
        try:
            yield answer
        finally:
            await answer.end()

    async def asking(self, request: Request, client: Client = ANYBODY) -> Seen:
        seen = Seen([])
        self.serving += 1
        try:
            async with self.answering(request, client) as seen.answer:
                if seen.answer.begun.body is not None:
                    await seen.answer.begun.body.pour(seen.out)
        except ProxyError as error:
            seen.error = error
        finally:
            self.serving -= 1
        if not self.serving:
            assert not self.transport.under_way, "an exchange or a body was left open"
        return seen

    def ask(
        self,
        called: str | None = "SMALL",
        *,
        stream: bool = False,
        client: Client = ANYBODY,
    ) -> Seen:
        """One request from beginning to end."""
        return in_no_time(self.asking(request(called, stream=stream), client))

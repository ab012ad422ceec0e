"""Health checks: what is asked of a provider whose models rest, and what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import attrs
import pytest

from tests.clocks import LoopClock, in_no_time
from tests.fakes import Act, FakeTransport, Script, Silence
from tests.serving import Recorder
from tests.values import model
from tproxy.auth.static import StaticKey
from tproxy.core import failures
from tproxy.core.breaker import BreakerPolicy, State
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import HealthCheck, Model, Upstream
from tproxy.core.upstream import Broken, Signer, UpstreamRequest
from tproxy.relay.doors import Doors
from tproxy.relay.health import HealthChecks
from tproxy.state.memory import MemoryBreakers, MemoryStarts

WELL, DOWN = Script([b"{}"]), Broken(failures.UNREACHABLE, "refused")
REFUSED = Script([b"{}"], status=401)
FAILS, SUCCEEDS = (
    "a health check fails",
    "a health check succeeds, so models are tried again",
)


def checked(name: str = "a", every: float = 10.0, **said: object) -> Model:
    check = HealthCheck(every, f"https://{name}.test/models", **said)  # type: ignore[arg-type]
    return model(name, check=check)


class NoToken:
    """A signer that cannot."""

    async def sign(
        self, request: UpstreamRequest, upstream: Upstream
    ) -> UpstreamRequest:
        raise UpstreamFailed.of("", failures.AUTH, "no token")

    def refused(self, request: UpstreamRequest, upstream: Upstream) -> bool:
        return False


@attrs.define(eq=False)
class Ward:
    """Health checks with a script at the provider `a`."""

    acts: Sequence[Act] = (WELL,)
    models: tuple[Model, ...] = attrs.field(factory=lambda: (checked(),))
    signer: Signer = attrs.field(factory=StaticKey)
    recorder: Recorder = attrs.field(factory=Recorder)
    clock: LoopClock = attrs.field(factory=LoopClock)
    chance: Callable[[], float] = lambda: 0.0
    breakers: MemoryBreakers = attrs.field(init=False)
    starts: MemoryStarts = attrs.field(init=False)
    transport: FakeTransport = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        policy = BreakerPolicy(first_rest=300.0, max_rest=600.0, jitter=0.0)
        self.breakers = MemoryBreakers(self.clock, policy)
        self.starts = MemoryStarts(self.clock)
        self.transport = FakeTransport({"a.test": self.acts, "b.test": [WELL]})

    def checks(self) -> HealthChecks:
        doors = Doors(self.signer, self.transport, FakeTransport({}))
        return HealthChecks(
            *(doors, self.breakers, self.starts, self.recorder, self.chance)
        )

    async def opened(self, name: str = "a") -> None:
        self.breakers.failed(name, failures.AUTH)

    async def watched(self, seconds: float) -> None:
        checks = self.checks()
        checks.watch(self.models)
        await asyncio.sleep(seconds)
        await checks.close()

    async def state(self, name: str = "a") -> State:
        [state] = await self.breakers.states([name])
        return state.state

    @property
    def said(self) -> list[str]:
        return [notice.message for notice in self.recorder.notices]


def test_while_all_is_well_nobody_is_asked() -> None:
    ward = Ward()
    in_no_time(ward.watched(1_000.0))

    assert ward.transport.asked == []
    assert ward.recorder.events == []


def test_who_answers_is_tried_again_within_an_interval() -> None:
    ward = Ward([DOWN, DOWN, WELL])

    async def test() -> None:
        await ward.opened()
        await ward.watched(29.9)
        assert await ward.state() is State.OPEN
        await ward.watched(10.1)
        assert await ward.state() is State.HALF_OPEN
        assert await ward.breakers.resting(["a"]) == [0.0]

    in_no_time(test())
    assert ward.transport.asked == ["a.test"] * 3
    assert not ward.transport.under_way


def test_it_is_a_request_that_proves_it() -> None:
    ward = Ward()

    async def test() -> None:
        await ward.opened()
        await ward.watched(100.0)
        assert await ward.state() is State.HALF_OPEN
        assert len(ward.transport.asked) == 1

    in_no_time(test())
    assert ward.said == [SUCCEEDS]


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (DOWN, "unreachable: refused"),
        (Silence(), "timed_out: not whole in time"),
        (REFUSED, "status 401"),
        (Script(status=403), "status 403"),
        (Script(status=429), "status 429"),
        (Script(status=302), "status 302"),
    ],
)
def test_failing_it_changes_nothing_and_is_said_once(act: Act, why: str) -> None:
    ward = Ward([act])

    async def test() -> None:
        await ward.opened()
        before = await ward.breakers.states(["a"])
        await ward.watched(200.0)
        [after] = await ward.breakers.states(["a"])
        assert (after.state, after.failures, after.openings) == (State.OPEN, 1, 1)
        assert after.resting_for == pytest.approx(before[0].resting_for - 200.0)

    in_no_time(test())
    assert ward.said == [FAILS]
    assert ward.recorder.notices[0].fields == {"provider": "p", "why": why}


def test_a_provider_that_answers_checks_alone_is_believed_once() -> None:
    ward = Ward([WELL, WELL, WELL, DOWN, WELL])

    async def failed_again() -> None:
        ward.breakers.asked("a")
        ward.breakers.failed("a", failures.SERVER)

    async def test() -> None:
        checks = ward.checks()
        checks.watch(ward.models)
        await ward.opened()
        await asyncio.sleep(11.0)
        assert await ward.state() is State.HALF_OPEN
        await failed_again()
        await asyncio.sleep(30.0)  # two that succeed, and one that fails
        assert await ward.state() is State.OPEN
        await asyncio.sleep(10.0)
        assert await ward.state() is State.HALF_OPEN
        await checks.close()

    in_no_time(test())
    assert ward.said == [SUCCEEDS, FAILS, SUCCEEDS]


def test_it_takes_the_key_to_the_provider_and_nowhere_else() -> None:
    elsewhere = checked("b", headers=(), ours=False)
    elsewhere = attrs.evolve(
        elsewhere,
        provider="q",
        upstream=attrs.evolve(elsewhere.upstream, headers=(("X-Key", "k"),)),
    )
    ward = Ward(models=(checked(headers=(("a-version", "1"),)), elsewhere))

    async def test() -> None:
        await ward.opened("a")
        await ward.opened("b")
        await ward.watched(15.0)

    in_no_time(test())
    there, beside = sorted(ward.transport.requests, key=lambda request: request.url)
    assert there.method == "GET"
    assert there.url == "https://a.test/models"
    assert [name for name, _ in there.headers] == [
        *("Accept", "a-version", "Authorization")
    ]
    assert beside.headers == (("Accept", "application/json"),)


def test_models_behind_one_door_are_checked_together() -> None:
    first = checked("a")
    second = attrs.evolve(checked("a"), name="second")
    third = checked("b")
    ward = Ward(models=(first, second, third))

    async def test() -> None:
        for name in ("a", "second", "b"):
            await ward.opened(name)
        await ward.watched(10.5)
        states = [await ward.state(name) for name in ("a", "second", "b")]
        assert set(states) == {State.HALF_OPEN}

    in_no_time(test())
    assert ward.transport.asked == ["a.test", "b.test"]


def test_of_two_processes_one_makes_the_check() -> None:
    ward = Ward([DOWN])

    async def test() -> None:
        await ward.opened()
        await asyncio.gather(ward.watched(95.0), ward.watched(95.0))

    in_no_time(test())
    assert len(ward.transport.asked) == 9


def test_intervals_are_spread_and_never_longer() -> None:
    ward = Ward([DOWN], chance=lambda: 1.0)

    async def test() -> None:
        await ward.opened()
        await ward.watched(80.5)

    in_no_time(test())
    assert len(ward.transport.asked) == 10


def test_without_a_credential_nobody_is_asked() -> None:
    ward = Ward(signer=NoToken())

    async def test() -> None:
        await ward.opened()
        await ward.watched(50.0)
        assert await ward.state() is State.OPEN

    in_no_time(test())
    assert ward.transport.asked == []
    assert ward.recorder.notices[0].fields["why"] == "auth: no token"


def test_others_may_be_watched_from_now_on() -> None:
    ward = Ward([DOWN])

    async def test() -> None:
        checks = ward.checks()
        checks.watch(ward.models)
        await ward.opened()
        await ward.opened("b")
        await asyncio.sleep(5.0)
        checks.watch([checked("b"), model("c")])
        await asyncio.sleep(20.5)
        await checks.close()

    in_no_time(test())
    assert ward.transport.asked == ["b.test"]

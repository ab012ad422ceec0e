"""When a second candidate is asked, and when not."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from tests.clocks import in_no_time
from tests.dialect import completion
from tests.fakes import Act, FakeTransport, Script
from tests.relay.late import USUAL, moment, reason, rig
from tests.relay.rig import JSON, Rig, fails, good, model, request
from tests.values import PNG, chat, embedding
from tproxy import providers
from tproxy.core.budget import Budget
from tproxy.core.hedging import EVERY, FEWEST_TIMES
from tproxy.core.leases import Lease
from tproxy.core.model import Kind, Model, RetryPolicy, Routing, Throttle
from tproxy.state.memory_quotas import MemoryQuotas

OK = good("Hello", stream=False)
LINKED = [{"type": "image_url", "image_url": {"url": "https://x/"}}]


def throttled(name: str, **limits: float) -> Model:
    throttle = Throttle("t", **limits)  # type: ignore[arg-type]
    return attrs.evolve(model(name, priority=2), throttle=throttle)


async def _alone(made: Rig) -> None:
    """The first is late, and yet waited for."""
    seen = await made.asking(request())
    assert seen.text == completion("a")
    assert made.asked == ["a"]
    assert "hedged" not in reason(seen)
    assert made.hedging["SMALL"].allowance.hedged == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"routing": Routing()},
        {"routing": Routing(hedge=frozenset({"BIG"}))},
        {"hedges": 0},
        {"known": False},
    ],
    ids=["not wished", "of others", "nothing saved up", "nothing known"],
)
def test_nobody_else_is_asked_without_need(changes: dict[str, Any]) -> None:
    acts = {n: good(n, stream=False) for n in "ab"}
    in_no_time(_alone(rig(acts, {"a": 9.0}, **changes)))


def test_nor_where_there_is_nobody_else() -> None:
    in_no_time(_alone(rig({"a": good("a", stream=False)}, {"a": 9.0})))


def test_nor_for_a_model_that_was_named() -> None:
    made = rig({n: good(n, stream=False) for n in "ab"}, {"a": 9.0})

    made.ask("a")

    assert made.asked == ["a"]
    assert made.hedging["SMALL"].allowance.requests == EVERY


@pytest.mark.parametrize("port", ["quota", "breaker", "retry budget"])
def test_nor_where_a_second_cannot_be_asked_now(port: str) -> None:
    made = rig({n: good(n, stream=False) for n in "ab"}, {"a": 9.0})

    async def test() -> None:
        serving = asyncio.create_task(_alone(made))
        await asyncio.sleep(0.5)  # since when it is so
        match port:
            case "quota":
                made.quotas.denials["quota of b"] = [5.0]
            case "breaker":
                made.breakers.rests["b"] = 5.0
            case _:
                while made.budget.take("account-of-b"):
                    pass
        await serving

    in_no_time(test())
    assert [lease.budgets[0].name for lease in made.quotas.reserved] == ["quota of a"]


@pytest.mark.parametrize(
    "limits", [{"min_interval": 60.0}, {"min_interval": 60.0, "queue_seconds": 0.0}]
)
def test_nor_where_a_second_would_have_to_queue(limits: dict[str, float]) -> None:
    models = (model("a"), throttled("b", **limits))
    acts = {n: good(n, stream=False) for n in "ab"}
    made = rig(acts, {"a": 9.0}, models=models)

    async def test() -> None:
        assert (await made.asking(request("b"))).error is None
        made.transport.asked.clear()
        await _alone(made)

    in_no_time(test())


def test_nor_is_a_place_waited_for_that_others_have_taken() -> None:
    """As many as may be are under way there, by the count of all processes."""
    models = (model("a"), throttled("b", max_concurrent=1))
    acts = {n: good(n, stream=False) for n in "ab"}
    made = rig(acts, {"a": 9.0}, models=models)
    made.real_quotas = quotas = MemoryQuotas(made.clock)

    async def test() -> None:
        taken = await quotas.reserve((Budget("throttle/t", max_concurrent=1),))
        assert isinstance(taken, Lease)
        await _alone(made)
        assert moment(made) == pytest.approx(9.0)

    in_no_time(test())


def test_who_has_failed_is_no_second() -> None:
    """Its time comes after its pause."""
    acts = {"a": fails(500), "b": good("b", stream=False)}
    made = rig(acts, {"b": 4.0}, retry=RetryPolicy(base_delay=5.0, jitter=0.0))

    made.ask()

    assert made.asked == ["a", "b"]


def test_nobody_is_asked_for_vectors_twice() -> None:
    vectors = Script([b'{"data": [{"embedding": [0.5]}]}'], headers=JSON)
    models = [attrs.evolve(model(n), kind=Kind.EMBEDDING) for n in "ab"]
    made = rig(dict.fromkeys("ab", vectors), {"a": 9.0}, models=tuple(models))

    seen = in_no_time(made.asking(embedding(model="SMALL")))

    assert seen.error is None
    assert made.asked == ["a"]


@pytest.mark.parametrize(("content", "asked"), [(LINKED, "a"), ("Hello", "ab")])
def test_a_second_does_not_wait_for_pictures(content: object, asked: str) -> None:
    """Nor fetch those that the first is fetching."""
    acts = {n: good(n, stream=False) for n in "ab"}
    made = rig(acts, {"a": 9.0})
    made.fetches_links = True
    made.outside = FakeTransport({"x": [Script([PNG])]})
    made.dialect = lambda name: attrs.evolve(providers.dialect(name), takes_links=False)

    seen = in_no_time(made.asking(chat(content, model="SMALL")))

    assert seen.error is None
    assert "".join(made.asked) == asked


def test_whoever_need_not_queue_is_the_second() -> None:
    acts = {n: good(n, stream=False) for n in "abc"}
    models = (model("a"), throttled("b", min_interval=60.0), model("c", priority=3))
    made = rig(acts, {"a": 9.0}, models=models)

    async def test() -> None:
        assert (await made.asking(request("b"))).error is None
        assert (await made.asking(request())).text == completion("c")

    in_no_time(test())
    assert made.asked == ["b", "a", "c"]


@pytest.mark.parametrize("queue_seconds", [20.0, 0.0])
def test_a_throttle_that_is_free_is_no_hindrance(queue_seconds: float) -> None:
    throttle = {"min_interval": 60.0, "queue_seconds": queue_seconds}
    models = (model("a"), throttled("b", **throttle))
    acts = {n: good(n, stream=False) for n in "ab"}
    made = rig(acts, {"a": 9.0}, models=models)

    assert made.ask().text == completion("b")
    assert made.starts.wait("t", 60.0) > 0


@pytest.mark.parametrize(
    ("acts", "lags", "learned"),
    [
        ({"a": OK, "b": OK}, {"a": 0.75}, [0.75]),
        # Or else what is usual would seem quicker with each hedge.
        ({"a": OK, "b": OK}, {"a": 9.0, "b": 0.5}, [1.5, 0.5]),
        ({"a": OK, "b": OK}, {"a": 1.75, "b": 9.0}, [1.75]),
        ({"a": fails(500), "b": OK}, {"a": 1.75, "b": 9.0}, [9.0]),
        ({"a": OK, "b": fails(500)}, {"a": 9.0}, [9.0]),
    ],
    ids=["in time", "outrun", "not outrun", "failed", "second failed"],
)
def test_what_is_usual_is_learned(
    acts: dict[str, Act], lags: dict[str, float], learned: list[float]
) -> None:
    made = rig(acts, lags)

    made.ask()

    times = list(made.hedging["SMALL"]._wholes._times)
    assert times == pytest.approx([USUAL] * FEWEST_TIMES + learned)

"""What a request takes from quotas, whose they are, and what a client hears of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import attrs
import pytest

from tests.clocks import in_no_time
from tests.dialect import completion
from tests.fakes import Gate, Script, Silence
from tests.relay.rig import (
    ANYBODY,
    JSON,
    ONCE,
    Rig,
    fails,
    model,
    request,
    says,
    tells,
)
from tests.values import image, per
from tproxy.core.budget import Budget, Cost, Limit, Unit
from tproxy.core.chat import ChatRequest
from tproxy.core.leases import HEARTBEAT_SECONDS, STORE, Denial
from tproxy.core.model import Client, Kind, Model, Price
from tproxy.core.upstream import Usage
from tproxy.core.windows import DAY, MINUTE, Window
from tproxy.relay.cost import Answers, Purse
from tproxy.state.memory_quotas import MemoryQuotas

TOKENS = Limit(Unit.TOKENS, 1_000, Window(MINUTE))
DOLLAR = Limit(Unit.SPEND, 1_000_000_000, Window(DAY))


def counted(*limits: Limit, **changes: Any) -> Model:
    return attrs.evolve(model("a"), budgets=(Budget("own", limits),), **changes)


def caller(*limits: Limit) -> Client:
    return attrs.evolve(ANYBODY, budgets=(Budget("client/c", limits),))


def asks(**fields: object) -> ChatRequest:
    said = {"messages": [{"role": "user", "content": "x" * 400}], "model": "a"}
    return ChatRequest.parse(json.dumps({**said, **fields}).encode())


def test_tokens_are_estimated_and_then_counted() -> None:
    """100 for the prompt, and what is wanted back; 7 were used in the end."""
    rig = Rig({"a": tells("Hello")}, models=(counted(TOKENS),))

    in_no_time(rig.asking(asks(max_tokens=50)))

    assert [lease.cost for lease in rig.quotas.reserved] == [Cost(1, 150)]
    assert rig.quotas.costs == [Cost(1, 7)]


def test_where_nobody_counts_tokens_nothing_is_estimated() -> None:
    rig = Rig({"a": tells("Hello")}, models=(counted(per(MINUTE, 5)),))

    in_no_time(rig.asking(asks(max_tokens=50)))

    assert [lease.cost for lease in rig.quotas.reserved] == [Cost()]


def test_an_answer_without_usage_costs_what_was_expected() -> None:
    bare = completion("Hello").replace(b'"usage"', b'"other"')
    rig = Rig({"a": Script([bare], headers=JSON)}, models=(counted(TOKENS),))

    in_no_time(rig.asking(asks(max_tokens=50)))

    assert rig.quotas.costs == [None]


def test_what_answers_have_lately_needed_is_expected_next() -> None:
    answers, chatty = Answers(), counted(TOKENS)
    assert answers.expected(asks(), chatty) == 512

    for _ in range(30):
        answers.learn(chatty, Usage(10, 90))
    answers.learn(chatty, None)

    assert answers.expected(asks(), chatty) == 90
    assert answers.expected(asks(max_tokens=5), chatty) == 5
    assert answers.expected(asks(), attrs.evolve(chatty, max_output_tokens=40)) == 40
    assert answers.expected(asks(), model("b")) == 512


def test_a_guess_keeps_nobody_out_and_a_demand_does() -> None:
    """One answer longer than a window allows must not close the model for good."""
    rig = Rig({"a": tells("Hello")}, models=(counted(TOKENS),))
    rig.answers.learn(rig.models[0], Usage(0, 1 << 40))

    in_no_time(rig.asking(asks()))
    assert [lease.cost for lease in rig.quotas.reserved] == [Cost(1, TOKENS.usable)]

    purse = Purse.of(counted(TOKENS), caller(DOLLAR))
    assert purse.guessed(TOKENS.usable + 1, 1).tokens == TOKENS.usable + 1
    assert purse.guessed(1, 2) == purse.cost(1, 2)

    priced = counted(price=Price(input=2.0, cached_input=1.0, output=10.0))
    dear = Purse.of(priced, caller(DOLLAR)).guessed(100, 1 << 40)
    assert dear == Cost(1, 100 + (1 << 40), DOLLAR.usable)


def test_money_is_counted_in_billionths_of_a_dollar() -> None:
    priced = counted(price=Price(input=2.0, cached_input=1.0, output=10.0))
    purse = Purse.of(priced, caller(DOLLAR))

    assert purse.cost(100, 50) == Cost(1, 150, 700_000)
    assert purse.actual(Usage(100, 50), Cost()) == Cost(1, 150, 700_000)
    assert purse.actual(Usage(0, 0), Cost()) is None
    assert Purse.of(priced, ANYBODY).cost(100, 50) == Cost()


@pytest.mark.parametrize(("dear", "spent"), [("a", 0), ("b", 7_000)])
def test_a_client_spends_what_the_model_costs_that_answers(
    dear: str, spent: int
) -> None:
    """Not what was expected of the one that was asked before and failed."""
    price = Price(1.0, 1.0, 1.0)
    a, b = (
        attrs.evolve(model(name), price=price if name == dear else None)
        for name in "ab"
    )
    rig = Rig({"a": fails(500), "b": tells("Hello")}, retry=ONCE, models=(a, b))
    rig.real_quotas = quotas = MemoryQuotas(rig.clock)
    client = caller(DOLLAR)

    async def test() -> None:
        assert (await rig.asking(request(), client)).error is None
        [state] = await quotas.snapshot(client.budgets)
        assert state.limits[0].used == spent

    in_no_time(test())


@pytest.mark.parametrize(("dialect", "requests"), [("huggingface", 3), ("openai", 1)])
def test_images_drawn_one_by_one_are_requests_of_their_own(
    dialect: str, requests: int
) -> None:
    there = attrs.evolve(model("a").upstream, dialect=dialect)
    drawing = attrs.evolve(model("a"), upstream=there, kind=Kind.IMAGE)
    rig = Rig({"a": Silence()}, models=(drawing,), gate=Gate("transport.open"))
    asked = attrs.evolve(image(n=3), model="a")

    async def test() -> None:
        drawn = asyncio.create_task(rig.asking(asked))
        await rig.gate.reached.wait()
        drawn.cancel()
        await asyncio.wait((drawn,))

    in_no_time(test())
    assert [lease.cost.requests for lease in rig.quotas.reserved] == [requests]


def test_more_tokens_than_a_quota_ever_allows_are_too_many() -> None:
    rig = Rig({"a": tells("Never")}, models=(counted(TOKENS),))
    rig.real_quotas = MemoryQuotas(rig.clock)

    seen = in_no_time(rig.asking(asks(max_tokens=5_000)))

    assert seen.told == (400, "context_length_exceeded")
    assert rig.asked == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_callers_own_limit_is_told_as_that(stream: bool) -> None:
    answer = says("Hello") if stream else tells("Hello")
    rig = Rig({"a": answer, "b": answer})
    rig.real_quotas = MemoryQuotas(rig.clock)
    limited = caller(per(MINUTE, 1))

    async def test() -> None:
        assert (await rig.asking(request(stream=stream), limited)).error is None
        await asyncio.sleep(20.0)
        seen = await rig.asking(request(stream=stream), limited)
        assert seen.told == (429, "rate_limit_exceeded")
        assert seen.retry_after == pytest.approx(40.0)
        assert (await rig.asking(request(stream=stream))).error is None  # another's

    in_no_time(test())
    assert len(rig.asked) == 2


def test_a_model_that_is_spent_is_not_blamed_on_the_caller() -> None:
    rig = Rig({"a": tells("Hello")}, models=(counted(per(MINUTE, 1)),))
    rig.real_quotas = MemoryQuotas(rig.clock)

    async def test() -> None:
        limited = caller(per(MINUTE, 9))
        assert (await rig.asking(request("a"), limited)).error is None
        seen = await rig.asking(request("a"), limited)
        assert seen.told == (429, "quota_exhausted")

    in_no_time(test())


def test_what_cannot_be_counted_is_not_asked() -> None:
    class Away(MemoryQuotas):
        async def reserve(self, *_: object, **__: object) -> Denial:
            return Denial("", STORE, 1.5)

    rig = Rig({"a": tells("Never")})
    rig.real_quotas = Away(rig.clock)

    seen = rig.ask("a")

    assert seen.told == (503, "no_candidate")
    assert seen.retry_after == 1.5
    assert rig.asked == []


def test_quotas_hear_that_the_provider_answers() -> None:
    rig = Rig({"a": tells("Hello")})

    rig.ask("a")

    assert rig.quotas.answering == ["quota of a"]


def test_what_is_under_way_is_kept_from_expiring() -> None:
    rig = Rig({"a": Silence()}, gate=Gate("transport.open"))

    async def test() -> None:
        beating = asyncio.create_task(rig.leases.keep(rig.quotas))
        serving = asyncio.create_task(rig.asking(request("a")))
        await rig.gate.reached.wait()
        await asyncio.sleep(2.5 * HEARTBEAT_SECONDS)
        serving.cancel()
        await asyncio.wait((serving,))
        await asyncio.sleep(HEARTBEAT_SECONDS)
        beating.cancel()
        await asyncio.wait((beating,))

    in_no_time(test())
    assert [len(ids) for ids in rig.quotas.extended] == [1, 1, 0]

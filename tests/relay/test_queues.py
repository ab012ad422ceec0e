"""Requests that wait: for a throttle, or for a quota to have room again."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from tests.clocks import in_no_time
from tests.fakes import Gate, Silence
from tests.relay.rig import ANYBODY, Rig, model, request, tells
from tests.values import per
from tproxy.core.budget import Budget
from tproxy.core.errors import NoCandidate, QuotaExhausted
from tproxy.core.model import Client, Model, Priority, Routing, Throttle
from tproxy.core.windows import MINUTE
from tproxy.relay.queues import Full, Queues
from tproxy.relay.trail import Trail
from tproxy.state.memory_quotas import MemoryQuotas

HIGH = attrs.evolve(ANYBODY, name="high", priority=Priority.HIGH)
LOW = attrs.evolve(ANYBODY, name="low", priority=Priority.LOW)


def throttled(name: str = "a", priority: int = 1, **limits: float) -> Model:
    return attrs.evolve(
        model(name, priority=priority),
        throttle=Throttle("provider/p", **limits),  # type: ignore[arg-type]
    )


def spending(*limits: int, name: str = "a") -> Model:
    budget = Budget(name, tuple(per(MINUTE, limit) for limit in limits))
    return attrs.evolve(model(name), budgets=(budget,))


def counting(rig: Rig) -> Rig:
    rig.real_quotas = MemoryQuotas(rig.clock)
    return rig


async def served(rig: Rig, client: Client = ANYBODY) -> None:
    """As `Rig.asking`, for several at once."""
    answer = await rig.relay.answer(request("a"), client, Trail())
    await answer.end()


def test_calls_begin_so_far_apart() -> None:
    rig = counting(Rig({"a": tells("x")}, models=(throttled(min_interval=2.0),)))

    async def test() -> list[float]:
        moments = []

        async def one() -> None:
            await served(rig)
            moments.append(rig.clock.steady())

        await asyncio.gather(*(one() for _ in range(4)))
        return moments

    assert in_no_time(test()) == pytest.approx([0.0, 2.0, 4.0, 6.0])


def test_a_call_that_does_not_begin_leaves_its_start_to_others() -> None:
    rig = Rig({"a": tells("x")}, models=(throttled(min_interval=60.0),))
    rig.quotas.denials["quota of a"] = [5.0]

    async def test() -> None:
        assert (await rig.asking(request("a"))).told == (429, "quota_exhausted")
        rig.gate.at = "quotas.reserve"
        leaving = asyncio.create_task(rig.asking(request("a")))
        await rig.gate.reached.wait()
        leaving.cancel()
        await asyncio.wait((leaving,))
        rig.gate.at = ""
        assert (await rig.asking(request("a"))).error is None
        assert rig.clock.steady() == 0.0

    in_no_time(test())
    assert rig.asked == ["a"]


def test_so_many_are_under_way_at_once() -> None:
    rig = counting(Rig({"a": tells("x")}, models=(throttled(max_concurrent=2),)))
    most = 0

    class Counting(Gate):
        async def passing(self, place: str) -> None:
            nonlocal most
            most = max(most, len(rig.transport.under_way))
            if place == "transport.open":
                await asyncio.sleep(1.0)

    rig.transport.gate = Counting()

    async def test() -> None:
        await asyncio.gather(*(served(rig) for _ in range(7)))

    in_no_time(test())
    assert most == 2


def test_who_has_queued_for_long_enough_is_told_so() -> None:
    busy = throttled(max_concurrent=1, queue_seconds=5.0)
    rig = counting(Rig({"a": Silence()}, models=(busy,)))

    async def test() -> None:
        first = asyncio.create_task(served(rig))
        await asyncio.sleep(1.0)
        with pytest.raises(NoCandidate, match="under way"):
            await served(rig)
        assert rig.clock.steady() == pytest.approx(6.0, abs=0.1)
        first.cancel()
        await asyncio.wait((first,))

    in_no_time(test())
    assert rig.asked == ["a"]


def test_who_queues_for_what_is_spent_is_told_of_that() -> None:
    full = throttled(max_concurrent=1, queue_seconds=5.0)
    busy = attrs.evolve(full, budgets=spending(1).budgets)
    rig = counting(Rig({"a": Silence()}, models=(busy,)))

    async def test() -> None:
        first = asyncio.create_task(served(rig))
        await asyncio.sleep(1.0)
        with pytest.raises(QuotaExhausted) as told:
            await served(rig)
        assert told.value.retry_after == 60.0  # from its end, which is not known
        first.cancel()
        await asyncio.wait((first,))

    in_no_time(test())


def test_another_candidate_is_asked_before_anybody_queues() -> None:
    models = (throttled("a", 1, min_interval=60.0), model("b", priority=2))
    rig = counting(Rig({"a": tells("x"), "b": tells("x")}, models=models))

    for _ in range(3):
        assert rig.ask().error is None

    assert rig.asked == ["a", "b", "b"]


def test_who_leaves_leaves_the_queue() -> None:
    rig = counting(Rig({"a": tells("x")}, models=(throttled(min_interval=9.0),)))

    async def test() -> None:
        await rig.asking(request("a"))
        gone = [asyncio.create_task(rig.asking(request("a"))) for _ in range(3)]
        await asyncio.sleep(1.0)
        for task in gone:
            task.cancel()
        await asyncio.wait(gone)
        assert (await rig.asking(request("a"))).error is None
        assert rig.clock.steady() == pytest.approx(9.0)

    in_no_time(test())
    assert not rig.queues.busy("provider/p")


def test_a_quota_is_waited_for_where_that_is_wished() -> None:
    routing = Routing(wait_seconds=90.0)
    rig = counting(Rig({"a": tells("x")}, models=(spending(2),), routing=routing))

    async def test() -> list[float]:
        moments = []

        async def one() -> None:
            await served(rig)
            moments.append(rig.clock.steady())

        await asyncio.gather(*(one() for _ in range(4)))
        return moments

    assert in_no_time(test()) == pytest.approx([0.0, 0.0, 60.0, 60.0], abs=0.5)


@pytest.mark.parametrize("wait", [0.0, 30.0])
def test_it_is_not_waited_for_longer_than_that(wait: float) -> None:
    routing = Routing(wait_seconds=wait)
    rig = counting(Rig({"a": tells("x")}, models=(spending(1),), routing=routing))

    async def test() -> None:
        await rig.asking(request("a"))
        seen = await rig.asking(request("a"))
        assert seen.told == (429, "quota_exhausted")
        assert seen.retry_after == pytest.approx(60.0)
        assert rig.clock.steady() == 0.0  # it could not have helped

    in_no_time(test())


def test_important_clients_are_first_in_line() -> None:
    routing = Routing(wait_seconds=300.0)
    rig = counting(Rig({"a": tells("x")}, models=(spending(1),), routing=routing))
    order = []

    async def one(name: str, client: Client) -> None:
        await served(rig, client)
        order.append(name)

    async def test() -> None:
        await rig.asking(request("a"))
        callers = [("n1", ANYBODY), ("low", LOW), ("n2", ANYBODY), ("high", HIGH)]
        tasks = []
        for name, client in callers:
            tasks.append(asyncio.create_task(one(name, client)))
            await asyncio.sleep(1.0)
        await asyncio.gather(*tasks)

    in_no_time(test())
    assert order == ["n1", "high", "n2", "low"]  # the first had its turn already


def test_a_line_is_only_so_long() -> None:
    queues = Queues()

    async def wait() -> None:
        async with queues.turn("x", queues.arrive(Priority.NORMAL), 9.0, 1):
            await asyncio.sleep(5.0)

    async def test() -> None:
        waiting = [asyncio.create_task(wait()) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert queues.lengths() == {"x": 1}
        with pytest.raises(Full):
            await wait()
        await asyncio.gather(*waiting)
        assert queues.lengths() == {}
        assert not queues.busy("x")

    in_no_time(test())


def test_a_turn_is_not_lost_with_who_leaves_as_it_comes() -> None:
    queues = Queues()

    async def wait(log: list[int], number: int) -> None:
        async with queues.turn("x", queues.arrive(Priority.NORMAL), 60.0):
            log.append(number)
            await asyncio.sleep(1.0)

    async def test() -> None:
        log: list[int] = []
        tasks = [asyncio.create_task(wait(log, number)) for number in range(4)]
        await asyncio.sleep(1.0)  # the first is done; the second has just been called
        tasks[1].cancel()
        await asyncio.wait(tasks)
        assert set(log) >= {0, 2, 3}
        assert not queues.busy("x")

    in_no_time(test())


def test_those_who_have_left_a_line_are_not_counted() -> None:
    queues, served = Queues(), []

    async def wait(number: int) -> None:
        priority = Priority.LOW if number % 2 else Priority.HIGH
        async with queues.turn("x", queues.arrive(priority), 60.0, 100):
            served.append(number)
            await asyncio.sleep(1.0)

    async def test() -> None:
        tasks = [asyncio.create_task(wait(number)) for number in range(101)]
        await asyncio.sleep(0.5)
        for task in tasks[1:98]:
            task.cancel()
        await asyncio.sleep(0)
        assert queues.lengths() == {"x": 3}
        assert queues.ahead("x", Priority.HIGH) == 3
        assert queues.ahead("x", Priority.LOW) == 4
        tasks += [asyncio.create_task(wait(number)) for number in range(101, 198)]
        await asyncio.sleep(0)
        with pytest.raises(Full):
            await wait(200)
        for task in tasks[103:]:
            task.cancel()
        await asyncio.wait(tasks)
        assert served == [0, 98, 100, 102, 99, 101]
        assert queues.ahead("x", Priority.LOW) == 0

    in_no_time(test())

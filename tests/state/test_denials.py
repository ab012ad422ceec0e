"""What a node knows of a denial by Redis: never longer than there is no room."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from redis.exceptions import ConnectionError as NotConnected

from tests.clocks import FakeClock
from tests.state.mortal import run
from tests.state.servers import Server
from tests.state.shops import (
    Notices,
    RealClock,
    RedisShop,
    Till,
    budget,
    requests,
    soon,
    tokens,
)
from tproxy.core.budget import LEAST, ONE, Budget, Cost
from tproxy.core.leases import CONCURRENCY, STORE, Denial, Lease
from tproxy.core.state import Clock
from tproxy.core.windows import DAY
from tproxy.state.redis import RedisQuotas
from tproxy.state.remote import Remote
from tproxy.state.script import Script
from tproxy.state.standin import OnLoss

ONE_A_DAY = budget(requests(1, DAY))


@pytest.fixture
def shop(server: Server) -> Iterator[RedisShop]:
    shop = RedisShop(FakeClock(), server)
    yield shop
    shop.close()


def test_room_that_another_node_makes_is_looked_for_soon(shop: RedisShop) -> None:
    one, other = Till(shop), Till(shop)
    lease = one.take(ONE_A_DAY)
    assert other.denied(ONE_A_DAY).wait == other.wait(ONE_A_DAY) == soon(DAY)

    one.release(lease)
    shop.clock.advance(0.3)

    assert other.wait(ONE_A_DAY) == 0
    other.use(ONE_A_DAY)


@pytest.mark.parametrize("whose", [ONE_A_DAY, budget(max_concurrent=1)])
def test_room_that_a_reply_shows_is_known_at_once(
    shop: RedisShop, whose: Budget
) -> None:
    till = Till(shop)
    lease = till.take(whose)
    assert till.denied(whose).wait == till.wait(whose) > 0

    till.release(lease)

    assert till.wait(whose) == 0


def test_a_limit_that_was_raised_is_free(shop: RedisShop) -> None:
    till = Till(shop)
    till.use(ONE_A_DAY)
    till.denied(ONE_A_DAY)

    assert till.wait(budget(requests(50, DAY))) == 0


def test_as_long_as_replies_confirm_it_nobody_has_to_ask(shop: RedisShop) -> None:
    till = Till(shop)
    till.use(ONE_A_DAY)
    till.denied(ONE_A_DAY)
    shop.clock.advance(5.0)
    assert till.wait(ONE_A_DAY) == 0

    till.extend()

    assert till.wait(ONE_A_DAY) == soon(DAY - 5.0)


BOTH = budget(requests(20), tokens(1_000))


@pytest.mark.parametrize(
    ("used", "denied", "other", "waits"),
    [
        (Cost(20, 10), Cost(1, 50), LEAST, True),
        (Cost(20, 10), Cost(1, 50), Cost(1, 900), True),
        (Cost(1, 900), Cost(1, 200), Cost(1, 300), True),
        (Cost(1, 900), Cost(1, 200), LEAST, False),
        (Cost(1, 900), Cost(1, 200), Cost(1, 150), True),
        (Cost(1, 1_000), Cost(1, 200), LEAST, True),
    ],
)
def test_it_holds_for_whatever_else_has_no_room(
    shop: RedisShop, used: Cost, denied: Cost, other: Cost, waits: bool
) -> None:
    till = Till(shop)
    till.use(BOTH, cost=used)
    till.denied(BOTH, cost=denied)

    assert till.wait(BOTH, cost=other) == (soon(60.0) if waits else 0)


def test_who_has_only_looked_knows_what_is_full(shop: RedisShop) -> None:
    one, other = Till(shop), Till(shop)
    busy = attrs.evolve(BOTH, name="busy", max_concurrent=1)
    one.use(BOTH, cost=Cost(20))
    one.take(busy)

    assert other.state(BOTH).limits[0].left == 0

    assert other.wait(BOTH, cost=LEAST) == soon(60.0)
    assert one.denied(busy).limit == CONCURRENCY


def test_more_than_was_denied_is_free_later(shop: RedisShop) -> None:
    till, whose = Till(shop), budget(requests(6))
    for _ in range(6):
        till.use(whose)
        shop.clock.advance(10.0)
    shop.clock.advance(-10.0)
    till.denied(whose)

    waits = [till.wait(whose, cost=Cost(many)) for many in (1, 3, 6, 7)]

    assert waits == [soon(10.0), soon(30.0), soon(60.0), math.inf]


@attrs.frozen(eq=False)
class Counted(Script):
    """Knows what was asked of it; may be `cut` off."""

    asked: list[str] = attrs.field(factory=list)
    cut: list[bool] = attrs.field(factory=list)

    async def _run(self, keys: Any, *said: Any) -> Any:
        self.asked.append(said[0])
        if self.cut:
            raise NotConnected
        return await super()._run(keys, *said)


def node(url: str, clock: Clock) -> tuple[RedisQuotas, Counted]:
    script = Counted(Script.at(url, "a")._redis, "a", 5.0)
    remote = Remote(script, clock)
    return RedisQuotas(remote, clock, Notices(), "a", OnLoss.STRICT), script


@pytest.mark.parametrize(("share", "most"), [(None, 16), (0.5, 40)])
def test_those_in_line_hear_what_was_denied_since_they_came(
    server: Server, share: float | None, most: int
) -> None:
    """Where it is shared, Redis hears first how much of it is asked for."""
    server.say("FLUSHALL")
    whose = budget(requests(20), share=share)

    async def test() -> None:
        quotas, script = node(server.url, RealClock())
        await quotas.start()
        many = (quotas.reserve([whose]) for _ in range(300))
        results = await asyncio.gather(*many)
        assert sum(isinstance(result, Lease) for result in results) == 20
        denials = [result for result in results if isinstance(result, Denial)]
        assert {denial.limit for denial in denials} == {"requests per minute"}
        assert len([each for each in script.asked if '"take"' in each]) <= 20 + most
        [state] = await quotas.snapshot([whose])
        shares = state.limits[0].shares
        assert shares is None or shares.rest.asked >= 20
        await quotas.close()
        await script.close()

    run(test())


def test_whoever_comes_after_a_denial_asks_for_itself(server: Server) -> None:
    server.say("FLUSHALL")

    async def test() -> None:
        quotas, script = node(server.url, RealClock())
        for _ in range(5):
            await quotas.reserve([ONE_A_DAY])
        assert len(script.asked) == 5
        await quotas.close()
        await script.close()

    run(test())


def test_what_is_spent_is_told_as_such_though_redis_has_just_gone(
    server: Server,
) -> None:
    server.say("FLUSHALL")
    clock = FakeClock()

    async def test() -> None:
        quotas, script = node(server.url, clock)
        assert isinstance(await quotas.reserve([ONE_A_DAY]), Lease)
        denial = await quotas.reserve([ONE_A_DAY])
        script.cut.append(True)
        assert await quotas.reserve([ONE_A_DAY]) == denial
        assert await quotas.reserve([budget(requests(9), name="free")]) == Denial(
            "", STORE, 1.0
        )
        clock.advance(0.3)
        assert await quotas.reserve([ONE_A_DAY]) == Denial("", STORE, 1.0)
        assert await quotas.waits([([ONE_A_DAY], ONE)]) == [0.0]
        await quotas.close()
        await script.close()

    run(test())

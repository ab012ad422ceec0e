"""What `GET /status` tells, and whom."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import attrs
import pytest

from tests.serving import (
    QUICK,
    TOKEN,
    chat,
    client,
    model,
    request,
    run,
    send,
    serving,
    settings,
)
from tests.values import KEY, per
from tproxy import __version__
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.model import Routing, Throttle
from tproxy.core.windows import DAY, MINUTE, Kind, Window

HERE = "Host: 127.0.0.1:8080"
MINE = f"Authorization: Bearer {TOKEN}"
AFAR = "X-Forwarded-For: 192.0.2.7"  # as if through a proxy on this machine
DEAD = "http://127.0.0.1:1/sk-in-a-path/chat/completions"


async def ask(port: int, *headers: str, path: str = "/status") -> dict[str, Any]:
    lines = ["GET " + path + " HTTP/1.1", *(headers or (HERE,)), "", ""]
    reply = await send(port, "\r\n".join(lines).encode())
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    return dict(json.loads(reply.body))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([HERE], 200),
        (["Host: localhost"], 200),
        (["Host: [::1]:8080"], 200),
        ([HERE, MINE], 200),
        ([HERE, AFAR, MINE], 200),
        (["Host: proxy.example", MINE], 200),
        (["Host: proxy.example"], 401),  # a name bound to this address
        ([HERE, AFAR], 401),
        ([HERE, "x-forwarded-proto: https"], 401),
        ([HERE, "Forwarded: for=192.0.2.7"], 401),
        ([HERE, "X-Real-IP: 127.0.0.1"], 401),
        ([HERE, "Via: 1.1 front"], 401),
        ([HERE, "Origin: http://127.0.0.1:8080"], 401),
        ([HERE, "Authorization: Bearer wrong"], 401),
        ([HERE, "Authorization:"], 401),
        ([HERE, AFAR, "Authorization: Bearer wrong"], 401),
    ],
)
def test_a_token_is_needed_unless_one_asks_from_this_machine(
    headers: list[str], status: int
) -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            for path in ("/status", "/v1/status/"):
                lines = [f"GET {path} HTTP/1.1", *headers, "", ""]
                reply = await send(proxy.port, "\r\n".join(lines).encode())

                assert reply.status == status
                if status == 401:
                    assert reply.error["code"] == "invalid_api_key"

    run(test)


def test_it_is_only_looked_at() -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            reply = await send(proxy.port, request("POST", "/status"))

            assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD, OPTIONS")

    run(test)


def test_it_tells_of_the_process_that_answers() -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            told = await ask(proxy.port)

        assert told["version"] == __version__
        assert told["worker"] == os.getpid()
        assert 0 < told["uptime"] < 60
        assert (told["draining"], told["active"], told["queues"]) == (False, 0, [])

    run(test)


def test_it_tells_what_is_left_of_each_budget() -> None:
    shared = Budget(
        "pool/both",
        (
            Limit(Unit.REQUESTS, 15, Window(MINUTE), kept=2),
            Limit(Unit.SPEND, 50 * 10**9, Window(DAY, Kind.CALENDAR)),
        ),
        max_concurrent=3,
    )
    small = model(limits=(per(MINUTE, 1),))
    small = attrs.evolve(small, budgets=(*small.budgets, shared))
    big = model("echo/big", category="BIG", priority=2)
    big = attrs.evolve(big, budgets=(*big.budgets, shared))

    async def test() -> None:
        async with serving(settings(small, big)) as (proxy, _):
            await send(proxy.port, chat())
            told = await ask(proxy.port)

        one, other = told["models"]
        assert 59 < one.pop("available_in") <= 60
        assert one == {
            "name": "echo/small",
            "provider": "echo",
            "kind": "chat",
            "priority": 1,
            "category": "SMALL",
            "available": False,
            "why": "quota spent",
            "budgets": ["model:echo/small", "pool/both"],
        }
        assert (other["available"], other["why"], other["available_in"]) == (
            *(True, None),
            0,
        )
        names = ["model:echo/small", "pool/both", "model:echo/big"]
        assert [budget["name"] for budget in told["budgets"]] == names
        pool = told["budgets"][1]
        assert (pool["under_way"], pool["max_concurrent"]) == (0, 3)
        assert pool["resting_for"] == 0
        requests, dollars = pool["limits"]
        assert 59 < requests.pop("resets_in") <= 60
        assert 0 < requests.pop("age") < 10
        assert requests == {
            "unit": "requests",
            "window": "minute",
            "limit": 15,
            "kept": 2,
            "used": 1,
            "left": 12,
            "source": "counted",
            "drift": 0,
            "shares": None,
        }
        assert (dollars["unit"], dollars["limit"], dollars["left"]) == ("usd", 50, 50)
        assert dollars["source"] == "declared"

    run(test)


def test_it_tells_who_rests_and_who_cannot_be_asked() -> None:
    dead = model("dead/a", url=DEAD, key=KEY)
    never = attrs.evolve(model("x/b"), obstacle="it is not served")
    retry = attrs.evolve(QUICK, max_retries=0)

    async def test() -> None:
        async with serving(settings(dead, never, retry=retry)) as (proxy, _):
            before = await ask(proxy.port)
            for _ in range(5):
                await send(proxy.port, chat(model="dead/a"))
            told = await ask(proxy.port)
            shown = json.dumps(told)

        assert before["breakers"][0]["state"] == "closed"
        breaker = told["breakers"][0]
        assert (breaker["model"], breaker["state"]) == ("dead/a", "open")
        assert (breaker["failures"], breaker["openings"]) == (5, 1)
        assert 0 < breaker["resting_for"] <= 12
        resting, unserved = told["models"]
        assert resting["why"] == "resting after failures"
        assert resting["available_in"] == pytest.approx(breaker["resting_for"], abs=1)
        assert (unserved["why"], unserved["available_in"]) == ("it is not served", None)
        assert KEY not in shown
        assert "sk-in-a-path" not in shown
        assert "Hello" not in shown
        assert "http" not in shown

    run(test)


def test_it_tells_how_many_wait_in_line() -> None:
    busy = Throttle("provider/echo", max_concurrent=1, queue_seconds=5.0)

    async def test() -> None:
        throttled = attrs.evolve(model(), throttle=busy)
        async with serving(settings(throttled)) as (proxy, _):
            queues = proxy._context.snapshot.relay.admission.queues
            priority = client().priority
            async with queues.turn("provider/echo", queues.arrive(priority), 1.0):
                waiting = asyncio.create_task(send(proxy.port, chat()))
                while not sum(queues.lengths().values()):  # noqa: ASYNC110
                    await asyncio.sleep(0)
                told = await ask(proxy.port)
                afar = await ask(proxy.port, AFAR, HERE, MINE)
            await waiting

        line = {"name": "provider/echo", "waiting": 1}
        assert (told["queues"], told["active"]) == ([line], 1)
        assert afar["queues"] == []
        assert "throttle/provider/echo" in told["models"][0]["budgets"]

    run(test)


def test_it_tells_what_hedging_has_cost() -> None:
    async def test() -> None:
        routing = Routing(hedge=frozenset({"SMALL"}))
        async with serving(settings(routing=routing)) as (proxy, _):
            for _ in range(20):
                await send(proxy.port, chat())
            told = await ask(proxy.port)
            afar = await ask(proxy.port, AFAR, HERE, MINE)

        counts = {"requests": 20, "hedged": 0, "won": 0, "left": 1}
        assert told["hedging"] == [{"category": "SMALL", **counts}]
        assert afar["hedging"] == []

    run(test)


def test_a_client_afar_sees_only_what_concerns_it() -> None:
    own = attrs.evolve(
        client("narrow", "narrow-token", ("BIG",)),
        budgets=(Budget("client/narrow", (per(MINUTE, 60),)),),
    )
    other = attrs.evolve(client(), budgets=(Budget("client/tester", max_concurrent=1),))
    models = (model(), model("echo/big", category="BIG"))

    async def test() -> None:
        async with serving(settings(*models, clients=(other, own))) as (proxy, _):
            theirs = "Authorization: Bearer narrow-token"
            afar = await ask(proxy.port, HERE, AFAR, theirs)
            here = await ask(proxy.port, HERE, theirs)

        def names(told: dict[str, Any], what: str) -> list[str]:
            return [each["name"] for each in told[what]]

        assert names(afar, "models") == ["echo/big"]
        assert names(afar, "budgets") == ["model:echo/big", "client/narrow"]
        assert [breaker["model"] for breaker in afar["breakers"]] == ["echo/big"]
        assert afar["clients"] == [
            {"name": "narrow", "priority": "normal", "budgets": ["client/narrow"]}
        ]
        assert names(here, "models") == ["echo/small", "echo/big"]
        assert names(here, "clients") == ["tester", "narrow"]
        assert "client/tester" in names(here, "budgets")

    run(test)


def test_an_operator_afar_sees_all() -> None:
    operator = attrs.evolve(client("ops", "ops-token", ()), operator=True)

    async def test() -> None:
        async with serving(settings(clients=(client(), operator))) as (proxy, _):
            told = await ask(proxy.port, HERE, AFAR, "Authorization: Bearer ops-token")

        assert [each["name"] for each in told["models"]] == ["echo/small"]
        assert [each["name"] for each in told["clients"]] == ["tester", "ops"]

    run(test)


def test_it_tells_that_it_drains() -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            proxy._context.draining = True
            assert (await ask(proxy.port))["draining"] is True

    run(test)

"""What `GET /metrics` tells, and whom."""

from __future__ import annotations

import asyncio
import time

import attrs
import pytest

from tests.observe.reading import number, read, series
from tests.serving import TOKEN, chat, client, model, request, run, send, serving
from tests.serving import settings as served
from tests.values import KEY, per
from tproxy.core.budget import Budget
from tproxy.core.model import Price, Routing, Throttle
from tproxy.core.windows import MINUTE
from tproxy.settings import Backend, Settings, StateSettings

HERE = "Host: 127.0.0.1:8080"
AFAR = "X-Forwarded-For: 192.0.2.7"  # as if through a proxy on this machine
MINE = f"Authorization: Bearer {TOKEN}"
OPERATORS = "Authorization: Bearer an-operators-token"
NEWER = "Accept: application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3"
OPERATOR = attrs.evolve(client("prometheus", "an-operators-token", ()), operator=True)
ASKED = ("tproxy_requests_total", "/chat/completions")


async def scrape(port: int, *headers: str) -> str:
    lines = ["GET /metrics HTTP/1.1", *(headers or (HERE,)), "", ""]
    reply = await send(port, "\r\n".join(lines).encode())
    assert reply.status == 200, reply.body
    assert reply.headers["cache-control"] == "no-store"
    kind = "openmetrics-text; version=1.0.0" if NEWER in headers else "plain; version="
    assert kind in reply.headers["content-type"]
    return reply.body.decode()


def settings(*models: object, **more: object) -> Settings:
    return served(*models, clients=(client(), OPERATOR), **more)  # type: ignore[arg-type]  # as they are


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([HERE], 200),
        ([HERE, MINE], 200),
        ([HERE, OPERATORS], 200),
        ([HERE, AFAR, OPERATORS], 200),
        (["Host: proxy.example", OPERATORS], 200),
        ([HERE, AFAR, MINE], 401),
        (["Host: proxy.example", MINE], 401),
        (["Host: proxy.example"], 401),  # a name bound to this address
        ([HERE, AFAR], 401),
        ([HERE, "Origin: http://127.0.0.1:8080"], 401),
        ([HERE, "Authorization: Bearer wrong"], 401),
        ([HERE, AFAR, "Authorization: Bearer wrong"], 401),
    ],
)
def test_only_operators_are_told(headers: list[str], status: int) -> None:
    async def test() -> None:
        async with serving(settings()) as (proxy, _):
            for path in ("/metrics", "/v1/metrics/"):
                lines = [f"GET {path} HTTP/1.1", *headers, "", ""]
                reply = await send(proxy.port, "\r\n".join(lines).encode())

                assert reply.status == status
                if status == 401:
                    assert reply.error["code"] == "invalid_api_key"

    run(test)


def test_an_operator_may_ask_no_model_that_it_is_not_allowed() -> None:
    async def test() -> None:
        async with serving(settings()) as (proxy, _):
            asked = chat().replace(TOKEN.encode(), b"an-operators-token")
            assert (await send(proxy.port, asked)).status == 403

    run(test)


@pytest.mark.parametrize("form", [(HERE,), (HERE, NEWER)])
def test_others_can_read_it(form: tuple[str, ...]) -> None:
    dear = attrs.evolve(
        model('echo/"q\\u', category="BIG", limits=(per(MINUTE, 60),)),
        price=Price(1.0, 1.0, 2.0),
        throttle=Throttle("provider/echo", max_concurrent=3),
    )

    async def test() -> None:
        routing = Routing(hedge=frozenset({"BIG"}))
        async with serving(settings(model(), dear, routing=routing)) as (proxy, _):
            for name in ("SMALL", 'echo/"q\\u', "no/such-model"):
                for stream in (True, False):
                    await send(proxy.port, chat(model=name, stream=stream))
            text = await scrape(proxy.port, *form)

        told = read(text)
        labels = ("model", 'echo/"q\\u'), ("client", "tester")
        assert told["tproxy_cost_usd_total"][frozenset(labels)] > 0
        assert number(text, ASKED[0], route=ASKED[1], status="200") == 4
        assert number(text, ASKED[0], route=ASKED[1], code="model_not_found") == 2
        assert "such-model" not in text
        assert number(text, "tproxy_tokens_total", model=labels[0][1]) > 0
        assert number(text, "tproxy_budget_limit") == 60
        assert number(text, "tproxy_budget_used", unit="requests") == 2
        assert number(text, "tproxy_budget_source", source="counted") == 1
        assert number(text, "tproxy_budget_max_leases") == 3
        assert number(text, "tproxy_model_available") == 2
        assert number(text, "tproxy_breaker_state", state="closed") == 2
        assert number(text, "tproxy_hedges_left", category="BIG") == 0
        assert number(text, "tproxy_workers") == 1
        assert number(text, "tproxy_client_connections") == 1
        assert number(text, "tproxy_provider_connections", state="idle") == 1
        assert number(text, "tproxy_unknown") == 0
        assert number(text, "process_start_time_seconds") == pytest.approx(
            time.time(), abs=60
        )
        answers = "tproxy_attempt_duration_seconds_count"
        assert number(text, answers, model="echo/small") == 2

    run(test)


def test_it_tells_no_key_no_url_and_nothing_of_what_was_asked() -> None:
    dead = model("dead/a", url="http://127.0.0.1:1/sk-in-a-path/x", key=KEY)

    async def test() -> None:
        async with serving(settings(dead)) as (proxy, _):
            for _ in range(5):
                await send(proxy.port, chat(user="somebody", model="dead/a"))
            await send(proxy.port, request("GET", "/v1/models/sk-in-a-name"))
            await send(proxy.port, request("GET", "/sk-in-a-route"))
            text = await scrape(proxy.port)

        for secret in (
            KEY,
            TOKEN,
            "sk-in-a",
            "http:",
            "127.0.0.1",
            "Hello",
            "somebody",
        ):
            assert secret not in text
        [(failed, count)] = series(text, "tproxy_attempts_total")
        assert (failed["outcome"], count) == ("unreachable", 5)
        assert number(text, "tproxy_breaker_state", state="open") == 1
        assert number(text, "tproxy_breaker_resting_seconds") > 1
        assert number(text, "tproxy_model_available") == 0

    run(test)


def test_two_in_one_process_keep_apart_and_a_reload_keeps_what_was_counted() -> None:
    async def test() -> None:
        async with serving(settings()) as (one, _), serving(settings()) as (other, _):
            for _ in range(3):
                await send(one.port, chat())
            one.reload(settings(model("echo/new")))
            await send(one.port, chat())
            await send(other.port, chat())
            texts = [await scrape(proxy.port) for proxy in (one, other)]

        answered = [
            {of["model"]: count for of, count in series(text, "tproxy_attempts_total")}
            for text in texts
        ]
        assert answered == [{"echo/small": 3, "echo/new": 1}, {"echo/small": 1}]
        looked_at = {
            of["model"] for of, _ in series(texts[0], "tproxy_model_available")
        }
        assert looked_at == {"echo/new"}

    run(test)


def test_what_is_under_way_is_told_as_it_is() -> None:
    busy = Throttle("provider/echo", max_concurrent=1, queue_seconds=5.0)
    own = attrs.evolve(client(), budgets=(Budget("client/tester", max_concurrent=9),))

    async def test() -> None:
        throttled = attrs.evolve(model(), throttle=busy)
        async with serving(served(throttled, clients=(own,))) as (proxy, _):
            queues = proxy._context.snapshot.relay.admission.queues
            place = queues.arrive(own.priority)
            async with queues.turn("provider/echo", place, 1.0):
                waiting = asyncio.create_task(send(proxy.port, chat()))
                while not sum(queues.lengths().values()):  # noqa: ASYNC110
                    await asyncio.sleep(0)
                during = await scrape(proxy.port)
            await waiting
            after = await scrape(proxy.port)

        for text, count in ((during, 1), (after, 0)):
            assert (
                number(text, "tproxy_queued_requests", queue="provider/echo") == count
            )
            assert number(text, "tproxy_requests_in_flight") == count
            assert number(text, "tproxy_budget_leases") == 0

    run(test)


def test_a_silent_redis_is_not_waited_for_and_what_is_not_known_is_not_told() -> None:
    async def silent(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read()
        writer.close()

    text = ""

    async def test() -> None:
        nonlocal text
        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            away = StateSettings(Backend.REDIS, url=f"redis://127.0.0.1:{port}/0")
            limited = settings(model(limits=(per(MINUTE, 5),)))
            async with serving(attrs.evolve(limited, state=away)) as (proxy, _):
                for _ in range(3):
                    begun = time.monotonic()
                    text = await scrape(proxy.port)
                    assert time.monotonic() - begun < 1.0

    run(test)
    assert number(text, "tproxy_store_up", part="quotas") == 0
    assert number(text, "tproxy_unknown", what="budgets") == 1
    assert not series(text, "tproxy_budget_left")
    assert not series(text, "tproxy_model_available")
    assert number(text, "tproxy_breaker_state", state="closed") == 1
    assert number(text, "tproxy_notices_total", level="error") >= 1

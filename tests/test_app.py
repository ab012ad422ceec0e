"""The composition root: proxies that share nothing, and what a reload changes."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path

import attrs
import pytest

from tests.serving import (
    TOKEN,
    chat,
    client,
    model,
    read_reply,
    request,
    run,
    send,
    serving,
    settings,
)
from tests.values import per
from tproxy.app import Dialects, Proxy
from tproxy.core.windows import MINUTE
from tproxy.providers import openai


def test_settings_go_by_the_dialects_there_are() -> None:
    known = Dialects()

    assert {"openai", "gemini"} <= set(known)
    assert len(known) == len(list(known))
    assert known["openai"] is openai.DIALECT
    assert "klingon" not in known
    with pytest.raises(KeyError):
        known["klingon"]


def test_two_proxies_in_one_process_share_nothing() -> None:
    async def test() -> None:
        once = settings(model(limits=(per(MINUTE, 1),)))
        other = attrs.evolve(once, clients=(client(token="another-token"),))
        async with serving(once) as (one, _), serving(other) as (two, _):
            assert (await send(one.port, chat())).status == 200
            assert (await send(one.port, chat())).status == 429

            assert (await send(two.port, chat())).status == 401
            theirs = chat().replace(TOKEN.encode(), b"another-token")
            assert (await send(two.port, theirs)).status == 200

    run(test)


def test_a_reload_changes_clients_and_models_at_once() -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            names = ("old-token-1", "old-token-2")
            both = tuple(client(name, name) for name in names)
            proxy.reload(settings(model("echo/renamed"), clients=both))

            assert (await send(proxy.port, chat())).status == 401
            theirs = chat(model="echo/renamed").replace(TOKEN.encode(), b"old-token-2")
            assert (await send(proxy.port, theirs)).status == 200

    run(test)


def test_a_reload_keeps_the_socket_and_says_so() -> None:
    async def test() -> None:
        async with serving() as (proxy, recorder):
            moved = settings()
            proxy.reload(attrs.evolve(moved, server=attrs.evolve(moved.server, port=1)))

            assert (await send(proxy.port, chat())).status == 200
            assert [notice.level for notice in recorder.notices] == ["warning"]

    run(test)


def test_equals_share_the_load() -> None:
    async def test() -> None:
        three = tuple(model(f"echo/{name}") for name in "abc")
        async with serving(settings(*three)) as (proxy, recorder):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            for _ in range(60):
                writer.write(chat())
                assert (await read_reply(reader)).status == 200
            writer.close()

        answered = [event.model for event in recorder.requests]
        assert {answered.count(f"echo/{name}") for name in "abc"} == {20}

    run(test)


def test_what_is_asked_comes_back_with_its_reasons() -> None:
    async def test() -> None:
        spent = model("echo/spent", limits=(per(MINUTE, 1),), priority=1)
        spare = model("echo/spare", limits=(per(MINUTE, 9),), priority=2)
        async with serving(settings(spent, spare)) as (proxy, _):
            first = await send(proxy.port, chat())
            second = await send(proxy.port, chat())

        assert first.headers["x-tproxy-model"] == "echo/spent"
        assert first.headers["x-tproxy-reason"] == "category SMALL; priority 1"
        assert first.headers["x-ratelimit-remaining-requests"] == "0"
        assert second.headers["x-tproxy-model"] == "echo/spare"
        assert "echo/spent quota spent" in second.headers["x-tproxy-reason"]
        assert second.headers["x-ratelimit-limit-requests"] == "9"
        assert second.headers["x-ratelimit-remaining-requests"] == "8"
        assert second.headers["x-ratelimit-reset-requests"] == "1m0s"
        assert json.loads(second.body)["choices"]

    run(test)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return Path(__file__).parent / "data" / "localhost.pem"


def test_tls_is_served_and_plain_http_is_not(certificate: Path) -> None:
    async def test() -> None:
        plain = settings()
        server = attrs.evolve(
            plain.server, tls_cert=str(certificate), tls_key=str(certificate)
        )
        async with serving(attrs.evolve(plain, server=server)) as (proxy, _):
            assert proxy.url.startswith("https://127.0.0.1:")
            trust = ssl.create_default_context(cafile=str(certificate))
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", proxy.port, ssl=trust, server_hostname="localhost"
            )
            writer.write(request("GET", "/ping", headers=()))
            assert (await read_reply(reader)).body == b"OK"
            assert str(writer.get_extra_info("ssl_object").version()) >= "TLSv1.2"
            writer.close()
            await writer.wait_closed()

    run(test)


def test_an_unreadable_certificate_stops_the_start(tmp_path: Path) -> None:
    async def test() -> None:
        plain = settings()
        server = attrs.evolve(plain.server, tls_cert="none.pem", tls_key="none.pem")
        async with serving() as (_, recorder):
            proxy = Proxy(attrs.evolve(plain, server=server), recorder)
            with pytest.raises(OSError, match="No such file"):
                await proxy.start()

    run(test)

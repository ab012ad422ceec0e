"""Who has lately begun soonest is asked, and how that is found out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from tests import dialect
from tests.clocks import in_no_time
from tests.fakes import Act, FakeTransport, Late, Script, Silence
from tests.relay.late import rig as lagging
from tests.relay.rig import ONCE, SSE, Rig, Seen, fails, good, request, streamed
from tests.values import PNG, chat
from tproxy import providers
from tproxy.core.model import Patience, Routing
from tproxy.core.pace import FORGOTTEN, TRIAL
from tproxy.core.strategy import By

LAGS = {"a": 2.0, "b": 0.5, "c": 1.0}
BY_LATENCY = Routing(by=By.LATENCY)


def rig(acts: Mapping[str, Act] | None = None, **changes: Any) -> Rig:
    acts = acts or {name: good("Hello", stream=False) for name in LAGS}
    usual = {"routing": BY_LATENCY, "retry": ONCE, "known": False}
    lags = changes.pop("lags", LAGS)
    return lagging(acts, lags, **{**usual, **changes})


def why(seen: Seen) -> str:
    assert seen.answer is not None, seen.error
    return seen.answer.reason


def lately(made: Rig, name: str, *, stream: bool = False) -> float | None:
    now = made.clock.steady()
    return made.paces.of(name, stream=stream).lately(now)


@streamed
def test_each_is_asked_once_and_then_the_quickest(stream: bool) -> None:
    made = rig({name: good("Hello", stream) for name in LAGS})

    async def test() -> None:
        seen = [await made.asking(request(stream=stream)) for _ in range(5)]

        assert made.asked == ["a", "b", "c", "b", "b"]
        words = ["not known"] * 3 + ["about 0.5 s"] * 2
        assert list(map(why, seen)) == [f"category SMALL; latency {w}" for w in words]

    in_no_time(test())


def test_a_stream_has_begun_with_its_first_content() -> None:
    nothing, *content, last = dialect.stream("Hello")
    slow = Script([nothing, Late(3.0, b"".join(content)), Late(9.0, last)], headers=SSE)
    made = rig({"a": slow, "b": good("Hello", stream=True)})

    async def test() -> None:
        for _ in range(2):
            await made.asking(request(stream=True))

        known = [lately(made, name, stream=True) for name in "ab"]
        assert known == pytest.approx([2.0 + 3.0, 0.5])
        assert lately(made, "a") is None  # of whole answers

    in_no_time(test())


def test_no_herd_is_sent_to_one_that_is_not_known() -> None:
    made = rig(lags={"a": 20.0, "b": 0.5, "c": 1.0})

    async def test() -> None:
        now = made.clock.steady()
        made.paces.of("b", stream=False).began(0.5, now)
        made.paces.of("c", stream=False).began(1.0, now)

        await asyncio.gather(*(made.asking(request()) for _ in range(50)))

        assert Counter(made.asked) == {"a": 1, "b": 49}

    in_no_time(test())


def test_where_nothing_is_known_all_are_asked_at_once_and_then_by_priority() -> None:
    made = rig()

    async def test() -> None:
        await asyncio.gather(*(made.asking(request()) for _ in range(9)))

        assert Counter(made.asked) == {"a": 7, "b": 1, "c": 1}

    in_no_time(test())


def test_to_fail_at_once_is_not_to_be_quick() -> None:
    made = rig({"a": fails(500), "b": good("b", stream=False)}, lags={"b": 3.0})

    async def test() -> None:
        for _ in range(3):
            await made.asking(request())
        assert made.asked == ["a", "b", "b", "b"]
        assert lately(made, "a") is None

        await asyncio.sleep(TRIAL)
        await made.asking(request())
        assert made.asked[4:] == ["a", "b"]  # it may be well again

    in_no_time(test())


@pytest.mark.parametrize("how", ["times out", "the client leaves"])
def test_who_is_silent_is_not_quick_any_more(how: str) -> None:
    acts = {"a": [good("a", stream=False), Silence()], "b": good("b", stream=False)}
    patience = Patience(whole=9.0 if how == "times out" else 99.0)
    made = rig(acts, lags={"a": 0.5, "b": 2.0}, patience=patience)  # type: ignore[arg-type]

    async def test() -> None:
        for _ in range(2):
            await made.asking(request())
        if how == "times out":
            await made.asking(request())
        else:
            leaving = asyncio.create_task(made.asking(request()))
            await asyncio.sleep(9.0)
            leaving.cancel()
            await asyncio.wait([leaving])
            made.serving = 0
        await made.asking(request())

        usual = lately(made, "a")
        assert usual is not None
        assert usual > 2.0
        assert made.asked[:3] == ["a", "b", "a"]
        assert made.asked[-1] == "b"

    in_no_time(test())


@pytest.mark.parametrize("found", [True, False])
def test_to_fetch_a_picture_takes_none_of_a_models_time(found: bool) -> None:
    made = rig(fetches_links=True)
    made.outside = FakeTransport({"x": [Script([Late(4.0, PNG if found else b"-")])]})
    made.dialect = lambda name: attrs.evolve(providers.dialect(name), takes_links=False)
    link = {"type": "image_url", "image_url": {"url": "https://x/"}}

    async def test() -> None:
        await made.asking(request())

        for _ in range(3):
            await made.asking(chat([link], model="SMALL"))

        known = {name: lately(made, name) for name in "abc"}
        assert known == (LAGS if found else {**dict.fromkeys("abc"), "a": LAGS["a"]})

    in_no_time(test())


def test_who_was_slow_is_asked_again_after_a_while() -> None:
    made = rig()

    async def test() -> None:
        for _ in range(4):
            await made.asking(request())
        made.gate.by_host = {"a": 0.1, "b": 0.5, "c": 1.0}  # type: ignore[attr-defined]

        for _ in range(12):
            await asyncio.sleep(FORGOTTEN / 10)
            await made.asking(request())

        assert made.asked.count("a") > 2
        assert made.asked[-1] == "a"

    in_no_time(test())


def test_who_was_outrun_would_have_taken_longer() -> None:
    routing = Routing(hedge=frozenset({"SMALL"}), by=By.LATENCY)
    acts = {"a": [good("a", stream=False), Silence()], "b": good("b", stream=False)}
    lags = {"a": 0.1, "b": 0.5}
    made = rig(acts, lags=lags, routing=routing, known=True)  # type: ignore[arg-type]

    async def test() -> None:
        for _ in range(2):
            await made.asking(request())

        seen = await made.asking(request())

        assert why(seen).endswith("hedged after 1000 ms; a outrun")
        usual = lately(made, "a")
        assert usual is not None
        assert usual > 0.5
        await made.asking(request())
        assert made.asked == ["a", "b", "a", "b", "b"]

    in_no_time(test())

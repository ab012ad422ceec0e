"""Each fault of a provider, over real sockets: what follows from it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest

from tests import dialect
from tests.dialect import DONE, completion, error_event, event
from tests.e2e.faults import (
    FAULTS,
    HIDDEN_429,
    NOWHERE,
    Fault,
    Place,
    Rests,
    failing,
)
from tests.e2e.scripted_upstream import (
    SSE,
    End,
    Script,
    Step,
    chunked,
    head,
    scripted,
    unframed,
    whole,
)
from tests.e2e.stage import KEY, PATIENT, Stage, at, events, said, staged
from tests.fakes import FakeClock
from tests.serving import Reply, request, run
from tests.values import per
from tproxy.core.budget import Budget
from tproxy.core.model import Patience, RetryPolicy, Routing
from tproxy.core.windows import DAY

HASTY = Patience(connect=0.05, first_byte=0.02, silence=0.02, whole=0.03)
TWICE = RetryPolicy(max_retries=1, base_delay=0.001, max_delay=0.01)

faults = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(autouse=True)
def _unresolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that does not resolve, without a question to the network."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host in (NOWHERE, NOWHERE.encode()):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def good(stream: bool) -> Script:
    return chunked(dialect.stream("Hello")) if stream else whole(completion("Hello"))


def patience(fault: Fault) -> Patience:
    if fault.hangs:
        return attrs.evolve(PATIENT, silence=0.02)
    return HASTY if fault.slow else PATIENT


def envelope(seen: Reply) -> dict[str, object]:
    """The error, told as every error is, with nothing that is not the client's."""
    assert seen.headers["content-type"] == "application/json"
    error = seen.error
    assert error["param"] is None
    for secret in (KEY, "127.0.0.1", NOWHERE, "http:", "https:", "Traceback", "user_3"):
        assert secret not in seen.body.decode()
        assert secret not in str(seen.headers)
    return error


def logged(stage: Stage) -> None:
    """No secret in the log either (an address is none), and nothing unannounced."""
    assert stage.recorder.notices == []
    for secret in (KEY, "http:", "https:", "user_3", "Hello"):
        assert secret not in str(stage.recorder.events)


@streamed
@faults
def test_a_named_model_fails(fault: Fault, stream: bool) -> None:
    async def test() -> None:
        async with (
            failing(fault, stream) as (url, upstream),
            staged(at(url, "p/a", patience=patience(fault)), retry=TWICE) as stage,
        ):
            seen = await stage.ask(model="p/a", stream=stream)

            error = envelope(seen)
            assert (seen.status, error["code"]) == fault.told
            assert error["type"] == fault.type
            assert str(error["message"]).startswith("p/a: ")
            times = 2 if fault.again else 1
            assert seen.headers["x-tproxy-attempts"] == str(times)
            if fault.does[stream]:
                assert len(upstream.asked) == times
            assert ("retry-after" in seen.headers) is (seen.status in (429, 503))
            if seen.status == 429:
                assert float(seen.headers["retry-after-ms"]) / 1000 == pytest.approx(
                    fault.rest, rel=0.1
                )
            logged(stage)
            if fault.slow:
                for asked in upstream.asked:
                    await asked.left.wait()

    run(test)


@streamed
@faults
def test_a_category_has_a_second(fault: Fault, stream: bool) -> None:
    async def test() -> None:
        async with (
            failing(fault, stream) as (url, _),
            scripted(good(stream)) as second,
            staged(
                at(url, "p/a", 1, patience(fault)), at(second.url, "q/b", 2)
            ) as stage,
        ):
            seen = await stage.ask(stream=stream)

            if fault.onward:
                assert seen.status == 200
                assert seen.body.count(b"Hello") == 1
                assert seen.headers["x-tproxy-model"] == "q/b"
                assert seen.headers["x-tproxy-attempts"] == "2"
                assert len(second.asked) == 1
            else:
                assert (seen.status, envelope(seen)["code"]) == fault.told
                assert second.asked == []
            logged(stage)

    run(test)


@streamed
@faults
def test_a_candidate_rests(fault: Fault, stream: bool) -> None:
    """Or not. Then it is asked again, as soon as its rest is over."""
    clock = FakeClock()

    async def test() -> None:
        async with (
            failing(fault, stream) as (url, _),
            scripted(good(stream)) as second,
            staged(
                at(url, "p/a", 1, patience(fault)),
                at(second.url, "q/b", 2),
                clock=clock,
            ) as stage,
        ):

            async def asked() -> bool:
                await stage.ask(stream=stream)
                return stage.recorder.requests[-1].attempts[0].model == "p/a"

            times = {Rests.NEVER: 6, Rests.AFTER_FIVE: 5}.get(fault.rests, 1)
            for _ in range(times):
                assert await asked(), "it rests too early"
            if fault.rests is Rests.NEVER:
                return
            assert not await asked(), "it does not rest"
            clock.advance(fault.rest - 0.01)
            assert not await asked(), "it does not rest long enough"
            clock.advance(0.02)
            assert await asked(), "it rests too long"

    run(test)


REFUSED = {
    "rate_limit_exceeded",
    "upstream_auth_failed",
    "upstream_billing",
    "upstream_model_missing",
    "context_length_exceeded",
}
ASKED = [f for f in FAULTS if f.place is Place.THERE and not f.slow and not f.hangs]


@streamed
@pytest.mark.parametrize("fault", ASKED, ids=lambda fault: fault.name)
def test_what_the_provider_worked_on_counts(fault: Fault, stream: bool) -> None:
    """And what it refused does not."""
    clock = FakeClock()
    pool = Budget("p", (per(DAY, 10),))

    async def test() -> None:
        async with (
            scripted(fault.does[stream], good(stream)) as upstream,
            staged(
                attrs.evolve(at(upstream.url, "p/a"), budgets=(pool,)), clock=clock
            ) as stage,
        ):
            await stage.ask(model="p/a", stream=stream)
            clock.advance(60.0)  # whatever rests
            reply = await stage.ask(model="p/a", stream=stream)

        counted = 1 if fault.told[1] in REFUSED else 2
        left = int(reply.headers["x-ratelimit-remaining-requests"])
        assert (reply.status, left) == (200, 10 - counted)

    run(test)


@pytest.mark.parametrize("place", [Place.REFUSED, Place.UNNAMED, Place.NO_TLS])
def test_what_never_reached_the_provider_does_not_count(place: Place) -> None:
    [fault] = [fault for fault in FAULTS if fault.place is place]
    pool = Budget("shared", (per(DAY, 10),))

    async def test() -> None:
        async with (
            failing(fault, False) as (url, _),
            scripted(good(False)) as second,
            staged(
                attrs.evolve(at(url, "p/a", 1), budgets=(pool,)),
                attrs.evolve(at(second.url, "q/b", 2), budgets=(pool,)),
            ) as stage,
        ):
            reply = await stage.ask()

        assert reply.headers["x-tproxy-attempts"] == "2"
        assert reply.headers["x-ratelimit-remaining-requests"] == "9"

    run(test)


@streamed
def test_a_named_model_goes_to_its_declared_fallbacks_only(stream: bool) -> None:
    async def test() -> None:
        async with (
            scripted(whole(b"", 500)) as first,
            scripted(good(stream)) as second,
            staged(
                at(first.url, "p/a"),
                at(first.url, "p/b"),
                at(second.url, "q/c"),
                routing=Routing(fallbacks={"p/a": ("q/c",)}),
            ) as stage,
        ):
            with_one = await stage.ask(model="p/a", stream=stream)
            without = await stage.ask(model="p/b", stream=stream)

        assert with_one.status == 200
        assert with_one.headers["x-tproxy-model"] == "q/c"
        assert with_one.headers["x-tproxy-reason"].startswith("fallback after name")
        assert (without.status, without.error["code"]) == (502, "upstream_error")

    run(test)


BEGUN = [event(), event("Once"), event(" upon")]
FAILED, SILENT = "upstream_error", "upstream_timeout"
BREAKS: dict[str, tuple[list[Step], str]] = {
    "reset": ([End.RESET], FAILED),
    "closed": ([End.CLOSE], FAILED),
    "closed within an event": ([b"data: {", End.CLOSE], FAILED),
    "closed within a name": ([b"da", End.CLOSE], FAILED),
    "closed within a comment": ([b": wai", End.CLOSE], FAILED),
    "closed before a blank line": ([event(" a").rstrip(), End.CLOSE], FAILED),
    "ended": ([], FAILED),
    "ended within an event": ([b"data: {"], FAILED),
    "ended within a name": ([b"da"], FAILED),
    "ended within a comment": ([b": wai"], FAILED),
    "ended before a blank line": ([event(" a").rstrip()], FAILED),
    "silent": ([End.HOLD], SILENT),
    "silent within an event": ([b"data: {", End.HOLD], SILENT),
    "error": ([error_event("oops")], FAILED),
    "error and [DONE]": ([error_event("oops"), DONE], FAILED),
    "error and silence": ([error_event("oops"), End.HOLD], FAILED),
    "error and more": ([error_event("oops"), *dialect.stream("Once")], FAILED),
    "error by name": ([b'event: error\ndata: {"code": 1}\n\n', DONE], FAILED),
    "limit": ([error_event("slow down", 429), DONE], "rate_limit_exceeded"),
    "not JSON": ([b"data: <html>\n\n"], FAILED),
}
FRAMES: dict[str, Callable[[Sequence[Step]], Script]] = {
    "chunked": chunked,
    "unframed": unframed,
    "length": lambda steps: [
        head(200, {**SSE, "Content-Length": "9999"}),
        *steps,
        End.CLOSE,
    ],
}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("name", BREAKS)
def test_after_the_first_content_there_is_one_error_event(
    name: str, frame: str
) -> None:
    steps, code = BREAKS[name]

    async def test() -> None:
        seen = asyncio.Event()  # the client has the first content
        hasty = HASTY if name.startswith("silent") else PATIENT
        async with (
            scripted(FRAMES[frame]([*BEGUN, seen, *steps])) as upstream,
            scripted(good(True)) as second,
            staged(
                at(upstream.url, "p/a", 1, hasty), at(second.url, "q/b", 2), retry=TWICE
            ) as stage,
            stage.calling(said(stream=True)) as call,
        ):
            await call.until(b" upon")
            seen.set()
            reply = await call.rest()
            await call.hung_up()

            assert reply.status == 200
            assert reply.headers["x-tproxy-model"] == "p/a"
            *told, last = events(reply.body)
            sent = [json.loads(data) for data in told]
            text = "".join(s["choices"][0]["delta"].get("content", "") for s in sent)
            assert text in ("Once upon", "Once upon a")
            error = json.loads(last)["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert (error["code"], error["param"]) == (code, None)
            assert b"[DONE]" not in reply.body
            assert len(upstream.asked) == 1
            assert second.asked == []
            logged(stage)
            if "silen" in name:
                await upstream.asked[0].left.wait()

    run(test)


@streamed
def test_a_limit_hidden_in_a_500_is_retried_until_something_else_comes(
    stream: bool,
) -> None:
    hidden = whole(HIDDEN_429, 500, {"retry-after-ms": "1"})

    async def test() -> None:
        async with (
            scripted(hidden, hidden, good(stream)) as upstream,
            staged(
                at(upstream.url, "p/a"),
                retry=RetryPolicy(max_retries=3, base_delay=0.001, max_delay=1.0),
            ) as stage,
        ):
            seen = await stage.ask(model="p/a", stream=stream)

            assert seen.status == 200
            assert b"Hello" in seen.body
            assert seen.headers["x-tproxy-attempts"] == "3"

    run(test)


@streamed
def test_it_stops_at_a_different_error(stream: bool) -> None:
    hidden = whole(HIDDEN_429, 500, {"retry-after-ms": "1"})
    refused = whole(b"", 401)

    async def test() -> None:
        async with (
            scripted(hidden, refused, good(stream)) as upstream,
            staged(
                at(upstream.url, "p/a"),
                retry=RetryPolicy(max_retries=3, base_delay=0.001, max_delay=1.0),
            ) as stage,
        ):
            seen = await stage.ask(model="p/a", stream=stream)

            assert (seen.status, seen.error["code"]) == (502, "upstream_auth_failed")
            assert len(upstream.asked) == 2

    run(test)


@streamed
def test_a_client_that_leaves_takes_the_exchange_with_it(stream: bool) -> None:
    """While the provider is silent, before and after content."""
    silent: list[Script] = [[End.HOLD], chunked([End.HOLD])]
    if stream:
        silent.append(chunked([*BEGUN, End.HOLD]))

    async def test() -> None:
        for script in silent:
            async with (
                scripted(script) as upstream,
                staged(at(upstream.url, "p/a")) as stage,
            ):
                raw = request("POST", "/v1/chat/completions", said(stream=stream))
                _, writer = await asyncio.open_connection("127.0.0.1", stage.proxy.port)
                writer.write(raw)
                asked = await upstream.first_asked()
                writer.close()
                await asked.left.wait()

                told = await stage.recorder.request()
                assert told.left
                assert [attempt.outcome for attempt in told.attempts] == ["left"]
                logged(stage)

    run(test)


def test_a_client_may_leave_while_the_provider_is_still_being_reached() -> None:
    [fault] = [fault for fault in FAULTS if fault.place is Place.NO_HANDSHAKE]

    async def test() -> None:
        async with (
            failing(fault, False) as (url, upstream),
            staged(at(url, "p/a")) as stage,
        ):
            raw = request("POST", "/v1/chat/completions", said())
            _, writer = await asyncio.open_connection("127.0.0.1", stage.proxy.port)
            writer.write(raw)
            await upstream.first_connected()
            writer.close()
            await upstream.left_alone()

            told = await stage.recorder.request()
            assert told.left
            assert [attempt.outcome for attempt in told.attempts] == ["left"]
            assert stage.recorder.notices == []

    run(test)

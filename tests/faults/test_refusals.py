"""What providers say when they refuse, over real sockets: what a client hears of it."""

from __future__ import annotations

import pytest

from tests.clocks import FakeClock
from tests.e2e.stage import at, staged
from tests.faults.consequences import ALL, EMPTY, Rests
from tests.faults.laboratory import ASKING, discreet, envelope, wait
from tests.faults.script import JSON, SSE, Script, chunked, whole
from tests.faults.upstream import scripted
from tests.providers.complaints import BODIES, Body
from tests.serving import run


def saying(body: Body, stream: bool) -> Script:
    """The reply of a provider that says so; without a status it is in a 200."""
    if body.status is None and stream:
        return chunked([b"data: %b\n\n" % body.raw], {**SSE, **body.headers})
    return whole(body.raw, body.status or 200, {**JSON, **body.headers})


@pytest.mark.parametrize(
    "body", BODIES, ids=[f"{n} {b.of} {b.status}" for n, b in enumerate(BODIES)]
)
def test_what_providers_say_is_told_in_our_words(body: Body) -> None:
    is_empty = body.status is None and not body.raw  # and no error at all
    kind = EMPTY if is_empty else ALL[body.failure.name]

    async def test() -> None:
        async with (
            scripted(saying(body, stream=False), saying(body, stream=True)) as upstream,
            staged(
                at(upstream.url, "p/a"), at(upstream.url, "p/b"), clock=FakeClock()
            ) as stage,
        ):
            for stream, called in enumerate(("p/a", "p/b")):
                reply = await stage.ask(model=called, stream=bool(stream), **ASKING)

                error = envelope(reply)
                assert (reply.status, error["code"]) == (kind.status, kind.code)
                if kind.rests is Rests.QUOTA:
                    assert wait(reply) == pytest.approx(body.wait or 1.0, abs=0.0011)
                discreet(stage)
            assert len(upstream.asked) == 2

    run(test)

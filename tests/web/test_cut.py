"""What a stream that is under way when a drain ends says last."""

from __future__ import annotations

import json

import pytest

from tests.dialect import DONE, event
from tests.e2e.stage import at, events, said, staged
from tests.faults.script import End, chunked
from tests.faults.upstream import scripted
from tests.serving import run

END = event(finish="stop")


@pytest.mark.parametrize(
    ("says", "last"),
    [
        ([event("Once")], "draining"),
        ([event("Once"), END], "draining"),  # usage may follow, or an error
        ([event("Once"), END, DONE], None),
        ([event("Once") + END + DONE], None),
    ],
)
def test_only_what_had_not_ended_is_told_of_the_drain(
    says: list[bytes], last: str | None
) -> None:
    async def test() -> None:
        async with (
            scripted(chunked([*says, End.HOLD])) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
            stage.calling(said(stream=True)) as call,
        ):
            await call.until(says[-1])
            for request in tuple(stage.proxy._context.active):
                request.cut()
            reply = await call.rest()
            await call.hung_up()
            line = await stage.recorder.request()

        assert reply.body.startswith(b"".join(says))
        if last is None:
            assert reply.body.endswith(DONE)
        else:
            assert json.loads(events(reply.body)[-1])["error"]["code"] == last
        assert (line.code, line.attempts[0].outcome) == (
            last,
            "left" if last else "answered",
        )

    run(test)

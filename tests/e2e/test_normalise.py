"""`normalise` through a proxy on real sockets."""

from __future__ import annotations

import json

import attrs
import pytest

from tests.e2e.stage import at, said, staged
from tests.faults.upstream import scripted
from tests.recorded import STREAMS, WHOLE, Recording
from tests.serving import run
from tproxy.contract import openai

OPENROUTER = [r for r in (*WHOLE, *STREAMS) if r.id.startswith("openrouter.")]
BOTH = [next(r for r in OPENROUTER if r.stream is stream) for stream in (False, True)]


@pytest.mark.parametrize("recording", BOTH, ids=["whole", "streamed"])
def test_a_client_gets_what_it_was_configured_for(recording: Recording) -> None:
    async def test() -> None:
        async with scripted(recording.reply, recording.reply) as upstream:
            plain = at(upstream.url, "relayed")
            normal = attrs.evolve(at(upstream.url, "normal"), normalise=True)
            replies = {}
            async with staged(plain, normal) as stage:
                for name in ("relayed", "normal"):
                    asked = said(model=name, stream=recording.stream)
                    async with stage.calling(asked) as call:
                        replies[name] = await call.rest()

        assert replies["relayed"].body == recording.body
        body, headers = replies["normal"].body, replies["normal"].headers
        if recording.stream:
            openai.check_stream(body, usage=False)
            assert headers["content-type"].startswith("text/event-stream")
        else:
            openai.check_completion(body)
            assert json.loads(body)["model"] == "normal"

    run(test)

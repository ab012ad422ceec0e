"""`GET /status` and `tproxy status`: by what candidates are chosen."""

from __future__ import annotations

import attrs
import pytest

from tests.serving import chat, model, run, send, serving, settings
from tests.test_status import BARE, body
from tests.web.test_status import AFAR, HERE, MINE, ask
from tproxy.core.model import Routing
from tproxy.core.status import LatencyStatus
from tproxy.core.strategy import By
from tproxy.status import table


def test_the_table() -> None:
    known = (LatencyStatus("groq/a", 0.4217, None), LatencyStatus("g/b", None, 12.0))

    said = table(body(attrs.evolve(BARE, strategy="latency", latency=known)))

    assert said.splitlines() == [
        "tproxy 1.2.3, up 3 h 12 min, worker 4711, 1 request under way, by latency",
        "",
        "LATENCY  STREAMS  WHOLE",
        "groq/a   0.422 s  -",
        "g/b      -        12 s",
    ]


@pytest.mark.parametrize("by", By)
def test_it_tells_by_what_and_how_quick_each_was(by: By) -> None:
    async def test() -> None:
        served = settings(model(), model("echo/b"), routing=Routing(by=by))
        async with serving(served) as (proxy, _):
            await send(proxy.port, chat(stream=True))
            here = await ask(proxy.port)
            afar = await ask(proxy.port, HERE, AFAR, MINE)

        assert here["strategy"] == afar["strategy"] == by.value
        assert afar["latency"] == []
        if by is not By.LATENCY:
            assert here["latency"] == []
            return
        [only] = here["latency"]
        assert (only["model"], only["whole"]) == ("echo/small", None)
        assert 0 < only["stream"] < 5

    run(test)

"""A named model is never quietly another, unless its fallbacks are declared."""

from __future__ import annotations

from tests.e2e.stage import at, staged
from tests.faults.laboratory import good
from tests.faults.script import whole
from tests.faults.table import streamed
from tests.faults.upstream import scripted
from tests.serving import run
from tproxy.core.model import Routing


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

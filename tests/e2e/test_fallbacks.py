"""A named model is never quietly another, unless its fallbacks are declared."""

from __future__ import annotations

import attrs
import pytest

from tests.e2e.stage import at, staged
from tests.faults.laboratory import good
from tests.faults.script import whole
from tests.faults.table import streamed
from tests.faults.upstream import scripted
from tests.serving import client, run
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


@pytest.mark.parametrize(
    ("may_call", "status", "code"),
    [
        (("p/a",), 502, "upstream_error"),  # as without fallbacks
        (("p/a", "q/c"), 200, None),
        (("p/a", "BIG"), 200, None),
        (("p/a", "BI*"), 200, None),
        (("q/c", "BIG"), 403, "model_not_allowed"),  # never quietly another
    ],
)
def test_nobody_falls_back_to_what_they_may_not_call(
    may_call: tuple[str, ...], status: int, code: str | None
) -> None:
    async def test() -> None:
        async with (
            scripted(whole(b"", 500)) as first,
            scripted(good(stream=False)) as second,
            staged(
                at(first.url, "p/a"),
                attrs.evolve(at(second.url, "q/c"), category="BIG"),
                clients=(client(models=may_call),),
                routing=Routing(fallbacks={"p/a": ("BIG",)}),
            ) as stage,
        ):
            reply = await stage.ask(model="p/a")

        assert reply.status == status
        assert (reply.error["code"] if code else None) == code
        assert len(second.asked) == (status == 200)

    run(test)

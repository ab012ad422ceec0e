"""Images and vectors: conversations of several requests, over scripted ports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import attrs
import pytest

from tests.clocks import LoopClock, in_no_time
from tests.fakes import (
    Act,
    FakeBreakers,
    FakeQuotas,
    FakeTransport,
    Gate,
    Script,
    Silence,
)
from tests.relay.rig import ANYBODY, model
from tests.values import PNG, PNG_BASE64, embedding, image
from tproxy.core import failures
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.image import ImageRequest
from tproxy.core.leases import Lease
from tproxy.core.model import Model, Upstream
from tproxy.core.upstream import (
    Broken,
    Dialect,
    ImageReply,
    Picture,
    Reply,
    Steps,
    UpstreamRequest,
    Usage,
)
from tproxy.providers.openai import DIALECT
from tproxy.relay.answer import Begun
from tproxy.relay.attempt import Asking, Ports
from tproxy.relay.cost import Purse
from tproxy.relay.doors import Doors
from tproxy.relay.stepping import make
from tproxy.relay.trail import Trail

MODEL = model("provider")
JSON = {"content-type": "application/json", "x-cost": "1"}
DRAWN = Script([b'{"data": [{"b64_json": "%b"}]}' % PNG_BASE64.encode()], headers=JSON)
LINKED = Script([b'{"data": [{"url": "https://far/1.png"}]}'], headers=JSON)
BYTES = Script([PNG[:20], PNG[20:]], headers={"content-type": "text/plain"})


@attrs.define(eq=False)
class Bench:
    """The ports of one attempt, and a `make` among them."""

    inside: Act | Sequence[Act] = DRAWN
    far: Act = BYTES
    dialect: Dialect = DIALECT
    model: Model = MODEL
    left: float = 200.0
    gate: Gate = attrs.field(factory=Gate)
    trail: Trail = attrs.field(factory=Trail)
    signed: list[UpstreamRequest] = attrs.field(factory=list)
    transport: FakeTransport = attrs.field(init=False)
    outside: FakeTransport = attrs.field(init=False)
    asking: Asking = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        inside = self.inside if isinstance(self.inside, Sequence) else [self.inside]
        self.transport = FakeTransport({"provider": inside}, self.gate)
        self.outside = FakeTransport({"far": [self.far]}, self.gate)

    async def sign(
        self, request: UpstreamRequest, upstream: Upstream
    ) -> UpstreamRequest:
        self.signed.append(request)
        signed = (*request.headers, ("Authorization", "Bearer k"))
        return attrs.evolve(request, headers=signed)

    def refused(self, request: UpstreamRequest, upstream: Upstream) -> bool:
        return False

    async def making(self, request: ImageRequest | EmbeddingRequest) -> Begun:
        quotas = FakeQuotas(self.gate)
        lease = await quotas.reserve(MODEL.budgets)
        assert isinstance(lease, Lease)
        self.asking = Asking(
            self.model,
            Purse.of(self.model, ANYBODY),
            lease,
            Ports(quotas, FakeBreakers(self.gate), LoopClock()),
            self.trail,
        )
        doors = Doors(self, self.transport, self.outside)
        try:
            return await make(request, self.asking, self.dialect, doors, self.left)
        finally:
            assert not self.transport.under_way
            assert not self.outside.under_way

    def make(self, request: ImageRequest | EmbeddingRequest) -> Begun:
        return in_no_time(self.making(request))

    def failure(self, request: ImageRequest | EmbeddingRequest) -> UpstreamFailed:
        with pytest.raises(UpstreamFailed) as caught:
            self.make(request)
        return caught.value


def test_an_image_is_asked_for_and_handed_on() -> None:
    bench = Bench()

    begun = bench.make(image())

    assert begun.whole == DRAWN.reads[0]
    assert begun.headers == (("Content-Type", "application/json"), ("X-Cost", "1"))
    assert (bench.asking.sent, bench.asking.finished) == (True, True)
    assert bench.transport.asked == ["provider"]
    [sent] = bench.transport.requests
    assert ("Authorization", "Bearer k") in sent.headers


def test_a_bare_image_has_its_own_type() -> None:
    begun = Bench().make(image(bare=True))

    assert begun.whole == PNG
    assert begun.headers == (("Content-Type", "image/png"), ("X-Cost", "1"))


def test_a_link_is_followed_through_the_other_door_without_a_key() -> None:
    bench = Bench(LINKED)

    begun = bench.make(image(bare=True))

    assert begun.whole == PNG
    assert begun.headers == (("Content-Type", "image/png"), ("X-Cost", "1"))
    assert (bench.transport.asked, bench.outside.asked) == (["provider"], ["far"])
    assert len(bench.signed) == 1
    assert not any("Bearer" in value for _, value in bench.outside.requests[0].headers)


def test_vectors_are_asked_for_and_their_tokens_counted() -> None:
    said = {"data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 3}}
    bench = Bench(Script([json.dumps(said).encode()]))

    begun = bench.make(embedding())

    assert begun.whole is not None
    assert json.loads(begun.whole) == said
    assert begun.headers == (("Content-Type", "application/json"),)
    assert bench.trail.usage == Usage(3, 0)


@pytest.mark.parametrize("status", [300, 302, 400, 404, 500])
def test_a_link_that_does_not_answer_is_the_providers_failure(status: int) -> None:
    bench = Bench(LINKED, Script([b'{"error": "secret"}'], status=status))

    error = bench.failure(image(bare=True))

    assert error.failure is failures.UNEXPECTED
    assert error.detail == f"{status} for a picture that is linked to"


@pytest.mark.parametrize(
    ("status", "row"),
    [(401, failures.AUTH), (429, failures.RATE_LIMIT), (302, failures.UNEXPECTED)],
)
def test_an_error_is_read_as_that_of_a_chat(status: int, row: failures.Failure) -> None:
    bench = Bench(Script([b"{}"], status=status))

    assert bench.failure(embedding()).failure is row
    assert (bench.asking.sent, bench.asking.finished) == (True, False)


@pytest.mark.parametrize("request_", [image(), embedding()])
def test_what_a_dialect_cannot_make_is_refused_unasked(
    request_: ImageRequest | EmbeddingRequest,
) -> None:
    bench = Bench(dialect=Dialect(DIALECT.chat))

    error = bench.failure(request_)

    assert error.failure is failures.UNSUPPORTED
    assert error.told.status == 400
    assert not bench.asking.sent


@attrs.frozen
class Speaks:
    """An adapter that walks as it is told, and tells that it was let go."""

    requests: tuple[UpstreamRequest, ...]
    drawn: tuple[Picture, ...] = (Picture("image/png", PNG),)
    closed: list[str] = attrs.field(factory=list)

    def draw(self, image: ImageRequest, model: Model) -> Steps[ImageReply]:
        try:
            for request in self.requests:  # noqa: UP028 - a tuple takes no answers
                yield request
            return ImageReply(self.drawn, Usage(1, 2))
        finally:
            self.closed.append("closed")

    def embed(self, texts: EmbeddingRequest, model: Model) -> Steps[Reply]:
        raise NotImplementedError


def step(*dropped: str) -> UpstreamRequest:
    return UpstreamRequest("POST", "https://provider/x", (), b"", dropped)


@pytest.mark.parametrize(
    ("drawn", "row"),
    [
        ((), failures.EMPTY),
        ((Picture("", url="https://far/1.png"),), failures.MALFORMED),
    ],
)
def test_an_adapter_that_forgets_what_it_promised_has_failed(
    drawn: tuple[Picture, ...], row: failures.Failure
) -> None:
    bench = Bench(dialect=Dialect(DIALECT.chat, Speaks((step(),), drawn)))

    assert bench.failure(image(bare=True)).failure is row


def test_fields_dropped_at_any_step_are_told() -> None:
    bench = Bench(dialect=Dialect(DIALECT.chat, Speaks((step("size"), step("n")))))

    begun = bench.make(image())

    assert bench.asking.dropped == ("size", "n")
    assert bench.trail.usage == Usage(1, 2)
    assert begun.whole is not None
    assert json.loads(begun.whole)["data"] == [{"b64_json": PNG_BASE64}]


def test_a_strict_model_drops_nothing() -> None:
    adapter = Speaks((step("quality"),))
    bench = Bench(
        dialect=Dialect(DIALECT.chat, adapter),
        model=attrs.evolve(MODEL, strict=True),
    )

    error = bench.failure(image())

    assert (error.failure, error.param) == (failures.UNSUPPORTED, "quality")
    assert not bench.asking.sent
    assert adapter.closed == ["closed"]


@pytest.mark.parametrize(
    ("acts", "row"),
    [
        (Broken(failures.UNREACHABLE, "x"), failures.UNREACHABLE),
        ([DRAWN, Broken(failures.LOST, "x")], failures.LOST),
        (Script([b"{", Broken(failures.EARLY_END, "x")]), failures.EARLY_END),
        ([DRAWN, Silence()], failures.TIMED_OUT),
        (Script([b"{", Silence()]), failures.TIMED_OUT),
    ],
)
def test_an_exchange_that_breaks_ends_the_walk(
    acts: Act | Sequence[Act], row: failures.Failure
) -> None:
    adapter = Speaks((step(), step()))
    bench = Bench(acts, dialect=Dialect(DIALECT.chat, adapter))

    with pytest.raises(Broken) as broken:
        bench.make(image())

    assert broken.value.failure is row
    assert adapter.closed == ["closed"]


def test_all_steps_together_have_one_deadline() -> None:
    async def slow() -> None:
        gate = SlowGate()
        bench = Bench(
            dialect=Dialect(DIALECT.chat, Speaks((step(),) * 5)),
            left=1.0,
            gate=gate,
        )
        with pytest.raises(Broken, match="not whole in 1 s"):
            await bench.making(image())
        assert len(bench.transport.asked) == 3
        assert bench.asking.hurried

    in_no_time(slow())


@attrs.define(eq=False)
class SlowGate(Gate):
    """Opens each exchange after a part of a second."""

    async def passing(self, place: str) -> None:
        if place == "transport.open":
            await asyncio.sleep(0.4)


@pytest.mark.parametrize("place", ["transport.open", "read 0", "read 1"])
def test_who_leaves_takes_the_walk_along(place: str) -> None:
    adapter = Speaks((step(), step()))
    bench = Bench(gate=Gate(place), dialect=Dialect(DIALECT.chat, adapter))
    bench.transport = FakeTransport({"provider": [BYTES]}, bench.gate)

    async def leave() -> None:
        making = asyncio.ensure_future(bench.making(image()))
        await bench.gate.reached.wait()
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making

    in_no_time(leave())
    assert adapter.closed == ["closed"]

"""Pictures that a chat links to are fetched where a provider needs the bytes."""

from __future__ import annotations

import asyncio

import pytest

from tests.clocks import in_no_time
from tests.fakes import Act, FakeTransport, Gate, Script, Silence
from tests.values import KEY, PNG, PNG_BASE64, chat, model
from tproxy.core import failures, message
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.upstream import Broken
from tproxy.relay.linking import LARGEST_IN_ALL, MOST_LINKS, Linking

MODEL = model("a")
DATA = f"data:image/png;base64,{PNG_BASE64}"
GOOD = Script([PNG], headers={"content-type": "text/plain"})
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'/>" + bytes(60)


def picture(url: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url}}


def asked(*hosts: str) -> ChatRequest:
    return chat(
        [{"type": "text", "text": "?"}, *(picture(f"https://{h}/") for h in hosts)]
    )


async def embedded(linking: Linking) -> ChatRequest | UpstreamFailed:
    try:
        return await linking.embedded(MODEL)
    except UpstreamFailed as error:
        return error


def parts(got: ChatRequest | UpstreamFailed) -> tuple[message.Part, ...]:
    assert isinstance(got, ChatRequest), got
    return message.read(got.document.values["messages"])[0].parts


def refused(act: Act) -> UpstreamFailed:
    transport = FakeTransport({"good": [GOOD], "bad": [act]})

    got = in_no_time(embedded(Linking(asked("good", "bad"), transport)))

    assert not transport.under_way
    assert isinstance(got, UpstreamFailed)
    assert (got.failure, got.told.status) == (failures.UNSUPPORTED, 400)
    assert got.param == "messages[0].content[2].image_url"
    assert "bad" not in got.message
    return got


def test_links_become_the_pictures_they_lead_to() -> None:
    transport = FakeTransport({"x": [GOOD], "y": [Script([PNG[:9], PNG[9:]])]})

    got = in_no_time(embedded(Linking(asked("x", "y", "x"), transport)))

    media = message.Media("image/png", PNG_BASE64)
    assert parts(got) == (message.Text("?"), media, media, media)
    assert transport.asked == ["x", "y"]
    for request in transport.requests:
        assert (request.method, request.body, request.ours) == ("GET", b"", False)
        assert KEY not in str(request.headers)


def test_they_are_fetched_once_for_all_candidates() -> None:
    transport = FakeTransport({"x": [GOOD]})
    links = Linking(asked("x"), transport)

    async def twice() -> None:
        assert await embedded(links) == await embedded(links)

    in_no_time(twice())
    assert transport.asked == ["x"]


def test_a_failure_is_found_out_once_too() -> None:
    transport = FakeTransport({"x": [Script(status=404)]})
    links = Linking(asked("x"), transport)

    async def twice() -> None:
        for _ in range(2):
            assert isinstance(await embedded(links), UpstreamFailed)

    in_no_time(twice())
    assert transport.asked == ["x"]


def test_a_chat_without_links_stays_as_it_is() -> None:
    plain = chat([picture(DATA)])

    assert in_no_time(embedded(Linking(plain, FakeTransport({})))) is plain


def test_links_to_where_a_model_is_asked_stay() -> None:
    transport = FakeTransport({"x": [GOOD]})
    said = asked("x", "a.test")

    got = in_no_time(embedded(Linking(said, transport)))

    media = message.Media("image/png", PNG_BASE64)
    assert parts(got)[1:] == (media, message.Link("https://a.test/"))
    assert transport.asked == ["x"]


@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (Script([PNG], status=404), "fetching it brought a 404"),
        (Script([PNG], status=302), "fetching it brought a 302"),
        (Script([PNG], status=206), "fetching it brought a 206"),
        (Script([]), "it leads to no image"),
        (Script([SVG], headers={"content-type": "image/png"}), "it leads to no image"),
        (Broken(failures.UNRESOLVED, "10.0.0.1"), "it could not be fetched"),
        (Broken(failures.UNREACHABLE, "refused"), "it could not be fetched"),
        (Script([PNG, Broken(failures.EARLY_END, "x")]), "it could not be fetched"),
        (Silence(), "not fetched in time"),
    ],
)
def test_what_cannot_be_had_is_refused_with_its_place(act: Act, problem: str) -> None:
    assert f"({problem})" in refused(act).message


def test_all_pictures_of_a_chat_together_have_a_size() -> None:
    most = Script([PNG, bytes(LARGEST_IN_ALL - 2 * len(PNG))])
    more = Script([PNG, bytes(LARGEST_IN_ALL - 2 * len(PNG) + 1)])

    async def fetched(act: Act) -> ChatRequest | UpstreamFailed:
        transport = FakeTransport({"x": [GOOD], "y": [act]})
        return await embedded(Linking(asked("x", "y"), transport))

    assert isinstance(in_no_time(fetched(most)), ChatRequest)
    assert "pictures too large in all" in refused(more).message


def test_a_chat_may_not_link_to_endlessly_many() -> None:
    transport = FakeTransport({})
    hosts = [f"h{number}" for number in range(MOST_LINKS + 1)]

    got = in_no_time(embedded(Linking(asked(*hosts), transport)))

    assert isinstance(got, UpstreamFailed)
    assert f"over {MOST_LINKS} links" in got.message
    assert transport.asked == []


def test_who_leaves_takes_the_fetching_along() -> None:
    gate = Gate("read 0")
    transport = FakeTransport({"x": [GOOD]}, gate)

    async def leave() -> None:
        fetching = asyncio.ensure_future(embedded(Linking(asked("x"), transport)))
        await gate.reached.wait()
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        assert not transport.under_way

    in_no_time(leave())

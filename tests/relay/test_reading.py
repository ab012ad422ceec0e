"""Streams, cut wherever a network may cut them."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import in_no_time
from tests.dialect import DONE, event, stream
from tests.e2e.stage import events
from tests.fakes import Script
from tests.recorded import STREAMS, Recording
from tests.relay.rig import SSE, Rig, Seen, request
from tproxy.core import failures
from tproxy.core.model import RetryPolicy
from tproxy.core.upstream import Broken

SHORT = sorted(STREAMS, key=lambda recording: len(recording.body))[:4]
EARLY = Broken(failures.EARLY_END, "")


def relayed(*scripts: Script) -> list[Seen]:
    """What clients see of each, one after the other."""
    rig = Rig({"a": scripts}, retry=RetryPolicy(max_retries=0))

    async def test() -> list[Seen]:
        return [await rig.asking(request("a", stream=True)) for _ in scripts]

    return in_no_time(test())


def text(data: list[str]) -> str:
    """All that a client can read: content, thoughts, refusals, arguments."""
    chunks = [json.loads(one) for one in data if one != "[DONE]"]
    choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
    return "".join(_strings(choice.get("delta")) for choice in choices)


def _strings(value: object) -> str:
    match value:
        case str():
            return value
        case dict():
            return "".join(map(_strings, value.values()))
        case list():
            return "".join(map(_strings, value))
    return ""


@given(st.data())
def test_any_slicing_gives_the_same_bytes(data: st.DataObject) -> None:
    recording = data.draw(st.sampled_from(STREAMS), label="recording")
    body = recording.body
    places = st.integers(1, len(body) - 1)
    cuts = [0, *sorted(data.draw(st.sets(places, max_size=30), "cuts")), len(body)]
    reads = [body[start:end] for start, end in pairwise(cuts)]

    [seen] = relayed(Script(reads, headers=SSE))

    assert seen.text == body


@pytest.mark.parametrize("recording", SHORT, ids=lambda recording: recording.id)
@pytest.mark.parametrize("end", [[], [EARLY]], ids=["ended", "broken"])
def test_at_any_cut_the_client_has_a_beginning(
    recording: Recording, end: list[Broken]
) -> None:
    """Never a word twice, never the end mark after an error, never a false end."""
    body = recording.body
    whole = events(body)
    cuts = [body[:place] for place in range(1, len(body))]

    answers = relayed(*(Script([cut, *end], headers=SSE) for cut in cuts))

    for cut, seen in zip(cuts, answers, strict=True):
        if seen.error is not None:
            assert seen.told == (502, "upstream_error")
            continue
        *told, last = events(seen.text)
        broken = '"error"' in last
        said = told if broken else [*told, last]
        assert text(whole).startswith(text(said))
        assert said == whole[: len(said)]
        if broken:
            assert "[DONE]" not in said
            assert set(json.loads(last)["error"]) == {
                "message",
                "type",
                "param",
                "code",
            }
        elif end:
            assert last == "[DONE]"
        else:
            assert last == "[DONE]" or b'"finish_reason":"' in cut


BEGUN = b"".join(stream("Once", " upon")[:-2])


@pytest.mark.parametrize(
    "tail",
    [b"d", b"data", b"data:", b"data: ", b": wait", b"event: chunk", b"id: 1\n", b"\r"],
)
def test_half_an_event_does_not_swallow_the_error(tail: bytes) -> None:
    for script in (
        Script([BEGUN, tail], headers=SSE),
        Script([BEGUN + tail], headers=SSE),
    ):
        [seen] = relayed(script)

        *_, last = events(seen.text)
        assert json.loads(last)["error"]["code"] == "upstream_error"


def test_an_end_that_is_content_too_is_read_once() -> None:
    """The first content comes with the last byte, before a blank line would."""
    only = event("Hello", "stop").rstrip()

    [seen] = relayed(Script([only], headers=SSE))

    assert seen.text == only


@pytest.mark.parametrize("done", [DONE, b"data: [DONE]\r\n\r\n", b"data:[DONE]\n\n"])
def test_after_the_end_mark_nothing_can_break(done: bytes) -> None:
    reads = [*stream("Hello")[:-1], done]

    [seen] = relayed(Script([*reads, EARLY], headers=SSE))

    assert seen.text == b"".join(reads)


def test_a_broken_end_mark_is_none() -> None:
    reads = [*stream("Hello")[:-1], b"data: [DONE]"]

    [broken, ended] = relayed(
        Script([*reads, EARLY], headers=SSE), Script(reads, headers=SSE)
    )

    assert b"[DONE]" not in broken.text
    assert b'"error"' in broken.text
    assert ended.text == b"".join(reads)

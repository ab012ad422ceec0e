"""A second model's stream, as the client of the first one gets it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialect import DONE, event, stream
from tests.values import chat, model
from tproxy.core import failures
from tproxy.core.continuation import Before, Continuation
from tproxy.core.joining import Joining
from tproxy.core.model import Prefill
from tproxy.core.upstream import Usage
from tproxy.providers.openai import PassThrough

HEAD = {"id": "first", "object": "chat.completion.chunk", "created": 7, "model": "m"}
TEXT = "Once upon"
B = model("b", prefill=Prefill.MESSAGE)


def joining(
    text: str = TEXT, *, way: Prefill = Prefill.MESSAGE, estimated: bool = False
) -> Joining:
    before = Before(text, HEAD, Usage(10, 2), estimated)
    asked = Continuation.of(chat(stream=True), before)
    assert asked is not None
    b = model("b", prefill=way)
    return Joining(PassThrough(b), asked, b)


def heard(reader: Joining, reads: Iterable[bytes]) -> bytes:
    return b"".join([reader.feed(read) for read in reads]) + reader.close()


def told(text: str | None = None, finish: str | None = None, **fields: object) -> bytes:
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    said = {**HEAD, "choices": [choice], **fields}
    return b"data: %b\n\n" % json.dumps(said, separators=(",", ":")).encode()


MARK = {"resumed": [{"model": "b", "at": 9}]}
LAST = told(finish="stop", x_tproxy=MARK)


def test_chunks_are_told_under_the_first_head_without_a_second_role() -> None:
    reader = joining()

    assert heard(reader, stream(" a", " time")) == (
        told(" a") + told(" time") + LAST + DONE
    )
    assert (reader.failure, reader.begun) == (None, True)


def test_it_has_begun_with_its_first_new_word() -> None:
    reader = joining("Once\n")

    assert reader.feed(event()) == reader.feed(event("\n")) == b""
    assert not reader.begun
    assert reader.feed(event("Two")) == told("Two")
    assert reader.begun


def test_signs_of_life_go_through() -> None:
    assert joining().feed(b": working\n\n") == b": working\n\n"


@pytest.mark.parametrize(
    "reads",
    [
        [event(" a"), event(finish="stop"), DONE],
        [event(" a"), event(finish="stop")],
        [event(" a"), event(finish="stop"), DONE, DONE],
    ],
)
def test_the_end_is_marked_once(reads: Sequence[bytes]) -> None:
    assert heard(joining(), reads) == told(" a") + LAST + DONE


def test_an_end_without_a_reason_is_given_none() -> None:
    last = told(x_tproxy=MARK)

    assert heard(joining(), [event(" a"), DONE]) == told(" a") + last + DONE


@pytest.mark.parametrize("reads", [stream(), [event(finish="stop")]])
def test_a_model_with_nothing_to_add_ends_the_answer(reads: Sequence[bytes]) -> None:
    reader = joining()

    assert heard(reader, reads) == LAST + DONE
    assert (reader.failure, reader.begun) == (None, True)


@pytest.mark.parametrize("estimated", [False, True])
def test_usage_is_that_of_both(estimated: bool) -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 3, "prompt_tokens_details": {}}
    said = b"data: %b\n\n" % json.dumps({"choices": [], "usage": usage}).encode()
    reader = joining(estimated=estimated)

    last = heard(reader, [event(" a"), event(finish="stop"), said, DONE])

    both = {"prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35}
    of_both = json.loads(last.split(b"data: ")[3])
    mark = {"x_tproxy": {"usage": "estimated"}} if estimated else {}
    assert of_both == {**HEAD, "choices": [], "usage": both, **mark}
    assert reader.usage == Usage(20, 3)


@pytest.mark.parametrize(
    ("reads", "heard_"),
    [
        (stream("Once upon", " a time"), b""),
        ([event(" a"), event("b").replace(b"content", b"reasoning")], told(" a")),
        ([event().replace(b'"role"', b'"tool_calls"')], b""),
    ],
)
def test_who_begins_again_or_says_more_than_a_text_is_not_heard(
    reads: Sequence[bytes], heard_: bytes
) -> None:
    reader = joining()

    assert heard(reader, reads) == heard_
    assert reader.failure is not None
    assert reader.failure.failure is failures.UNJOINED
    assert reader.feed(event(" c")) == reader.close() == b""


@pytest.mark.parametrize(
    ("reads", "row"),
    [
        ([event(" a")], failures.EARLY_END),
        ([event(" a"), b"data: {\n\n"], failures.MALFORMED),
        ([event(" a"), b'data: {"error": {"message": "x"}}\n\n'], failures.SERVER),
    ],
)
def test_it_breaks_as_any_stream(reads: Sequence[bytes], row: failures.Failure) -> None:
    reader = joining()

    assert heard(reader, reads) == told(" a")
    assert reader.failure is not None
    assert reader.failure.failure is row


def test_an_echo_that_is_declared_is_dropped() -> None:
    reader = joining(way=Prefill.ECHOED_PREFIX)

    assert heard(reader, stream("Once", " upon a", " time")) == (
        told(" a") + told(" time") + LAST + DONE
    )


@given(st.lists(st.integers(0, 900), max_size=12), st.booleans())
def test_any_slicing_of_the_bytes_is_told_alike(cuts: list[int], echoes: bool) -> None:
    way = Prefill.ECHOED_PREFIX if echoes else Prefill.MESSAGE
    words = ["Once ", "upon"] if echoes else []
    whole = b"".join(stream(*words, " a\N{SNOWMAN}", "\ud83d", "\ude00", " time"))
    ends = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]

    sliced = heard(joining(way=way), [whole[a:b] for a, b in pairwise(ends)])

    assert sliced == heard(joining(way=way), [whole])

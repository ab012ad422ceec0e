"""Chunks that are not parsed: what comes of them is what would if they were."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from tests.providers.test_openai import DONE, HELLO, MODEL
from tproxy.providers.openai import PassThrough

# What would be notable elsewhere is nothing in a text.
TEXTS = """
    Hi привет error usage finish_reason : " \\ \\" "error": "usage":{ ":" "choices"
    "content":" [DONE] "},"finish_reason":"stop"}]} ","error":{"message":"x"},"a":"
    """.split()  # noqa: SIM905 - quoted, they would be hard to read
# In a choice, and around all of them, after what is said.
RESTS: list[tuple[dict[str, object], dict[str, object]]] = [
    ({}, {}),
    ({"finish_reason": None}, {"usage": None}),
    ({"finish_reason": "stop"}, {}),
    ({"finish_reason": "error"}, {}),
    ({}, {"usage": {"prompt_tokens": 3}}),
    ({}, {"error": {"message": "x"}}),
    ({}, {"choices": [], "usage": {"prompt_tokens": 3}}),
]


class Thorough(PassThrough):
    """Parses whatever comes."""

    def _is_plain(self, raw: bytes) -> bool:
        return False


@given(
    st.sampled_from(["content", "reasoning", "reasoning_content", "arguments"]),
    st.lists(
        st.tuples(
            st.lists(st.sampled_from([*TEXTS, "\n\n", "\r"]), max_size=3).map("".join),
            st.sampled_from(RESTS),
        ),
        max_size=6,
    ),
    st.builds(
        json.JSONEncoder,
        ensure_ascii=st.booleans(),
        separators=st.sampled_from([(",", ":"), (", ", ": ")]),
    ),
    st.sampled_from([b"", b": ping\n", b"event: message\n"]),
    st.sampled_from([b"\n\n"] * 4 + [b"\r\n\r\n", b"\r\r", b"\n\n\n"]),
    st.sampled_from([DONE, b""]),
    st.none() | st.lists(st.integers(0, 2_000), max_size=5),
    st.booleans(),
)
def test_a_chunk_is_handed_on_as_if_it_were_parsed(
    key: str,
    said: list[tuple[str, tuple[dict[str, object], dict[str, object]]]],
    writer: json.JSONEncoder,
    before: bytes,
    end: bytes,
    last: bytes,
    places: list[int] | None,
    hides_usage: bool,
) -> None:
    reads = [HELLO]
    for text, (beside, around) in said:
        chunk = {"choices": [{"delta": {key: text}, **beside}], **around}
        reads.append(b"%bdata: %b%b" % (before, writer.encode(chunk).encode(), end))
    reads.append(last)
    if places is not None:
        stream = b"".join(reads)
        edges = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
        reads = [stream[a:b] for a, b in itertools.pairwise(edges)]
    reader = PassThrough(MODEL, {}, hides_usage)
    thorough = Thorough(MODEL, {}, hides_usage)

    for each in reads:
        assert reader.feed(each) == thorough.feed(each)

    assert reader.close() == thorough.close()
    assert str(reader.failure) == str(thorough.failure)
    assert reader.usage == thorough.usage

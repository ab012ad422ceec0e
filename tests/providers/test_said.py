"""Untyped JSON, looked at."""

from __future__ import annotations

import pytest

from tests.values import model
from tproxy.core.errors import UpstreamFailed
from tproxy.core.tokens import MOST
from tproxy.core.upstream import UpstreamHead
from tproxy.providers import said

MODEL = model()


@pytest.mark.parametrize(
    ("data", "row"),
    [
        (b" \n", "empty"),
        (b"[]", "malformed"),
        (b"{", "malformed"),
        (b"\xff", "malformed"),
        (b"[" * 100_000, "malformed"),
    ],
)
def test_what_is_no_object_is_a_failure(data: bytes, row: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        said.opened(data, MODEL)

    assert caught.value.failure.name == row


def test_what_is_missing_is_empty_and_what_is_another_thing_fails() -> None:
    found = said.opened(b'{"a": "x", "b": [1], "c": null}', MODEL)

    assert [said.string(found, name, MODEL) for name in "acd"] == ["x", "", ""]
    assert [said.listed(found, name, MODEL) for name in "bcd"] == [[1], [], []]
    for look, name in ((said.string, "b"), (said.listed, "a")):
        with pytest.raises(UpstreamFailed):
            look(found, name, MODEL)


@pytest.mark.parametrize("value", [None, True, -1, 1.0, "1", MOST + 1])
def test_strange_counts_are_no_counts(value: object) -> None:
    assert said.whole(value) is None


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "Application/XML"])
def test_a_page_is_no_stream(kind: str) -> None:
    with pytest.raises(UpstreamFailed):
        said.stream_kind(UpstreamHead(200, {"content-type": kind}), MODEL)

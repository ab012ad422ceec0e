"""Lines of a log, read for a replay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulation.records import NOON, line, tried
from tproxy.core.model import Kind
from tproxy.simulation import record
from tproxy.simulation.record import Lines, Record, read


def only(log: bytes) -> Record:
    [found] = read([log], Lines())
    return found


def test_a_request_began_before_its_line_was_written() -> None:
    found = only(line(7.0))

    assert found.began == NOON + 7
    assert (found.client, found.asked, found.model) == ("tester", "SMALL", "p/a")
    assert found.tokens == (3, 4)
    assert [attempt.outcome for attempt in found.attempts] == ["answered"]


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"asked": "an-alias", "reason": "alias"}, "an-alias"),
        ({"asked": ""}, ""),
        ({"asked": None, "reason": "category BIG; priority 2; x quota spent"}, "BIG"),
        ({"asked": None, "reason": "name"}, "p/a"),
        ({"asked": None, "reason": "alias"}, "p/a"),
        ({"asked": None, "reason": "image model"}, ""),
        (
            {
                "asked": None,
                "reason": "fallback after name; p/z server",
                "attempts": [tried("p/z", "server"), tried("p/a")],
            },
            "p/z",
        ),
        (
            {
                "asked": None,
                "reason": "",
                "model": None,
                "status": 502,
                "attempts": [tried("p/z", "server")],
            },
            "p/z",
        ),
    ],
)
def test_what_was_asked_is_read_or_guessed(fields: dict[str, Any], asked: str) -> None:
    assert only(line(**fields)).asked == asked


@pytest.mark.parametrize(
    ("route", "kind"),
    [
        ("/v1/chat/completions", Kind.CHAT),
        ("/images/generations/", Kind.IMAGE),
        ("/v1/image", Kind.IMAGE),
        ("/v1/embeddings", Kind.EMBEDDING),
    ],
)
def test_the_route_tells_the_kind(route: str, kind: Kind) -> None:
    assert only(line(route=route)).kind is kind


NOBODY: dict[str, Any] = {"model": None, "attempts": None, "reason": None}


@pytest.mark.parametrize(
    ("log", "what"),
    [
        (line(), "replayed"),
        (line(status=429, **NOBODY), "replayed"),
        (line(status=503, **NOBODY), "replayed"),
        (line(status=429, asked=None, **NOBODY), "unasked"),
        (line(status=400, **NOBODY), "unasked"),
        (line(route="/ping", asked=None, **NOBODY), "unasked"),
        (b'{"message": "serving"}', "other"),
        (b"", "unreadable"),
        (b"warning: no such thing", "unreadable"),
        (b"[1]", "unreadable"),
        (b"\xff", "unreadable"),
        (b"[" * 100_000, "unreadable"),
        (line(time=float("nan")), "unreadable"),
        (line(time=10**400), "unreadable"),
        (line(time="now"), "unreadable"),
        (line(seconds=-1), "unreadable"),
        (line(prompt_tokens=True), "unreadable"),
        (line(completion_tokens=-4), "unreadable"),
        (line(attempts=[1]), "unreadable"),
        (line(model=7), "unreadable"),
        (line(request_id=None), "unreadable"),
    ],
)
def test_every_line_is_counted_as_what_it_is(log: bytes, what: str) -> None:
    lines = Lines()

    found = list(read([log], lines))

    assert [name for name in Lines.__slots__ if getattr(lines, name, 0) == 1] == [what]
    assert len(found) == lines.replayed


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(name=st.sampled_from(sorted(json.loads(line()))), value=VALUES)
def test_no_value_is_too_strange_to_be_counted(name: str, value: object) -> None:
    lines = Lines()

    list(read([json.dumps({**json.loads(line()), name: value}).encode()], lines))

    counted = lines.replayed, lines.unasked, lines.other, lines.unreadable
    assert sum(counted) == 1


def test_lines_come_in_the_order_in_which_requests_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(record, "_AHEAD", 3)
    lines = Lines()

    found = read([line(at) for at in (3, 1, 2, 6, 5, 4, 8, 7, 0, 9)], lines)

    assert [r.began - NOON for r in found] == [1, 2, 3, 4, 5, 5, 6, 7, 8, 9]
    assert (lines.replayed, lines.late) == (10, 1)

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.values import chat, embedding, image, model
from tproxy.core.model import Capability, Client, Kind
from tproxy.core.request import Request
from tproxy.core.selection import Candidate, Exclusion, Selection, Why
from tproxy.selection.eligible import select
from tproxy.selection.strategies import PriorityThenIdlest
from tproxy.state.memory import MemoryTurns

ANYBODY = Client("anybody", ())
TOOLS = [{"type": "function", "function": {"name": "f"}}]
PICTURE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}


def chosen(
    *candidates: Candidate,
    asked: Request | None = None,
    client: Client = ANYBODY,
    called: str = "SMALL",
) -> Selection:
    return select(
        chat() if asked is None else asked,
        client,
        candidates,
        PriorityThenIdlest(),
        called=called,
    )


def names(selection: Selection) -> list[str]:
    return [candidate.model.name for candidate in selection.ranked]


@pytest.mark.parametrize(
    ("changes", "asked", "why", "detail"),
    [
        (
            {"obstacle": "speaks a dialect of its own"},
            chat(),
            Why.UNSUPPORTED,
            "speaks a dialect of its own",
        ),
        (
            {"max_request_length": 4},
            chat("Hello"),
            Why.TOO_LONG,
            "5 bytes of text, at most 4",
        ),
        (
            {"max_output_tokens": 10},
            chat(max_tokens=11),
            Why.TOO_LONG,
            "11 output tokens asked, at most 10",
        ),
        (
            {"context_tokens": 100},
            chat("x" * 404),
            Why.TOO_LONG,
            "about 101 + 0 tokens, at most 100",
        ),
        (
            {"context_tokens": 100},
            chat("x" * 200, max_completion_tokens=51),
            Why.TOO_LONG,
            "about 50 + 51 tokens, at most 100",
        ),
        (
            {"capabilities": frozenset()},
            chat(tools=TOOLS),
            Why.INCAPABLE,
            "needs tools",
        ),
        (
            {"capabilities": frozenset({Capability.TOOLS})},
            chat(PICTURE, tools=TOOLS, response_format=SCHEMA, reasoning_effort="low"),
            Why.INCAPABLE,
            "needs json_schema, reasoning, vision",
        ),
    ],
)
def test_what_a_model_cannot_take_is_said(
    changes: dict[str, Any], asked: Request, why: Why, detail: str
) -> None:
    unfit = model("a", **changes)

    selection = chosen(Candidate(unfit), Candidate(model("b")), asked=asked)

    assert names(selection) == ["b"]
    assert selection.excluded == (Exclusion(unfit, why, detail),)


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"max_request_length": 5}, chat("Hello")),
        ({"max_request_length": 0}, chat(PICTURE)),
        ({"max_output_tokens": 10}, chat(max_tokens=10)),
        ({"context_tokens": 100}, chat("x" * 200, max_tokens=50)),
        ({"capabilities": frozenset({Capability.VISION})}, chat(PICTURE)),
        ({"capabilities": frozenset()}, chat(response_format={"type": "json_object"})),
    ],
)
def test_what_just_fits_is_taken(changes: dict[str, Any], asked: Request) -> None:
    assert names(chosen(Candidate(model("a", **changes)), asked=asked)) == ["a"]


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (chat(), Kind.CHAT),
        (image(), Kind.IMAGE),
        (embedding(), Kind.EMBEDDING),
    ],
)
def test_a_category_may_hold_several_kinds(asked: Request, kind: Kind) -> None:
    all_kinds = [Candidate(model(each.value, kind=each)) for each in Kind]

    selection = chosen(*all_kinds, asked=asked)

    assert names(selection) == [kind.value]
    assert selection.excluded == ()


@pytest.mark.parametrize(
    ("asked", "kind", "detail"),
    [
        (chat(), Kind.IMAGE, "not a chat model"),
        (image(), Kind.EMBEDDING, "not an image model"),
        (embedding(), Kind.CHAT, "not an embedding model"),
    ],
)
def test_a_model_is_asked_only_for_what_it_makes(
    asked: Request, kind: Kind, detail: str
) -> None:
    other = model("a", kind=kind, obstacle="not yet")

    selection = chosen(Candidate(other, free_in=5.0), asked=asked)

    assert names(selection) == []
    assert selection.excluded == (Exclusion(other, Why.OTHER_KIND, detail),)


@pytest.mark.parametrize(
    ("asked", "detail"),
    [
        (image(prompt="x" * 5), "5 bytes of text, at most 4"),
        (embedding(["xxx", "xx"]), "5 bytes of text, at most 4"),
    ],
)
def test_texts_of_all_kinds_have_a_length(asked: Request, detail: str) -> None:
    short = model("a", kind=asked.kind, max_request_length=4)

    selection = chosen(Candidate(short), asked=asked)

    assert selection.excluded == (Exclusion(short, Why.TOO_LONG, detail),)


def test_who_waits_says_for_how_long() -> None:
    spent, broken = (
        Candidate(model("a"), free_in=5.0),
        Candidate(model("b"), resting_for=7.0),
    )

    selection = chosen(spent, broken, Candidate(model("c")))

    assert names(selection) == ["c"]
    assert selection.excluded == (
        Exclusion(spent.model, Why.QUOTA, "", wait=5.0),
        Exclusion(broken.model, Why.RESTING, "", wait=7.0),
    )


def test_who_waits_for_two_things_waits_for_the_later() -> None:
    both = Candidate(model("a"), free_in=5.0, resting_for=60.0)

    assert chosen(both).excluded == (Exclusion(both.model, Why.QUOTA, "", wait=60.0),)


@pytest.mark.parametrize(
    ("patterns", "called", "allowed"),
    [
        (("*",), "SMALL", True),
        (("SMALL",), "SMALL", True),
        (("BIG",), "SMALL", False),
        (("groq/*",), "SMALL", True),
        (("groq/*",), "groq/llama", True),
        (("llama",), "groq/llama", True),
        (("SMALL",), "groq/llama", False),
        ((), "SMALL", False),
    ],
)
def test_an_allow_list_goes_by_the_name_called_or_the_models_own(
    patterns: tuple[str, ...], called: str, allowed: bool
) -> None:
    llama = model("groq/llama", aliases=("llama",), category="SMALL")
    client = Client("team", (), patterns)

    selection = chosen(Candidate(llama), client=client, called=called)

    assert bool(selection.ranked) is allowed
    assert [e.why for e in selection.excluded] == ([] if allowed else [Why.NOT_ALLOWED])


def test_who_may_not_call_learns_no_more_of_a_model() -> None:
    hidden = model("a", obstacle="secret plans", capabilities=frozenset())

    [exclusion] = chosen(
        Candidate(hidden, free_in=9.0, resting_for=9.0),
        asked=chat(tools=TOOLS),
        client=Client("team", (), ("b",)),
    ).excluded

    assert exclusion == Exclusion(hidden, Why.NOT_ALLOWED, "")


def test_when_all_rest_the_one_nearest_its_end_is_asked() -> None:
    candidates = [
        Candidate(model(name), resting_for=rest)
        for name, rest in (("a", 30.0), ("b", 10.0), ("c", 20.0))
    ]

    selection = chosen(*candidates)

    assert names(selection) == ["b"]
    assert [(e.model.name, e.wait) for e in selection.excluded] == [
        ("a", 30.0),
        ("c", 20.0),
    ]


def test_one_that_rests_is_asked_before_one_whose_quota_is_spent() -> None:
    spent = Candidate(model("a"), free_in=1.0)
    broken = Candidate(model("b"), resting_for=100.0)

    assert names(chosen(spent, broken)) == ["b"]
    assert names(chosen(spent)) == []


def test_nobody_is_excluded_from_nothing() -> None:
    assert chosen() == Selection((), ())


CANDIDATES = st.lists(
    st.builds(
        lambda free, rest, priority, turn, length: Candidate(
            model("m", priority=priority, max_request_length=length), free, rest, turn
        ),
        st.sampled_from([0.0, 0.0, 5.0]),
        st.sampled_from([0.0, 0.0, 5.0, 9.0]),
        st.integers(1, 3),
        st.integers(0, 9),
        st.sampled_from([None, None, 1]),
    ),
    max_size=8,
)


@given(CANDIDATES)
def test_everybody_is_either_ranked_or_excluded(candidates: list[Candidate]) -> None:
    selection = chosen(*candidates)

    assert len(selection.ranked) + len(selection.excluded) == len(candidates)
    fit = [
        c for c in candidates if not c.free_in and c.model.max_request_length is None
    ]
    awake = [c for c in fit if not c.resting_for]
    assert sorted(map(id, selection.ranked)) == sorted(map(id, awake)) or not awake
    if fit and not awake:
        [panic] = selection.ranked
        assert panic.resting_for == min(c.resting_for for c in fit)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_equals_share_a_thousand_calls_within_ten_percent(count: int) -> None:
    models = [model(f"m{n}", category="SMALL") for n in range(count)]
    later = model("later", category="SMALL", priority=2)
    turns = MemoryTurns()
    asked: Counter[str] = Counter()

    for call in range(1_000):
        selection = chosen(
            *(
                Candidate(m, turn=turns.last(m.name), resting_for=float(call % 50 == 0))
                if m is models[0]
                else Candidate(m, turn=turns.last(m.name))
                for m in (later, *models)
            )
        )
        name = selection.ranked[0].model.name
        asked[name] += 1
        turns.take(name)

    share = 1_000 / count
    assert set(asked) == {m.name for m in models}
    assert all(abs(calls - share) <= share / 10 for calls in asked.values()), asked

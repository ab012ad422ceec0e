"""A provider that refuses a wish for usage that only our quotas have."""

from __future__ import annotations

import json

import attrs
import pytest

from tests.clocks import in_no_time
from tests.dialect import error
from tests.relay.rig import ONCE, Rig, fails, model, says, whole
from tests.values import chat
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.windows import DAY, Window

TOKENS = Budget("b", (Limit(Unit.TOKENS, 100_000, Window(DAY)),))
REFUSED = [
    fails(400, error("Unrecognized request argument supplied: stream_options")),
    fails(400, error("Unsupported parameter: 'stream_options.include_usage'")),
    fails(
        422,
        json.dumps(
            {
                "detail": [
                    {
                        "loc": ["body", "stream_options"],
                        "msg": "Extra inputs are not permitted",
                    }
                ]
            }
        ).encode(),
    ),
]


def rig(*acts: object) -> Rig:
    counted = attrs.evolve(model("a"), budgets=(TOKENS,))
    return Rig({"a": acts}, models=(counted,), retry=ONCE)  # type: ignore[dict-item]


def wished(made: Rig) -> list[bool]:
    """Of each request, whether it wanted usage."""
    bodies = (json.loads(request.body) for request in made.transport.requests)
    return ["stream_options" in body for body in bodies]


@pytest.mark.parametrize("refused", REFUSED)
def test_it_is_asked_again_without_and_from_then_on(refused: object) -> None:
    made = rig(refused, says("Hi"), says("Ho"))

    async def test() -> None:
        for answer in (says("Hi"), says("Ho")):
            seen = await made.asking(chat("Hello", model="SMALL", stream=True))
            assert seen.text == whole(answer)

    in_no_time(test())
    assert wished(made) == [True, False, False]
    assert made.outcomes[0] == ("a", "untaken")  # which rests nobody
    assert [each.outcome for each in made.trail.attempts[:2]] == ["untaken", "answered"]


@pytest.mark.parametrize(
    ("refused", "fields"),
    [
        (REFUSED[0], {"stream_options": {"include_usage": True}}),  # its own wish
        (REFUSED[0], {"stream": False}),
        (fails(400, error("Unrecognized request argument supplied: n")), {}),
    ],
)
def test_what_the_client_said_is_its_own_to_mend(
    refused: object, fields: dict[str, object]
) -> None:
    made = rig(refused, says("Hi"))
    asked = chat("Hello", **{"model": "SMALL", "stream": True, **fields})

    seen = in_no_time(made.asking(asked))

    assert seen.told == (400, "upstream_rejected")
    assert made.asked == ["a"]


def test_what_is_refused_all_the_same_is_told_as_it_is() -> None:
    made = rig(REFUSED[0], fails(400, error("no")))

    seen = in_no_time(made.asking(chat("Hello", model="SMALL", stream=True)))

    assert seen.told == (400, "upstream_rejected")
    assert wished(made) == [True, False]

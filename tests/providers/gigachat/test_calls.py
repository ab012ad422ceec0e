from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.gigachat import STATE
from tproxy.core.chat import ChatRequest
from tproxy.core.message import ToolCall
from tproxy.providers.gigachat import calls

CHAT = ChatRequest.parse(b'{"messages": [{"role": "user"}]}', id="req_1")
OTHER = ChatRequest.parse(b'{"messages": [{"role": "user"}]}', id="req_2")


def made(state: str = STATE, chat: ChatRequest = CHAT, place: int = 0) -> ToolCall:
    return calls.call(chat, place, "f", "{}", state)


def told(id: str, **extra: object) -> str:
    return calls.state(ToolCall(id, "f", "{}", extra))


@given(st.uuids().map(str) | st.text(max_size=128))
def test_the_state_comes_back_with_the_id_of_the_call(state: str) -> None:
    assert told(made(state).id) == state


@given(st.uuids().map(str))
def test_ids_are_such_as_all_providers_take(state: str) -> None:
    assert re.fullmatch(r"[\w-]{1,40}", made(state).id, re.ASCII)


def test_ids_differ_within_an_answer_and_between_answers() -> None:
    ids = [made(), made(place=1), made(chat=OTHER), made(state="")]

    assert len({call.id for call in ids}) == 4
    assert made() == made()


def test_the_state_comes_back_as_extra_content_too() -> None:
    extra = {"functions_state_id": STATE}

    assert made().extra == {"gigachat": extra}
    assert told("call_1", gigachat=extra) == STATE
    assert told(made("another").id, gigachat=extra) == STATE


@pytest.mark.parametrize("state", ["", "s" * 129])
def test_where_there_is_no_state_to_carry_none_is(state: str) -> None:
    call = made(state)

    assert re.fullmatch(r"call_[0-9a-f]{12}", call.id)
    assert not call.extra
    assert told(call.id) == ""


@pytest.mark.parametrize(
    "id",
    [
        "",
        "call_1",
        "call_CGj4Pn0z3zDTTKbVWuXkQ8Rk",
        "toolu_01A09q90qw90lq917835lq9",
        "call_0123456789ab_",
        "call_0123456789ab_x",
        "call_0123456789ab_short",
        "call_0123456789ab_xA",
        "call_0123456789ab_x_w",
        f"call_0123456789ab_{'-' * 21}B",  # bits that nobody has written
    ],
)
def test_ids_of_others_hold_no_state(id: str) -> None:
    assert told(id) == ""


@pytest.mark.parametrize("extra", [None, 1, [], {}, {"functions_state_id": 1}])
def test_extra_content_of_another_form_is_none(extra: object) -> None:
    assert told("call_1", gigachat=extra) == ""


@given(st.text(), st.from_regex(r"call_[0-9a-f]{12}_[\w-]*", fullmatch=True))
def test_any_id_is_read(anything: str, nearly: str) -> None:
    told(anything)
    told(nearly)

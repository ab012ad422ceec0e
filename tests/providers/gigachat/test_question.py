from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.providers.gigachat import BASE, MODEL, MODEL_V2
from tests.providers.gigachat.asking import USER, build, sent, talk
from tests.values import KEY, chat
from tproxy.core.errors import InvalidRequest

RECORDINGS = Path(__file__).parents[2] / "recordings" / "gigachat"


@pytest.mark.parametrize(
    ("stream", "accept"), [(False, "application/json"), (True, "text/event-stream")]
)
def test_a_request_goes_to_the_endpoint_with_the_operators_headers(
    stream: bool, accept: str
) -> None:
    request = build(chat(stream=stream))

    assert (request.method, request.url) == ("POST", f"{BASE}/chat/completions")
    assert request.headers == (
        ("Content-Type", "application/json"),
        ("Accept", accept),
        ("X-Client-ID", "tproxy"),
    )
    assert KEY not in repr(request)


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*simple*")), ids=str)
def test_recorded_requests_are_ours(path: Path) -> None:
    request = json.loads(path.read_text("utf-8"))["request"]
    recorded = request["body"]
    is_v2 = "/v2/" in request["url"]
    [said] = recorded["messages"]
    text = said["content"][0]["text"] if is_v2 else said["content"]
    stream = {"stream": True} if recorded.get("stream") else {}

    ours = sent(MODEL_V2 if is_v2 else MODEL, content=text, **stream)

    assert {**ours, "model": ""} == {**recorded, "model": ""}


def test_text_is_sent_as_it_is() -> None:
    body = build(chat("Привет \ud800")).body

    assert "Привет \\ud800".encode() in body


def test_json_of_any_form_is_asked_for_in_words() -> None:
    form = {"type": "json_object"}
    system: dict[str, object] = {"role": "system", "content": "A"}

    alone, _ = talk(USER, response_format=form)
    joined, _ = talk(USER, system, response_format=form)

    assert alone["role"] == "system"
    assert "JSON" in alone["content"]
    assert joined["content"] == f"A\n\n{alone['content']}"


def test_hints_it_has_no_words_for_are_named() -> None:
    asked = chat(stop=["a"], seed=1, user="u", frequency_penalty=0.1, logit_bias=None)

    assert build(asked).dropped == ("stop", "seed", "user", "frequency_penalty")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
    ],
)
def test_what_is_of_the_wrong_form_is_the_clients_fault(
    fields: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build(chat(**fields))

    assert caught.value.param == param

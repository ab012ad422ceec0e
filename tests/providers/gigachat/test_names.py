"""Clients name functions as GigaChat does not; they hear of them by their own names."""

from __future__ import annotations

import json

import pytest

from tests.providers.gigachat import MODEL
from tests.providers.gigachat.asking import USER, sent, talk
from tests.providers.gigachat.saying import JSON, SSE, delta, v1
from tests.values import chat
from tproxy.providers.gigachat import DIALECT
from tproxy.providers.gigachat.names import spelt

OURS = "geo-weather"
TOOL = {"type": "function", "function": {"name": OURS}}
CALL = {"name": "geo_weather", "arguments": {}}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("weather", "weather"),
        ("get_2", "get_2"),
        ("geo-weather.v2", "geo_weather_v2"),
        ("1st", "_1st"),
        ("погода", "______"),
    ],
)
def test_a_name_is_of_letters_digits_and_underscores(name: str, said: str) -> None:
    assert spelt(name) == said


def test_it_is_said_the_same_way_wherever_it_stands() -> None:
    choice = {"type": "function", "function": {"name": OURS}}
    call = {"id": "c", "type": "function", "function": {"name": OURS}}
    asked = {"role": "assistant", "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "c", "content": "{}"}

    said = sent(tools=[TOOL], tool_choice=choice)
    _, called, told = talk(USER, asked, result)

    assert [each["name"] for each in said["functions"]] == ["geo_weather"]
    assert said["function_call"] == {"name": "geo_weather"}
    assert called["function_call"]["name"] == told["name"] == "geo_weather"


def test_the_client_hears_its_own_name() -> None:
    asked = chat(tools=[TOOL])
    body = json.dumps(v1("function_call", content="", function_call=CALL)).encode()

    told = json.loads(DIALECT.chat.parse_response(JSON, body, asked, MODEL).body)

    [call] = told["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == OURS


def test_it_does_in_a_stream_too() -> None:
    asked = chat(tools=[TOOL], stream=True)
    reader = DIALECT.chat.stream_reader(SSE, asked, MODEL)

    told = reader.feed(delta("function_call", content="", function_call=CALL))

    assert b'"name":"geo-weather"' in told.replace(b": ", b":")


def test_a_function_nobody_declared_keeps_its_name() -> None:
    body = json.dumps(v1("function_call", content="", function_call=CALL)).encode()

    told = json.loads(DIALECT.chat.parse_response(JSON, body, chat(), MODEL).body)

    [call] = told["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "geo_weather"

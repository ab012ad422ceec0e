"""What Anthropic is asked."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from tests.providers.anthropic.asking import MIDDLE, TOOLS, body, build
from tests.providers.anthropic.models import BASE, model
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import InvalidRequest, UpstreamFailed
from tproxy.providers.anthropic import DIALECT

OLD, NEW = "claude-3-haiku-20240307", "claude-opus-4-8"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
FORM = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


# Where, and in which words


@pytest.mark.parametrize(
    "url", [BASE, f"{BASE}/", f"{BASE}/messages", f"{BASE}/messages/"]
)
def test_the_endpoint_is_found_from_a_base_or_itself(url: str) -> None:
    assert build(of=model(url=url)).url == f"{BASE}/messages"


@pytest.mark.parametrize(
    "base",
    [
        "https://api.anthropic.test",
        "https://api.anthropic.test/",
        "https://gateway.test/v1/ACCOUNT/GATEWAY/anthropic",
        "https://api.test/api/anthropic/",
    ],
)
def test_a_base_without_a_version_gets_one(base: str) -> None:
    assert build(of=model(url=base)).url == f"{base.rstrip('/')}/v1/messages"


def test_a_query_stays() -> None:
    request = build(of=model(url=f"{BASE}/messages?beta=true"))

    assert request.url == f"{BASE}/messages?beta=true"


def test_the_version_is_said_unless_the_operator_says_another() -> None:
    found = model()
    assert ("anthropic-version", "2023-06-01") in build(of=found).headers

    headers = (("Anthropic-Version", "2099-01-01"),)
    upstream = attrs.evolve(found.upstream, headers=headers)
    said = build(of=attrs.evolve(found, upstream=upstream)).headers

    assert [v for n, v in said if n.lower() == "anthropic-version"] == ["2099-01-01"]


def test_a_stream_is_asked_for_as_one() -> None:
    assert body(stream=True)["stream"] is True
    assert "stream" not in body()
    assert ("Accept", "text/event-stream") in build(stream=True).headers


# How much


@pytest.mark.parametrize(
    ("fields", "most", "expected"),
    [
        ({"max_tokens": 7}, 100, 7),
        ({"max_completion_tokens": 8, "max_tokens": 7}, 100, 8),
        ({}, 100, 100),
        ({}, None, 4_096),
    ],
)
def test_there_is_always_a_bound(
    fields: dict[str, int], most: int | None, expected: int
) -> None:
    request = build(of=model(max_output_tokens=most), **fields)

    assert json.loads(request.body)["max_tokens"] == expected


# Tools


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
            {"type": "tool", "name": "weather"},
        ),
        (
            {"parallel_tool_calls": False},
            {"type": "auto", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": True}, None),
    ],
)
def test_tools_are_chosen_as_the_client_says(fields: Any, expected: Any) -> None:
    assert body(tools=TOOLS, **fields).get("tool_choice") == expected


def test_a_tool_without_parameters_takes_an_object() -> None:
    tools = [{"type": "function", "function": {"name": "f", "strict": True}}]

    new, old = body(tools=tools)["tools"], build(of=model(OLD), tools=tools)

    closed = {"type": "object", "additionalProperties": False}
    assert new == [{"name": "f", "input_schema": closed, "strict": True}]
    said = json.loads(old.body)["tools"]
    assert said == [{"name": "f", "input_schema": {"type": "object"}}]
    assert old.dropped == ("strict",)


# The form of an answer


def test_a_schema_binds_the_answer() -> None:
    said = body(response_format=FORM, tools=TOOLS)

    number = {"type": "integer", "description": "(minimum: 1)"}
    closed = {"additionalProperties": False}
    schema = {"type": "object", "properties": {"a": number}, **closed}
    assert said["output_config"] == {
        "format": {"type": "json_schema", "schema": schema}
    }


def test_a_schema_that_an_old_model_does_not_know_is_a_tool() -> None:
    said = body(response_format=FORM, of=OLD)

    assert said["tools"][0]["input_schema"] == SCHEMA
    assert said["tool_choice"] == {"type": "tool", "name": said["tools"][0]["name"]}
    with pytest.raises(UpstreamFailed) as caught:
        body(response_format=FORM, tools=TOOLS, of=OLD)
    assert caught.value.param == "response_format"


def test_json_is_asked_for_in_words() -> None:
    said = body(response_format={"type": "json_object"})

    assert "JSON" in said["system"][0]["text"]


# Options


def test_options_have_their_own_names_and_ranges() -> None:
    said = body(of=OLD, temperature=1.7, top_p=0.5, top_k=3, stop=["a", " "], user="u")

    assert said["temperature"] == 1
    assert (said["top_p"], said["top_k"]) == (0.5, 3)
    assert said["stop_sequences"] == ["a"]
    assert said["metadata"] == {"user_id": "u"}


@pytest.mark.parametrize(
    ("of", "fields", "dropped"),
    [
        (OLD, {"seed": 1, "presence_penalty": 1, "store": True}, "all"),
        (OLD, {"reasoning_effort": "high"}, "all"),
        (MIDDLE, {"top_p": 0.5, "temperature": 0.5}, ["top_p"]),
        (MIDDLE, {"top_p": 0.5}, []),
        (NEW, {"top_p": 0.5, "temperature": 0.5, "top_k": 1}, "all"),
        (NEW, {"temperature": 1}, []),
        (MIDDLE, {"stop": ["\n"]}, ["stop"]),
        (MIDDLE, {"reasoning_effort": "low", "max_tokens": 1_024}, "effort"),
        (MIDDLE, {"reasoning_effort": "low", "temperature": 0}, ["temperature"]),
        (MIDDLE, {"n": 1, "logprobs": False, "modalities": ["text"]}, []),
    ],
)
def test_hints_that_cannot_be_said_are_named(
    of: str, fields: Any, dropped: Any
) -> None:
    request = build(of=model(of), **fields)

    expected = {"all": list(fields), "effort": ["reasoning_effort"]}
    if isinstance(dropped, str):
        dropped = expected[dropped]
    assert sorted(request.dropped) == sorted(dropped)
    assert not set(dropped) & json.loads(request.body).keys()


@pytest.mark.parametrize(
    "fields",
    [{"n": 2}, {"logprobs": True}, {"modalities": ["audio"]}, {"audio": {}}],
)
def test_what_carries_meaning_is_not_left_out(fields: Any) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        body(**fields)

    assert [caught.value.param] == list(fields)


def test_a_number_that_json_does_not_have_is_the_clients_fault() -> None:
    raw = b'{"messages": [{"role": "user", "content": "?"}], "temperature": -1e999}'

    with pytest.raises(InvalidRequest):
        DIALECT.chat.build_request(ChatRequest.parse(raw), model())

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.providers.cloudflare import MODEL
from tests.values import KEY, chat
from tproxy.core import failures
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import InvalidRequest, UpstreamFailed
from tproxy.providers.cloudflare import DIALECT

RECORDINGS = Path(__file__).parents[2] / "recordings" / "cloudflare"
PIXEL = "data:image/png;base64,iVBORw0KGgo="
TOOL = {"name": "f", "description": "d", "parameters": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def asked(content: object = "Hello", **fields: object) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(
        DIALECT.chat.build_request(chat(content, **fields), MODEL).body
    )
    return body


def messages(*said: dict[str, Any]) -> list[dict[str, Any]]:
    request = ChatRequest.parse(json.dumps({"messages": said}).encode())
    body = json.loads(DIALECT.chat.build_request(request, MODEL).body)
    told: list[dict[str, Any]] = body["messages"]
    return told


@pytest.mark.parametrize(
    "name", ["llm-fallback-native.49e741.0", "llm-planner-native.a73168.0"]
)
def test_a_request_is_the_recorded_one(name: str) -> None:
    path = RECORDINGS / f"cloudflare.{name}.json"
    recorded = json.loads(path.read_text("utf-8"))["request"]
    request = ChatRequest.parse(json.dumps(recorded["body"]).encode())
    named = attrs.evolve(MODEL, upstream_name=recorded["url"].partition("/run/")[2])

    said = DIALECT.chat.build_request(request, named)

    assert json.loads(said.body) == recorded["body"]
    assert said.url == recorded["url"].replace("ACCOUNT_ID", "ACCOUNT")
    assert said.dropped == ()


def test_a_request_carries_the_operators_headers_and_no_key() -> None:
    headers = (("cf-aig-cache-ttl", "60"),)
    model = attrs.evolve(MODEL, upstream=attrs.evolve(MODEL.upstream, headers=headers))

    request = DIALECT.chat.build_request(chat(stream=True), model)

    assert request.headers == (
        ("Content-Type", "application/json"),
        ("Accept", "text/event-stream"),
        ("cf-aig-cache-ttl", "60"),
    )
    assert KEY not in f"{request.url}{request.headers}{request.body!r}"


def test_no_content_is_an_empty_one_and_a_developer_the_system() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert messages(
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "5"},
    ) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "5", "tool_call_id": "c", "name": "f"},
    ]


def test_pictures_go_along_as_data_urls() -> None:
    picture = {"type": "image_url", "image_url": {"url": PIXEL}}
    text = {"type": "text", "text": "What is it?"}

    [told] = asked([text, {**picture, "image_url": {"url": PIXEL, "detail": "low"}}])[
        "messages"
    ]

    assert told["content"] == [text, picture]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://images.test/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA=="}},
    ],
)
def test_what_no_model_reads_is_unsupported(part: object) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        asked([part])

    assert caught.value.failure is failures.UNSUPPORTED
    assert caught.value.param == "messages[0].content[0]"


@pytest.mark.parametrize(
    ("choice", "said"),
    [(None, None), ("auto", "auto"), ("none", "none"), ("required", "required")],
)
def test_tools_are_told(choice: str | None, said: str | None) -> None:
    body = asked(tools=[{"type": "function", "function": TOOL}], tool_choice=choice)

    assert body["tools"] == [{"type": "function", "function": TOOL}]
    assert body.get("tool_choice") == said


def test_functions_are_tools() -> None:
    body = asked(functions=[{"name": "f"}])

    empty = {"type": "object", "properties": {}}
    function = {"name": "f", "description": "", "parameters": empty}
    assert body["tools"] == [{"type": "function", "function": function}]


def test_a_tool_that_must_be_called_is_the_only_one() -> None:
    tools = [
        {"type": "function", "function": TOOL},
        {"type": "function", "function": {**TOOL, "name": "g"}},
    ]
    choice = {"type": "function", "function": {"name": "g"}}

    body = asked(tools=tools, tool_choice=choice)

    assert body["tools"] == tools[1:]
    assert body["tool_choice"] == "required"
    with pytest.raises(InvalidRequest):
        asked(tools=tools[:1], tool_choice=choice)


def test_a_schema_stands_bare_and_is_not_streamed() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}

    body = asked(response_format=form, stream=True)

    assert body["response_format"] == {"type": "json_schema", "json_schema": SCHEMA}
    assert "stream" not in body
    assert asked(response_format={"type": "json_object"})["response_format"] == {
        "type": "json_object"
    }


@pytest.mark.parametrize(
    ("fields", "most"),
    [
        ({}, None),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_completion_tokens": 6, "max_tokens": 5}, 6),
    ],
)
def test_the_length_is_the_clients(fields: dict[str, int], most: int | None) -> None:
    assert asked(**fields).get("max_tokens") == most


def test_or_else_the_models_for_its_own_default_is_short() -> None:
    model = attrs.evolve(MODEL, max_output_tokens=4096)

    body = json.loads(DIALECT.chat.build_request(chat(), model).body)

    assert body["max_tokens"] == 4096


def test_options_are_spelled_alike() -> None:
    options = {"temperature": 0, "top_p": 0.5, "top_k": 3, "seed": 7, "raw": True}

    assert asked(**options).items() >= options.items()


def test_hints_without_a_word_are_named() -> None:
    said = chat(stop=["x"], user="u", logit_bias={}, parallel_tool_calls=True)

    request = DIALECT.chat.build_request(said, MODEL)

    assert request.dropped == ("stop", "user", "logit_bias", "parallel_tool_calls")
    assert json.loads(request.body).keys() == {"messages"}


@pytest.mark.parametrize("fields", [{"n": 2}, {"logprobs": True}, {"audio": {}}])
def test_what_carries_meaning_is_not_left_out(fields: dict[str, object]) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        asked(**fields)

    assert caught.value.failure is failures.UNSUPPORTED
    assert caught.value.param == next(iter(fields))

"""What Ollama is asked."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from tests.values import KEY, PNG_BASE64, chat
from tproxy.core.errors import InvalidRequest, UpstreamFailed
from tproxy.core.model import Model, Upstream
from tproxy.core.secret import Secret
from tproxy.providers.ollama import DIALECT

BASE = "http://localhost:11434"
MODEL = Model(
    "ollama/qwen3", "ollama", "qwen3:14b", Upstream(BASE, "ollama", Secret(KEY))
)
TOOL = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object"}, "strict": True},
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FORM = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


def body(**fields: Any) -> Any:
    return json.loads(DIALECT.chat.build_request(chat(**fields), MODEL).body)


def messages(*said: object) -> Any:
    return body(messages=[*said])["messages"]


@pytest.mark.parametrize("end", ["", "/", "/api", "/api/chat", "/api/embed/"])
@pytest.mark.parametrize("base", [BASE, "https://gpu.test/ollama"])
def test_the_endpoint_is_found_from_a_base_or_an_endpoint(base: str, end: str) -> None:
    upstream = attrs.evolve(MODEL.upstream, url=base + end)
    model = attrs.evolve(MODEL, upstream=upstream)

    assert DIALECT.chat.build_request(chat(), model).url == f"{base}/api/chat"


def test_a_stream_is_asked_for_or_refused_in_words() -> None:
    assert body() == {
        "model": "qwen3:14b",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": False,
    }
    request = DIALECT.chat.build_request(chat(stream=True), MODEL)
    assert json.loads(request.body)["stream"] is True
    assert ("Accept", "application/x-ndjson") in request.headers


def test_options_are_apart() -> None:
    said = body(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        seed=7,
        stop="END",
        max_tokens=99,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        options={"num_ctx": 8_192, "seed": 1},
        keep_alive="5m",
    )

    assert said["options"] == {
        "num_ctx": 8_192,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "seed": 7,
        "stop": ["END"],
        "num_predict": 99,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
    }
    assert said["keep_alive"] == "5m"


def test_pictures_are_bare_and_beside_the_text() -> None:
    picture = {"url": f"data:image/png;base64,{PNG_BASE64}"}

    [said] = messages(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": picture},
            ],
        }
    )

    assert said == {
        "role": "user",
        "content": "What is it?",
        "images": [PNG_BASE64],
    }


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "f"}},
    ],
)
def test_other_parts_cannot_be_said(part: object) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        messages({"role": "user", "content": [part]})

    assert caught.value.param == "messages[0].content[0]"


def test_calls_and_results_find_each_other_by_name_and_by_id() -> None:
    function = {"name": "f", "arguments": '{"a": 1}'}
    call = {"id": "c1", "type": "function", "function": function}
    asked = {"role": "assistant", "reasoning_content": "hm", "tool_calls": [call]}

    [_, said, result] = messages(
        {"role": "user", "content": "?"},
        asked,
        {"role": "tool", "tool_call_id": "c1", "content": "2"},
    )

    assert said == {
        "role": "assistant",
        "content": "",
        "thinking": "hm",
        "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}],
    }
    assert result == {
        "role": "tool",
        "content": "2",
        "tool_name": "f",
        "tool_call_id": "c1",
    }


def test_tools_are_offered_or_not() -> None:
    request = DIALECT.chat.build_request(chat(tools=[TOOL]), MODEL)

    parameters = {"type": "object"}
    assert json.loads(request.body)["tools"] == [
        {"type": "function", "function": {"name": "f", "parameters": parameters}}
    ]
    assert request.dropped == ("strict",)
    assert "tools" not in body(tools=[TOOL], tool_choice="none")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"tools": [TOOL], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "response_format": FORM}, "response_format"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
    ],
)
def test_what_there_are_no_words_for_is_refused(fields: Any, path: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        body(**fields)

    assert caught.value.param == path


@pytest.mark.parametrize(
    ("form", "said"), [({"type": "json_object"}, "json"), (FORM, SCHEMA)]
)
def test_a_form_is_a_word_or_a_schema(form: object, said: object) -> None:
    assert body(response_format=form)["format"] == said


@pytest.mark.parametrize(
    ("effort", "think"),
    [("none", False), ("minimal", "low"), ("medium", "medium"), ("xhigh", "high")],
)
def test_an_effort_is_thinking(effort: str, think: object) -> None:
    assert body(reasoning_effort=effort)["think"] == think
    assert body(reasoning_effort=effort, think=True)["think"] is True


@pytest.mark.parametrize(
    "fields", [{"reasoning_effort": "utmost"}, {"options": [1]}, {"seed": "x"}]
)
def test_fields_of_the_wrong_form_are_the_clients_fault(fields: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        body(**fields)

    assert caught.value.param == next(iter(fields))

"""What Cohere is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.cohere.models import BASE, model
from tests.values import PNG_BASE64
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import InvalidRequest, UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamRequest
from tproxy.providers.cohere import DIALECT

HELLO = [{"role": "user", "content": "Hello"}]
REASONING = "command-a-reasoning-08-2025"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FORM = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


def tool(name: str, **more: object) -> dict[str, object]:
    return {"type": "function", "function": {"name": name, **more}}


def build(
    messages: Any = None, of: Model | None = None, **fields: object
) -> UpstreamRequest:
    said = {"messages": HELLO if messages is None else messages, **fields}
    chat = ChatRequest.parse(json.dumps(said).encode())
    return DIALECT.chat.build_request(chat, of or model())


def body(messages: Any = None, of: str = "command-a-03-2025", **fields: object) -> Any:
    return json.loads(build(messages, model(of), **fields).body)


@pytest.mark.parametrize(
    "url", [BASE, f"{BASE}/", f"{BASE}/chat", f"{BASE}/chat/", f"{BASE}/embed"]
)
def test_the_endpoint_is_found_from_a_base_or_itself(url: str) -> None:
    assert build(of=model(url=url)).url == f"{BASE}/chat"


def test_a_stream_is_asked_for_as_one() -> None:
    assert body(stream=True)["stream"] is True
    assert ("Accept", "text/event-stream") in build(stream=True).headers


def test_messages_keep_their_places() -> None:
    function = {"name": "f", "arguments": " "}
    call = {"id": "c1", "type": "function", "function": function}
    said = body(
        [
            {"role": "developer", "content": "One"},
            {"role": "user", "content": "Two"},
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "Plan",
                "tool_calls": [call],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "Three"},
            {"role": "assistant", "content": "Four", "tool_calls": [call]},
            {"role": "assistant", "content": "Five", "reasoning_content": "Hm."},
        ]
    )

    calls = [{**call, "function": {"name": "f", "arguments": "{}"}}]
    thought = {"type": "thinking", "thinking": "Hm."}
    assert said["messages"] == [
        {"role": "system", "content": "One"},
        {"role": "user", "content": "Two"},
        {"role": "assistant", "tool_calls": calls, "tool_plan": "Plan"},
        {"role": "tool", "tool_call_id": "c1", "content": "Three"},
        {"role": "assistant", "tool_calls": calls, "content": "Four"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "Five"}]},
    ]


def test_pictures_are_shown_as_detailed_as_they_should_be() -> None:
    data = f"data:image/png;base64,{PNG_BASE64}"
    link = {"url": "https://x.test/a.png", "detail": "low"}
    pictures = [
        {"type": "image_url", "image_url": {"url": data}},
        {"type": "image_url", "image_url": link},
    ]

    said = body([{"role": "user", "content": pictures}])

    assert said["messages"][0]["content"] == pictures


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("user", {"type": "input_audio", "input_audio": {"data": "A"}}),
        ("user", {"type": "file", "file": {"file_id": "f"}}),
        ("user", {"type": "image_url", "image_url": {"url": "file-1"}}),
        ("tool", {"type": "image_url", "image_url": {"url": "https://x.test/a"}}),
    ],
)
def test_what_cannot_be_shown_is_refused_with_its_path(role: str, part: Any) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        body([{"role": role, "content": [part], "tool_call_id": "c"}])

    assert caught.value.failure.name == "unsupported"
    assert caught.value.param == "messages[0].content[0]"


@pytest.mark.parametrize(
    ("choice", "said", "tools"),
    [
        (None, None, ["a", "b"]),
        ("auto", None, ["a", "b"]),
        ("none", "NONE", ["a", "b"]),
        ("required", "REQUIRED", ["a", "b"]),
        ({"type": "function", "function": {"name": "b"}}, "REQUIRED", ["b"]),
    ],
)
def test_tools_are_chosen_as_the_client_says(
    choice: Any, said: Any, tools: Any
) -> None:
    found = body(tools=[tool("a"), tool("b")], tool_choice=choice)

    assert found.get("tool_choice") == said
    assert [one["function"]["name"] for one in found["tools"]] == tools


def test_a_tool_that_is_none_cannot_be_called() -> None:
    choice = {"type": "function", "function": {"name": "c"}}

    with pytest.raises(InvalidRequest) as caught:
        body(tools=[tool("a")], tool_choice=choice)

    assert caught.value.param == "tool_choice"


def test_tools_are_strict_where_all_of_them_are() -> None:
    """And where each has a parameter that it requires."""
    strict = tool("a", strict=True, parameters={**SCHEMA, "required": ["a"]})
    loose, free = tool("b"), tool("c", strict=True, parameters=SCHEMA)

    assert body(tools=[strict])["strict_tools"] is True
    for other in (loose, free):
        request = build(tools=[strict, other])
        assert "strict_tools" not in json.loads(request.body)
        assert request.dropped == ("strict",)
    assert body(tools=[loose], strict_tools=True)["strict_tools"] is True


def test_the_form_of_an_answer_is_said() -> None:
    any_object = {"type": "json_object"}

    assert body(response_format=any_object)["response_format"] == any_object
    assert body(response_format=FORM)["response_format"] == {
        "type": "json_object",
        "json_schema": SCHEMA,
    }


@pytest.mark.parametrize("beside", [{"tools": [tool("a")]}, {"documents": ["d"]}])
def test_a_form_beside_tools_or_documents_cannot_be_said(beside: Any) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        body(response_format=FORM, **beside)

    assert caught.value.param == "response_format"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"stop": "a"}, {"stop_sequences": ["a"]}),
        ({"top_p": 1, "top_k": 900}, {"p": 0.99, "k": 500}),
        ({"top_p": 0.5, "top_k": 0}, {"p": 0.5, "k": 0}),
        ({"temperature": 0, "seed": 7}, {"temperature": 0, "seed": 7}),
        (
            {"presence_penalty": 2, "frequency_penalty": 0.5},
            {"presence_penalty": 1, "frequency_penalty": 0.5},
        ),
        (
            {"safety_mode": "OFF", "citation_options": {"mode": "FAST"}},
            {"safety_mode": "OFF", "citation_options": {"mode": "FAST"}},
        ),
    ],
)
def test_options_have_their_own_names_and_ranges(fields: Any, expected: Any) -> None:
    found = body(**fields)

    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("effort", "thinking"),
    [
        ("none", {"type": "disabled"}),
        ("low", {"type": "enabled", "token_budget": 2_048}),
        ("high", {"type": "enabled"}),
        ("xhigh", {"type": "enabled"}),
    ],
)
def test_an_effort_is_a_budget(effort: str, thinking: Any) -> None:
    assert body(of=REASONING, reasoning_effort=effort)["thinking"] == thinking


@pytest.mark.parametrize(
    ("fields", "dropped"),
    [
        ({"user": "u", "store": True, "parallel_tool_calls": False}, "all"),
        ({"presence_penalty": -1}, "all"),
        ({"reasoning_effort": "high"}, "all"),
        ({"reasoning_effort": "none"}, ""),
        ({"n": 1, "stream_options": {"include_usage": True}}, ""),
    ],
)
def test_hints_that_cannot_be_said_are_named(fields: Any, dropped: str) -> None:
    request = build(**fields)

    assert request.dropped == (tuple(fields) if dropped else ())
    assert not fields.keys() & json.loads(request.body).keys()


@pytest.mark.parametrize("fields", [{"n": 2}, {"logprobs": True}, {"audio": {}}])
def test_what_carries_meaning_is_not_left_out(fields: Any) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        body(**fields)

    assert [caught.value.param] == list(fields)


def test_a_number_that_json_does_not_have_is_the_clients_fault() -> None:
    raw = b'{"messages": [{"role": "user", "content": "?"}], "temperature": 1e999}'

    with pytest.raises(InvalidRequest):
        DIALECT.chat.build_request(ChatRequest.parse(raw), model())

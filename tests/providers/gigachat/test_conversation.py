from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.gigachat import MODEL, MODEL_V2, STATE
from tests.providers.gigachat.asking import USER, refused, talk
from tests.values import chat
from tproxy.core.chat import ChatRequest
from tproxy.core.model import Model
from tproxy.providers.gigachat import calls

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
LINK = {"type": "image_url", "image_url": {"url": "https://pictures.test/1.png"}}
FILE = {"type": "file", "file": {"file_id": "f-1"}}


def call(id: str, name: str = "weather", arguments: str = '{"city": "Рим"}') -> Any:
    function = {"name": name, "arguments": arguments}
    return {"id": id, "type": "function", "function": function}


def calling(*calls: object, content: str | None = None) -> dict[str, object]:
    return {"role": "assistant", "content": content, "tool_calls": calls}


def result(id: str, content: object = '{"degrees": 20}') -> dict[str, object]:
    return {"role": "tool", "tool_call_id": id, "content": content}


def test_all_that_systems_say_comes_first() -> None:
    messages = talk(
        {"role": "system", "content": "A"},
        USER,
        {"role": "developer", "content": [{"type": "text", "text": "B"}]},
        {"role": "assistant", "content": "Hi"},
        {"role": "system", "content": ""},
    )

    assert messages == [
        {"role": "system", "content": "A\n\nB"},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi"},
    ]


def test_a_call_and_its_result_are_told() -> None:
    state = calls.call(chat(), 0, "weather", "{}", STATE).id

    assert talk(USER, calling(call(state)), result(state)) == [
        {"role": "user", "content": "Hello"},
        {
            "role": "assistant",
            "content": "",
            "function_call": {"name": "weather", "arguments": {"city": "Рим"}},
            "functions_state_id": STATE,
        },
        {"role": "function", "name": "weather", "content": '{"degrees": 20}'},
    ]


def test_a_call_and_its_result_are_told_in_v2() -> None:
    state = calls.call(chat(), 0, "weather", "{}", STATE).id

    said = talk(
        USER, calling(call(state), content="Wait"), result(state), model=MODEL_V2
    )

    assert said == [
        {"role": "user", "content": [{"text": "Hello"}]},
        {
            "role": "assistant",
            "content": [
                {"text": "Wait"},
                {"function_call": {"name": "weather", "arguments": {"city": "Рим"}}},
            ],
            "tools_state_id": STATE,
        },
        {
            "role": "tool",
            "content": [
                {"function_result": {"name": "weather", "result": {"degrees": 20}}}
            ],
            "tools_state_id": STATE,
        },
    ]


def test_nothing_is_added_to_what_is_said_in_v2() -> None:
    messages = talk({"role": "user", "content": ""}, calling(call("a")), model=MODEL_V2)

    assert messages[0]["content"] == [{"text": ""}]
    assert [part.keys() for part in messages[1]["content"]] == [{"function_call"}]


def test_of_several_calls_each_is_a_turn_with_its_result() -> None:
    messages = talk(
        USER,
        calling(call("a"), call("b", "clock"), call("c"), content="Wait"),
        result("b", "12:00"),
        result("a", "20"),
        {"role": "function", "name": "late", "content": "{}"},
        USER,
    )

    told = [
        (
            m["role"],
            m["content"],
            m.get("name") or m.get("function_call", {}).get("name"),
        )
        for m in messages
    ]
    assert told == [
        ("user", "Hello", None),
        ("assistant", "Wait", "weather"),
        ("function", '{"result": 20}', "weather"),
        ("assistant", "", "clock"),
        ("function", '{"result": "12:00"}', "clock"),
        ("assistant", "", "weather"),
        ("function", "{}", "late"),
        ("user", "Hello", None),
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"a": "Ж"}', {"a": "Ж"}),
        ("plain", {"result": "plain"}),
        ("[1, 2]", {"result": [1, 2]}),
        ("", {"result": ""}),
        (None, {"result": ""}),
        ('{"a": NaN}', {"result": '{"a": NaN}'}),
        ("[" * 100_000, {"result": "[" * 100_000}),
        (
            [{"type": "text", "text": '{"a"'}, {"type": "text", "text": ": 1}"}],
            {"a": 1},
        ),
    ],
    ids=range(8),
)
@pytest.mark.parametrize("model", [MODEL, MODEL_V2], ids=["v1", "v2"])
def test_a_result_is_an_object_whatever_a_tool_returned(
    model: Model, content: object, told: object
) -> None:
    *_, last = talk(USER, calling(call("a")), result("a", content), model=model)

    if model is MODEL_V2:
        assert last["content"][0]["function_result"]["result"] == told
    else:
        assert json.loads(last["content"]) == told


@pytest.mark.parametrize("arguments", ["", "{}", " "])
def test_a_call_without_arguments_has_an_empty_object(arguments: str) -> None:
    said = talk(USER, calling(call("a", arguments=arguments)))[1]

    assert said["function_call"]["arguments"] == {}


def test_files_at_the_provider_are_attached() -> None:
    asked = {"role": "user", "content": [{"type": "text", "text": "Look"}, FILE]}

    assert talk(asked) == [{"role": "user", "content": "Look", "attachments": ["f-1"]}]
    assert talk(asked, model=MODEL_V2) == [
        {"role": "user", "content": [{"text": "Look"}, {"files": [{"id": "f-1"}]}]}
    ]


@pytest.mark.parametrize("model", [MODEL, MODEL_V2], ids=["v1", "v2"])
@pytest.mark.parametrize("part", [PICTURE, LINK])
@pytest.mark.parametrize("role", ["user", "system", "assistant", "tool"])
def test_what_has_to_be_uploaded_first_is_refused(
    role: str, part: dict[str, object], model: Model
) -> None:
    message = {"role": role, "content": [{"type": "text", "text": "See"}, part]}
    asked = {"messages": [message | {"name": "f"}]}

    failed = refused(ChatRequest.parse(json.dumps(asked).encode()), model)

    assert failed.param == "messages[0].content[1]"


def test_a_result_of_nothing_known_is_refused() -> None:
    asked = {"messages": [USER, result("nobody")]}

    failed = refused(ChatRequest.parse(json.dumps(asked).encode()))

    assert failed.param == "messages[1].tool_call_id"

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core import message
from tproxy.core.errors import InvalidRequest
from tproxy.core.message import Link, Media, Message, Part, Text, ToolCall

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def one(**fields: Any) -> Message:
    [read] = message.read([{"role": "user", **fields}])
    return read


def part(**fields: Any) -> Part:
    [read] = one(content=[fields]).parts
    return read


def call(id: str = "c1", name: str = "f", arguments: Any = "{}") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": id, "type": "function", "function": function}


@pytest.mark.parametrize(
    ("role", "read"),
    [
        ("system", "system"),
        ("developer", "system"),
        ("user", "user"),
        ("assistant", "assistant"),
    ],
)
def test_a_text_has_a_role(role: str, read: str) -> None:
    assert one(role=role, content="Hé") == Message(read, (Text("Hé"),), "messages[0]")


@pytest.mark.parametrize("content", [None, "", []])
def test_there_may_be_nothing_in_it(content: object) -> None:
    assert one(content=content).parts == ()


def test_texts_are_read_in_order() -> None:
    content = [{"type": "text", "text": "a"}, "b", {"type": "input_text", "text": "c"}]

    read = one(content=content)

    assert read.parts == (Text("a"), Text("b"), Text("c"))
    assert read.text == "abc"


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (
            {"type": "image_url", "image_url": {"url": PICTURE}},
            Media("image/png", "iVBORw0KGgo="),
        ),
        (
            {"type": "image_url", "image_url": "https://a.test/b.png"},
            Link("https://a.test/b.png"),
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:;base64,AA=="}},
            Media("", "AA=="),
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:Image/PNG;x=1;base64,A"}},
            Media("image/png", "A"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
            Media("audio/mpeg", "AA=="),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "A"}},
            Media("audio/wav", "A"),
        ),
        (
            {
                "type": "file",
                "file": {
                    "filename": "a.pdf",
                    "file_data": "data:application/pdf;base64,AA==",
                },
            },
            Media("application/pdf", "AA==", "a.pdf"),
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "AA=="}},
            Media("", "AA==", "a.pdf"),
        ),
        (
            {"type": "file", "file": {"file_id": "file-1"}},
            Link("file-1", picture=False),
        ),
        (
            {"type": "video_url", "video_url": {"url": "https://a.test/v"}},
            Link("https://a.test/v", picture=False),
        ),
        ({"type": "refusal", "refusal": "No."}, Text("No.")),
    ],
)
def test_a_part_is_what_it_holds(said: dict[str, Any], read: Part) -> None:
    assert part(**said) == read


def test_calls_are_answered_by_their_ids() -> None:
    extra = {"google": {"thought_signature": "x"}}
    calls = [{**call("c1", "f", '{"a": 1}'), "extra_content": extra}, call("c2", "g")]
    read = message.read(
        [
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": "c2", "content": "two"},
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c9", "content": "lost"},
        ]
    )

    assert read[0].calls == (
        ToolCall("c1", "f", '{"a": 1}', extra),
        ToolCall("c2", "g", "{}"),
    )
    answered = [(m.role, m.call_id, m.name, m.text) for m in read[1:]]
    assert answered == [
        ("tool", "c2", "g", "two"),
        ("tool", "c1", "f", "one"),
        ("tool", "c9", "", "lost"),
    ]


def test_old_functions_are_tools() -> None:
    spoken = {"name": "f", "arguments": '{"a": 1}'}
    read = message.read(
        [
            {"role": "assistant", "content": None, "function_call": spoken},
            {"role": "function", "name": "f", "content": "1"},
            {"role": "assistant", "content": None, "function_call": spoken},
            {"role": "function", "name": "f", "content": "2"},
        ]
    )

    ids = [m.calls[0].id if m.calls else m.call_id for m in read]
    assert ids[0] == ids[1]
    assert ids[2] == ids[3] != ids[0]
    assert read[3].role == "tool"


def test_calls_without_ids_get_different_ones() -> None:
    first, second = one(role="assistant", tool_calls=[call(""), call("")]).calls

    assert first.id != second.id


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        ('{"a": 1}', {"a": 1}),
        ("", {}),
        (" \n", {}),
        ("[1]", {"arguments": [1]}),
        ('{"a": ', {"arguments": '{"a": '}),
        ("[" * 100_000, {"arguments": "[" * 100_000}),
        ({"a": 1}, {"a": 1}),
        (None, {}),
    ],
)
def test_arguments_are_an_object_whatever_was_written(
    arguments: object, read: object
) -> None:
    [made] = one(role="assistant", tool_calls=[call(arguments=arguments)]).calls

    assert made.parsed() == read


def test_what_an_assistant_thought_or_refused_is_kept() -> None:
    thought = one(role="assistant", content="a", reasoning_content="hm")
    refused = one(role="assistant", content=None, refusal="No.")

    assert (thought.text, thought.reasoning) == ("a", "hm")
    assert refused.text == "No."
    assert one(role="assistant", reasoning="hm").reasoning == "hm"


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ("Hello", "messages"),
        (["Hello"], "messages[0]"),
        ([{"role": "robot"}], "messages[0].role"),
        ([{"role": ["user"]}], "messages[0].role"),
        ([{"role": "user", "content": 1}], "messages[0].content"),
        ([{"role": "user", "content": [1]}], "messages[0].content[0]"),
        (
            [{"role": "user", "content": [{"type": "smell"}]}],
            "messages[0].content[0].type",
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": 1}]}],
            "messages[0].content[0].text",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url"}]}],
            "messages[0].content[0].image_url",
        ),
        (
            [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": "data:x"}],
                }
            ],
            "messages[0].content[0]",
        ),
        (
            [{"role": "user", "content": [{"type": "file", "file": {}}]}],
            "messages[0].content[0].file",
        ),
        ([{"role": "assistant", "tool_calls": {}}], None),
        ([{"role": "assistant", "tool_calls": {"a": 1}}], "messages[0].tool_calls"),
        ([{"role": "assistant", "tool_calls": [1]}], "messages[0].tool_calls[0]"),
        (
            [{"role": "assistant", "tool_calls": [{"id": "c"}]}],
            "messages[0].tool_calls[0].function",
        ),
        ([{"role": "tool", "tool_call_id": 1}], "messages[0].tool_call_id"),
    ],
)
def test_what_is_of_the_wrong_form_is_told_by_its_path(
    said: object, param: str | None
) -> None:
    if param is None:
        assert message.read(said)
        return
    with pytest.raises(InvalidRequest) as caught:
        message.read(said)

    assert caught.value.param == param
    assert caught.value.message.startswith(f"{param} ")


_KEYS = st.sampled_from(
    [
        *("role", "content", "type", "text", "image_url", "url", "file", "file_data"),
        *("file_id", "input_audio", "data", "format", "tool_calls", "function"),
        *("name", "arguments", "id", "tool_call_id", "extra_content"),
    ]
)
_WORDS = st.sampled_from(
    ["user", "assistant", "tool", "function", "text", "image_url", "file", PICTURE, "x"]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _WORDS | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5)
    ),
    max_leaves=20,
)


@given(_VALUES)
def test_no_messages_are_a_surprise(said: object) -> None:
    with suppress(InvalidRequest):
        for each in message.read([said] if isinstance(said, dict) else said):
            assert each.role in ("system", "user", "assistant", "tool")
            for made in each.calls:
                assert json.dumps(made.parsed())

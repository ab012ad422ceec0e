"""How Anthropic is told a conversation."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.providers.anthropic.asking import HELLO, TOOLS, body
from tests.values import PNG_BASE64
from tproxy.core.errors import UpstreamFailed


def text(said: str, **more: object) -> dict[str, object]:
    return {"type": "text", "text": said, **more}


def call(id: str = "c1", **more: object) -> dict[str, object]:
    function = {"name": "weather", "arguments": '{"city": "Paris"}'}
    return {"id": id, "type": "function", "function": function, **more}


def test_systems_are_put_together_and_apart() -> None:
    said = body(
        [
            {"role": "system", "content": "One"},
            {"role": "user", "content": "Hello"},
            {"role": "developer", "content": [text("Two")]},
        ]
    )

    assert said["system"] == [text("One"), text("Two")]
    assert said["messages"] == [{"role": "user", "content": [text("Hello")]}]


def test_a_system_alone_is_what_is_asked() -> None:
    said = body([{"role": "system", "content": "Greet me"}])

    assert said["messages"] == [{"role": "user", "content": [text("Greet me")]}]
    assert "system" not in said


def test_neighbours_of_one_side_are_one_turn() -> None:
    said = body(
        [
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "Two"},
            {"role": "assistant", "content": "Three"},
            {"role": "assistant", "content": "Four \n"},
        ]
    )

    assert said["messages"] == [
        {"role": "user", "content": [text("One"), text("Two")]},
        {"role": "assistant", "content": [text("Three"), text("Four")]},
    ]


@pytest.mark.parametrize("empty", ["", " \n", None, [], [text("")]])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], []),
        ([], [{"role": "assistant", "content": "Hi"}]),
        ([*HELLO, {"role": "assistant", "content": "Hi"}], []),
    ],
    ids=["alone", "first", "last"],
)
def test_a_turn_that_says_nothing_is_not_left_out(
    empty: object, before: list[object], after: list[object]
) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        body([*before, {"role": "user", "content": empty}, *after])

    assert caught.value.failure.name == "unsupported"
    assert caught.value.param == f"messages[{len(before)}].content"


def test_silence_beside_something_said_is_nothing() -> None:
    silence = {"role": "user", "content": ""}

    assert body([*HELLO, silence])["messages"] == body(HELLO)["messages"]
    with pytest.raises(UpstreamFailed) as caught:
        body([{"role": "assistant", "content": ""}])
    assert caught.value.param == "messages[0].content"


def test_results_of_one_turn_come_together_and_first() -> None:
    said = body(
        [
            {"role": "user", "content": "?"},
            {"role": "assistant", "tool_calls": [call("c1"), call("c.2:3")]},
            {"role": "user", "content": "Hurry"},
            {"role": "tool", "tool_call_id": "c1", "content": "Sunny"},
            {"role": "tool", "tool_call_id": "c.2:3", "content": ""},
        ],
        tools=TOOLS,
    )

    _, calls, results = said["messages"]
    use = {"type": "tool_use", "name": "weather", "input": {"city": "Paris"}}
    assert calls["content"] == [{**use, "id": "c1"}, {**use, "id": "c_2_3"}]
    assert results == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c1", "content": [text("Sunny")]},
            {"type": "tool_result", "tool_use_id": "c_2_3"},
            text("Hurry"),
        ],
    }


@pytest.mark.parametrize("arguments", ["", "[1]", "not JSON", "[" * 9_000])
def test_arguments_that_are_no_object_become_one(arguments: str) -> None:
    function = {"name": "f", "arguments": arguments}
    calls = [{"id": "c", "type": "function", "function": function}]

    said = body([*HELLO, {"role": "assistant", "tool_calls": calls}])

    assert isinstance(said["messages"][1]["content"][0]["input"], dict)


def test_pictures_and_documents_are_said_in_all_their_ways() -> None:
    plain = base64.b64encode(b"Facts").decode()
    url = "https://x.test/a.png"
    said = body(
        [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": url}},
                    {
                        "type": "image_url",
                        "image_url": {"url": f"data:image/jpg;base64,{PNG_BASE64}"},
                    },
                    {
                        "type": "file",
                        "file": {"filename": "a.pdf", "file_data": "JVBERi0xLjQ="},
                    },
                    {
                        "type": "file",
                        "file": {"file_data": f"data:text/csv;base64,{plain}"},
                    },
                ],
            }
        ]
    )

    jpeg = {"type": "base64", "media_type": "image/jpeg", "data": PNG_BASE64}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="}
    facts = {"type": "text", "media_type": "text/plain", "data": "Facts"}
    assert said["messages"][0]["content"] == [
        {"type": "image", "source": {"type": "url", "url": url}},
        {"type": "image", "source": jpeg},
        {"type": "document", "source": pdf, "title": "a.pdf"},
        {"type": "document", "source": facts},
    ]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "image_url", "image_url": {"url": "ftp://x.test/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}},
    ],
)
def test_what_cannot_be_shown_is_refused_with_its_path(part: Any) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        body([{"role": "user", "content": [text("?"), part]}])

    assert caught.value.failure.name == "unsupported"
    assert caught.value.param == "messages[0].content[1]"


def test_marks_of_a_cache_stay_where_they_are() -> None:
    mark: Any = {"cache_control": {"type": "ephemeral"}}
    said = body(
        [
            {"role": "system", "content": [text("One", **mark), text("Two")]},
            {"role": "user", "content": "Hello", **mark},
        ],
        tools=[{**TOOLS[0], **mark}],
        **mark,
    )

    assert said["system"] == [text("One", **mark), text("Two")]
    assert said["messages"][0]["content"] == [text("Hello", **mark)]
    assert said["tools"][0]["cache_control"] == mark["cache_control"]
    assert said["cache_control"] == mark["cache_control"]

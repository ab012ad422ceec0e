from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.gemini.models import model
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import InvalidRequest, UpstreamFailed
from tproxy.core.model import Model
from tproxy.providers.gemini import DIALECT

MODEL = model("gemini-2.5-flash")
NEWER = model("gemini-3-flash-preview")
PNG = "iVBORw0KGgo="
USER = {"role": "user", "content": "Hi"}
UNSIGNED = "skip_thought_signature_validator"


def built(*messages: dict[str, Any], to: Model = MODEL) -> Any:
    raw = json.dumps({"messages": messages}).encode()
    return json.loads(DIALECT.chat.build_request(ChatRequest.parse(raw), to).body)


def contents(*messages: dict[str, Any], to: Model = MODEL) -> list[tuple[str, Any]]:
    said = built(*messages, to=to)["contents"]
    return [(content["role"], content["parts"]) for content in said]


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def linked(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def call(id: str, name: str = "f", signature: str = "", **args: object) -> Any:
    function = {"name": name, "arguments": json.dumps(args)}
    extra = {"extra_content": {"google": {"thought_signature": signature}}}
    said = {"id": id, "type": "function", "function": function}
    return {**said, **extra} if signature else said


def called(*calls: Any, **beside: object) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **beside}


def result(id: str, content: object) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content}


# Who says what


def test_all_of_the_system_is_said_apart() -> None:
    said = built(
        {"role": "system", "content": "a"},
        USER,
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
    )

    assert said["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}
    assert said["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]


def test_neighbours_of_one_role_are_one_turn() -> None:
    assert contents(
        USER,
        USER,
        {"role": "assistant", "content": "a"},
        {"role": "assistant", "content": "b"},
        USER,
    ) == [
        ("user", [{"text": "Hi"}, {"text": "Hi"}]),
        ("model", [{"text": "a"}, {"text": "b"}]),
        ("user", [{"text": "Hi"}]),
    ]


def test_a_user_is_first() -> None:
    said = contents({"role": "assistant", "content": "a"}, USER)

    assert said[0] == ("user", [{"text": " "}])
    assert [role for role, _ in said] == ["user", "model", "user"]


def test_a_system_alone_is_the_question() -> None:
    said = built({"role": "system", "content": "a"}, {"role": "system", "content": "b"})

    assert said["systemInstruction"] == {"parts": [{"text": "a"}]}
    assert said["contents"] == [{"role": "user", "parts": [{"text": "b"}]}]


def test_who_says_nothing_is_not_quoted() -> None:
    empty = {"role": "assistant", "content": ""}

    assert contents(USER, empty, {"role": "user", "content": ""}) == [
        ("user", [{"text": "Hi"}, {"text": ""}])
    ]


def test_thoughts_go_back_as_thoughts() -> None:
    answer = {"role": "assistant", "content": "a", "reasoning_content": "hm"}

    said = contents(USER, answer)

    assert said[1] == ("model", [{"text": "hm", "thought": True}, {"text": "a"}])


# Pictures and files


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            linked(f"data:image/png;base64,{PNG}"),
            {"inlineData": {"mimeType": "image/png", "data": PNG}},
        ),
        (
            linked(f"data:;base64,{PNG}"),
            {"inlineData": {"mimeType": "image/png", "data": PNG}},
        ),
        (
            {"type": "file", "file": {"file_data": "JVBERi0x", "filename": "a.pdf"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0x"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mpeg", "data": "AAAA"}},
        ),
        (linked("gs://bucket/a.png"), {"fileData": {"fileUri": "gs://bucket/a.png"}}),
        (
            linked("https://generativelanguage.googleapis.com/v1beta/files/a-1"),
            {
                "fileData": {
                    "fileUri": (
                        "https://generativelanguage.googleapis.com/v1beta/files/a-1"
                    )
                }
            },
        ),
        (
            {"type": "file", "file": {"file_id": "files/a-1"}},
            {
                "fileData": {
                    "fileUri": (
                        "https://generativelanguage.googleapis.com/v1beta/files/a-1"
                    )
                }
            },
        ),
        (
            {"type": "video_url", "video_url": {"url": "https://youtu.be/x"}},
            {"fileData": {"fileUri": "https://youtu.be/x"}},
        ),
    ],
)
def test_a_picture_or_a_file_is_a_part(
    part: dict[str, Any], expected: dict[str, Any]
) -> None:
    said = contents(user({"type": "text", "text": "See"}, part))

    assert said == [("user", [{"text": "See"}, expected])]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png",
        "http://generativelanguage.googleapis.com/v1beta/files/a",
        "https://generativelanguage.googleapis.com.evil.test/v1beta/files/a",
        "https://evil.test/?x=https://youtu.be/x",
        "files/../secrets",
        "file-abc123",
    ],
)
def test_a_link_that_google_does_not_follow_is_refused(url: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        built(USER, user({"type": "text", "text": "See"}, linked(url)))

    assert caught.value.failure.name == "unsupported"
    assert caught.value.param == "messages[1].content[1]"


def test_media_of_no_type_are_the_clients_fault() -> None:
    with pytest.raises(InvalidRequest) as caught:
        built(user(linked("data:;base64,AAAA")))

    assert caught.value.param == "messages[0].content[0]"


# Calls and results


def test_results_are_one_turn_in_the_order_of_their_calls() -> None:
    said = contents(
        USER,
        called(call("c1", "f", x=1), call("c2", "g"), content="Wait"),
        result("c2", "two"),
        result("c1", '{"one": 1}'),
        USER,
    )

    assert said[1:] == [
        (
            "model",
            [
                {"text": "Wait"},
                {"functionCall": {"id": "c1", "name": "f", "args": {"x": 1}}},
                {"functionCall": {"id": "c2", "name": "g", "args": {}}},
            ],
        ),
        (
            "user",
            [
                {
                    "functionResponse": {
                        "id": "c1",
                        "name": "f",
                        "response": {"one": 1},
                    }
                },
                {
                    "functionResponse": {
                        "id": "c2",
                        "name": "g",
                        "response": {"result": "two"},
                    }
                },
            ],
        ),
        ("user", [{"text": "Hi"}]),
    ]


@pytest.mark.parametrize(
    ("content", "response"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1, 2]", {"result": [1, 2]}),
        ("42", {"result": "42"}),
        ("", {"result": ""}),
        ("{broken", {"result": "{broken"}),
        ('{"a": NaN}', {"result": '{"a": NaN}'}),
        ("[" * 100_000, {"result": "[" * 100_000}),
        (
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            {"result": "ab"},
        ),
    ],
)
def test_a_result_is_an_object(content: object, response: object) -> None:
    said = contents(USER, called(call("c")), result("c", content))

    [part] = said[2][1]
    assert part["functionResponse"]["response"] == response


def test_a_result_of_no_call_is_the_clients_fault() -> None:
    with pytest.raises(InvalidRequest) as caught:
        built(USER, result("c", "x"))

    assert caught.value.param == "messages[1].tool_call_id"


def test_a_picture_in_a_result_is_within_it_or_after_it() -> None:
    picture = linked(f"data:image/png;base64,{PNG}")
    sound = {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}
    messages = (USER, called(call("c")), result("c", [picture, sound]))
    shown = {"inlineData": {"mimeType": "image/png", "data": PNG}}
    heard = {"inlineData": {"mimeType": "audio/wav", "data": "AA"}}
    response = {"id": "c", "name": "f", "response": {}}

    older = contents(*messages)
    newer = contents(*messages, to=NEWER)

    assert older[2:] == [
        ("user", [{"functionResponse": response}]),
        ("user", [shown, heard]),
    ]
    assert newer[2:] == [
        ("user", [{"functionResponse": {**response, "parts": [shown]}}]),
        ("user", [heard]),
    ]


# Signatures


def signatures(said: list[tuple[str, Any]]) -> list[str | None]:
    return [part.get("thoughtSignature") for part in said[1][1]]


@pytest.mark.parametrize("to", [MODEL, NEWER])
def test_a_signature_goes_back_on_its_own_call(to: Model) -> None:
    first = called(call("a", signature="s+/"), call("b"))
    second = called(call("a"), call("b", signature="t-_"))

    assert signatures(contents(USER, first, to=to)) == ["s+/", None]
    assert signatures(contents(USER, second, to=to)) == [None, "t-_"]


def test_calls_of_another_model_have_the_stand_in_where_it_is_wanted() -> None:
    history = (USER, called(call("a"), call("b")), result("a", "x"), result("b", "y"))

    assert signatures(contents(*history, to=NEWER)) == [UNSIGNED, None]
    assert signatures(contents(*history)) == [None, None]


def test_a_signature_of_the_message_goes_back_on_its_text() -> None:
    extra = {"extra_content": {"google": {"thought_signature": "s"}}}
    answer = {"role": "assistant", "content": "a", **extra}

    assert signatures(contents(USER, answer)) == ["s"]
    alone = called(call("a"), **extra)  # as the compatible endpoint has it
    assert signatures(contents(USER, alone, to=NEWER)) == ["s"]
    both = called(call("a"), **extra, content="a")
    assert signatures(contents(USER, both, to=NEWER)) == ["s", UNSIGNED]


@pytest.mark.parametrize("extra", [{}, {"google": 1}, {"google": {}}, [], "x", None])
def test_an_extra_without_a_signature_is_none(extra: object) -> None:
    answer = {"role": "assistant", "content": "a", "extra_content": extra}

    assert signatures(contents(USER, answer)) == [None]

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.values import chat
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import InvalidRequest
from tproxy.core.model import Capability
from tproxy.core.tokens import TOKENS_PER_IMAGE

USER = {"role": "user", "content": "Hello"}
PICTURE = "data:image/png;base64," + "A" * 100_000
TOOL = {"type": "function", "function": {"name": "f", "description": "погода"}}


def parse(**fields: Any) -> ChatRequest:
    return ChatRequest.parse(json.dumps({"messages": [USER], **fields}).encode())


@pytest.mark.parametrize(
    ("fields", "param", "problem"),
    [
        ({"messages": None}, "messages", "is required"),
        ({"messages": "Hello"}, "messages", "must be an array"),
        ({"messages": USER}, "messages", "must be an array"),
        ({"messages": []}, "messages", "must not be empty"),
        ({"messages": ["Hello"]}, "messages[0]", "must be an object"),
        ({"messages": [USER, None]}, "messages[1]", "must be an object"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "must be a string"),
        ({"messages": [{"role": 1}]}, "messages[0].role", "must be a string"),
        (
            {"messages": [USER, {"role": "user", "content": 1}]},
            "messages[1].content",
            "must be a string or an array of parts",
        ),
        (
            {"messages": [{"role": "user", "content": {"type": "text"}}]},
            "messages[0].content",
            "must be a string or an array of parts",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}, "x"]}]},
            "messages[0].content[1]",
            "must be an object with a type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": 1}]}]},
            "messages[0].content[0]",
            "must be an object with a type",
        ),
        ({"model": None}, "model", "must be a string"),
        ({"model": 4}, "model", "must be a string"),
        ({"model": ["a"]}, "model", "must be a string"),
        ({"stream": "true"}, "stream", "must be true or false"),
        ({"stream": 1}, "stream", "must be true or false"),
        ({"tools": {}}, "tools", "must be an array"),
        ({"tools": TOOL}, "tools", "must be an array"),
        ({"functions": "f"}, "functions", "must be an array"),
        ({"response_format": "json"}, "response_format", "must be an object"),
        ({"reasoning_effort": 1}, "reasoning_effort", "must be a string"),
        *(
            ({name: value}, name, "must be a whole number of tokens")
            for name in ("max_tokens", "max_completion_tokens")
            for value in ("10", 1.5, True, -1, 10**400, [1])
        ),
        (
            {"max_completion_tokens": 1, "max_tokens": "x"},
            "max_tokens",
            "must be a whole number of tokens",
        ),
    ],
)
def test_a_wrong_type_names_its_field(
    fields: dict[str, Any], param: str, problem: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(**fields)

    assert caught.value.param == param
    assert caught.value.message == f"{param} {problem}."


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "The body is not valid JSON: see line 1 column 1."),
        (b"{'model'", "The body is not valid JSON: see line 1 column 2."),
        (b"[]", "The body is not a JSON object."),
        (b'{"a":NaN}', "The body holds NaN, which is not JSON."),
        (b"\xff", "The body is not UTF-8."),
    ],
)
def test_what_is_no_object_is_refused_in_plain_words(raw: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ChatRequest.parse(raw)

    assert (caught.value.message, caught.value.param) == (message, None)
    assert caught.value.told.status == 400


@pytest.mark.parametrize(
    "name",
    [
        *("stream", "tools", "functions", "response_format", "reasoning_effort"),
        *("max_tokens", "max_completion_tokens"),
    ],
)
def test_a_null_is_as_good_as_nothing(name: str) -> None:
    asked = parse(**{name: None})

    assert (asked.stream, asked.needs, asked.output_tokens) == (
        False,
        frozenset(),
        None,
    )


def test_a_model_may_be_named_or_absent() -> None:
    assert parse(model="groq/x").model == "groq/x"
    assert parse().model is None


def test_the_length_of_text_is_counted_in_bytes() -> None:
    assert chat("Hello").text_bytes == 5
    assert chat("Привет").text_bytes == 12
    assert chat("\ud83d").text_bytes == 3  # half a pair, as its escape brings it


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, 0),
        ("", 0),
        ([], 0),
        ([{"type": "text", "text": "Hello"}], 5),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "é"}], 3),
        ([{"type": "refusal", "refusal": "no"}], 2),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}], 2),
        ([{"type": "text", "text": None}], 0),
        ([{"type": "image_url", "image_url": {"url": PICTURE}}], 0),
        ([{"type": "image_url", "image_url": PICTURE}], 0),
        ([{"type": "input_audio", "input_audio": {"data": PICTURE}}], 0),
        ([{"type": "file", "file": {"file_data": PICTURE}}], 0),
        ([{"type": "video_url", "video_url": {"url": PICTURE}}], 0),
    ],
)
def test_contents_count_without_their_media(content: object, expected: int) -> None:
    assert chat(content).text_bytes == expected


def test_all_that_the_model_reads_is_counted() -> None:
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
    }
    assistant = {
        "role": "assistant",
        "content": None,
        "reasoning_content": "hm",
        "tool_calls": [call],
    }
    answer = {"role": "tool", "tool_call_id": "c1", "content": "ok"}

    assert parse(messages=[USER, assistant, answer]).text_bytes == 5 + 2 + 2 + 1 + 2 + 2
    silent = {"role": "assistant", "tool_calls": [call]}
    assert parse(messages=[USER, silent]).text_bytes == 5 + 2 + 1 + 2


@pytest.mark.parametrize("name", ["tools", "functions"])
def test_tools_are_counted_as_they_were_written(name: str) -> None:
    written = json.dumps([TOOL], ensure_ascii=False)
    raw = f'{{"messages":[{json.dumps(USER)}],"{name}":{written}}}'.encode()

    assert ChatRequest.parse(raw).text_bytes == 5 + len(written.encode())


def test_media_are_counted_and_weigh_in_the_estimate() -> None:
    picture = {"type": "image_url", "image_url": {"url": PICTURE}}
    asked = chat([picture, {"type": "text", "text": "1234"}, {"type": "file"}])

    assert asked.media == 2
    assert asked.prompt_tokens == 1 + 2 * TOKENS_PER_IMAGE


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({}, set()),
        ({"tools": []}, set()),
        ({"tools": [TOOL]}, {Capability.TOOLS}),
        ({"functions": [{"name": "f"}]}, {Capability.TOOLS}),
        ({"response_format": {"type": "json_object"}}, set()),
        ({"response_format": {}}, set()),
        ({"response_format": {"type": "json_schema"}}, {Capability.JSON_SCHEMA}),
        ({"reasoning_effort": "none"}, set()),
        ({"reasoning_effort": "low"}, {Capability.REASONING}),
        (
            {"tools": [TOOL], "response_format": {"type": "json_schema"}},
            {Capability.TOOLS, Capability.JSON_SCHEMA},
        ),
    ],
)
def test_a_request_tells_what_it_needs(
    fields: dict[str, Any], needs: set[Capability]
) -> None:
    assert parse(**fields).needs == needs


def test_pictures_need_vision_and_other_media_do_not() -> None:
    assert chat([{"type": "image_url"}]).needs == {Capability.VISION}
    assert chat([{"type": "input_audio"}]).needs == frozenset()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"max_tokens": 10}, 10),
        ({"max_completion_tokens": 20}, 20),
        ({"max_tokens": 10, "max_completion_tokens": 20}, 20),
        ({"max_tokens": 0}, 0),
    ],
)
def test_the_wanted_output_is_known(
    fields: dict[str, Any], expected: int | None
) -> None:
    assert parse(**fields).output_tokens == expected


KNOWN: set[str] = {
    *("model", "messages", "stream", "tools", "functions", "response_format"),
    *("reasoning_effort", "max_tokens", "max_completion_tokens"),
}
NAMES: st.SearchStrategy[str] = st.text(max_size=8)


@given(
    st.dictionaries(
        NAMES.filter(lambda name: name not in KNOWN),
        st.none() | st.booleans() | st.text() | st.integers() | st.lists(st.text()),
    )
)
def test_unknown_fields_go_upstream_untouched(unknown: dict[str, Any]) -> None:
    said = {"model": "a", "messages": [USER], **unknown}
    raw = json.dumps(said).encode()

    asked = ChatRequest.parse(raw)

    assert asked.naming("a") == raw
    assert asked.naming("b") == raw.replace(b'"model": "a"', b'"model": "b"', 1)
    assert list(json.loads(asked.naming("b"))) == list(said)


def test_a_request_without_a_model_gets_one() -> None:
    assert json.loads(parse(top_k=1).naming("b")) == {
        "model": "b",
        "messages": [USER],
        "top_k": 1,
    }


@pytest.mark.parametrize("blank", ["", " " * 5_000])
def test_a_number_that_no_float_holds_is_in_nobodys_way(blank: str) -> None:
    raw = b'{"stream_options":{"x":1e400},"messages":[{"role":"user"}],"model":"a"}'

    asked = ChatRequest.parse(raw + blank.encode()).wanting_usage()

    said = json.loads(asked.naming("b"))
    assert said["model"] == "b"
    assert said["stream_options"]["include_usage"] is True


def test_a_request_shows_nothing_of_what_was_said() -> None:
    assert "secret" not in repr(chat("secret"))

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.gemini.models import BASE, model
from tests.values import KEY, chat
from tproxy.core.errors import InvalidRequest, UpstreamFailed
from tproxy.core.model import Model, Upstream
from tproxy.core.secret import Secret
from tproxy.core.upstream import UpstreamRequest
from tproxy.providers.gemini import DIALECT

MODEL = model()
OLDER = model("gemini-2.5-flash")
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def built(asked: Model = MODEL, **fields: object) -> UpstreamRequest:
    return DIALECT.chat.build_request(chat(**fields), asked)


def body(asked: Model = MODEL, **fields: object) -> Any:
    return json.loads(built(asked, **fields).body)


def config(asked: Model = MODEL, **fields: object) -> Any:
    return body(asked, **fields).get("generationConfig", {})


# Where it goes


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (BASE, "/models/m"),
        (f"{BASE}/", "/models/m"),
        (f"{BASE}/models", "/models/m"),
        (f"{BASE}/models/other:generateContent", "/models/other"),
        (f"{BASE}/models/other:streamGenerateContent?alt=sse", "/models/other"),
        (f"{BASE}/models/other", "/models/other"),
        (f"{BASE}?key=secret", "/models/m"),
    ],
)
def test_the_url_is_made_of_a_base_or_of_an_endpoint(url: str, path: str) -> None:
    asked = model("m", url)

    assert built(asked).url == f"{BASE}{path}:generateContent"
    streamed = built(asked, stream=True).url
    assert streamed == f"{BASE}{path}:streamGenerateContent?alt=sse"


def test_a_model_may_be_called_as_google_lists_it() -> None:
    assert built(model("models/gemini-2.5-pro")).url == (
        f"{BASE}/models/gemini-2.5-pro:generateContent"
    )


def test_a_key_goes_nowhere_but_into_the_signers_hands() -> None:
    upstream = Upstream(BASE, "gemini", Secret(KEY), (("X-Title", "t"),))
    asked = Model("g", "gemini", "gemini-2.5-flash", upstream)

    request = built(asked, stream=True)

    assert request.headers == (
        ("Content-Type", "application/json"),
        ("Accept", "text/event-stream"),
        ("X-Title", "t"),
    )
    assert KEY not in f"{request.url}{request.headers}{request.body!r}"


# What is asked for


def test_a_plain_request_is_plain() -> None:
    assert body() == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"max_completion_tokens": 5}, {"maxOutputTokens": 5}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5, "top_k": 3}, {"topP": 0.5, "topK": 3}),
        ({"stop": "a"}, {"stopSequences": ["a"]}),
        ({"stop": ["a", "b"]}, {"stopSequences": ["a", "b"]}),
        ({"stop": []}, {}),
        ({"n": 2}, {"candidateCount": 2}),
        ({"n": 1}, {}),
        ({"seed": 7}, {"seed": 7}),
        ({"seed": -7}, {"seed": -7}),
        ({"seed": 2**31}, {"seed": -(2**31)}),
        ({"presence_penalty": 0.5}, {"presencePenalty": 0.5}),
        ({"frequency_penalty": -0.5}, {"frequencyPenalty": -0.5}),
        ({"presence_penalty": 0, "frequency_penalty": 0.0}, {}),
        ({"modalities": ["text", "image"]}, {"responseModalities": ["TEXT", "IMAGE"]}),
        (
            {"response_format": {"type": "json_object"}},
            {"responseMimeType": "application/json"},
        ),
        ({"response_format": {"type": "text"}}, {}),
    ],
)
def test_an_option_has_its_name(
    fields: dict[str, Any], expected: dict[str, object]
) -> None:
    assert config(**fields) == expected


def test_a_schema_is_said_in_geminis_words() -> None:
    schema = {"type": "object", "properties": {"a": {"const": "x"}}}
    inner = {"name": "n", "schema": schema, "strict": True}

    said = config(response_format={"type": "json_schema", "json_schema": inner})

    choice = {"enum": ["x"], "type": "string"}
    assert said == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object", "properties": {"a": choice}},
    }


@pytest.mark.parametrize("name", ["gemini-2.5-flash", "gemini-2.0-flash", "gemma-3"])
def test_before_the_third_generation_a_form_excludes_tools(name: str) -> None:
    form = {"type": "json_object"}

    with pytest.raises(UpstreamFailed) as caught:
        built(model(name), tools=[TOOL], response_format=form)

    assert caught.value.failure.name == "unsupported"
    assert caught.value.param == "response_format"
    assert "tools" in body(MODEL, tools=[TOOL], response_format=form)


@pytest.mark.parametrize(
    ("name", "effort", "expected"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "minimal", {"thinkingBudget": 1024}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024}),
        ("gemini-2.5-flash-lite", "medium", {"thinkingBudget": 8192}),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24576}),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}),
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "minimal"}),
        ("gemini-3-flash-preview", "medium", {"thinkingLevel": "medium"}),
        ("gemini-3-pro-preview", "minimal", {"thinkingLevel": "low"}),
        ("gemini-3.1-pro-preview", "xhigh", {"thinkingLevel": "high"}),
        ("gemini-flash-latest", "low", {"thinkingLevel": "low"}),
        ("gemini-pro-latest", "none", {"thinkingLevel": "low"}),
    ],
)
def test_an_effort_is_a_budget_or_a_level(
    name: str, effort: str, expected: dict[str, object]
) -> None:
    shown = {} if effort == "none" else {"includeThoughts": True}

    for fields in ({"reasoning_effort": effort}, {"reasoning": {"effort": effort}}):
        request = built(model(name), **fields)
        said = json.loads(request.body)["generationConfig"]
        assert said == {"thinkingConfig": {**expected, **shown}}
        assert request.dropped == ()


@pytest.mark.parametrize("name", ["gemini-2.0-flash", "gemini-1.5-pro", "gemma-3-27b"])
def test_what_cannot_think_is_not_told_to(name: str) -> None:
    request = built(model(name), reasoning_effort="high")

    assert b"thinking" not in request.body
    assert request.dropped == ("reasoning_effort",)
    assert built(model(name), reasoning_effort="none").dropped == ()


def test_an_effort_that_is_none_is_the_clients_fault() -> None:
    with pytest.raises(InvalidRequest) as caught:
        built(reasoning_effort="hard")

    assert caught.value.param == "reasoning_effort"


def test_what_googles_own_compatible_endpoint_takes_is_taken() -> None:
    settings = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    google = {
        "thinking_config": {"thinking_budget": 5, "include_thoughts": True},
        "cached_content": "cachedContents/c",
        "safety_settings": settings,
    }

    request = built(OLDER, extra_body={"google": google})

    said = json.loads(request.body)
    thinking = {"thinkingBudget": 5, "includeThoughts": True}
    assert said["generationConfig"] == {"thinkingConfig": thinking}
    assert said["cachedContent"] == "cachedContents/c"
    assert said["safetySettings"] == settings
    assert request.dropped == ()


def test_hints_without_words_are_named() -> None:
    request = built(
        user="u",
        logit_bias={"1": 2},
        store=True,
        metadata={},
        parallel_tool_calls=False,
        extra_body={"other": 1},
        service_tier=None,
    )

    assert set(request.dropped) == {
        *("user", "logit_bias", "store", "metadata", "parallel_tool_calls"),
        "extra_body",
    }
    assert json.loads(request.body) == body()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("logprobs", True),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "alloy"}),
        ("web_search_options", {}),
    ],
)
def test_wishes_without_words_are_refused(name: str, value: object) -> None:
    wish: dict[str, Any] = {name: value}

    with pytest.raises(UpstreamFailed) as caught:
        built(**wish)

    assert (caught.value.failure.name, caught.value.param) == ("unsupported", name)


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_beyond_json_is_the_clients_fault(number: str) -> None:
    arguments = f'{{"a": {number}}}'
    call = {"id": "c", "function": {"name": "f", "arguments": arguments}}
    asked = chat(messages=[{"role": "assistant", "tool_calls": [call]}])

    with pytest.raises(InvalidRequest):
        DIALECT.chat.build_request(asked, MODEL)


# Tools


def test_tools_are_declared_with_their_schemas() -> None:
    parameters = {"type": "object", "properties": {"a": {"type": "string"}}}
    tools = [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": parameters},
        },
        {"type": "function", "function": {"name": "g"}},
    ]

    said = body(tools=tools)

    assert said["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "d", "parametersJsonSchema": parameters},
                {"name": "g"},
            ]
        }
    ]
    assert "toolConfig" not in said


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (
            {"type": "function", "function": {"name": "f"}},
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_a_choice_of_tools_is_a_mode(
    choice: object, expected: dict[str, object]
) -> None:
    said = body(tools=[TOOL], tool_choice=choice)

    assert said["toolConfig"] == {"functionCallingConfig": expected}


def test_strict_tools_are_validated_unless_a_choice_says_more() -> None:
    strict = {"type": "function", "function": {"name": "f", "strict": True}}

    for choice in (None, "auto"):
        said = body(tools=[strict], tool_choice=choice)
        assert said["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    said = body(tools=[strict], tool_choice="required")
    assert said["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


def test_a_schema_that_cannot_be_said_is_named() -> None:
    bad = {"type": "object", "properties": {"a": {"not": {"type": "string"}}}}
    tool = {"type": "function", "function": {"name": "g", "parameters": bad}}

    with pytest.raises(UpstreamFailed) as caught:
        built(tools=[TOOL, tool])

    path = "tools[1].function.parameters.properties.a.not"
    assert (caught.value.failure.name, caught.value.param) == ("unsupported", path)


# Whatever is asked


TEXTS = st.sampled_from(["", "a", "c", "data:image/png;base64,AA", "files/a", "{}"])
ANYTHING = st.none() | st.booleans() | st.integers(-1, 3) | TEXTS
NAMES = st.sampled_from(
    [
        *("role", "content", "type", "text", "image_url", "url", "tool_calls"),
        *("function", "name", "arguments", "id", "tool_call_id", "extra_content"),
        *("google", "thought_signature", "file", "file_id", "parameters", "schema"),
        *("thinking_config", "json_schema", "properties"),
    ]
)
NESTED = st.recursive(
    ANYTHING,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner),
    max_leaves=12,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool", "x"])},
        optional={
            "content": NESTED,
            "tool_calls": NESTED,
            "tool_call_id": TEXTS,
            "extra_content": NESTED,
        },
    ),
    max_size=5,
)
FIELDS = st.sampled_from(
    [
        *("tools", "tool_choice", "response_format", "stop", "n", "seed", "extra_body"),
        *("modalities", "reasoning_effort", "reasoning", "temperature", "functions"),
    ]
)


@given(MESSAGES, st.dictionaries(FIELDS, NESTED, max_size=3))
def test_any_request_is_built_or_refused(messages: Any, fields: Any) -> None:
    try:
        request = built(messages=messages, **fields)
    except (InvalidRequest, UpstreamFailed):
        return
    for content in json.loads(request.body)["contents"]:
        assert content["parts"]

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.gemini.models import model
from tproxy.core.errors import UpstreamFailed
from tproxy.providers.gemini import schema

MODEL = model()
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}


def rewritten(said: dict[str, Any]) -> dict[str, object]:
    return schema.rewritten(said, "s", MODEL)


@pytest.mark.parametrize(
    "said",
    [
        {"type": "string", "enum": ["a", "b"], "description": "d", "title": "T"},
        {"type": ["string", "null"]},
        {"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 2},
        {"type": "array", "prefixItems": [{"type": "string"}], "items": True},
        {"type": "integer", "minimum": 1, "maximum": 5, "format": "int32"},
        {"type": "string", "format": "date-time", "default": "x"},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "object", "properties": {}, "additionalProperties": False},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "additionalProperties": True},
        {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}},
        {
            "type": "object",
            "properties": {"const": {"type": "string"}, "$ref": {"type": "string"}},
            "required": ["const"],
        },
    ],
)
def test_what_gemini_knows_stays_as_it_is(said: dict[str, Any]) -> None:
    assert rewritten(said) == said


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"const": "a"}, {"enum": ["a"], "type": "string"}),
        ({"const": 1, "type": "integer"}, {"enum": [1], "type": "integer"}),
        ({"enum": ["a", 1]}, {"enum": ["a", 1], "type": ["integer", "string"]}),
        ({"const": True}, {"type": "boolean", "description": "(enum: [true])"}),
        ({"const": None}, {"type": "null", "description": "(enum: [null])"}),
        (
            {"type": ["string", "null"], "enum": ["a", None], "description": "d"},
            {
                "description": "d",
                "anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}],
            },
        ),
        (
            {"type": "string", "nullable": True},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        (
            {"anyOf": [{"type": "string"}], "nullable": True},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        (
            {"type": "string", "pattern": "^a$", "minLength": 1, "description": "d."},
            {"type": "string", "description": 'd. (pattern: "^a$", minLength: 1)'},
        ),
        (
            {"type": "string", "format": "email"},
            {"type": "string", "description": '(format: "email")'},
        ),
        ({"$schema": "x", "$id": "y", "x-order": 1, "type": "null"}, {"type": "null"}),
        ({"items": {}, "type": "array"}, {"items": {}, "type": "array"}),
        (
            {"type": "object", "properties": {"a": True}},
            {"type": "object", "properties": {"a": {}}},
        ),
    ],
)
def test_what_gemini_lacks_is_said_another_way(
    said: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert rewritten(said) == expected


def test_definitions_have_their_newer_name() -> None:
    said = {
        "definitions": {"Node": {"properties": {"n": {"$ref": "#/definitions/Node"}}}},
        "properties": {"a": {"$ref": "#/definitions/Node", "description": "d"}},
    }

    assert rewritten(said) == {
        "$defs": {"Node": {"properties": {"n": {"$ref": "#/$defs/Node"}}}},
        "properties": {"a": {"description": "d", "anyOf": [{"$ref": "#/$defs/Node"}]}},
    }


def test_a_reference_may_have_words_beside_it() -> None:
    for reference in ({"$ref": "#/$defs/N"}, {"allOf": [{"$ref": "#/$defs/N"}]}):
        said = {
            "$defs": {"N": {"type": "string"}},
            "properties": {"a": {**reference, "description": "d", "nullable": True}},
        }
        choices = [{"$ref": "#/$defs/N"}, {"type": "null"}]
        assert rewritten(said)["properties"] == {
            "a": {"description": "d", "anyOf": choices}
        }


def test_members_of_all_are_put_together() -> None:
    said = {
        "$defs": {"Base": {"properties": {"a": {"type": "string"}}, "required": ["a"]}},
        "allOf": [
            {"$ref": "#/$defs/Base"},
            {"properties": {"b": {"const": 1}}, "required": ["b", "a"]},
            {"type": "object"},
        ],
        "description": "d",
    }

    found = rewritten(said)

    assert found.pop("$defs") == said["$defs"]
    assert found == {
        "description": "d",
        "properties": {"a": {"type": "string"}, "b": {"enum": [1], "type": "integer"}},
        "required": ["a", "b"],
        "type": "object",
    }


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ({"not": {}}, "s.not"),
        ({"if": {}, "then": {}}, "s.if"),
        ({"patternProperties": {}}, "s.patternProperties"),
        ({"properties": {"a": {"contains": {}}}}, "s.properties.a.contains"),
        ({"properties": {"a": False}}, "s.properties.a"),
        ({"properties": {"a": "string"}}, "s.properties.a"),
        ({"properties": []}, "s.properties"),
        ({"items": [{"type": "string"}]}, "s.items"),
        ({"anyOf": [{}, {"dependentRequired": {}}]}, "s.anyOf[1].dependentRequired"),
        ({"anyOf": {}}, "s.anyOf"),
        ({"$ref": "https://example.com/schema"}, "s.$ref"),
        ({"$ref": "#/properties/a"}, "s.$ref"),
        ({"$ref": "#/$defs/Missing", "$defs": {}}, "s.$ref"),
        ({"$ref": 1}, "s.$ref"),
        ({"allOf": [{"type": "string"}, {"type": "number"}]}, "s.allOf[1].type"),
        (
            {
                "properties": {"a": {}},
                "allOf": [{"properties": {"a": {"type": "null"}}}],
            },
            "s.allOf[0].properties.a",
        ),
        ({"allOf": ["x"]}, "s.allOf[0]"),
        ({"allOf": {}}, "s.allOf"),
        ({"$ref": "#/$defs/A", "anyOf": [], "$defs": {"A": {}}}, "s.anyOf"),
    ],
)
def test_what_cannot_be_said_is_refused_by_its_path(
    said: dict[str, Any], path: str
) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        rewritten(said)

    assert (caught.value.failure.name, caught.value.param) == ("unsupported", path)


def test_a_circle_of_all_ends() -> None:
    circle = {"allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}]}

    with pytest.raises(UpstreamFailed):
        rewritten({"$defs": {"A": circle}, **circle})


KEYWORDS = (
    *("type", "properties", "items", "anyOf", "allOf", "oneOf", "enum", "const"),
    *("$ref", "$defs", "definitions", "required", "nullable", "format", "minLength"),
    *("additionalProperties", "description", "prefixItems", "a"),
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["string", "null", "#/$defs/a", "#/definitions/a", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=5))
def test_any_schema_is_rewritten_or_refused(said: dict[str, Any]) -> None:
    before = json.dumps(said)

    found, path = tried(said)

    assert path.startswith("s.") or "allOf" not in found
    assert json.dumps(said) == before


def tried(said: dict[str, Any]) -> tuple[dict[str, object], str]:
    """The schema rewritten, or the path at which it was refused."""
    try:
        return rewritten(said), ""
    except UpstreamFailed as error:
        return {}, str(error.param)

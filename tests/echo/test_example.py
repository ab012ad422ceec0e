import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.echo.validator import validate
from tproxy.echo.example import Impossible, example

CITY = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, "Paris"),
        ({"type": "string"}, "Paris"),
        ({"type": "string", "minLength": 8}, "Paris..."),
        ({"type": "string", "maxLength": 3}, "Par"),
        ({"type": "string", "format": "date"}, "2025-01-01"),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "maximum": -5}, -5),
        ({"type": "integer", "minimum": 5, "multipleOf": 4}, 8),
        ({"type": "number", "maximum": 0.5}, 0.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 1),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": {"a": 1}}, {"a": 1}),
        ({"type": "string", "default": "Rome"}, "Rome"),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": CITY, "minItems": 2}, ["Paris", "Paris"]),
        ({"type": "array", "items": CITY, "maxItems": 0}, []),
        ({"type": "array", "prefixItems": [CITY, {"type": "null"}]}, ["Paris", None]),
        ({"properties": {"city": CITY}}, {"city": "Paris"}),
        ({"properties": {"a": CITY, "b": CITY}, "required": ["b"]}, {"b": "Paris"}),
        ({"anyOf": [False, {"type": "integer"}]}, 1),
        ({"oneOf": [{"type": "null"}, CITY]}, None),
        (
            {"$defs": {"c": CITY}, "properties": {"city": {"$ref": "#/$defs/c"}}},
            {"city": "Paris"},
        ),
        (
            {"allOf": [{"properties": {"a": CITY}}, {"properties": {"b": CITY}}]},
            {"a": "Paris", "b": "Paris"},
        ),
        (
            {"properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}},
            None,
        ),
    ],
)
def test_a_value_is_what_a_person_would_expect(
    schema: dict[str, Any], value: object
) -> None:
    made = example("Paris", schema)

    if value is not None or schema.get("type") == "null" or "oneOf" in schema:
        assert made == value
    validate(made, schema, schema)


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("What is f(3)?", {"type": "integer"}, 3),
        ("f(-2.5)", {"type": "number"}, -2.5),
        ("f(2.5)", {"type": "integer"}, 1),
        ("f(2.0)", {"type": "integer"}, 2),
        ("7, 8 or 40", {"type": "integer", "exclusiveMinimum": 7}, 8),
        ("7, 8 or 40", {"type": "integer", "minimum": 9, "multipleOf": 20}, 40),
        ("7, 8 or 40", {"type": "integer", "maximum": 6}, 1),
        ("v3, 2x", {"type": "integer"}, 1),
        ("Multiply 12 by 3", {"prefixItems": [{"type": "number"}] * 3}, [12, 3, 1]),
    ],
)
def test_numbers_of_the_text_are_taken_in_turn_where_they_fit(
    text: str, schema: dict[str, Any], value: object
) -> None:
    assert example(text, schema) == value


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": []},
        {"$ref": "#/nowhere"},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#"},
        {"anyOf": [False, False]},
        {"properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "array", "items": {"type": "array", "minItems": 999}, "minItems": 999},
    ],
)
def test_a_schema_that_cannot_be_filled_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(Impossible):
        example("Paris", schema)


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    small = st.integers(0, 5)
    leaves: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("string")}, optional={"minLength": small}
        ),
        st.fixed_dictionaries(
            {"type": st.sampled_from(["integer", "number"])},
            optional={"minimum": st.integers(-9, 9), "multipleOf": st.integers(1, 4)},
        ),
        st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"enum": [1, "a"]}]),
    )

    def nest(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Any]:
        members = st.dictionaries(st.text(max_size=5), inner, max_size=3)
        return st.one_of(
            st.builds(lambda p: {"type": "object", "properties": p}, members),
            st.builds(
                lambda p: {"type": "object", "properties": p, "required": [*p]}, members
            ),
            st.builds(
                lambda i, n: {"type": "array", "items": i, "minItems": n}, inner, small
            ),
            st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
        )

    return st.recursive(leaves, nest, max_leaves=8)


@given(st.text(max_size=300), schemas())
def test_what_is_made_up_is_valid(text: str, schema: dict[str, Any]) -> None:
    made = example(text, schema)

    validate(json.loads(json.dumps(made)), schema, schema)

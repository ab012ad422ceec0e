"""A second opinion on JSON Schema, written apart from the code under test.

It raises AssertionError at the first fault, so that a failing test says where.
"""

import re
from collections.abc import Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def validate(value: Any, schema: Any, root: Any) -> None:
    assert schema is not False
    if schema is True:
        return
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].split("/")[1:]:
            target = target[step]
        validate(value, target, root)
    for part in schema.get("allOf", []):
        validate(value, part, root)
    if "anyOf" in schema:
        assert any(is_valid(value, part, root) for part in schema["anyOf"])
    if "oneOf" in schema:
        assert sum(is_valid(value, part, root) for part in schema["oneOf"]) == 1
    _validate_alone(value, schema)
    if isinstance(value, list):
        _validate_array(value, schema, root)
    elif isinstance(value, dict):
        _validate_object(value, schema, root)


def _validate_alone(value: Any, schema: Any) -> None:
    if "enum" in schema:
        assert any(identical(value, choice) for choice in schema["enum"])
    if "const" in schema:
        assert identical(value, schema["const"])
    if "type" in schema:
        kinds = schema["type"]
        assert any(
            _is(value, k) for k in (kinds if isinstance(kinds, list) else [kinds])
        )
    if isinstance(value, str):
        _validate_string(value, schema)
    elif _is(value, "number"):
        _validate_number(value, schema)


def is_valid(value: Any, schema: Any, root: Any) -> bool:
    try:
        validate(value, schema, root)
    except AssertionError:
        return False
    return True


def identical(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (
        kind == "boolean" or not isinstance(value, bool)
    )


def _validate_string(value: str, schema: Any) -> None:
    assert len(value) >= schema.get("minLength", 0)
    assert len(value) <= schema.get("maxLength", len(value))
    assert re.search(schema.get("pattern", ""), value)


def _validate_array(value: list[Any], schema: Any, root: Any) -> None:
    assert len(value) >= schema.get("minItems", 0)
    assert len(value) <= schema.get("maxItems", len(value))
    if schema.get("uniqueItems"):
        assert not any(
            identical(one, other) for i, one in enumerate(value) for other in value[:i]
        )
    first = schema.get("prefixItems", [])
    for i, item in enumerate(value):
        part = first[i] if i < len(first) else schema.get("items", True)
        validate(item, part, root)


def _validate_object(value: dict[str, Any], schema: Any, root: Any) -> None:
    assert set(schema.get("required", [])) <= set(value)
    assert len(value) >= schema.get("minProperties", 0)
    assert len(value) <= schema.get("maxProperties", len(value))
    for name, member in value.items():
        others = schema.get("additionalProperties", True)
        validate(member, schema.get("properties", {}).get(name, others), root)


def _validate_number(value: float, schema: Any) -> None:
    assert value >= schema.get("minimum", value)
    assert value <= schema.get("maximum", value)
    assert "exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"]
    assert "exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"]
    if "multipleOf" in schema:
        ratio = value / schema["multipleOf"]
        assert abs(ratio - round(ratio)) < 1e-9

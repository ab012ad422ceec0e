"""JSON Schemas as structured outputs take them.

Source: Anthropic's guide "Structured outputs", "JSON Schema limitations".
"""

from __future__ import annotations

_OF_NAMES = ("properties", "$defs", "definitions")
_OF_SCHEMAS = ("items", "anyOf", "allOf", "oneOf")
_UNKNOWN = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_UNKNOWN |= {"minLength", "maxLength", "maxItems", "uniqueItems"}


def fitted(schema: object) -> object:
    """`schema` with its objects closed; bounds that it has no words for are described.

    What fits the result fits `schema`, but for those bounds.
    """
    if isinstance(schema, list):
        return [fitted(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    said: dict[str, object] = {}
    for name, value in schema.items():
        if name in _OF_NAMES and isinstance(value, dict):
            said[name] = {inner: fitted(one) for inner, one in value.items()}
        elif name in _OF_SCHEMAS:
            said["anyOf" if name == "oneOf" else name] = fitted(value)
        elif name not in _UNKNOWN:
            said[name] = value
    if said.get("type") == "object":
        said.setdefault("additionalProperties", False)
    bounds = [f"{name}: {schema[name]}" for name in schema if name in _UNKNOWN]
    if bounds:
        described = [str(said.get("description", "")), f"({', '.join(bounds)})"]
        said["description"] = " ".join(filter(None, described))
    return said

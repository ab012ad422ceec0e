"""JSON Schemas as Gemini takes them in `responseJsonSchema`, `parametersJsonSchema`.

Source: Gemini API reference, `GenerationConfig.responseJsonSchema`: the keywords that
count. What they cannot say is said in the description, for the model to read, if words
can say it; else the schema is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs

from tproxy.core import wishes
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model

_KEPT = {
    *("type", "title", "description", "default", "enum", "format", "required"),
    *("minItems", "maxItems", "minimum", "maximum", "propertyOrdering"),
}
_ONE = {"items", "additionalProperties"}  # a schema, or true or false
_SEVERAL = {"anyOf", "oneOf", "prefixItems"}
_NAMED = {"properties", "$defs"}
_SAID = {  # bounds on one value, which a description can tell
    *("pattern", "minLength", "maxLength", "multipleOf", "uniqueItems"),
    *("exclusiveMinimum", "exclusiveMaximum", "minProperties", "maxProperties"),
    *("contentEncoding", "contentMediaType", "examples", "example"),
}
_PASSED_OVER = {
    *("$schema", "$id", "$comment", "$anchor", "discriminator", "deprecated"),
    *("readOnly", "writeOnly", "externalDocs", "xml", "strict"),
}
_FORMATS = ("date-time", "date", "time", "int32", "int64", "float", "double", "enum")
_DEFINITIONS = ("#/$defs/", "#/definitions/")
_BESIDE = {"title", "description", "default", "$defs"}  # stay outside of a choice
_TYPES: Mapping[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
_MOST_JOINED = 200


def rewritten(
    schema: Mapping[str, object], path: str, model: Model
) -> dict[str, object]:
    """The same schema in Gemini's words.

    Raises:
        UpstreamFailed: `UNSUPPORTED`; `param` is the path of what cannot be said.
    """
    root = {**schema}
    old = root.pop("definitions", None)
    if isinstance(old, Mapping):
        new = root.get("$defs")
        root["$defs"] = {**old, **(new if isinstance(new, Mapping) else {})}
    defined = root.get("$defs")
    writer = _Writer(model, defined if isinstance(defined, Mapping) else {})
    return writer.schema(root, path)


@attrs.define
class _Writer:
    _model: Model
    _defined: Mapping[str, object]
    _joined: int = 0  # members of all `allOf`, which may lead in circles

    def schema(self, said: Mapping[str, object], path: str) -> dict[str, object]:
        written: dict[str, object] = {}
        notes: dict[str, object] = {}
        nullable = False
        for name, value in self._flat(said, path).items():
            at = f"{path}.{name}"
            if name in _NAMED:
                written[name] = {
                    key: self._any(one, f"{at}.{key}")
                    for key, one in self._members(value, at).items()
                }
            elif name in _SEVERAL:
                written[name] = [
                    self._any(one, f"{at}[{place}]")
                    for place, one in enumerate(self._list(value, at))
                ]
            elif name in _ONE:
                written[name] = value if value is True else self._any(value, at)
            elif name == "$ref":
                self._target(value, at)
                written[name] = f"{_DEFINITIONS[0]}{_name(value)}"
            elif name == "nullable":
                nullable = value is True
            elif name in _SAID or (name == "format" and value not in _FORMATS):
                notes[name] = value
            elif name in _KEPT:
                written[name] = value
            elif name not in _PASSED_OVER and not name.startswith("x-"):
                raise self._refused(at)
        if _narrowed(written, notes) or nullable:
            written = _or_null(written)
        if notes:
            told = (written.get("description"), _words(notes))
            written["description"] = " ".join(str(part) for part in told if part)
        return self._alone(written, path)

    def _flat(self, said: Mapping[str, object], path: str) -> dict[str, object]:
        """`const` as a choice of one; the members of `allOf` put together."""
        flat = {name: value for name, value in said.items() if name != "allOf"}
        if "const" in flat:
            flat["enum"] = [flat.pop("const")]
        parts = self._list(said.get("allOf", []), f"{path}.allOf")
        match parts:
            case [{"$ref": _, **rest}] if not rest and "anyOf" not in flat:
                return {**flat, "anyOf": parts}  # a reference with words beside it
        for place, part in enumerate(parts):
            at = f"{path}.allOf[{place}]"
            self._joined += 1
            if self._joined > _MOST_JOINED:
                raise self._refused(at)
            member = dict(self._members(part, at))
            if "$ref" in member:
                target = self._target(member.pop("$ref"), at)
                self._join(flat, self._flat(target, at), at)
            self._join(flat, self._flat(member, at), at)
        return flat

    def _join(
        self, whole: dict[str, object], part: Mapping[str, object], path: str
    ) -> None:
        for name, value in part.items():
            known = whole.setdefault(name, value)
            if known == value or name in ("title", "description"):
                continue
            if name == "required":
                both = (*self._list(known, path), *self._list(value, path))
                whole[name] = list(dict.fromkeys(map(str, both)))
            elif name == "properties":
                one, other = self._members(known, path), self._members(value, path)
                for key in one.keys() & other.keys():
                    if one[key] != other[key]:
                        raise self._refused(f"{path}.{name}.{key}")
                whole[name] = {**one, **other}
            else:
                raise self._refused(f"{path}.{name}")

    def _alone(self, written: dict[str, object], path: str) -> dict[str, object]:
        """Beside `$ref`, nothing may stand that does not begin with a dollar."""
        beside = {name: v for name, v in written.items() if not name.startswith("$")}
        if "$ref" not in written or not beside:
            return written
        if "anyOf" in beside:
            raise self._refused(f"{path}.anyOf")
        rest = {name: v for name, v in written.items() if name != "$ref"}
        return {**rest, "anyOf": [{"$ref": written["$ref"]}]}

    def _any(self, said: object, path: str) -> dict[str, object] | bool:
        if said is True:
            return {}
        if said is False and path.endswith(".additionalProperties"):
            return False
        return self.schema(self._members(said, path), path)

    def _target(self, said: object, path: str) -> Mapping[str, object]:
        target = self._defined.get(_name(said))
        if not isinstance(target, Mapping):
            raise self._refused(path)
        return target

    def _members(self, said: object, path: str) -> Mapping[str, object]:
        if not isinstance(said, Mapping):
            raise self._refused(path)
        return said

    def _list(self, said: object, path: str) -> list[object]:
        if not isinstance(said, list):
            raise self._refused(path)
        return said

    def _refused(self, path: str) -> UpstreamFailed:
        return wishes.unsupported(self._model, path)


def _name(reference: object) -> str:
    """Of the definition that is meant; "" where it is none of the schema's own."""
    for prefix in _DEFINITIONS:
        if isinstance(reference, str) and reference.startswith(prefix):
            return reference.removeprefix(prefix)
    return ""


def _narrowed(written: dict[str, object], notes: dict[str, object]) -> bool:
    """Leave in `enum` what may be there, strings and numbers; return if null was, too.

    Others go into the notes.
    """
    choices = written.get("enum")
    if not isinstance(choices, list) or not choices:
        return False
    kinds = {_TYPES.get(type(choice), "") for choice in choices}
    if "" in kinds or "boolean" in kinds or kinds == {"null"}:
        notes["enum"] = written.pop("enum")
    else:
        written["enum"] = [choice for choice in choices if choice is not None]
    if "type" not in written and "" not in kinds:
        found = sorted(kinds - {"null"}) or ["null"]
        written["type"] = found[0] if len(found) == 1 else found
    return "null" in kinds and kinds != {"null"}


def _or_null(written: Mapping[str, object]) -> dict[str, object]:
    beside = {name: v for name, v in written.items() if name in _BESIDE}
    inner = {name: v for name, v in written.items() if name not in _BESIDE}
    kind = inner.get("type")
    if isinstance(kind, list):
        kinds = [one for one in kind if one != "null"]
        inner["type"] = kinds[0] if len(kinds) == 1 else kinds
    choices = inner.get("anyOf")
    alone = isinstance(choices, list) and len(inner) == 1
    several = choices if alone and isinstance(choices, list) else [inner]
    return {**beside, "anyOf": [*several, {"type": "null"}]}


def _words(notes: Mapping[str, object]) -> str:
    said = (f"{name}: {json.dumps(value)}" for name, value in notes.items())
    return f"({', '.join(said)})"

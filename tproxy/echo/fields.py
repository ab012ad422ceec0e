"""Typed reading of a request's JSON, with OpenAI's own words for what is wrong."""

from collections.abc import Mapping
from types import NoneType

import attrs

from tproxy.echo.errors import Refused

_KINDS: Mapping[type, str] = {
    NoneType: "null",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def wrong_type(value: object, path: str, expected: str) -> Refused:
    kind = _KINDS.get(type(value), "something else")
    return Refused(
        message=f"Invalid type for '{path}': expected {expected}, "
        f"but got {kind} instead.",
        param=path,
        code="invalid_type",
    )


def wrong_value(value: str, path: str, supported: tuple[str, ...]) -> Refused:
    *others, last = (f"'{name}'" for name in supported)
    listed = ", ".join(others) + (", and " if len(others) > 1 else " and ") + last
    return Refused(
        message=f"Invalid value: '{value}'. Supported values are: {listed}.",
        param=path,
        code="invalid_value",
    )


@attrs.frozen
class Fields:
    """One JSON object of a request, and its path there: `tools[0].function`.

    An optional field that is null counts as absent, as it does with OpenAI. Every
    method raises `Refused` if the field has another type than its name says.
    """

    values: Mapping[str, object] = attrs.field(repr=False)
    path: str = ""

    def path_of(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def value(self, name: str) -> object:
        """The field as it was sent.

        Raises:
            Refused: it is absent or null.
        """
        value = self.values.get(name)
        if value is None:
            path = self.path_of(name)
            raise Refused(
                message=f"Missing required parameter: '{path}'.",
                param=path,
                code="missing_required_parameter",
            )
        return value

    def string(self, name: str) -> str:
        value = self.value(name)
        if not isinstance(value, str):
            raise wrong_type(value, self.path_of(name), "a string")
        return value

    def optional_string(self, name: str) -> str | None:
        return None if self.values.get(name) is None else self.string(name)

    def flag(self, name: str) -> bool:
        """False if absent."""
        value = self.values.get(name)
        if value is None or isinstance(value, bool):
            return value is True
        raise wrong_type(value, self.path_of(name), "a boolean")

    def optional_integer(self, name: str, low: int, high: int | None) -> int | None:
        """Within `low` and `high`, both allowed."""
        value, path = self.values.get(name), self.path_of(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(value, path, "an integer")
        if value < low:
            fault, code = f"below minimum value. Expected a value >= {low}", "below_min"
        elif high is not None and value > high:
            fault, code = (
                f"above maximum value. Expected a value <= {high}",
                "above_max",
            )
        else:
            return value
        raise Refused(
            message=f"Invalid '{path}': integer {fault}, but got {value} instead.",
            param=path,
            code=f"integer_{code}_value",
        )

    def object(self, name: str) -> "Fields":
        value = self.value(name)
        if not isinstance(value, Mapping):
            raise wrong_type(value, self.path_of(name), "an object")
        return Fields(value, self.path_of(name))

    def optional_object(self, name: str) -> "Fields | None":
        return None if self.values.get(name) is None else self.object(name)

    def objects(self, name: str) -> "tuple[Fields, ...]":
        """The objects of an array; none if the array is absent."""
        value, path = self.values.get(name), self.path_of(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise wrong_type(value, path, "an array of objects")
        for i, item in enumerate(value):
            if not isinstance(item, Mapping):
                raise wrong_type(item, f"{path}[{i}]", "an object")
        return tuple(Fields(item, f"{path}[{i}]") for i, item in enumerate(value))

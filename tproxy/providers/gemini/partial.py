"""Calls whose arguments come piece by piece, each with its place among them:

    {"functionCall": {"name": "f", "willContinue": true}}
    {"functionCall": {"partialArgs": [{"jsonPath": "$.a[0]", "stringValue": "x",
                                       "willContinue": true}], "willContinue": true}}
    {"functionCall": {}}

Gemini 3 does so on Vertex AI, for those who ask. Source: Google Cloud documentation,
Vertex AI API, `FunctionCall` and `PartialArg`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import attrs

from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.providers.said import Object, checked, listed, malformed, string

_PATH = r"\.([^.\[\]\s]+)|\[(\d{1,6})\]|\['([^'\\]*)'\]|\[\"([^\"\\]*)\"\]"
_STEPS = re.compile(_PATH).finditer
_WHOLE_PATH = re.compile(rf"\$(?:{_PATH})+").fullmatch
_DEEPEST = 32  # steps
_MOST = 1_048_576  # characters of a call, each of its pieces counted as 64 at least


@attrs.define
class _Half:
    """A call so far; `text` is what goes on at `path`."""

    name: str
    id: str
    signature: str
    args: dict[str, object] = attrs.field(factory=dict)
    path: str = ""
    text: list[str] = attrs.field(factory=list)
    size: int = 0


@attrs.define
class Halves:
    """The calls of one answer of which more is to come, by their candidates."""

    _open: dict[int, _Half] = attrs.field(factory=dict, init=False)

    def whole(
        self, index: int, said: Object, signature: str, model: Model
    ) -> tuple[Object, str] | None:
        """A call with all its arguments, and its signature; None while it goes on.

        Raises:
            UpstreamFailed: `MALFORMED`, a piece belongs nowhere.
        """
        half = self._open.pop(index, None)
        continues = said.get("willContinue") is True
        if half is None:
            if not (continues or said.get("partialArgs")):
                return said, signature
            name, id = string(said, "name", model), string(said, "id", model)
            half = _Half(name, id, signature)
        elif string(said, "name", model) not in ("", half.name):
            raise malformed(model, "a call within a call")
        half.signature = signature or half.signature
        for piece in listed(said, "partialArgs", model):
            _take(half, checked(piece, "a piece", model), model)
        if continues:
            self._open[index] = half
            return None
        _settle(half, model)
        return {"name": half.name, "id": half.id, "args": half.args}, half.signature

    def check(self, model: Model) -> None:
        """Raises UpstreamFailed, `MODEL_FAULT`, where the answer ends within a call."""
        if self._open:
            raise UpstreamFailed.of(model.name, failures.MODEL_FAULT, "half a call")


def _take(half: _Half, piece: Object, model: Model) -> None:
    path, value = string(piece, "jsonPath", model), _value(piece, model)
    half.size += max(len(path) + len(str(value)), 64)
    if half.size > _MOST:
        raise malformed(model, "a call without end")
    if path != half.path or not isinstance(value, str):
        _settle(half, model)
    if not isinstance(value, str):
        _put(half.args, path, value, model)
        return
    half.path = path
    half.text.append(value)
    if piece.get("willContinue") is not True:
        _settle(half, model)


def _settle(half: _Half, model: Model) -> None:
    """Put the text where it belongs: no more of it is to come."""
    if half.text:
        _put(half.args, half.path, "".join(half.text), model)
        half.text.clear()


def _value(piece: Object, model: Model) -> object:
    for name, kinds in (
        ("stringValue", (str,)),
        ("numberValue", (int, float)),
        ("boolValue", (bool,)),
    ):
        if type(piece.get(name)) in kinds:
            return piece[name]
    if "nullValue" in piece:
        return None
    raise malformed(model, "a piece without a value")


def _put(args: dict[str, object], path: str, value: object, model: Model) -> None:
    """Set the value at `path`, which may lead beyond an array by one."""
    steps: list[str | int] = [
        int(step[2]) if step[2] else step[1] or step[3] or step[4] or ""
        for step in _STEPS(path)
    ]
    if not _WHOLE_PATH(path) or len(steps) > _DEEPEST:
        raise malformed(model, "a piece without a place")
    holder: Any = args
    for step, following in pairwise(steps):
        holder = _at(holder, step, [] if isinstance(following, int) else {}, model)
    _at(holder, steps[-1], value, model)
    holder[steps[-1]] = value


def _at(holder: object, step: str | int, fresh: object, model: Model) -> object:
    """What `holder` has there, which is `fresh` where there was nothing."""
    match holder, step:
        case dict(), str():
            return holder.setdefault(step, fresh)
        case list(), int() if step <= len(holder):
            if step == len(holder):
                holder.append(fresh)
            return holder[step]
    raise malformed(model, "a piece that fits nowhere")

"""What one choice has said, put together from a message or from deltas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from tproxy.contract import objects
from tproxy.contract.shape import require

_BESIDE = {"audio", "images", "function_call"}  # what it may say but is not told apart


@attrs.define
class Call:
    id: str
    name: str
    arguments: str
    extra: Mapping[str, object] = attrs.field(factory=dict)


@attrs.define
class Spoken:
    """Text, thoughts and calls of one choice; `finish` is "" until it has ended."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[Call] = attrs.field(factory=list)
    finish: str = ""
    _begun: bool = attrs.field(default=False, init=False, eq=False)
    _more: bool = attrs.field(default=False, init=False, eq=False)

    @classmethod
    def of_message(cls, message: Mapping[str, Any], finish: str) -> Spoken:
        spoken = cls(
            text=message["content"] or "",
            reasoning=message.get("reasoning_content", ""),
            refusal=message.get("refusal") or "",
            calls=[
                Call(
                    id=call["id"],
                    name=call["function"]["name"],
                    arguments=call["function"]["arguments"],
                    extra=call.get("extra_content", {}),
                )
                for call in message.get("tool_calls", ())
            ],
            finish=finish,
        )
        old = message.get("function_call") is not None
        other = message.get("audio") or message.get("images")
        spoken._more = old or other is not None
        return spoken

    def take(self, delta: Mapping[str, Any], path: str) -> None:
        """Add what a chunk has; its shape is checked already."""
        require(not self.finish, path, "comes after the finish reason")
        if not self._begun:
            require("role" in delta, path, "is the first and has no role")
            self._begun = True
        else:
            require("role" not in delta, path, "has a role, and is not the first")
        self.text += delta.get("content") or ""
        self.reasoning += delta.get("reasoning_content", "")
        self.refusal += delta.get("refusal") or ""
        self._more = self._more or bool(delta.keys() & _BESIDE)
        for place, call in enumerate(delta.get("tool_calls", ())):
            self._take_call(call, f"{path}.tool_calls[{place}]")

    def _take_call(self, call: Mapping[str, Any], path: str) -> None:
        function = call["function"]
        index = call["index"]
        require(index <= len(self.calls), f"{path}.index", "leaves one out")
        if index == len(self.calls):
            for name in ("id", "type"):
                require(name in call, f"{path}.{name}", "is missing at its beginning")
            require("name" in function, path, "has no name at its beginning")
            found = Call(call["id"], function["name"], function.get("arguments", ""))
            found.extra = call.get("extra_content", {})
            self.calls.append(found)
            return
        repeated = {*call, *function} & {"id", "type", "name"}
        require(not repeated, path, "tells its id, type or name once more")
        self.calls[index].arguments += function.get("arguments", "")

    def check(self, path: str, *, wild: bool) -> None:
        """Check it as a whole, now that it has ended."""
        ids = [call.id for call in self.calls]
        require(len(set(ids)) == len(ids), f"{path}.tool_calls", "have an id twice")
        said = self.text or self.reasoning or self.refusal or self.calls or self._more
        honest = self.finish in objects.SILENT_FINISHES
        require(said or honest, path, "says nothing, for no reason")
        if wild:
            return
        if self.calls:
            fits = self.finish in ("tool_calls", *objects.SILENT_FINISHES)
            require(fits, path, "calls tools, and the finish reason does not say so")
        else:
            fits = self.finish != "tool_calls"
            require(fits, path, "calls no tools, and the finish reason says so")
        for place, call in enumerate(self.calls):
            whole = self.finish == "length" or _is_object(call.arguments)
            require(whole, f"{path}.tool_calls[{place}]", "has arguments of no object")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False

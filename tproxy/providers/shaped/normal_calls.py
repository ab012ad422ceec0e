"""Calls of tools in OpenAI's own fields, whole or in the parts of a stream."""

from __future__ import annotations

import attrs

from tproxy.core.chat import ChatRequest
from tproxy.core.model import Model
from tproxy.providers.calls import MOST_CALLS, call_id, is_object
from tproxy.providers.said import Object, malformed
from tproxy.providers.shaped import normal

_MOST = 262_144  # characters of ids that are kept of one choice


@attrs.define
class Calls:
    """Those of one choice, as told so far.

    Some providers give no ids, or each part's anew; and some all calls one index.
    """

    _chat: ChatRequest
    _model: Model
    _ids: set[str] = attrs.field(factory=set, init=False)
    _size: int = attrs.field(default=0, init=False)  # of the ids given
    # Where calls stand, by their ids and by the indexes they were last told with.
    _places: dict[str | int, int] = attrs.field(factory=dict, init=False)
    _given: dict[int, str] = attrs.field(factory=dict, init=False)  # ids, by place
    _bare: set[int] = attrs.field(factory=set, init=False)  # without arguments so far

    def __bool__(self) -> bool:
        return bool(self._ids)

    def whole(self, said: object) -> list[dict[str, object]]:
        """Calls with all of their arguments.

        Raises:
            UpstreamFailed: `MALFORMED`, there is one without a name; so does `part`.
        """
        found = [self._begun(call) for call in normal.objects(said)]
        for call in found:
            function = normal.member(call["function"])
            function["arguments"] = function["arguments"] or "{}"
        return found

    def part(self, said: Object) -> dict[str, object] | None:
        """A part of a call, to be joined with others; None where it adds nothing."""
        function = normal.member(said.get("function"))
        place = self._place(said, function)
        arguments = self._arguments(function)
        if place is None:
            if not (arguments or normal.text(function.get("name"))):
                return None  # what it is may come yet
            call = self._begun(said)
            return {"index": len(self._ids) - 1, **call}
        if not arguments:
            return None
        self._bare.discard(place)
        return {"index": place, "function": {"arguments": arguments}}

    def rest(self) -> list[dict[str, object]]:
        """What is lacking at the end: arguments, of calls that have none."""
        bare, self._bare = sorted(self._bare), set()
        return [{"index": at, "function": {"arguments": "{}"}} for at in bare]

    def _place(self, said: Object, function: Object) -> int | None:
        """Where the call stands that this is a part of; None if it begins one."""
        id, index = normal.text(said.get("id")), said.get("index")
        named = bool(normal.text(function.get("name")))
        if type(index) is int:
            place = self._places.get(index)
            if place is None:
                return None if named else self._places.get(id)
            another = id not in ("", self._given[place])
            again = not id and place not in self._bare and _is_whole(function)
            return None if named and (another or again) else place
        if id:
            return self._places.get(id)
        return None if named or not self._ids else len(self._ids) - 1

    def _begun(self, said: Object) -> dict[str, object]:
        function = normal.member(said.get("function"))
        given, name = normal.text(said.get("id")), normal.text(function.get("name"))
        place = len(self._ids)
        self._size += len(given)
        if not name or place == MOST_CALLS or self._size > _MOST:
            detail = "calls without end" if name else "a call without a name"
            raise malformed(self._model, detail)
        self._given[place] = given
        if given:
            self._places[given] = place
        index = said.get("index")
        if type(index) is int:
            self._places[index] = place
        arguments = self._arguments(function)
        if not arguments:
            self._bare.add(place)
        told: dict[str, object] = {
            "id": call_id(given, self._ids, self._chat),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        extra = normal.wanted_back(said)
        return {**told, "extra_content": extra} if extra else told

    def _arguments(self, function: Object) -> str:
        """As text; some send an object."""
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            return normal.encoded(arguments, self._model).decode()
        return normal.text(arguments)


def _is_whole(function: Object) -> bool:
    arguments = function.get("arguments")
    return isinstance(arguments, dict) or is_object(normal.text(arguments))

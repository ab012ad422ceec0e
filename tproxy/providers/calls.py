"""Calls of tools, which models write, and at times get wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from tproxy.core import failures
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.message import ToolCall
from tproxy.core.model import Model

MOST_CALLS: Final = 1_024  # in one answer
_MOST = 131_072  # characters of a stream; more are not judged


def call_id(given: str, taken: set[str], chat: ChatRequest) -> str:
    """The id of a call, which is then `taken`: its own, if no other has it."""
    place = len(taken)
    id = given if given and given not in taken else f"call_{chat.id or 0}_{place}"
    while id in taken:
        id += f"_{place}"
    taken.add(id)
    return id


def written(arguments: object, model: Model) -> str:
    """Arguments as text. They come as an object, or as text already.

    Raises:
        UpstreamFailed: `MODEL_FAULT`, they are neither.
    """
    try:
        if isinstance(arguments, str):
            arguments = json.loads(arguments or "{}")
        if arguments is None:
            return "{}"
        if isinstance(arguments, dict):
            return json.dumps(arguments, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        pass
    raise _botched(model)


def check_ids(calls: Sequence[ToolCall], model: Model) -> None:
    """Raises UpstreamFailed where two calls have one id: results could not be told."""
    if len({call.id for call in calls}) < len(calls):
        raise UpstreamFailed.of(model.name, failures.MALFORMED, "an id twice")


def check_arguments(texts: Iterable[str], finish: str, model: Model) -> None:
    """Judge the arguments of all calls in an answer that ended with `finish`.

    Raises:
        UpstreamFailed: `MODEL_FAULT`, where some are no JSON object and were not cut
            short either.
    """
    if finish != "length" and not all(map(is_object, texts)):
        raise _botched(model)


@attrs.define
class Arguments:
    """Those of a stream's calls, by the places of the calls.

    They are kept, up to a bound, until they can be judged as a whole.
    """

    _kept: dict[int, io.StringIO] = attrs.field(factory=dict, init=False)
    _size: int = attrs.field(default=0, init=False)

    def add(self, place: int, text: str) -> None:
        self._size += len(text)
        if self._size > _MOST:
            self._kept.clear()
        elif text:
            self._kept.setdefault(place, io.StringIO()).write(text)

    def check(self, finish: str, model: Model) -> None:
        """Judge them, see `check_arguments`."""
        texts = (kept.getvalue() for kept in self._kept.values())
        check_arguments(texts, finish, model)


def is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _botched(model: Model) -> UpstreamFailed:
    detail = "arguments that are no object"
    return UpstreamFailed.of(model.name, failures.MODEL_FAULT, detail)

"""What every simulated provider says, whatever its dialect: one scene for all tests.

A simulator reads a request of its provider into `Heard`, has `reply` answer, and puts
the `Turn` into its provider's words. So one test holds for all of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import attrs

KEY = "simulated-key-0123456789abcdef"
HELLO = 'Hello, wörld: 你好, {"a": 1}\n✓'
CITIES = ("Paris", "Rome")  # arguments of one call, or of two in parallel
ANSWER = {"city": "Paris"}  # where a form is asked for
PROMPT_TOKENS, COMPLETION_TOKENS = 11, 7


@attrs.frozen
class Heard:
    """What a request means. `tools` are the names of those that may be called now.

    `text` is of the last user; `pictures` are media type and bytes of all images that
    came inline; `results` are those of tools after the last call, as text, by the name
    of the tool or by the id of the call, whichever the provider has.
    """

    text: str = ""
    pictures: Sequence[tuple[str, bytes]] = ()
    tools: Sequence[str] = ()
    results: Sequence[tuple[str, str]] = ()
    structured: bool = False


@attrs.frozen
class Call:
    name: str
    arguments: Mapping[str, object]

    @property
    def json(self) -> str:
        return json.dumps(self.arguments)


@attrs.frozen
class Turn:
    """What the model answers: text, or calls."""

    text: str = ""
    calls: tuple[Call, ...] = ()

    @property
    def pieces(self) -> list[str]:
        """The text as a stream would bring it."""
        return [self.text[at : at + 5] for at in range(0, len(self.text), 5)]


def reply(heard: Heard) -> Turn:
    """Results of tools are repeated, pictures described, the first tool is called.

    Somebody who says "both" gets two calls. All others get `HELLO`.
    """
    if heard.results:
        return Turn("; ".join(f"{whose}: {said}" for whose, said in heard.results))
    if heard.tools:
        cities = CITIES if "both" in heard.text else CITIES[:1]
        return Turn(calls=tuple(Call(heard.tools[0], {"city": c}) for c in cities))
    if heard.structured:
        return Turn(json.dumps(ANSWER))
    if heard.pictures:
        seen = (f"{kind} of {len(data)} bytes" for kind, data in heard.pictures)
        return Turn(f"I see {', '.join(seen)}.")
    return Turn(HELLO)

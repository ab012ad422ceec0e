"""What the echo provider answers: a pure function of the request body.

The same request always gives the same answer, so that a newcomer can tell what of a
reply is the client's doing.
"""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Final, Literal

import attrs

from tproxy.echo.errors import Refused
from tproxy.echo.example import Impossible, example
from tproxy.echo.messages import Message
from tproxy.echo.question import Question
from tproxy.echo.tools import Tool

_GREETING: Final = "Hello! Say something, and I will say it back."
_WORD: Final = re.compile(r"\s*\S+(?:\s+\Z)?|\s+")
_ANY_OBJECT: Final = {"type": "object"}

Finish = Literal["stop", "length", "tool_calls", "function_call"]


@attrs.frozen
class Answer:
    """A whole reply, made before its first byte is sent.

    `words` are the pieces it is streamed in and the tokens it is billed for; joined
    they are the text, or the arguments of `tool` if one is called. Each of `choices`
    choices says the same. `prompt_words` counts what all messages said.
    """

    model: str
    words: tuple[str, ...] = attrs.field(repr=False)
    tool: Tool | None
    finish: Finish
    choices: int
    prompt_words: int
    stream: bool
    include_usage: bool

    @property
    def text(self) -> str:
        return "".join(self.words)


def answer(body: Mapping[str, object]) -> Answer:
    """Answer a parsed request body.

    Raises:
        Refused: OpenAI would refuse the request as well, or one of its schemas
            allows no value that can be made up.
    """
    question = Question.read(body)
    tool = question.tool_to_call()
    whole = _text(question) if tool is None else _arguments(tool, question.messages)
    words = tuple(_WORD.findall(whole))
    kept = words[: question.most_words]
    return Answer(
        model=question.model,
        words=kept,
        tool=tool,
        finish="length" if len(kept) < len(words) else _finish(tool),
        choices=question.choices,
        prompt_words=sum(len(message.text.split()) for message in question.messages),
        stream=question.stream,
        include_usage=question.include_usage,
    )


def _finish(tool: Tool | None) -> Finish:
    if tool is None:
        return "stop"
    return "function_call" if tool.kind == "legacy" else "tool_calls"


def _text(question: Question) -> str:
    text = _content(question)
    ends = [at for stop in question.stops if (at := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text


def _content(question: Question) -> str:
    wanted, said = question.reply_format, _said(question.messages)
    match wanted.kind:
        case "json_object":
            return _json({"echo": said})
        case "json_schema":
            try:
                return _json(example(said or _GREETING, wanted.schema))
            except Impossible as error:
                raise Refused(
                    message=f"Invalid schema for response_format '{wanted.name}': "
                    f"{error}.",
                    param="response_format",
                ) from None
    results = _results(question.messages)
    if results:
        return "\n".join(f"{tool.results_of} said: {tool.heard}" for tool in results)
    return f"You said: {said}" if said else _GREETING


def _arguments(tool: Tool, messages: Sequence[Message]) -> str:
    """What a call of `tool` passes: for a custom tool free text, else JSON."""
    said = _said(messages)
    if tool.kind == "custom":
        return said
    try:
        arguments = example(said or _GREETING, {**_ANY_OBJECT, **tool.parameters})
        if not isinstance(arguments, dict):
            raise Impossible("it is not an object's")
        return _json(arguments)
    except Impossible as error:
        raise Refused(
            message=f"Invalid schema for function '{tool.name}': {error}.",
            param=tool.path,
            code="invalid_function_parameters",
        ) from None


def _results(messages: Sequence[Message]) -> list[Message]:
    """The tool results the conversation ends with."""
    last = takewhile(lambda message: message.results_of is not None, messages[::-1])
    return list(last)[::-1]


def _said(messages: Sequence[Message]) -> str:
    """What is echoed: the tool results at the end, or the last user message."""
    results = _results(messages)
    asked = [message for message in messages if message.role == "user"]
    return "\n".join(message.heard for message in results or asked[-1:])


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

"""Every recorded answer of OpenAI's shape, asked for in OpenAI's own fields."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import attrs
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from tests.recorded import BREAKING, STREAMS, WHOLE, Recording
from tests.values import model
from tproxy.contract import openai, outcome
from tproxy.contract.outcome import Outcome
from tproxy.contract.spoken import Spoken
from tproxy.core.upstream import UpstreamHead
from tproxy.providers.openai import DIALECT

NAME = "as/configured"
MODEL = model(NAME, normalise=True)
assert DIALECT.normal is not None
NORMAL = DIALECT.normal
# What tproxy adds to OpenAI's fields, by the interface.
EXTENSIONS = {"reasoning_content", "extra_content", "images"}


def each(recordings: list[Recording]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recording", recordings, ids=lambda r: r.id)


def head(recording: Recording) -> UpstreamHead:
    return UpstreamHead(recording.status, recording.headers)


def answered(recording: Recording) -> Outcome:
    return outcome.answered(NORMAL, head(recording), recording.body, MODEL)


def fed(recording: Recording, *reads: bytes, usage: bool = True) -> Outcome:
    return outcome.fed(NORMAL, head(recording), reads, MODEL, usage=usage)


def events(data: bytes) -> list[dict[str, Any]]:
    lines = [line[5:].strip() for line in data.split(b"\n") if line[:5] == b"data:"]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


@attrs.define
class Heard:
    """What a lenient client makes of a provider's own bytes."""

    text: str = ""
    reasoning: str = ""
    calls: dict[int, str] = attrs.field(factory=dict)  # names and arguments
    usage: object = None

    def take(self, message: dict[str, Any]) -> None:
        content = message.get("content") or ""
        parts: list[Any] = content if isinstance(content, list) else [{"text": content}]
        for part in parts:
            self.text += part.get("text", "")
            self.reasoning += "".join(t["text"] for t in part.get("thinking", ()))
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        self.reasoning += reasoning or ""
        for place, call in enumerate(message.get("tool_calls") or ()):
            place = call.get("index", place) if "delta" in message else place
            said = call["function"]
            told = (said.get("name") or "") + (said.get("arguments") or "")
            self.calls[place] = self.calls.get(place, "") + told

    def count(self, said: dict[str, Any]) -> None:
        usage = said.get("usage") or said.get("x_groq", {}).get("usage")
        if usage:
            self.usage = (usage["prompt_tokens"], usage["completion_tokens"])


def check_said(heard: Heard, spoken: Spoken) -> None:
    calls = [call.name + call.arguments for call in spoken.calls]
    assert (heard.text, heard.reasoning) == (spoken.text, spoken.reasoning)
    assert [*heard.calls.values()] == calls


def unknown(said: object) -> Iterator[str]:
    """Fields that OpenAI's own client has no attribute for."""
    if isinstance(said, BaseModel):
        yield from said.model_extra or ()
        for name in type(said).model_fields:
            yield from unknown(getattr(said, name))
    elif isinstance(said, list):
        for one in said:
            yield from unknown(one)


@each(WHOLE)
def test_an_answer_says_the_same_in_openais_fields(recording: Recording) -> None:
    theirs, heard = json.loads(recording.body), Heard()
    heard.take(theirs["choices"][0]["message"])
    heard.count(theirs)

    read = answered(recording)

    told = openai.check_completion(read.output)
    choice = told["choices"][0]
    check_said(heard, Spoken.of_message(choice["message"], choice["finish_reason"]))
    usage = told["usage"]
    assert heard.usage == (usage["prompt_tokens"], usage["completion_tokens"])
    assert len(told["choices"]) == len(theirs["choices"])
    assert (told["id"], told["created"]) == (theirs["id"], theirs["created"])
    assert told["model"] == NAME
    assert set(unknown(ChatCompletion.model_validate(told))) <= EXTENSIONS


@each(STREAMS)
def test_a_stream_says_the_same_in_openais_fields(recording: Recording) -> None:
    heard = Heard()
    for said in events(recording.body):
        heard.count(said)
        for choice in said["choices"]:
            heard.take({**choice["delta"], "delta": True})

    read = fed(recording, recording.body)
    unasked = fed(recording, recording.body, usage=False)

    told = openai.check_stream(read.output, usage=heard.usage is not None)
    check_said(heard, told.choices[0])
    if told.usage is not None:
        counted = told.usage["prompt_tokens"], told.usage["completion_tokens"]
        assert heard.usage == counted
    assert openai.check_stream(unasked.output, usage=False).choices == told.choices
    chunks = [ChatCompletionChunk.model_validate(c) for c in events(read.output)]
    assert {chunk.model for chunk in chunks} == {NAME}
    assert set(unknown(chunks)) <= EXTENSIONS


@each(WHOLE)
def test_a_whole_answer_and_its_stream_say_the_same(recording: Recording) -> None:
    whole = json.loads(answered(recording).output)

    told = openai.check_stream(fed(recording, recording.body).output)

    assert told.choices == tuple(
        Spoken.of_message(choice["message"], choice["finish_reason"])
        for choice in whole["choices"]
    )


@each([*STREAMS, *BREAKING])
def test_a_stream_is_the_same_wherever_the_network_cuts_it(
    recording: Recording,
) -> None:
    raw, chance = recording.body, random.Random(recording.id)
    expected = fed(recording, raw)

    for count in (1, 60):
        places = sorted(chance.randrange(len(raw)) for _ in range(count))
        cut = [raw[a:b] for a, b in pairwise([0, *places, len(raw)])]
        assert fed(recording, *cut) == expected


@each([*WHOLE, *STREAMS, *BREAKING])
def test_it_is_judged_as_where_it_is_relayed(recording: Recording) -> None:
    if recording.stream:
        theirs = outcome.fed(DIALECT, head(recording), [recording.body], MODEL)
        ours = fed(recording, recording.body)
    else:
        theirs = outcome.answered(DIALECT, head(recording), recording.body, MODEL)
        ours = answered(recording)

    assert (ours.begun, ours.usage) == (theirs.begun, theirs.usage)
    assert ours.verdict == theirs.verdict
    if theirs.failure is not None:
        openai.check_broken_stream(ours.output)

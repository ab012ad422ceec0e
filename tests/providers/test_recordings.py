# ruff: noqa: E501 - names of recordings are long
"""Every recorded answer of a provider of OpenAI's dialect, by the adapter alone."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.values import chat, model
from tproxy.core.errors import UpstreamFailed
from tproxy.core.upstream import UpstreamHead, Usage
from tproxy.providers.openai import DIALECT, PassThrough

RECORDINGS = Path(__file__).parents[1] / "recordings" / "openai"
CASES = {path.stem: path for path in sorted(RECORDINGS.glob("*/*.json"))}
SHORT = 4_000  # bytes, of a stream that is cut at every place
MODEL = model("a")
CHAT = chat()
ADAPTER = DIALECT.chat


@attrs.frozen
class Recording:
    head: UpstreamHead
    body: bytes

    @classmethod
    def read(cls, path: Path) -> Recording:
        said: dict[str, Any] = json.loads(path.read_text("utf-8"))["response"]
        return cls(UpstreamHead(said["status"], said["headers"]), said["body"].encode())

    @property
    def streamed(self) -> bool:
        return "event-stream" in self.head.headers.get("content-type", "")


ALL = {name: Recording.read(path) for name, path in CASES.items()}
STREAMS = {n: r for n, r in ALL.items() if r.streamed}
ERRORS = {n: r for n, r in ALL.items() if r.head.status >= 400}
REPLIES = {n: r for n, r in ALL.items() if n not in {*STREAMS, *ERRORS}}
streams = pytest.mark.parametrize("recording", STREAMS.values(), ids=STREAMS)
replies = pytest.mark.parametrize("recording", REPLIES.values(), ids=REPLIES)

# Streams that go wrong: how, and with which event.
BROKEN = {
    "groq.test-tool-use-failed-error-streaming-with-text.40ce95.0": (
        *("model_fault", b"event: error\n"),
    ),
    "openrouter.test-openrouter-stream-error.409303.0": (
        *("too_long", b'data: {"id":"gen-1762179802-UN8pkJI4AGZvryk0kFnb",'),
    ),
}


@attrs.frozen
class Seen:
    handed_on: bytes
    begun: bool
    failure: str | None
    usage: Usage | None


def fed(reads: list[bytes]) -> Seen:
    reader = PassThrough(MODEL)
    handed_on = b"".join(map(reader.feed, reads)) + reader.close()
    failed = reader.failure
    failure = None if failed is None else f"{failed.failure.name} {failed.detail}"
    return Seen(handed_on, reader.begun, failure, reader.usage)


def cut(raw: bytes, *places: int) -> list[bytes]:
    return [raw[start:end] for start, end in pairwise([0, *sorted(places), len(raw)])]


def test_there_are_recordings() -> None:
    assert len(STREAMS) > 60
    assert len(REPLIES) > 140
    assert len(ERRORS) > 10


@streams
def test_a_stream_is_handed_on_as_it_is(
    recording: Recording, request: pytest.FixtureRequest
) -> None:
    seen = fed([recording.body])

    name = request.node.callspec.id
    if name not in BROKEN:
        assert seen.handed_on == recording.body
        assert (seen.begun, seen.failure) == (True, None)
        return
    failure, event = BROKEN[name]
    assert seen.handed_on == recording.body[: recording.body.rindex(event)]
    assert (seen.failure or "").startswith(f"{failure} ")


@streams
def test_a_stream_is_the_same_wherever_the_network_cuts_it(
    recording: Recording,
) -> None:
    raw = recording.body
    whole = fed([raw])

    if len(raw) <= SHORT:
        for place in range(1, len(raw)):
            assert fed(cut(raw, place)) == whole
        assert fed([raw[at : at + 1] for at in range(len(raw))]) == whole
    chance = random.Random(len(raw))
    for count in (1, 2, 5, 20, 100):
        places = [chance.randrange(len(raw)) for _ in range(count)]
        assert fed(cut(raw, *places)) == whole


@streams
def test_a_stream_that_breaks_off_is_no_clean_end(recording: Recording) -> None:
    raw = recording.body
    last = max(raw.rfind(mark) for mark in (b'"finish_reason":"', b"event: error"))
    first = raw.index(b"\n\n") + 2

    for end in (first, *(last * part // 7 for part in range(8))):
        seen = fed([raw[:end]])
        assert seen.failure is not None
        assert raw.startswith(seen.handed_on)


@streams
def test_each_event_leaves_when_it_arrives(recording: Recording) -> None:
    reader = PassThrough(MODEL)
    for event in recording.body.split(b"\n\n")[:-1]:
        handed_on = reader.feed(event + b"\n\n")
        if reader.failure is not None:
            break
        assert handed_on == event + b"\n\n"


@replies
def test_an_answer_is_handed_on_as_it_is(recording: Recording) -> None:
    reply = ADAPTER.parse_response(recording.head, recording.body, CHAT, MODEL)

    assert reply.body == recording.body
    assert reply.usage is not None
    assert reply.usage.prompt > 0


@replies
def test_an_answer_that_breaks_off_is_none(recording: Recording) -> None:
    half = recording.body.rstrip()[:-1]

    with pytest.raises(UpstreamFailed) as caught:
        ADAPTER.parse_response(recording.head, half, CHAT, MODEL)

    assert caught.value.failure.name == "malformed"


FAILURES = {
    "azure.chat-error-handling-with-azure-grok-4-1-fast-non-reasoning-raise.a4bd1f.0": "auth",
    "azure.test-chat-reasoning.a979e5.1": "missing",
    "deepseek.chat-error-handling-with-deepseek-deepseek-chat-raises-appropria.ce1fba.0": "auth",
    "groq.test-model-name-suggestion-groq.759d06.0": "missing",
    "groq.test-tool-use-failed-error.c34b90.0": "model_fault",
    "mistral.chat-error-handling-with-mistral-mistral-small-latest-raises-app.af79aa.0": "auth",
    "ollama-cloud.chat-error-handling-with-ollama-cloud-gpt-oss-120b-raises-approp.9a4ebd.0": "auth",
    "openai.chat-no-messages.807333.0": "rejected",
    "openai.chat-unknown-model.6349de.0": "missing",
    "openai.test-multimodal-tool-return-matrix-tool-return-content-binary-au.1fcb37.1": "rejected",
    "openrouter.chat-error-handling-with-openrouter-claude-haiku-4-5-raises-appr.75ecf6.0": "auth",
    "perplexity.chat-error-handling-with-perplexity-sonar-raises-appropriate-aut.a68970.0": "auth",
}  # fmt: skip


def test_recorded_errors_are_what_they_mean() -> None:
    read = {
        name: ADAPTER.parse_error(r.head, r.body, MODEL).failure.name
        for name, r in ERRORS.items()
    }

    assert read == FAILURES

"""What was recorded of Anthropic: requests as they would be made, answers as they are.

The contract is in `test_contract`; here is the meaning.
"""

from __future__ import annotations

import json

import pytest

from tests.providers.anthropic.models import model
from tests.providers.anthropic.recorded import ALL, Recording, asked, meaning
from tproxy.contract import openai, outcome
from tproxy.contract.spoken import Spoken
from tproxy.core.chat import ChatRequest
from tproxy.providers.anthropic import DIALECT

MODEL = model()
CHATS = {name: one for name, one in ALL.items() if one.kind.startswith("chat")}
SENT = {name: one for name, one in ALL.items() if one.is_sayable}
FINISHES = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"}
chats = pytest.mark.parametrize("recording", CHATS.values(), ids=CHATS)


def test_there_are_recordings() -> None:
    assert len(CHATS) > 30
    assert len(SENT) > 15


@pytest.mark.parametrize("recording", SENT.values(), ids=SENT)
def test_a_request_means_what_was_recorded(recording: Recording) -> None:
    chat = ChatRequest.parse(json.dumps(asked(recording.sent)).encode())

    request = DIALECT.chat.build_request(chat, model(recording.sent["model"]))

    assert request.url == "https://anthropic.test/v1/messages"
    assert ("anthropic-version", "2023-06-01") in request.headers
    assert meaning(json.loads(request.body)) == meaning(recording.sent)
    assert request.dropped == ()


@chats
def test_an_answer_says_what_was_recorded(recording: Recording) -> None:
    if recording.kind == "chat-stream":
        read = outcome.fed(DIALECT, recording.head, [recording.body], MODEL)
        stream = openai.check_stream(read.output, usage=True)
        [spoken], told = stream.choices, stream.usage
    else:
        read = outcome.answered(DIALECT, recording.head, recording.body, MODEL)
        said = openai.check_completion(read.output)
        [choice], told = said["choices"], said["usage"]
        spoken = Spoken.of_message(choice["message"], choice["finish_reason"])

    message = recording.message
    blocks = message["content"]
    assert f'"id":"chatcmpl-{message["id"]}"'.encode() in read.output
    assert spoken.text == "".join(block.get("text", "") for block in blocks)
    assert spoken.reasoning == "".join(block.get("thinking", "") for block in blocks)
    assert [(c.id, c.name, json.loads(c.arguments)) for c in spoken.calls] == [
        (block["id"], block["name"], block["input"])
        for block in blocks
        if block["type"] == "tool_use"
    ]
    assert spoken.finish == FINISHES[message["stop_reason"]]
    counted = message["usage"]
    cached = counted.get("cache_read_input_tokens", 0)
    made = counted.get("cache_creation_input_tokens", 0)
    assert told is not None
    assert told["prompt_tokens"] == counted["input_tokens"] + cached + made
    assert told["completion_tokens"] == counted["output_tokens"]


@chats
def test_citations_are_kept(recording: Recording) -> None:
    citations = [
        citation
        for block in recording.message["content"]
        for citation in block.get("citations") or ()
    ]
    read = (
        outcome.fed(DIALECT, recording.head, [recording.body], MODEL)
        if recording.kind == "chat-stream"
        else outcome.answered(DIALECT, recording.head, recording.body, MODEL)
    )

    for citation in citations:
        assert json.dumps(citation["cited_text"]).encode() in read.output
    assert (b'"citations":' in read.output) == bool(citations)

"""What was recorded of Cohere: requests as they would be made, answers as they are.

The contract is in `test_contract`; here is the meaning.
"""

from __future__ import annotations

import json

import pytest

from tests.providers.cohere.models import model
from tests.providers.cohere.recorded import ALL, Recording, asked, meaning
from tests.providers.walking import walk
from tests.values import embedding
from tproxy.contract import openai, outcome
from tproxy.contract.spoken import Spoken
from tproxy.core.chat import ChatRequest
from tproxy.core.upstream import Received
from tproxy.providers.cohere import DIALECT

MODEL = model()
CHATS = {name: one for name, one in ALL.items() if one.kind.startswith("chat")}
SENT = {n: one for n, one in ALL.items() if one.sent and "messages" in one.sent}
VECTORS = {name: one for name, one in ALL.items() if one.kind == "embeddings"}
FINISHES = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "TOOL_CALL": "tool_calls"}
chats = pytest.mark.parametrize("recording", CHATS.values(), ids=CHATS)


def test_there_are_recordings() -> None:
    assert len(CHATS) > 45
    assert len(SENT) > 45
    assert len(VECTORS) == 2


@pytest.mark.parametrize("recording", SENT.values(), ids=SENT)
def test_a_request_means_what_was_recorded(recording: Recording) -> None:
    chat = ChatRequest.parse(json.dumps(asked(recording.sent)).encode())

    request = DIALECT.chat.build_request(chat, model(recording.sent["model"]))

    assert request.url == "https://cohere.test/v2/chat"
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

    answer = recording.answer
    message = answer["message"]
    parts = message.get("content") or ()
    thoughts = "".join(part.get("thinking", "") for part in parts)
    assert f'"id":"chatcmpl-{answer["id"]}"'.encode() in read.output
    assert spoken.text == "".join(part.get("text", "") for part in parts)
    assert spoken.reasoning == message.get("tool_plan", "") + thoughts
    assert [(c.id, c.name, json.loads(c.arguments)) for c in spoken.calls] == [
        (one["id"], function["name"], json.loads(function["arguments"] or "{}"))
        for one in message.get("tool_calls") or ()
        for function in [one["function"]]
    ]
    assert spoken.finish == FINISHES[answer["finish_reason"]]
    counted = answer["usage"]["tokens"]
    assert told is not None
    assert told["prompt_tokens"] == counted["input_tokens"]
    assert told["completion_tokens"] == counted["output_tokens"]
    for citation in message.get("citations") or ():
        assert json.dumps(citation["text"], ensure_ascii=False).encode() in read.output


@pytest.mark.parametrize("recording", VECTORS.values(), ids=VECTORS)
def test_vectors_are_asked_for_and_told_as_recorded(recording: Recording) -> None:
    sent = recording.sent
    cut = {"truncate": sent["truncate"]} if sent["truncate"] else {}
    texts = embedding(sent["texts"], input_type=sent["input_type"], **cut)
    embeddings = DIALECT.embeddings
    assert embeddings is not None

    steps = embeddings.embed(texts, model(sent["model"]))
    [request], reply = walk(steps, Received(recording.head, recording.body))

    assert request.url == "https://cohere.test/v2/embed"
    said = {name: one for name, one in sent.items() if one is not None}
    assert json.loads(request.body) == said
    told, recorded = json.loads(reply.body), json.loads(recording.body)
    assert [one["embedding"] for one in told["data"]] == recorded["embeddings"]["float"]
    tokens = recorded["meta"]["billed_units"]["input_tokens"]
    assert told["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}

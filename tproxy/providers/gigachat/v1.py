"""The first contract: contents are strings, and so are the results of functions."""

from __future__ import annotations

import json

from tproxy.core.chat import ChatRequest
from tproxy.core.model import Model
from tproxy.core.wishes import Named, Wishes
from tproxy.providers.gigachat import options
from tproxy.providers.gigachat.conversation import Conversation, Result, Said
from tproxy.providers.gigachat.names import spelt


def question(
    heard: Conversation, wish: Wishes, asked: ChatRequest, model: Model
) -> dict[str, object]:
    """The body of a request, but for `model` and `stream`."""
    messages = [{"role": "system", "content": heard.system}] if heard.system else []
    said: dict[str, object] = {
        "messages": [*messages, *map(_message, heard.turns)],
        **options.sampling(wish, asked),
        **options.own(asked, "profanity_check", "flags"),
    }
    if (effort := options.effort(wish)) is not None:
        said["reasoning_effort"] = effort
    if (choice := options.choice(wish, model)) is not None:
        said["functions"] = options.functions(wish, model)
        named = {"name": choice.name} if isinstance(choice, Named) else choice
        said["function_call"] = named
    return said


def _message(turn: Said | Result) -> dict[str, object]:
    if isinstance(turn, Result):
        content = json.dumps(turn.value, ensure_ascii=False)
        return {"role": "function", "name": turn.name, "content": content}
    said: dict[str, object] = {"role": turn.role, "content": turn.text}
    if turn.files:
        said["attachments"] = turn.files
    if turn.call is not None:
        call = {"name": spelt(turn.call.name), "arguments": turn.call.parsed()}
        said["function_call"] = call
    if turn.state:
        said["functions_state_id"] = turn.state
    return said

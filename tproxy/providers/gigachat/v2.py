"""The second contract: contents are lists of parts, and options stand apart."""

from __future__ import annotations

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
    system = {"role": "system", "content": [{"text": heard.system}]}
    said: dict[str, object] = {
        "messages": [*([system] if heard.system else []), *map(_message, heard.turns)],
        **options.own(asked, "flags"),
    }
    if model_options := _model_options(wish, asked):
        said["model_options"] = model_options
    checked = asked.document.values.get("profanity_check")
    if isinstance(checked, bool):
        said["disable_filter"] = not checked
    if (choice := options.choice(wish, model)) is not None:
        specifications = options.functions(wish, model)
        said["tools"] = [{"functions": {"specifications": specifications}}]
        if isinstance(choice, Named):
            said["tool_config"] = {"mode": "forced", "function_name": choice.name}
        else:
            said["tool_config"] = {"mode": choice}
    return said


def _model_options(wish: Wishes, asked: ChatRequest) -> dict[str, object]:
    said = options.sampling(wish, asked)
    if (effort := options.effort(wish)) is not None:
        said["reasoning"] = {"effort": effort}
    return said


def _message(turn: Said | Result) -> dict[str, object]:
    if isinstance(turn, Result):
        role = "tool"
        result = {"name": turn.name, "result": turn.value}
        parts: list[dict[str, object]] = [{"function_result": result}]
    else:
        role, parts = turn.role, _parts(turn)
    said: dict[str, object] = {"role": role, "content": parts}
    if turn.state:
        said["tools_state_id"] = turn.state  # answers call it `tool_state_id`
    return said


def _parts(turn: Said) -> list[dict[str, object]]:
    parts: list[dict[str, object]] = []
    if turn.text or not (turn.files or turn.call):
        parts.append({"text": turn.text})
    if turn.files:
        parts.append({"files": [{"id": file} for file in turn.files]})
    if turn.call is not None:
        call = {"name": spelt(turn.call.name), "arguments": turn.call.parsed()}
        parts.append({"function_call": call})
    return parts

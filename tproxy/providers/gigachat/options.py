"""What a client wants beyond its messages, in words that both contracts share."""

from __future__ import annotations

from typing import Final

from tproxy.core.chat import ChatRequest
from tproxy.core.model import Model
from tproxy.core.wishes import Named, Schema, Wishes, unsupported
from tproxy.providers.gigachat.names import spelt

# Of these, `parallel_tool_calls` needs no word: calls are made one at a time.
SPOKEN: Final = (
    *("tools", "functions", "tool_choice", "function_call", "parallel_tool_calls"),
    *("response_format", "temperature", "top_p", "reasoning_effort", "reasoning"),
    *("repetition_penalty", "update_interval", "profanity_check", "flags"),
)
_COLDEST = 0.001  # 0 itself is refused; from here down answers are deterministic
_EFFORTS = {"minimal": "low", "xhigh": "high"}


def sampling(wish: Wishes, asked: ChatRequest) -> dict[str, object]:
    """How the answer is made, and the form that it has to have."""
    said = own(asked, "repetition_penalty", "update_interval")
    if wish.temperature is not None:
        said["temperature"] = wish.temperature or _COLDEST
    if wish.top_p is not None:
        said["top_p"] = wish.top_p
    if asked.output_tokens is not None:
        said["max_tokens"] = asked.output_tokens
    if isinstance(wish.form, Schema):
        form = {"type": "json_schema", "schema": wish.form.schema}
        said["response_format"] = form | ({"strict": True} if wish.form.strict else {})
    return said


def own(asked: ChatRequest, *names: str) -> dict[str, object]:
    """Fields of GigaChat's own, as the client wrote them."""
    values = asked.document.values
    return {name: values[name] for name in names if values.get(name) is not None}


def effort(wish: Wishes) -> str | None:
    """One of "low", "medium" and "high"; None where the model is left to itself."""
    if wish.effort in (None, "none"):
        return None
    return _EFFORTS.get(wish.effort, wish.effort)


def choice(wish: Wishes, model: Model) -> str | Named | None:
    """How functions are called: "auto", "none" or one of them; None if there are none.

    Raises:
        UpstreamFailed: `UNSUPPORTED`, where one of several must be called, which
            GigaChat cannot be told.
    """
    names = [tool.name for tool in wish.tools]
    match wish.tool_choice:
        case None | "auto" | "none" as said:
            return (said or "auto") if names else None
        case "required" if len(names) == 1:
            return Named(spelt(names[0]))
        case Named(name) if name in names:
            return Named(spelt(name))
    raise unsupported(model, "tool_choice")


def functions(wish: Wishes, model: Model) -> list[dict[str, object]]:
    """Functions as GigaChat describes them.

    Raises:
        UpstreamFailed: `UNSUPPORTED`, where two names would be the same to it.
    """
    said, names = [], set[str]()
    for tool in wish.tools:
        name = spelt(tool.name)
        if name in names:
            problem = "a name is of letters, digits and _, and no other is like it"
            raise unsupported(model, f"{tool.path}.name", problem)
        names.add(name)
        function: dict[str, object] = {"name": name}
        if tool.description:
            function["description"] = tool.description
        # Without parameters, too, a function has to have these.
        empty = {"type": "object", "properties": {}}
        said.append({**function, "parameters": {**empty, **(tool.parameters or {})}})
    return said

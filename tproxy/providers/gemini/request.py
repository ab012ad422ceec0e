"""A chat as Gemini's `generateContent` takes it.

Source: Gemini API reference, `GenerateContentRequest` and what is in it; guide "OpenAI
compatibility" for efforts and for `extra_body.google`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tproxy.core import message, wishes
from tproxy.core.chat import ChatRequest
from tproxy.core.message import bad
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamRequest
from tproxy.core.wishes import Named, Schema, Wishes
from tproxy.providers.gemini import schema
from tproxy.providers.gemini.contents import conversation
from tproxy.providers.gemini.endpoint import Endpoint

_SPOKEN = {
    *("tools", "functions", "tool_choice", "function_call", "response_format"),
    *("stop", "n", "temperature", "top_p", "top_k", "seed"),
    *("presence_penalty", "frequency_penalty"),
}
_MODALITIES = {"text": "TEXT", "image": "IMAGE"}
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
# Tokens to think with, in the second generation; a word for it, in the third.
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192}
_BUDGETS |= {"high": 24_576, "xhigh": 24_576}
_LEVELS = {"none": "minimal", "minimal": "minimal", "low": "low", "medium": "medium"}
_LEVELS |= {"high": "high", "xhigh": "high"}
_LEAST_OF_PRO = 128  # Gemini 2.5 Pro cannot but think
# Of `extra_body.google`, whose names are Google's own.
_EXTRAS = {"cached_content": "cachedContent", "safety_settings": "safetySettings"}


def build(chat: ChatRequest, model: Model) -> UpstreamRequest:
    """What to send for `chat`.

    Raises:
        InvalidRequest: a field is of the wrong form; `param` names it.
        UpstreamFailed: `UNSUPPORTED`, where Gemini has no words for what is asked.
    """
    endpoint = Endpoint.of(model)
    asked = wishes.read(chat)
    said = chat.document.values
    google = _google(said)
    talk = conversation(message.read(said["messages"]), endpoint, model)
    config = {
        **_config(chat, asked),
        **_form(asked, endpoint, model),
        **_modalities(said),
        **_thinking(asked.effort, google, endpoint),
    }
    body: dict[str, object] = {"contents": talk.contents}
    if talk.system:
        body["systemInstruction"] = {"parts": talk.system}
    if asked.tools:
        body |= _tools(asked, model)
    body |= {theirs: google[ours] for ours, theirs in _EXTRAS.items() if ours in google}
    if config:
        body["generationConfig"] = config
    spoken = {*_SPOKEN, *(("extra_body",) if google else ())}
    if "responseModalities" in config:
        spoken.add("modalities")
    if "thinkingConfig" in config or asked.effort == "none":
        spoken |= {"reasoning_effort", "reasoning"}
    dropped = wishes.unsaid(chat, spoken, model)
    verb = "streamGenerateContent?alt=sse" if chat.stream else "generateContent"
    return endpoint.request(verb, body, model, dropped)


def _google(said: Mapping[str, object]) -> Mapping[str, object]:
    """What Google's own compatible endpoint takes beside OpenAI's fields."""
    beside = said.get("extra_body")
    google = beside.get("google") if isinstance(beside, dict) else None
    return google if isinstance(google, dict) else {}


def _config(chat: ChatRequest, asked: Wishes) -> dict[str, object]:
    said: Mapping[str, object] = {
        "maxOutputTokens": chat.output_tokens,
        "temperature": asked.temperature,
        "topP": asked.top_p,
        "topK": asked.top_k,
        "stopSequences": list(asked.stop) or None,
        "candidateCount": asked.n if asked.n != 1 else None,
        "seed": None if asked.seed is None else _int32(asked.seed),
        # Many models refuse penalties; zero is none.
        "presencePenalty": asked.presence_penalty or None,
        "frequencyPenalty": asked.frequency_penalty or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _int32(seed: int) -> int:
    """OpenAI's seeds have 64 bits; the same one comes to the same one here."""
    return (seed + (1 << 31)) % (1 << 32) - (1 << 31)


def _form(asked: Wishes, endpoint: Endpoint, model: Model) -> dict[str, object]:
    if asked.form is None:
        return {}
    if asked.tools and endpoint.version < (3, 0):
        raise wishes.unsupported(model, "response_format", "beside tools")
    said: dict[str, object] = {"responseMimeType": "application/json"}
    if isinstance(asked.form, Schema):
        form = asked.form
        said["responseJsonSchema"] = schema.rewritten(form.schema, form.path, model)
    return said


def _modalities(said: Mapping[str, object]) -> dict[str, object]:
    wanted = said.get("modalities")
    if not isinstance(wanted, list) or any(m not in ("text", "image") for m in wanted):
        return {}
    return {"responseModalities": [_MODALITIES[modality] for modality in wanted]}


def _thinking(
    effort: str | None, google: Mapping[str, object], endpoint: Endpoint
) -> dict[str, object]:
    """Nothing where none is asked for, or the model does not think."""
    given = google.get("thinking_config")
    if isinstance(given, dict):
        return {"thinkingConfig": {_camel(name): v for name, v in given.items()}}
    if effort is None or endpoint.version < (2, 5):
        return {}
    if effort not in _BUDGETS:
        raise bad("reasoning_effort", f"must be one of {', '.join(_BUDGETS)}")
    shown = {"includeThoughts": True} if effort != "none" else {}
    if endpoint.version < (3, 0):
        least = _LEAST_OF_PRO if endpoint.is_pro else 0
        budget = max(_BUDGETS[effort], least)
        return {"thinkingConfig": {"thinkingBudget": budget, **shown}}
    level = _LEVELS[effort]
    if level == "minimal" and endpoint.is_pro:
        level = "low"
    return {"thinkingConfig": {"thinkingLevel": level, **shown}}


def _tools(asked: Wishes, model: Model) -> dict[str, object]:
    declared = []
    for tool in asked.tools:
        said: dict[str, object] = {"name": tool.name, "description": tool.description}
        if tool.parameters:
            path = f"{tool.path}.parameters"
            rewritten = schema.rewritten(tool.parameters, path, model)
            said["parametersJsonSchema"] = rewritten
        declared.append({name: value for name, value in said.items() if value})
    return {"tools": [{"functionDeclarations": declared}], **_choice(asked)}


def _choice(asked: Wishes) -> dict[str, object]:
    choice = asked.tool_choice
    calling: dict[str, object]
    if isinstance(choice, Named):
        calling = {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    elif choice in (None, "auto") and any(tool.strict for tool in asked.tools):
        calling = {"mode": "VALIDATED"}
    elif choice is None:
        return {}
    else:
        calling = {"mode": _MODES[choice]}
    return {"toolConfig": {"functionCallingConfig": calling}}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)

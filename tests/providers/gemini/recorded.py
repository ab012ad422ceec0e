"""Recorded exchanges with Gemini, and what they mean, read apart from the code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import attrs

from tproxy.core.upstream import UpstreamHead

HOME = Path(__file__).parents[2] / "recordings" / "gemini"


@attrs.frozen
class Recording:
    """One exchange. `sent` is None where nobody recorded the request."""

    kind: str
    url: str
    sent: Any
    head: UpstreamHead
    body: bytes

    @classmethod
    def read(cls, path: Path) -> Recording:
        said = json.loads(path.read_text("utf-8"))
        request, response = said["request"], said["response"]
        return cls(
            said["kind"],
            request["url"],
            request["body"] if "response-only" not in said["notes"] else None,
            UpstreamHead(response["status"], response["headers"]),
            response["body"].encode(),
        )

    @property
    def model(self) -> str:
        return self.url.partition("/models/")[2].partition(":")[0]

    @property
    def values(self) -> list[Any]:
        """What was answered: an object, or those of a stream."""
        text = self.body.decode()
        if text.startswith("["):
            return list(json.loads(text))
        lines = text.splitlines() if text.startswith("data:") else [text]
        if len(lines) == 1:
            return [json.loads(lines[0].removeprefix("data: "))]
        return [json.loads(line.removeprefix("data: ")) for line in lines if line]


ALL = {path.stem: Recording.read(path) for path in sorted(HOME.glob("*.json"))}


def asked(said: Any, *, stream: bool) -> dict[str, Any]:
    """A request of Gemini's, said in OpenAI's way."""
    messages: list[dict[str, Any]] = []
    if "systemInstruction" in said:
        text = "".join(part["text"] for part in said["systemInstruction"]["parts"])
        messages.append({"role": "system", "content": text})
    numbers = count()
    open_calls: list[tuple[str, str]] = []
    for content in said["contents"]:
        parts = [camel(part) for part in content["parts"]]
        if content["role"] == "model":
            message = _answer(parts, numbers)
            calls = message.get("tool_calls", [])
            open_calls = [(call["function"]["name"], call["id"]) for call in calls]
            messages.append(message)
        elif any("functionResponse" in part for part in parts):
            for part, (_, id) in zip(parts, open_calls, strict=True):
                messages.append(_result(part["functionResponse"], id))
        else:
            said_parts = [_part(part) for part in parts]
            messages.append({"role": "user", "content": said_parts})
    config = camel(said.get("generationConfig", {}))
    return {
        "model": "gemini",
        "messages": messages,
        **({"stream": True} if stream else {}),
        **_options(config),
        **_tools(said),
        **_extras(said, config),
    }


def _answer(parts: list[Any], numbers: Iterator[int]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    for part in parts:
        signature = part.get("thoughtSignature")
        extra = {"extra_content": {"google": {"thought_signature": signature}}}
        if part.get("thought"):
            message["reasoning_content"] = (
                message.get("reasoning_content", "") + part["text"]
            )
        elif "functionCall" in part:
            call = part["functionCall"]
            arguments = json.dumps(call.get("args", {}))
            function = {"name": call["name"], "arguments": arguments}
            id = call.get("id") or f"made-{next(numbers)}"
            said = {"id": id, "type": "function", "function": function}
            message.setdefault("tool_calls", []).append(
                said | (extra if signature else {})
            )
        else:
            message["content"] = (message["content"] or "") + part["text"]
            message |= extra if signature else {}
    return message


def _result(said: Any, id: str) -> dict[str, Any]:
    content: Any = json.dumps(said["response"])
    if "parts" in said:
        content = [_part(camel(part)) for part in said["parts"]]
    return {"role": "tool", "tool_call_id": id, "content": content}


def _part(part: Any) -> dict[str, Any]:
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    if "fileData" in part:
        url = part["fileData"]["fileUri"]
    else:
        media = camel(part["inlineData"])
        url = f"data:{media['mimeType']};base64,{media['data']}"
    return {"type": "image_url", "image_url": {"url": url}}


_OPTIONS = {
    "maxOutputTokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "stopSequences": "stop",
    "candidateCount": "n",
    "seed": "seed",
}


def _options(config: Any) -> dict[str, Any]:
    found = {ours: config[t] for t, ours in _OPTIONS.items() if t in config}
    modalities = config.get("responseModalities", ["TEXT"])
    if modalities != ["TEXT"]:
        found["modalities"] = [one.lower() for one in modalities]
    form = config.get("responseJsonSchema", config.get("responseSchema"))
    if form is not None:
        inner = {"name": "answer", "schema": form}
        found["response_format"] = {"type": "json_schema", "json_schema": inner}
    elif "responseMimeType" in config:
        found["response_format"] = {"type": "json_object"}
    return found


def _tools(said: Any) -> dict[str, Any]:
    declared = [camel(one) for one in _declared(said)]
    if not declared:
        return {}
    config = said.get("toolConfig", {}).get("functionCallingConfig", {})
    tools = [
        {
            "type": "function",
            "function": {
                "name": one["name"],
                "description": one["description"],
                "parameters": one.get("parametersJsonSchema", one.get("parameters")),
                "strict": config.get("mode") == "VALIDATED",
            },
        }
        for one in declared
    ]
    found: dict[str, Any] = {"tools": tools}
    if config.get("mode") == "ANY":
        found["tool_choice"] = "required"
    return found


def _declared(said: Any) -> list[Any]:
    tools = said.get("tools", [])
    tools = [camel(one) for one in (tools if isinstance(tools, list) else [tools])]
    return [one for tool in tools for one in tool.get("functionDeclarations", [])]


def _extras(said: Any, config: Any) -> dict[str, Any]:
    google = {}
    thinking = camel(config.get("thinkingConfig", {}))
    if "thinkingLevel" in thinking:
        return {"reasoning_effort": thinking["thinkingLevel"]}
    if thinking:
        google["thinking_config"] = thinking
    if "safetySettings" in said:
        google["safety_settings"] = said["safetySettings"]
    if "cachedContent" in said:
        google["cached_content"] = said["cachedContent"]
    return {"extra_body": {"google": google}} if google else {}


def meaning(said: Any, *, ids: bool) -> Any:
    """A request without what makes no difference; `ids`: calls have some."""
    system = said.get("systemInstruction", {"parts": []})["parts"]
    config = camel(said.get("generationConfig", {}))
    form = config.pop("responseSchema", None) or config.pop("responseJsonSchema", None)
    if config.get("responseModalities") == ["TEXT"]:
        del config["responseModalities"]
    config["thinkingConfig"] = camel(config.get("thinkingConfig", {}))
    calling = {**said.get("toolConfig", {}).get("functionCallingConfig", {})}
    if calling.get("mode") == "ANY":
        named = {one["name"] for one in _declared(said)}
        assert set(calling.pop("allowedFunctionNames", named)) == named
    return {
        "system": "".join(part["text"] for part in system),
        "contents": [
            (content["role"], _parts_meaning(content["parts"], ids))
            for content in said["contents"]
        ],
        "config": config,
        "form": _schema(form),
        "tools": [
            (
                one["name"],
                one.get("description", ""),
                _schema(one.get("parametersJsonSchema", one.get("parameters"))),
            )
            for one in map(camel, _declared(said))
        ],
        "calling": calling,
        "safety": said.get("safetySettings"),
        "cache": said.get("cachedContent"),
    }


def _parts_meaning(said: list[Any], ids: bool) -> list[Any]:
    """All thoughts of a turn are one."""
    parts = [_part_meaning(part, ids) for part in said]
    thoughts = "".join(part["text"] for part in parts if part.get("thought"))
    return [thoughts, *(part for part in parts if not part.get("thought"))]


def _part_meaning(said: Any, ids: bool) -> Any:
    part = camel(said)
    part.pop("videoMetadata", None)  # no words for it in OpenAI's dialect
    for name in ("functionCall", "functionResponse", "inlineData", "fileData"):
        if name in part:
            part[name] = camel(part[name])
            if not ids:
                part[name].pop("id", None)
            if name == "fileData":
                part[name].pop("mimeType", None)
            if "parts" in part[name]:
                inner = part[name]["parts"]
                part[name]["parts"] = [_part_meaning(one, ids) for one in inner]
    return part


def _schema(said: Any) -> Any:
    """Types in lower case, no titles, nothing that is empty."""
    if not isinstance(said, dict):
        return said
    found = {}
    for name, value in said.items():
        if name == "properties":
            found[name] = {key: _schema(inner) for key, inner in value.items()}
        elif name == "type":
            found[name] = value.lower()
        elif name != "title" and value != []:
            found[name] = _schema(value)
    return found


def camel(said: Any) -> dict[str, Any]:
    """The same with Google's own spelling of names."""
    found = {}
    for name, value in said.items():
        first, *rest = name.split("_")
        found[first + "".join(word.capitalize() for word in rest)] = value
    return found

"""Recorded exchanges with Cohere, and what they mean, read apart from the code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

from tproxy.core.upstream import UpstreamHead

HOME = Path(__file__).parents[2] / "recordings" / "cohere"
_TOOL_CHOICES = {"REQUIRED": "required", "NONE": "none"}


@attrs.frozen
class Recording:
    """One exchange. `sent` is None where nobody recorded the request."""

    kind: str
    sent: Any
    head: UpstreamHead
    body: bytes

    @classmethod
    def read(cls, path: Path) -> Recording:
        said = json.loads(path.read_text("utf-8"))
        response = said["response"]
        sent = said["request"]["body"]
        return cls(
            said["kind"],
            None if "response-only" in said["notes"] else sent,
            UpstreamHead(response["status"], response["headers"]),
            response["body"].encode(),
        )

    @property
    def answer(self) -> dict[str, Any]:
        """The whole answer; that of a stream put together by hand."""
        if self.kind != "chat-stream":
            whole: dict[str, Any] = json.loads(self.body)
            return whole
        answer: dict[str, Any] = {"content": [], "tool_calls": [], "tool_plan": ""}
        answer["citations"] = []
        for line in self.body.decode().splitlines():
            if line.startswith("data: {"):
                _add(answer, json.loads(line.removeprefix("data: ")))
        return {**answer, "message": answer}


def _add(answer: dict[str, Any], event: Any) -> None:
    message = event.get("delta", {}).get("message", {})
    match event["type"]:
        case "message-start":
            answer["id"] = event["id"]
        case "content-start":
            answer["content"].append(message["content"])
        case "content-delta":
            for name, text in message["content"].items():
                answer["content"][event["index"]][name] += text
        case "tool-plan-delta":
            answer["tool_plan"] += message["tool_plan"]
        case "tool-call-start":
            answer["tool_calls"].append(message["tool_calls"])
        case "tool-call-delta":
            function = answer["tool_calls"][event["index"]]["function"]
            function["arguments"] += message["tool_calls"]["function"]["arguments"]
        case "citation-start":
            answer["citations"].append(message["citations"])
        case "message-end":
            answer |= event["delta"]


ALL = {path.stem: Recording.read(path) for path in sorted(HOME.glob("*.json"))}


def asked(sent: Any) -> dict[str, Any]:
    """A request of Cohere's, said in OpenAI's way."""
    said = {**sent, "messages": [_message(one) for one in sent["messages"]]}
    if "tool_choice" in sent:
        said["tool_choice"] = _TOOL_CHOICES[sent["tool_choice"]]
    if "stop_sequences" in sent:
        said["stop"] = said.pop("stop_sequences")
    form = sent.get("response_format", {})
    if "json_schema" in form:
        inner = {"name": "answer", "schema": form["json_schema"]}
        said["response_format"] = {"type": "json_schema", "json_schema": inner}
    return said


def _message(sent: Any) -> dict[str, Any]:
    said = {name: one for name, one in sent.items() if name != "tool_plan"}
    if "tool_plan" in sent:
        said["reasoning_content"] = sent["tool_plan"]
    content = sent.get("content")
    if not isinstance(content, list):
        return said
    if sent["role"] == "tool":
        said["content"] = _result(content)
        return said
    thoughts = [one["thinking"] for one in content if one["type"] == "thinking"]
    if thoughts:
        said["reasoning_content"] = "".join(thoughts)
    said["content"] = [one for one in content if one["type"] != "thinking"]
    return said


def meaning(said: Any) -> Any:
    """A request without what makes no difference."""
    found = {**said, "stream": said.get("stream", False)}
    found["messages"] = [_meaning(one) for one in said["messages"]]
    found["tools"] = [
        {"description": "", **tool["function"]} for tool in said.get("tools", ())
    ]
    return found


def _meaning(said: Any) -> Any:
    """A message whose content is a list of parts, none of them empty."""
    content = said.get("content") or []
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    elif said["role"] == "tool":
        content = [{"type": "text", "text": _result(content)}]
    parts = [part for part in content if part.get("text") != ""]
    return {**said, "content": parts}


def _result(content: Any) -> str:
    """Documents of a result, as the text they hold."""
    return "".join(str(one["document"]["data"]["output"]) for one in content)

"""Recorded exchanges with Anthropic, and what they mean, read apart from the code."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from tproxy.core.upstream import UpstreamHead

HOME = Path(__file__).parents[2] / "recordings" / "anthropic"
# What OpenAI's dialect has no words for: Anthropic's own tools, citations asked for,
# systems and tools that come later.
_UNSAYABLE = (
    *("_20", "tool_reference", "tool_addition"),
    *('"citations": {"enabled"', '"role": "system"'),
)


@attrs.frozen
class Recording:
    kind: str
    url: str
    sent: Any
    head: UpstreamHead
    body: bytes

    @classmethod
    def read(cls, path: Path) -> Recording:
        said = json.loads(path.read_text("utf-8"))
        request, response = said["request"], said["response"]
        head = UpstreamHead(response["status"], response["headers"])
        body = response["body"].encode()
        return cls(said["kind"], request["url"], request["body"], head, body)

    @property
    def is_sayable(self) -> bool:
        if self.kind == "error":
            return False
        said = json.dumps(self.sent)
        return not any(word in said for word in _UNSAYABLE)

    @property
    def message(self) -> dict[str, Any]:
        """The whole message; that of a stream put together by hand."""
        if self.kind != "chat-stream":
            whole: dict[str, Any] = json.loads(self.body)
            return whole
        message: dict[str, Any] = {"content": []}
        for event in self._events():
            match event["type"]:
                case "message_start":
                    message |= event["message"]
                case "content_block_start":
                    message["content"].append({**event["content_block"], "json": ""})
                case "content_block_delta":
                    _add(message["content"][event["index"]], event["delta"])
                case "message_delta":
                    message |= event["delta"]
                    message["usage"] = {**message["usage"], **event["usage"]}
        for block in message["content"]:
            if block["type"] == "tool_use":
                block["input"] = json.loads(block["json"] or "{}")
        return message

    def _events(self) -> Iterator[Any]:
        for line in self.body.decode().splitlines():
            if line.startswith("data:"):
                yield json.loads(line.removeprefix("data:"))


def _add(block: dict[str, Any], delta: Any) -> None:
    if delta["type"] == "input_json_delta":
        block["json"] += delta["partial_json"]
    elif delta["type"] == "citations_delta":
        block["citations"] = [*block.get("citations", ()), delta["citation"]]
    else:
        [(name, text)] = [(n, t) for n, t in delta.items() if n != "type"]
        block[name] = block.get(name, "") + text


ALL = {path.stem: Recording.read(path) for path in sorted(HOME.glob("*.json"))}


def asked(sent: Any) -> dict[str, Any]:
    """A request of Anthropic's, said in OpenAI's way."""
    said: dict[str, Any] = {"messages": []}
    if system := sent.get("system"):
        said["messages"].append({"role": "system", "content": system})
    for turn in sent["messages"]:
        said["messages"] += _messages(turn)
    if tools := sent.get("tools"):
        said["tools"] = [_tool(tool) for tool in tools]
    if "tool_choice" in sent:
        words = {"any": "required"}
        kind = sent["tool_choice"]["type"]
        said["tool_choice"] = words.get(kind, kind)
    for name in ("max_tokens", "temperature", "stream", "thinking", "cache_control"):
        if name in sent:
            said[name] = sent[name]
    if effort := sent.get("output_config", {}).get("effort"):
        del said["thinking"]
        said["reasoning_effort"] = effort
    return said


def _messages(turn: Any) -> Iterator[dict[str, Any]]:
    blocks = turn["content"]
    if isinstance(blocks, str):
        yield turn
        return
    if turn["role"] == "assistant":
        yield _answer(blocks)
        return
    for block in blocks:
        if block["type"] == "tool_result":
            result = {"tool_call_id": block["tool_use_id"], "role": "tool"}
            yield {**result, "content": block["content"]}
    parts = [_part(block) for block in blocks if block["type"] != "tool_result"]
    if parts:
        yield {"role": "user", "content": parts}


def _answer(blocks: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"role": "assistant", "content": None}
    calls = []
    for block in blocks:
        if block["type"] == "text":
            said["content"] = [*(said["content"] or ()), block]
        else:
            arguments = json.dumps(block["input"])
            function = {"name": block["name"], "arguments": arguments}
            calls.append({"id": block["id"], "type": "function", "function": function})
    return {**said, **({"tool_calls": calls} if calls else {})}


def _part(block: Any) -> dict[str, Any]:
    if block["type"] == "text":
        said: dict[str, Any] = block
        return said
    source = block["source"]
    url = source.get("url") or f"data:{source['media_type']};base64,{source['data']}"
    if block["type"] == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    if source["type"] == "text":
        data = base64.b64encode(source["data"].encode()).decode()
        url = f"data:text/plain;base64,{data}"
    return {"type": "file", "file": {"file_data": url}}


def _tool(tool: Any) -> dict[str, Any]:
    function = {name: value for name, value in tool.items() if name != "input_schema"}
    return {
        "type": "function",
        "function": {**function, "parameters": tool["input_schema"]},
    }


def meaning(said: Any) -> Any:
    """A request without what makes no difference."""
    found = {**said, "system": _blocks(said.get("system", []))}
    found["messages"] = [
        (turn["role"], _blocks(turn["content"])) for turn in said["messages"]
    ]
    found["tools"] = [{"description": "", **tool} for tool in said.get("tools", ())]
    found["stream"] = said.get("stream", False)
    return found


def _blocks(said: Any) -> Any:
    if isinstance(said, str):
        return [{"type": "text", "text": said}]
    return [_block(block) for block in said]


def _block(said: Any) -> Any:
    block = {**said}
    if "content" in block:
        block["content"] = _blocks(block["content"])
    if block.get("is_error") is False:
        del block["is_error"]
    return block

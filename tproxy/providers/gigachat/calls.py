"""Calls of functions: their ids, and the state that a call leaves at GigaChat.

GigaChat gives calls no ids, and wants the id of the state back with a call when it is
told the result. A client of OpenAI's returns nothing but the id of the call, so the
state travels in there; `extra_content.gigachat.functions_state_id` does as well. Ids
stay within the 40 characters that OpenAI allows, of a sort that all providers take.
"""

from __future__ import annotations

import base64
import hashlib
import re
from itertools import pairwise

from tproxy.core.chat import ChatRequest
from tproxy.core.message import ToolCall

_LONGEST = 128  # characters of a state's id that are carried
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_OURS = re.compile(r"call_[0-9a-f]{12}_([\w-]+)", re.ASCII).fullmatch


def call(
    chat: ChatRequest, place: int, name: str, arguments: str, state: str
) -> ToolCall:
    """The call at `place` of an answer; `state` is "" where there is none."""
    mark = hashlib.blake2s(f"{chat.id}/{place}".encode(), digest_size=6).hexdigest()
    if not state or len(state) > _LONGEST:
        return ToolCall(f"call_{mark}", name, arguments)
    extra = {"gigachat": {"functions_state_id": state}}
    return ToolCall(f"call_{mark}_{_packed(state)}", name, arguments, extra)


def state(call: ToolCall) -> str:
    """What `call` was given as its state; "" where it came from elsewhere."""
    extra = call.extra.get("gigachat")
    said = extra.get("functions_state_id") if isinstance(extra, dict) else None
    if isinstance(said, str) and said:
        return said
    found = _OURS(call.id)
    return "" if found is None else _unpacked(found[1])


def _packed(state: str) -> str:
    """A UUID in 22 characters. Any other text never comes to 22, thanks to the x."""
    if _UUID(state):
        return _encoded(bytes.fromhex(state.replace("-", "")))
    return "x" + _encoded(state.encode("utf-8", "surrogatepass"))


def _unpacked(packed: str) -> str:
    is_uuid = len(packed) == 22
    text = packed if is_uuid else packed.removeprefix("x")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        state = _uuid(raw.hex()) if is_uuid else raw.decode("utf-8", "surrogatepass")
    except ValueError:
        return ""
    return state if _packed(state) == packed else ""


def _uuid(digits: str) -> str:
    ends = (0, 8, 12, 16, 20, 32)
    return "-".join(digits[a:b] for a, b in pairwise(ends))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

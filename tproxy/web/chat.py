"""`POST /chat/completions`."""

from __future__ import annotations

from tproxy.core.chat import ChatRequest
from tproxy.web.answering import AnsweringHandler


class ChatHandler(AnsweringHandler):
    """Chats, streamed or not."""

    def read(self, body: bytes, id: str, created: int) -> ChatRequest:
        return ChatRequest.parse(body, id, created)

"""A provider that can die, and come back where it was."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Self

import attrs

_ANSWER = json.dumps(
    {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes"}}]}
)


@attrs.define(eq=False)
class Provider:
    """Answers chats with `status`; `asked` and `listed` are when, in steady seconds."""

    status: int = 200
    port: int = 0
    asked: list[float] = attrs.field(factory=list)
    listed: list[float] = attrs.field(factory=list)
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    async def live(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.live()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.die()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET /v1/models "):
            self.listed.append(time.monotonic())
            status, said = 200, '{"object": "list", "data": []}'
        else:
            self.asked.append(time.monotonic())
            size = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(size))
            status, said = self.status, _ANSWER
        lines = (
            *(f"HTTP/1.1 {status} x", f"Content-Length: {len(said)}"),
            *("Content-Type: application/json", "Connection: close", "", said),
        )
        writer.write("\r\n".join(lines).encode())
        writer.close()

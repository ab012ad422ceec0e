"""A provider for tests whose stream goes on only when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs


def event(text: str | None = None, finish: str | None = None) -> bytes:
    delta = {"role": "assistant", "content": text} if text is not None else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    said = {"id": "c", "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: " + json.dumps(said).encode() + b"\n\n"


END = event(finish="stop") + b"data: [DONE]\n\n"


@attrs.define(eq=False)
class SteppedUpstream:
    """Sends what is put into `steps`, chunk by chunk; `None` ends the answer."""

    port: int = 0
    steps: asyncio.Queue[bytes | None] = attrs.field(factory=asyncio.Queue)
    heads: list[str] = attrs.field(factory=list)
    bodies: list[bytes] = attrs.field(factory=list)
    left: asyncio.Event = attrs.field(factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            size = head.lower().partition("content-length: ")[2].partition("\r\n")[0]
            self.heads.append(head)
            self.bodies.append(await reader.readexactly(int(size)))
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            )
            gone = asyncio.ensure_future(reader.read())
            while True:
                step = asyncio.ensure_future(self.steps.get())
                await asyncio.wait((step, gone), return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    step.cancel()
                    break
                data = step.result()
                writer.write(b"%x\r\n%b\r\n" % (len(data or b""), data or b""))
                if data is None:
                    break
            gone.cancel()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.left.set()
            writer.close()


@asynccontextmanager
async def stepped() -> AsyncIterator[SteppedUpstream]:
    upstream = SteppedUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await server.wait_closed()

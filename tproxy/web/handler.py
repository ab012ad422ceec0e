"""Tornado's RequestHandler, without what templates, cookies, etags and forms need.

What this module rests on in Tornado 6.6: a `RequestHandler` is its attributes, all set
in `__init__`; `_execute` calls the method, and `_handle_request_exception` sees that
whatever leaves it reaches `write_error`. These and `finish` are done again here at a
fraction of the cost. With `stream_request_body` Tornado, too, would look at a head
before its body is there; it takes two futures and two turns of the loop for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.web import Application, RequestHandler

_OK = ResponseStartLine("", 200, "OK")


class Headers(HTTPHeaders):
    """An empty HTTPHeaders, made for what it costs to make two dictionaries."""

    def __init__(self) -> None:
        self._as_list = {}
        self._combined_cache = {}


class Handler(RequestHandler):
    """Answers one request. `serving` is the task that does, once its body is there."""

    def __init__(self, application: Application, request: HTTPServerRequest) -> None:
        self.application = application
        self.request = request
        self._headers_written = self._finished = False
        self._auto_finish = True
        self._prepared_future = None
        self.serving: asyncio.Task[None] | None = None
        self.client_gone = False
        self.clear()
        connection: Any = request.connection  # has a callback, untyped
        connection.set_close_callback(self.on_connection_close)
        self.connection = connection

    def clear(self) -> None:
        self._headers = headers = Headers()
        # Names in their usual case to values that are known to be some.
        self.said: dict[str, list[str]] = headers._as_list
        self._write_buffer: list[bytes] = []
        self._status_code = 200
        self._reason = "OK"

    def serve(self, *args: str) -> None:
        """The request is whole: answer it, unless that is done."""
        if not self._finished:
            # With a name, or one is made up and formatted for it.
            self.serving = asyncio.Task(self._execute([], *args), name="serving")

    async def _execute(
        self, transforms: Sequence[object], *args: str | bytes, **_: object
    ) -> None:
        try:
            result = getattr(self, (self.request.method or "").lower())(*args)
            if result is not None:
                await result
            if not self._finished:
                self.finish()
        except asyncio.CancelledError:
            if not self._finished:
                self.send_error(500)
            raise
        except Exception as error:  # noqa: BLE001 - as Tornado: `write_error` tells it
            self._handle_request_exception(error)

    def finish(  # type: ignore[override]  # no JSON from dictionaries
        self, chunk: str | bytes | None = None
    ) -> asyncio.Future[None]:
        if self._finished:
            raise RuntimeError("finish() called twice")
        buffered = self._write_buffer
        if chunk:
            buffered.append(chunk if isinstance(chunk, bytes) else chunk.encode())
        if not self._headers_written and self._status_code != 204:
            self.said["Content-Length"] = [str(len(b"".join(buffered)))]
        self._finished = True  # it is told once, and nothing is tried again
        try:
            try:
                # First: whoever has all of it was counted, even if we are killed now.
                self.on_finish()
            finally:
                done: asyncio.Future[None] = self.flush()
                self.connection.finish()
        except Exception:
            self.hang_up()
            raise
        return done

    def send(self, data: bytes) -> asyncio.Future[None]:
        """Some of the body, at once."""
        if self._headers_written:
            return self.connection.write(data)  # type: ignore[no-any-return]
        self._write_buffer.append(data)
        return self.flush()

    def flush(self, include_footers: bool = False) -> asyncio.Future[None]:
        data = b"".join(self._write_buffer) if self.request.method != "HEAD" else b""
        self._write_buffer.clear()
        if self._headers_written:
            return self.connection.write(data)  # type: ignore[no-any-return]
        start = _OK
        if self._status_code != 200 or self._reason != "OK":
            start = ResponseStartLine("", self._status_code, self._reason)
        done: asyncio.Future[None] = self.connection.write_headers(
            start, self._headers, data
        )
        self._headers_written = True  # else the client can still be told of an error
        return done

    def on_connection_close(self) -> None:
        """The client has left."""
        self.client_gone = True
        self.connection.set_close_callback(None)  # that is how it leads back to here

    def hang_up(self) -> None:
        """Close the connection, once all that was written has gone out."""
        self.connection.close()

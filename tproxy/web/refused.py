"""Log lines of requests that no handler answers: refused by the server, or left."""

from __future__ import annotations

import asyncio
from typing import Final

import attrs
from tornado.httputil import RequestStartLine

from tproxy.core.errors import ClientLeft, ProxyError
from tproxy.core.events import Notice, RequestFinished
from tproxy.web.context import Context

MOST_A_SECOND: Final = 10


@attrs.define(eq=False)
class Refused:
    """Tells of one after the other; of more than `MOST_A_SECOND`, how many they were.

    They need no token, so that whoever sends garbage could fill the log.
    """

    _context: Context
    _count: int = attrs.field(default=0, init=False)  # in the second under way

    def __call__(
        self, error: ProxyError, asked: RequestStartLine | None, seconds: float
    ) -> str:
        """Tell of one, whose head may not have been read; the id it is told by."""
        if not self._count:
            asyncio.get_running_loop().call_later(1.0, self._next_second)
        self._count += 1
        request_id, told = self._context.new_id(), error.told
        left = isinstance(error, ClientLeft)
        if self._count <= MOST_A_SECOND:
            self._context.observer.emit(
                RequestFinished(
                    request_id=request_id,
                    client=None,
                    method="" if asked is None else asked.method[:16],
                    route="" if asked is None else asked.path.partition("?")[0][:200],
                    status=told.status,
                    seconds=seconds,
                    code=None if left else told.code,
                    left=left,
                )
            )
        return request_id

    def _next_second(self) -> None:
        untold, self._count = self._count - MOST_A_SECOND, 0
        if untold > 0:
            words = "more requests were refused or left than have a line"
            self._context.observer.emit(Notice("warning", words, {"untold": untold}))

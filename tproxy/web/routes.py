"""The table of paths, each with and without `/v1`, and with a slash at its end."""

from __future__ import annotations

from collections.abc import Awaitable
from urllib.parse import unquote

import attrs
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.web import Application

from tproxy.web.base import BaseHandler, UnknownRoute
from tproxy.web.chat import ChatHandler
from tproxy.web.context import Context
from tproxy.web.health import PingHandler, ReadyHandler
from tproxy.web.models import ModelHandler, ModelsHandler
from tproxy.web.request import Request

ROUTES: dict[str, type[BaseHandler]] = {
    "/chat/completions": ChatHandler,
    "/models": ModelsHandler,
    "/ping": PingHandler,
    "/healthz": PingHandler,
    "/readyz": ReadyHandler,
}
_ONE_MODEL = "/models/"  # and then its id, slashes and all


class Routes(Application):
    """Finds the handler of a path by looking it up, and runs it as Tornado does."""

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        return _Delivery(self, server_conn, request_conn)

    def __init__(self, context: Context) -> None:
        super().__init__(
            log_function=lambda handler: None,  # handlers emit an event of their own
            autoescape=None,
        )
        self._shared = {"context": context}

    def find_handler(  # type: ignore[override]  # more exact than Tornado's
        self, request: HTTPServerRequest, **_: object
    ) -> HTTPMessageDelegate:
        path = request.path.removeprefix("/v1")
        handler = ROUTES.get(path) or ROUTES.get(path.removesuffix("/"))
        if handler is not None:
            return self.get_handler_delegate(request, handler, self._shared)
        if path.startswith(_ONE_MODEL):
            name = unquote(path.removeprefix(_ONE_MODEL).removesuffix("/"))
            return self.get_handler_delegate(
                request, ModelHandler, self._shared, [name.encode()]
            )
        return self.get_handler_delegate(request, UnknownRoute, self._shared)


@attrs.define(eq=False)
class _Delivery(HTTPMessageDelegate):
    """Hands one request to the handler that its path names."""

    _routes: Routes
    _server: object
    _connection: HTTPConnection
    _handler: HTTPMessageDelegate = attrs.field(init=False)

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        if not isinstance(start_line, RequestStartLine):
            raise TypeError("a server is sent requests")
        request = Request(start_line, headers, self._connection, self._server)
        self._handler = self._routes.find_handler(request)
        return self._handler.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._handler.data_received(chunk)

    def finish(self) -> None:
        self._handler.finish()

    def on_connection_close(self) -> None:
        self._handler.on_connection_close()

"""The table of paths, each with and without `/v1`, and with a slash at its end."""

from __future__ import annotations

from urllib.parse import unquote

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.web import Application

from tproxy.web.base import BaseHandler, UnknownRoute
from tproxy.web.chat import ChatHandler
from tproxy.web.context import Context
from tproxy.web.embeddings import EmbeddingsHandler
from tproxy.web.health import PingHandler, ReadyHandler
from tproxy.web.images import ImageHandler, ImagesHandler
from tproxy.web.metrics import MetricsHandler
from tproxy.web.models import ModelHandler, ModelsHandler
from tproxy.web.request import Request
from tproxy.web.status import StatusHandler

ROUTES: dict[str, type[BaseHandler]] = {
    "/chat/completions": ChatHandler,
    "/images/generations": ImagesHandler,
    "/image": ImageHandler,
    "/embeddings": EmbeddingsHandler,
    "/models": ModelsHandler,
    "/ping": PingHandler,
    "/healthz": PingHandler,
    "/readyz": ReadyHandler,
    "/status": StatusHandler,
    "/metrics": MetricsHandler,
}
_ONE_MODEL = "/models/"  # and then its id, slashes and all


def route_of(path: str) -> str:
    """The name of a path in the table; of all that are in none, the same one."""
    path = path.removeprefix("/v1")
    for known in (path, path.removesuffix("/")):
        if known in ROUTES:
            return known
    return "/models/{id}" if path.startswith(_ONE_MODEL) else "other"


class Routes(Application):
    """Finds the handler of a path by looking it up."""

    def __init__(self, context: Context) -> None:
        super().__init__(autoescape=None)
        self._context = context

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        return _Delivery(self, server_conn, request_conn)

    def handler(self, request: Request) -> tuple[BaseHandler, list[str]]:
        """Who answers, and the arguments of its method."""
        path = request.path.removeprefix("/v1")
        kind = ROUTES.get(path) or ROUTES.get(path.removesuffix("/"))
        arguments = []
        if kind is None and path.startswith(_ONE_MODEL):
            kind = ModelHandler
            name = path.removeprefix(_ONE_MODEL).removesuffix("/")
            arguments = [unquote(name)]
        return (kind or UnknownRoute)(self, request, self._context), arguments


class _Delivery(HTTPMessageDelegate):
    """Hands one request to its handler: the head at once, then the body, then `serve`.

    Not by Tornado's own delegate, which starts a task before there is a body.
    """

    __slots__ = ("_arguments", "_connection", "_handler", "_routes", "_server")

    def __init__(
        self, routes: Routes, server: object, connection: HTTPConnection
    ) -> None:
        self._routes = routes
        self._server = server
        self._connection = connection

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        if not isinstance(start_line, RequestStartLine):
            raise TypeError("a server is sent requests")
        request = Request(start_line, headers, self._connection, self._server)
        self._handler, self._arguments = self._routes.handler(request)
        self._handler.admit()

    def data_received(self, chunk: bytes) -> None:
        self._handler.data_received(chunk)

    def finish(self) -> None:
        self._handler.serve(*self._arguments)

    def on_connection_close(self) -> None:
        self._handler.on_connection_close()

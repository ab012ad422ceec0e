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
_SPELLED = {
    f"{version}{route}{slash}": route
    for route in ROUTES
    for version in ("", "/v1")
    for slash in ("", "/")
}


def route_of(path: str) -> str:
    """The name of a path in the table; of all that are in none, the same one."""
    known = _SPELLED.get(path)
    if known is not None:
        return known
    of_one = path.removeprefix("/v1").startswith(_ONE_MODEL)
    return "/models/{id}" if of_one else "other"


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
        route = _SPELLED.get(request.path)
        if route is not None:
            return ROUTES[route](self, request, self._context), []
        path = request.path.removeprefix("/v1")
        if path.startswith(_ONE_MODEL):
            name = unquote(path.removeprefix(_ONE_MODEL).removesuffix("/"))
            return ModelHandler(self, request, self._context), [name]
        return UnknownRoute(self, request, self._context), []


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

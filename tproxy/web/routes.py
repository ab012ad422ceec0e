"""The table of paths, each with and without `/v1`, and with a slash at its end."""

from __future__ import annotations

from urllib.parse import unquote

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.web import Application

from tproxy.web.base import BaseHandler, UnknownRoute
from tproxy.web.chat import ChatHandler
from tproxy.web.context import Context
from tproxy.web.health import PingHandler, ReadyHandler
from tproxy.web.models import ModelHandler, ModelsHandler

ROUTES: dict[str, type[BaseHandler]] = {
    "/chat/completions": ChatHandler,
    "/models": ModelsHandler,
    "/ping": PingHandler,
    "/healthz": PingHandler,
    "/readyz": ReadyHandler,
}
_ONE_MODEL = "/models/"  # and then its id, slashes and all


class Routes(Application):
    """Finds the handler of a path by looking it up; all else is as Tornado does it."""

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

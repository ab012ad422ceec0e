"""What every route does: token, request id, body limit, errors by one door."""

from __future__ import annotations

import math
import re
from http import HTTPStatus
from typing import Any, ClassVar

from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError

from tproxy.core import openai
from tproxy.core.errors import (
    AuthenticationFailed,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    ProxyError,
    RequestTooLarge,
    Unavailable,
)
from tproxy.core.events import Notice, RequestFinished
from tproxy.core.failures import Told
from tproxy.core.model import Client
from tproxy.relay.trail import Trail
from tproxy.web.context import Context
from tproxy.web.handler import Handler
from tproxy.web.request import Request

_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}").fullmatch
_LONGEST_SDK_WAIT = 60.0  # seconds; OpenAI's SDKs ignore Retry-After beyond it
_NONE = ("",)
_NO_TOKEN = ("", "", "")
# How other APIs' paths end where a chat is asked for; and this one's, in a wrong place.
_CHATS = ("/responses", "/messages", "/completions")
_EXPOSED = "x-request-id, x-tproxy-model, x-tproxy-provider, retry-after"


class BaseHandler(Handler):
    """A route. Every one needs a client's token, unless it says `public`."""

    ALLOWED: ClassVar[tuple[str, ...]] = ("GET", "HEAD", "OPTIONS")
    public: ClassVar[bool] = False
    streamed = False

    def __init__(
        self, application: Application, request: Request, context: Context
    ) -> None:
        super().__init__(application, request)
        self.context = context
        self.snapshot = context.snapshot
        self.client: Client | None = None
        self.trail = Trail()
        self.told: Told | None = None  # of the error that ended it
        self.fields = request.fields
        self._clients = request.clients
        said = self.fields.get("X-Request-Id", _NONE)
        sane = len(said) == 1 and said[0] and _SANE_ID(said[0])
        self.request_id = said[0] if sane else context.new_id()
        self._mark()
        self._started = context.clock.steady()
        self._body: list[bytes] = []
        self._body_bytes = 0

    def admit(self) -> None:
        """Look at the head, before there is a body; what is wrong is told at once."""
        try:
            self.check()
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
            self._handle_request_exception(error)

    def check(self) -> None:
        """Judge the head.

        Raises:
            ProxyError: the request is refused.
        """
        method = self.request.method
        if method == "OPTIONS":
            return
        if not self.public:
            self.client = self.authenticated()
        if method not in self.ALLOWED:
            raise MethodNotAllowed(
                message=f"{method} is not for this route.", allowed=self.ALLOWED
            )
        length = self.fields.get("Content-Length", _NONE)[0]
        if length.isdecimal() and int(length) > self.snapshot.max_request_bytes:
            raise self._too_large()

    def data_received(self, chunk: bytes) -> None:
        """Keep some of the body; once an answer is given it is thrown away."""
        if self._finished:
            return
        self._body_bytes += len(chunk)
        if self._body_bytes <= self.snapshot.max_request_bytes:
            self._body.append(chunk)
        else:
            self._body.clear()
            self._told(self._too_large())

    def body(self) -> bytes:
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    def options(self, *_: str) -> None:
        self.set_status(204)
        self.set_header("Allow", ", ".join(self.ALLOWED))
        self.finish()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tell the client; Tornado sends here whatever leaves a handler."""
        cause = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        match cause:
            case ProxyError():
                self._told(cause)
            case HTTPError(status_code=405):
                message = f"{self.request.method} is not for this route."
                self._told(MethodNotAllowed(message=message, allowed=self.ALLOWED))
            case HTTPError(status_code=404):
                self._told(_no_route(self.request.path))
            case HTTPError() if status_code < 500:
                message = f"{HTTPStatus(status_code).phrase}."
                self._told(InvalidRequest(message=message))
            case _:
                self._told(InternalError())

    def log_exception(self, *exc_info: Any) -> None:
        """Only our own faults are worth a trace, and the trace holds no values."""
        error = exc_info[1]
        if isinstance(error, (ProxyError, HTTPError, StreamClosedError)):
            return
        place, trace = "", exc_info[2]
        while trace is not None:
            code = trace.tb_frame.f_code
            place = f"{code.co_qualname} line {trace.tb_lineno}; {place}"
            trace = trace.tb_next
        fields = {
            "request_id": self.request_id,
            "error": type(error).__name__,
            "at": place[:1_000],
        }
        self.context.observer.emit(Notice("error", "a fault of our own", fields))

    def on_finish(self) -> None:
        trail, client, told = self.trail, self.client, self.told
        self.context.observer.emit(
            # By position: by name, making it would take three times as long.
            RequestFinished(
                self.request_id,
                None if client is None else client.name,
                (self.request.method or "")[:16],
                self.request.path[:200],
                self._status_code,
                self.context.clock.steady() - self._started,
                None if trail.model is None else trail.model.name,
                trail.reason,
                self.streamed,
                trail.broken if told is None else told.code,
                tuple(trail.attempts),
                trail.usage,
                self.client_gone,
                trail.asked,
                trail.resumed,
            )
        )

    def _told(self, error: ProxyError) -> None:
        self.told = error.told
        # It leads to whoever took part, and some of them keep the error.
        error.with_traceback(None)
        told = error.told
        self._mark()  # Tornado has cleared all headers by now
        self.set_status(told.status)
        self.set_header("Content-Type", "application/json")
        if self.trail.attempts:
            self.set_header("x-tproxy-attempts", str(len(self.trail.attempts)))
        match error:
            case AuthenticationFailed():
                self.set_header("WWW-Authenticate", "Bearer")
            case MethodNotAllowed():
                self.set_header("Allow", ", ".join(error.allowed))
            case Unavailable() if told.status in (429, 503):
                self._retry_after(error.retry_after or 1.0)
        self.finish(openai.error(error))

    def _retry_after(self, seconds: float) -> None:
        self.set_header("Retry-After", str(max(math.ceil(seconds), 1)))
        self.set_header("retry-after-ms", str(max(math.ceil(seconds * 1000), 1)))
        if seconds > _LONGEST_SDK_WAIT:
            self.set_header("x-should-retry", "false")

    def authenticated(self) -> Client | None:
        """The client of the one `Authorization: Bearer` header (RFC 6750, 2.1).

        None where a route needs no token of this request.
        """
        known = self._clients.get(self.snapshot)
        if known is not None:
            return known
        self._clients.clear()  # of snapshots before this one
        said = self.fields.get("Authorization", ())
        kind, _, token = said[0].partition(" ") if len(said) == 1 else _NO_TOKEN
        client = self.snapshot.client(token.strip())
        if kind.lower() != "bearer" or client is None:
            raise AuthenticationFailed
        self._clients[self.snapshot] = client
        return client

    def _too_large(self) -> RequestTooLarge:
        most = self.snapshot.max_request_bytes
        return RequestTooLarge(message=f"The body is over {most} bytes.")

    def _mark(self) -> None:
        """The headers of every answer, errors included."""
        self.said["X-Request-Id"] = [self.request_id]
        self.said["X-Content-Type-Options"] = ["nosniff"]
        if self.snapshot.cors_origins:
            self._cross_origin()

    def _cross_origin(self) -> None:
        """CORS, for the origins the operator listed (Fetch standard, 3.2)."""
        origin = self.request.headers.get("Origin")
        allowed = self.snapshot.cors_origins
        if origin is None or not (origin in allowed or "*" in allowed):
            return
        self.set_header("Access-Control-Allow-Origin", origin)
        self.set_header("Vary", "Origin")
        self.set_header("Access-Control-Expose-Headers", _EXPOSED)
        if self.request.method == "OPTIONS":
            asked = self.request.headers.get("Access-Control-Request-Headers", "")
            self.set_header("Access-Control-Allow-Methods", ", ".join(self.ALLOWED))
            if re.fullmatch(r"[A-Za-z0-9, _-]{1,1000}", asked):
                self.set_header("Access-Control-Allow-Headers", asked)
            self.set_header("Access-Control-Max-Age", "600")


class UnknownRoute(BaseHandler):
    """Everything that is in no table: 404, once the token is right."""

    ALLOWED = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

    def check(self) -> None:
        super().check()
        if self.request.method != "OPTIONS":
            raise _no_route(self.request.path)


def _no_route(path: str) -> NotFound:
    shown = "".join(c if c.isprintable() else "?" for c in path[:200])
    known = " Chats are at /v1/chat/completions." if path.endswith(_CHATS) else ""
    return NotFound(message=f"There is no route {shown}.{known}")

"""The echo provider's routes and how they are served.

Source: OpenAI API reference, "Chat", "Images", "Embeddings" and "Models". No key is
asked for.

What this module rests on in Tornado 6.6:
  * A handler is not cancelled when its client leaves, it is only told; so the reply
    is written by a task of its own, which can be.
  * Nagle's algorithm stays on until `finish()`; a small chunk would wait for the
    acknowledgement of the one before.
  * `flush()` returns without waiting while the socket takes the data, so a long
    stream would keep the event loop to itself were there no pause.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final

import attrs
from tornado.http1connection import HTTP1Connection
from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler

from tproxy.echo.answers import Answer, answer
from tproxy.echo.embeddings import embeddings
from tproxy.echo.errors import Refused
from tproxy.echo.images import images
from tproxy.echo.replies import Stamp, chunks, completion

MODELS: Final = ("echo-small", "echo-big")

_MODELS_CREATED: Final = 1_735_689_600  # 2025-01-01; a model's age says nothing here


@attrs.frozen
class _Surroundings:
    """What the handlers take from the world."""

    clock: Callable[[], float]
    new_serial: Callable[[], str]
    pause: Callable[[], Awaitable[None]]


class _Handler(RequestHandler):
    """Answers in JSON, errors included."""

    allowed: ClassVar[str] = ""

    def initialize(self, surroundings: _Surroundings) -> None:
        self.surroundings = surroundings
        self.serial = surroundings.new_serial()

    def set_default_headers(self) -> None:
        self.set_header("Server", "tproxy-echo")

    def prepare(self) -> None:
        self._say_who()

    def compute_etag(self) -> None:
        """A reply is never the same resource twice."""

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = self._refusal(status_code, kwargs["exc_info"][1])
        self._say_who()
        self.set_status(error.status)
        if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", self.allowed)
        self._finish_json(error.envelope)

    def log_exception(self, *exc_info: Any) -> None:
        if not isinstance(exc_info[1], Refused | HTTPError):  # the client is told
            super().log_exception(*exc_info)

    def _refusal(self, status: int, cause: BaseException) -> Refused:
        match cause:
            case Refused():
                return cause
            case HTTPError() if status == HTTPStatus.METHOD_NOT_ALLOWED:
                return Refused(
                    message=f"Not allowed to {self.request.method} on "
                    f"{self.request.path} (HINT: Perhaps you meant to use a different "
                    "HTTP method?)",
                    code="method_not_supported",
                    status=status,
                )
            case HTTPError():
                return Refused(message=HTTPStatus(status).phrase, status=status)
            case _:
                return Refused(
                    message="The server had an error while processing your request.",
                    type="server_error",
                    status=HTTPStatus.INTERNAL_SERVER_ERROR,
                )

    def _say_who(self) -> None:
        self.set_header("X-Request-Id", f"req_{self.serial}")

    def _finish_json(self, value: object) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(_encode(value))


class _Chat(_Handler):
    allowed = "POST"

    def initialize(self, surroundings: _Surroundings) -> None:
        super().initialize(surroundings)
        self._serving: asyncio.Task[None] | None = None
        self._client_gone = False

    async def post(self) -> None:
        self._serving = asyncio.create_task(self._serve())
        try:
            await self._serving
        except (asyncio.CancelledError, StreamClosedError):
            if not self._client_gone:
                raise

    def on_connection_close(self) -> None:
        """Stop writing a reply that nobody reads."""
        self._client_gone = True
        if self._serving is not None:
            self._serving.cancel()

    async def _serve(self) -> None:
        reply = answer(_decode(self.request.body))
        stamp = Stamp(self.serial, int(self.surroundings.clock()))
        if reply.stream:
            await self._stream(reply, stamp)
        else:
            self._finish_json(completion(reply, stamp))

    async def _stream(self, reply: Answer, stamp: Stamp) -> None:
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        if isinstance(self.request.connection, HTTP1Connection):
            self.request.connection.stream.set_nodelay(True)
        for chunk in chunks(reply, stamp):
            self.write(b"data: %b\n\n" % _encode(chunk))
            await self.flush()
            await self.surroundings.pause()
        self.finish(b"data: [DONE]\n\n")


class _Images(_Handler):
    allowed = "POST"

    def post(self) -> None:
        created = int(self.surroundings.clock())
        self._finish_json(images(_decode(self.request.body), created))


class _Embeddings(_Handler):
    allowed = "POST"

    def post(self) -> None:
        self._finish_json(embeddings(_decode(self.request.body)))


class _Models(_Handler):
    allowed = "GET"

    def get(self) -> None:
        data = [
            {
                "id": name,
                "object": "model",
                "created": _MODELS_CREATED,
                "owned_by": "tproxy",
            }
            for name in MODELS
        ]
        self._finish_json({"object": "list", "data": data})


class _Unknown(_Handler):
    def prepare(self) -> None:
        raise Refused(
            message=f"Invalid URL ({self.request.method} {self.request.path})",
            status=HTTPStatus.NOT_FOUND,
        )


def application(
    *,
    clock: Callable[[], float],
    new_serial: Callable[[], str],
    pause: Callable[[], Awaitable[None]],
) -> Application:
    """The echo provider's routes, below `/v1`.

    `clock` gives seconds since 1970, for `created`. `new_serial` names a request and
    never gives one name twice. `pause` is awaited after each chunk of a stream, and
    should let others run even if it waits for nothing.
    """
    shared = {"surroundings": _Surroundings(clock, new_serial, pause)}
    return Application(
        [
            (r"/v1/chat/completions", _Chat, shared),
            (r"/v1/images/generations", _Images, shared),
            (r"/v1/embeddings", _Embeddings, shared),
            (r"/v1/models", _Models, shared),
        ],
        default_handler_class=_Unknown,
        default_handler_args=shared,
        log_function=_tell_nobody,
    )


def _encode(value: object) -> bytes:
    # A lone surrogate has no UTF-8, but its escape in Python is its escape in JSON.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def _decode(raw: bytes) -> Mapping[str, object]:
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Refused(
            message="We could not parse the JSON body of your request."
        ) from None
    if not isinstance(body, dict):
        raise Refused(message="The body of your request is not a JSON object.")
    return body


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _tell_nobody(_: RequestHandler) -> None:
    """Tornado's access log; whoever asks the echo provider logs its own requests."""

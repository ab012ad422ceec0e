"""What the engine itself answers, where no handler is there to do it."""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar

import attrs
from tornado.httputil import HTTPInputError

from tproxy.core import openai
from tproxy.core.errors import InternalError, InvalidRequest, ProxyError
from tproxy.core.failures import Told


@attrs.frozen(kw_only=True)
class HeadTooLarge(ProxyError):
    """The request line and headers are over the limit (RFC 6585, 5)."""

    message: str = "The request's headers are too large."
    TOLD: ClassVar[Told] = Told(431, "invalid_request_error", "headers_too_large")


@attrs.frozen(kw_only=True)
class TooSlow(ProxyError):
    """The request did not arrive in time (RFC 9110, 15.5.9)."""

    message: str = "The request took too long to arrive."
    TOLD: ClassVar[Told] = Told(408, "invalid_request_error", "request_timeout")


def of(error: BaseException) -> ProxyError:
    """What a client is told of something that an application raised."""
    if isinstance(error, HTTPInputError):  # Tornado's own objections to a request
        return InvalidRequest(message="The request's Host or query is invalid.")
    return InternalError()


def answer(error: ProxyError, date: str, request_id: str) -> bytes:
    """A whole response in OpenAI's envelope, the last one on its connection."""
    body = openai.error(error)
    status = HTTPStatus(error.told.status)
    named = f"X-Request-Id: {request_id}\r\n" if request_id else ""
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Date: {date}\r\n"
        f"{named}"
        f"Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body

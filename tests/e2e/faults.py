"""The ways in which a provider fails before it says anything of use, as data."""

from __future__ import annotations

import enum
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import tornado.test

from tests.dialect import (
    DONE,
    completion,
    error,
    error_event,
    event,
)
from tests.e2e.scripted_upstream import (
    JSON,
    SSE,
    End,
    Headers,
    Script,
    ScriptedUpstream,
    Step,
    chunked,
    deaf,
    head,
    refusing,
    scripted,
    unframed,
    whole,
)

NOWHERE = "nowhere.invalid"
AUTH = "upstream_auth_failed"
BILLING = "upstream_billing"
MISSING = "upstream_model_missing"
_CERTIFICATE = Path(tornado.test.__file__).with_name("test.crt")

# The body of origin's to-do; the account's id is changed.
HIDDEN_429 = (
    b'500 unexpected status code: 429, body: {"error":{"message":"Provider returned '
    b'error","code":429,"metadata":{"raw":"qwen/qwen3-coder:free is temporarily '
    b"rate-limited upstream. Please retry shortly, or add your own key to accumulate "
    b'your rate limits: https://openrouter.ai/settings/integrations","provider_name":'
    b'"Chutes"}},"user_id":"user_30vFwYf3qlvprxam2pA4FoDY1AR"}'
)


class Place(enum.Enum):
    """Where the provider is."""

    THERE = "there"
    REFUSED = "nobody listens"
    DEAF = "connections are never accepted"
    UNNAMED = "its name does not resolve"
    NO_TLS = "it speaks no TLS, as its URL says"
    UNTRUSTED = "its certificate is unknown"
    NO_HANDSHAKE = "its handshake does not begin"
    CLOSING = "connections are closed when accepted"
    RESETTING = "connections are reset when accepted"


class Rests(enum.Enum):
    """Whether the candidate rests."""

    NEVER = "never"
    AFTER_FIVE = "after five failures in a row"
    AT_ONCE = "at once"
    QUOTA = "its quota rests"


@attrs.frozen
class Fault:
    """What a provider does, and what has to follow.

    `does` is its script for a request that is not streamed and for one that is.
    `again`: the same model is asked again. `onward`: another is. `rest` is in seconds.
    """

    name: str
    told: tuple[int, str]
    does: tuple[Script, Script]
    place: Place = Place.THERE
    again: bool = False
    onward: bool = True
    rests: Rests = Rests.AFTER_FIVE
    rest: float = 10.0
    type: str = "upstream_error"
    slow: bool = False  # shows only in that time passes
    hangs: bool = False  # says what is wrong, and then never ends


def failed(name: str, whole: Script, stream: Script | None = None) -> Fault:
    does = (whole, whole if stream is None else stream)
    return Fault(name, (502, "upstream_error"), does, again=True)


def silent(name: str, whole: Script, stream: Script | None = None) -> Fault:
    does = (whole, whole if stream is None else stream)
    return Fault(name, (504, "upstream_timeout"), does, slow=True)


def unreachable(place: Place, *, again: bool) -> Fault:
    told = (502, "upstream_error")
    return Fault(place.value, told, ([], []), place=place, again=again)


def lasting(name: str, code: str, script: Script) -> Fault:
    return Fault(name, (502, code), (script, script), rests=Rests.AT_ONCE)


def limited(name: str, script: Script, rest: float = 1.0) -> Fault:
    return Fault(
        name,
        (429, "rate_limit_exceeded"),
        (script, script),
        rests=Rests.QUOTA,
        rest=rest,
        type="rate_limit_error",
    )


def rejected(name: str, script: Script) -> Fault:
    told = (400, "upstream_rejected")
    return Fault(name, told, (script, script), onward=False, rests=Rests.NEVER)


def too_long(name: str, script: Script) -> Fault:
    return Fault(
        name,
        (400, "context_length_exceeded"),
        (script, script),
        rests=Rests.NEVER,
        type="invalid_request_error",
    )


def promised(headers: Headers, *steps: Step, status: int = 200) -> Script:
    """A reply that promises more than it brings."""
    return [head(status, {**headers, "Content-Length": "1000"}), *steps]


def says(body: bytes, *events: bytes) -> tuple[Script, Script]:
    return whole(body), chunked(events)


ERROR_CHOICE = b'data: {"choices": [{"delta": {}, "error": {"code": 502}}]}\n\n'

FAULTS = [
    unreachable(Place.REFUSED, again=True),
    unreachable(Place.UNNAMED, again=True),
    unreachable(Place.NO_TLS, again=False),
    unreachable(Place.UNTRUSTED, again=False),
    unreachable(Place.CLOSING, again=True),
    unreachable(Place.RESETTING, again=True),
    attrs.evolve(silent(Place.DEAF.value, []), place=Place.DEAF),
    attrs.evolve(silent(Place.NO_HANDSHAKE.value, []), place=Place.NO_HANDSHAKE),
    # No answer, or only its beginning.
    failed("closed when asked", [End.CLOSE]),
    failed("reset when asked", [End.RESET]),
    failed("closed within the head", [b"HTTP/1.1 200 OK\r\nContent-", End.CLOSE]),
    silent("silent", [End.HOLD]),
    silent("silent within the head", [b"HTTP/1.1 200 OK\r\n", End.HOLD]),
    silent("silent after 100 Continue", [b"HTTP/1.1 100 Continue\r\n\r\n", End.HOLD]),
    silent("silent after the head", promised(JSON, End.HOLD), chunked([End.HOLD])),
    silent(
        "silent before content",
        promised(JSON, b'{"choices": [', End.HOLD),
        chunked([b": wait\n\n", event(), End.HOLD]),
    ),
    failed(
        "closed before content",
        promised(JSON, completion("Hello"), End.CLOSE),
        promised(SSE, event(), End.CLOSE),
    ),
    failed(
        "closed before content, in chunks",
        chunked([completion("Hello"), End.CLOSE], JSON),
        chunked([event(), End.CLOSE]),
    ),
    failed(
        "closed before content, length unknown",
        unframed([completion("Hello")[:-2]], JSON),
        unframed([event()]),
    ),
    failed(
        "reset before content",
        chunked([b"{", End.RESET], JSON),
        chunked([event(), End.RESET]),
    ),
    failed(
        "chunks that are none",
        [head(200, {**JSON, "Transfer-Encoding": "chunked"}), b"zz\r\n{}", End.CLOSE],
        [head(200, {**SSE, "Transfer-Encoding": "chunked"}), b"zz\r\n{}", End.CLOSE],
    ),
    # Errors with a status.
    rejected("400", whole(error("temperature must be at most 2"), 400)),
    rejected("400 of a filter", whole(error("", "content_filter"), 400)),
    too_long("400 for length", whole(error("", "context_length_exceeded"), 400)),
    lasting("400 for a key", AUTH, whole(error("API key not valid"), 400)),
    lasting("401", AUTH, whole(error("no", "bad_key"), 401)),
    attrs.evolve(
        lasting("401 that hangs", AUTH, promised(JSON, End.HOLD, status=401)),
        hangs=True,
    ),
    lasting("402", BILLING, whole(error("pay"), 402)),
    attrs.evolve(
        lasting("403", AUTH, whole(error("not from there"), 403)),
        rests=Rests.AFTER_FIVE,
    ),
    lasting("404", MISSING, whole(error("no such model"), 404)),
    lasting("404 in HTML", MISSING, whole(b"<html>nginx", 404)),
    attrs.evolve(silent("408", whole(error("too slow"), 408)), slow=False),
    too_long("413", whole(error("too large"), 413)),
    rejected("422", whole(b'{"detail": [{"msg": "bad"}]}', 422)),
    limited("429", whole(error("slow down"), 429)),
    limited(
        "429 with Retry-After",
        whole(error("slow down"), 429, {**JSON, "Retry-After": "20"}),
        20.0,
    ),
    limited("429 in words", whole(error("Please try again in 7.66s."), 429), 7.66),
    limited("429 within a 500", whole(HIDDEN_429, 500)),
    limited("429 within a 200", whole(error("slow down", 429))),
    lasting(
        "429 for money",
        BILLING,
        whole(error("You exceeded your current quota", "insufficient_quota"), 429),
    ),
    failed("500", whole(error("oops"), 500)),
    failed("500 without a body", whole(b"", 500)),
    failed("500 that breaks off", promised(JSON, b"{", End.CLOSE, status=500)),
    failed("502 in HTML", whole(b"<html>bad gateway", 502)),
    failed("503", whole(error("overloaded"), 503)),
    attrs.evolve(silent("504", whole(b"<html>gateway timeout", 504)), slow=False),
    failed("529", whole(error("overloaded"), 529)),
    attrs.evolve(
        failed("307", whole(b"", 307, {"Location": "http://127.0.0.1:9/"})), again=False
    ),
    attrs.evolve(failed("418", whole(b"", 418)), again=False),
    # A 200 that is none.
    failed("error in a 200", *says(error("oops"), error_event("oops"))),
    failed("error and [DONE]", *says(error("oops"), error_event("oops"), DONE)),
    failed(
        "error by name", *says(error("oops"), b"event: error\n" + error_event("oops"))
    ),
    failed("error in a choice", *says(completion("", "error"), event(), ERROR_CHOICE)),
    failed("JSON error where a stream was asked for", whole(error("oops"))),
    failed("502 in a 200", *says(error("down", 502), error_event("down", 502))),
    lasting("401 in a 200", AUTH, whole(error("no", 401))),
    failed("no body", *says(b"")),
    failed("blank lines", *says(b"\n\n  \n", b"\n\n", b": done\n\n")),
    failed("only the end", *says(b"{}", DONE)),
    failed("no choices", *says(b'{"choices": []}', b'data: {"choices": []}\n\n', DONE)),
    failed("no content", *says(completion(None), event(), event(None, "stop"), DONE)),
    failed("empty content", *says(completion(""), event(""), event("", "stop"), DONE)),
    failed("not JSON", *says(b"<html>welcome</html>", b"data: <html>\n\n", DONE)),
    failed("no object", *says(b"[1]", b"data: [1]\n\n", DONE)),
    failed("half a JSON", *says(completion("Hi")[:-9], event("Hi")[:-9], b"\n\n")),
    failed("no events", *says(b"Hello", b"Hello, how can I help?")),
    failed("a web page", whole(b"<html></html>", 200, {"Content-Type": "text/html"})),
]  # fmt: skip


_ON_ACCEPT: Mapping[Place, Script] = {
    Place.CLOSING: [End.CLOSE],
    Place.RESETTING: [End.RESET],
    Place.NO_TLS: [b"HTTP/1.1 400 Bad Request\r\n\r\n", End.CLOSE],
}


def _serving_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE, _CERTIFICATE.with_suffix(".key"))
    return context


@asynccontextmanager
async def failing(
    fault: Fault, stream: bool
) -> AsyncIterator[tuple[str, ScriptedUpstream]]:
    """A provider with that fault, and its URL."""
    async with scripted(
        fault.does[stream],
        on_accept=_ON_ACCEPT.get(fault.place, ()),
        tls=_serving_tls() if fault.place is Place.UNTRUSTED else None,
    ) as upstream:
        where = f"127.0.0.1:{upstream.port}/v1/chat/completions"
        match fault.place:
            case Place.UNNAMED:
                yield f"http://{where.replace('127.0.0.1', NOWHERE)}", upstream
            case Place.NO_TLS | Place.NO_HANDSHAKE:
                yield f"https://{where}", upstream
            case Place.REFUSED:
                with refusing() as port:
                    yield f"http://127.0.0.1:{port}/v1/chat/completions", upstream
            case Place.DEAF:
                with deaf() as port:
                    yield f"http://127.0.0.1:{port}/v1/chat/completions", upstream
            case _:
                yield upstream.url, upstream

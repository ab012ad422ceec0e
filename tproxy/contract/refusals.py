"""What a failure may be, and what it may say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from tproxy.contract.outcome import Outcome
from tproxy.contract.shape import require
from tproxy.core import failures
from tproxy.core.failures import Failure
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamHead

_CALLERS = (
    *(failures.REJECTED, failures.FILTERED, failures.TOO_LONG, failures.MODEL_FAULT),
    *(failures.MISSING, failures.AUTH, failures.FORBIDDEN, failures.BILLING),
    failures.UNSUPPORTED,
)
_BROKEN = (failures.SERVER, failures.OVERLOADED, failures.TIMED_OUT)
# What a status can mean, where the body says more than it does.
_MEANINGS: Mapping[int, tuple[Failure, ...]] = {
    400: _CALLERS,
    401: (failures.AUTH, failures.EXPIRED),
    402: (failures.BILLING,),
    403: (*_CALLERS, failures.RATE_LIMIT),
    404: (failures.MISSING, failures.UNSUPPORTED),
    408: (failures.TIMED_OUT,),
    410: (failures.MISSING,),
    413: (failures.TOO_LONG,),
    422: _CALLERS,
    429: (
        *(failures.RATE_LIMIT, failures.BILLING, failures.TOO_LONG),
        failures.OVERLOADED,
    ),
    451: (failures.FILTERED, failures.REJECTED),
}
_HIDDEN = (failures.RATE_LIMIT, *_CALLERS)  # at times told with a 5xx
_QUOTATION = 24  # characters of somebody's words that are no coincidence
_SPACE = re.compile(r"\S\s+\S").search


def check_row(read: Outcome, head: UpstreamHead) -> None:
    """Check that a refusal is what its status can mean."""
    possible = _MEANINGS.get(head.status, (*_BROKEN, *_HIDDEN))
    failure = read.failure
    require(failure, "refusal", "is no failure")
    if failure is None:
        return
    path = f"a {head.status}"
    require(failure.failure in possible, path, f"is taken for {read.verdict}")
    asked = head.headers.get("retry-after", "")
    if failure.failure is failures.RATE_LIMIT and asked.isdecimal() and int(asked):
        heard = failure.retry_after is not None and failure.retry_after > 0
        require(heard, path, "asks to wait, and nobody hears it")


def check_words(read: Outcome, body: bytes, model: Model) -> None:
    """Check what a failure says, to the client and to the log.

    It names the model, and neither the key nor a URL; the log quotes nothing of `body`.
    """
    failure = read.failure
    if failure is None:
        return
    require(failure.model == model.name, "failure.model", "is another one")
    named = failure.message.startswith(f"{model.name}: ")
    require(named, "failure.message", "does not begin with the model's name")
    key = model.upstream.token.reveal()
    for name, words in (("message", failure.message), ("detail", failure.detail)):
        path = f"failure.{name}"
        require(key not in words, path, "quotes the key")
        require(model.upstream.url not in words, path, "names the provider's URL")
        require(words.isprintable(), path, "is more than one line")
    wait = failure.retry_after
    require(wait is None or 0 <= wait < 1e9, "failure.retry_after", "is no time")
    for quoted in _sentences(body):
        require(quoted not in failure.detail, "failure.detail", "quotes the answer")


def _sentences(body: bytes) -> Iterator[str]:
    """The words for people in a body, or in the events of one."""
    for line in (body, *body.splitlines()):
        try:
            value = json.loads(line.removeprefix(b"data: "))
        except (ValueError, RecursionError):
            continue
        for text in _texts(value):
            if len(text) >= _QUOTATION and _SPACE(text):
                yield text


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for element in value:
                yield from _texts(element)
        case dict():
            for member in value.values():
                yield from _texts(member)

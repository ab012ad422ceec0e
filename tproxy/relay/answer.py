"""What a client gets once a candidate has begun to answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import attrs

from tproxy.core.catalog import Asked
from tproxy.core.errors import UpstreamFailed
from tproxy.core.leases import Room
from tproxy.core.model import Model
from tproxy.core.selection import Exclusion, Why
from tproxy.core.upstream import Headers
from tproxy.core.values import value

# Of the provider's head these are not the client's business: they speak of one hop
# (RFC 9110, 7.6.1), of the provider's site and our account there, or we say them
# better.
_KEPT_BACK = frozenset(
    """
    connection keep-alive proxy-authenticate proxy-authorization proxy-connection te
    trailer transfer-encoding upgrade content-length content-encoding vary etag
    date server via x-powered-by x-served-by x-cache x-cache-hits x-timer age
    set-cookie set-cookie2 alt-svc strict-transport-security nel report-to
    reporting-endpoints expect-ct link location refresh clear-site-data www-authenticate
    content-security-policy x-frame-options x-xss-protection x-content-type-options
    access-control-allow-origin access-control-allow-credentials
    access-control-allow-headers access-control-allow-methods
    access-control-expose-headers access-control-max-age timing-allow-origin
    cross-origin-resource-policy cross-origin-opener-policy cross-origin-embedder-policy
    openai-organization openai-project x-organization x-request-id request-id
    retry-after retry-after-ms x-should-retry
    cf-ray cf-cache-status cf-mitigated apim-request-id x-envoy-upstream-service-time
    """.split()  # noqa: SIM905 - sixty names read better as words
)
_MOST_NAMES = 1_024
_KEPT_BACK_KINDS = ("x-ratelimit-", "ratelimit", "x-tproxy-", "x-amz-", "x-kong-")


Out = Callable[[bytes], "asyncio.Future[None]"]


class Body(Protocol):
    """What an answer says, as it comes. If it breaks off, an error event is its end."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes: ...

    async def pour(self, out: Out) -> None:
        """Hand all of it to `out`, which is waited for where it has to be."""
        ...


@value
class Begun:
    """A provider's answer, its head fixed: `whole`, or a `body` that has begun."""

    headers: Headers
    whole: bytes | None = attrs.field(repr=False)
    body: Body | None = attrs.field(repr=False)


class Ending(Protocol):
    """What is still to be let go of."""

    def end(self) -> Awaitable[None]: ...


@attrs.define(eq=False)
class Answer:
    """What began, and how it came to that. `rooms`: what is left of its quotas.

    `dropped` are the client's fields that the provider was not told. `end` has to be
    called once nothing more of it is wanted: that hangs up.
    """

    begun: Begun
    model: Model
    attempts: int
    reason: str
    rooms: tuple[Room, ...]
    dropped: tuple[str, ...]
    _asking: Ending

    def end(self) -> Awaitable[None]:
        return self._asking.end()


def reason_for(
    asked: Asked,
    model: Model,
    excluded: Sequence[Exclusion],
    failed: dict[str, UpstreamFailed],
    hedged: str = "",
    why: str = "",
) -> str:
    """Why this model answers, in a line of visible ASCII.

    `why` is what it was preferred to others for, if that was not its priority.
    """
    fell_back = asked.fallbacks and model not in asked.models
    how = f"fallback after {asked.how}" if fell_back else asked.how
    if asked.how == "category":
        how = f"category {model.category}; {why or f'priority {model.priority}'}"
    elif why and (fell_back or not asked.named):
        how = f"{how}; {why}"
    if not (excluded or failed or hedged):
        return how[:400]
    parts = [how]
    if excluded:
        shown = [e for e in excluded if e.why is not Why.NOT_ALLOWED]
        parts += [f"{e.model.name} {e.why.value}" for e in shown[:4]]
    if failed:
        parts += [f"{name} {error.failure.name}" for name, error in failed.items()]
    parts += [hedged] if hedged else []
    return "; ".join(parts)[:400]


def passed_on(headers: Mapping[str, str], *, kind: str) -> Headers:
    """The provider's headers that the client gets, names in their usual case.

    `kind` where it names no type, or another one. What is passed on has been read as
    that, or made; OpenAI's client takes a JSON body of another type for a text.
    """
    kept = []
    for name, line in headers.items():
        shown = _NAMES[name]
        if shown:
            kept.append((shown, line))
    said = headers.get("content-type", "")
    if said != kind and not said.startswith(kind):
        kept = [each for each in kept if each[0] != "Content-Type"]
        kept.insert(0, ("Content-Type", kind))
    return tuple(kept)


class _Names(dict[str, str]):
    """Lower case names to how clients get them; "" where they do not."""

    def __missing__(self, name: str) -> str:
        if name in _KEPT_BACK or name.startswith(_KEPT_BACK_KINDS):
            shown = ""
        else:
            shown = "-".join(word.capitalize() for word in name.split("-"))
        if len(self) >= _MOST_NAMES:  # providers choose them: keep no list of all
            self.clear()
        self[name] = shown
        return shown


_NAMES = _Names()

"""Every error a client or an operator can meet.

ProxyError                    status  code                     asked next
├─ InternalError              500     internal_error
├─ InvalidRequest             400     invalid_request
├─ RequestTooLarge            413     request_too_large
├─ ContextLengthExceeded      400     context_length_exceeded
├─ AuthenticationFailed       401     invalid_api_key
├─ ModelNotAllowed            403     model_not_allowed
├─ NotFound                   404     not_found
├─ ModelNotFound              404     model_not_found
├─ MethodNotAllowed           405     method_not_allowed
├─ ClientLeft                 499     client_left
├─ Draining                   503     draining
├─ Overloaded                 503     overloaded
├─ QuotaExhausted             429     quota_exhausted
├─ RateLimited                429     rate_limit_exceeded
├─ NoCandidate                503     no_candidate
└─ UpstreamFailed             by its `Failure`, see `core.failures`
ConfigError                   start-up only: every fault at once

The envelope, the types and the codes are `interface.md`, "Errors".
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from tproxy.core.failures import Failure, Told

_CALLER = "invalid_request_error"


@attrs.frozen(kw_only=True)
class ProxyError(Exception):
    """Base of every error a client can see. Never raised itself.

    `message` is for the client: it names no upstream URL, no key and no content.
    `param` is the path of the request field at fault.
    """

    message: str
    param: str | None = None

    TOLD: ClassVar[Told] = Told(500, "server_error", "internal_error")

    @property
    def told(self) -> Told:
        return self.TOLD

    def __str__(self) -> str:
        return self.message


@attrs.frozen(kw_only=True)
class InternalError(ProxyError):
    """Our own fault. The client learns nothing of the cause; the log has it."""

    message: str = "The proxy failed on this request; its log has the cause."


@attrs.frozen(kw_only=True)
class InvalidRequest(ProxyError):
    """Not JSON, a field of the wrong type, a capability nobody here has."""

    TOLD: ClassVar[Told] = Told(400, _CALLER, "invalid_request")


@attrs.frozen(kw_only=True)
class RequestTooLarge(ProxyError):
    """The body is over `server.max_request_bytes`."""

    TOLD: ClassVar[Told] = Told(413, _CALLER, "request_too_large")


@attrs.frozen(kw_only=True)
class ContextLengthExceeded(ProxyError):
    """The prompt is longer than every window it could have gone to."""

    TOLD: ClassVar[Told] = Told(400, _CALLER, "context_length_exceeded")


@attrs.frozen(kw_only=True)
class AuthenticationFailed(ProxyError):
    """No token, or none of ours. The opening words are OpenAI's: clients match them."""

    message: str = (
        "Incorrect API key provided. Send one of this proxy's own tokens as "
        "'Authorization: Bearer TOKEN'."
    )
    TOLD: ClassVar[Told] = Told(401, _CALLER, "invalid_api_key")


@attrs.frozen(kw_only=True)
class ModelNotAllowed(ProxyError):
    """The model exists, but not for this client."""

    TOLD: ClassVar[Told] = Told(403, _CALLER, "model_not_allowed")


@attrs.frozen(kw_only=True)
class ModelNotFound(ProxyError):
    """Neither a model, nor an alias, nor a category."""

    TOLD: ClassVar[Told] = Told(404, _CALLER, "model_not_found")


@attrs.frozen(kw_only=True)
class NotFound(ProxyError):
    """No such route."""

    TOLD: ClassVar[Told] = Told(404, _CALLER, "not_found")


@attrs.frozen(kw_only=True)
class MethodNotAllowed(ProxyError):
    """The route exists; `allowed` are the methods it answers."""

    allowed: tuple[str, ...]
    TOLD: ClassVar[Told] = Told(405, _CALLER, "method_not_allowed")


@attrs.frozen(kw_only=True)
class Unavailable(ProxyError):
    """Nobody can answer now. `retry_after`: seconds until somebody may; None: unknown.

    Never raised itself.
    """

    retry_after: float | None = None


@attrs.frozen(kw_only=True)
class ClientLeft(ProxyError):
    """The client went away within its request; nobody is there to be told.

    The status is nginx's, which operators know from its log.
    """

    message: str = "The client left before its request was whole."
    TOLD: ClassVar[Told] = Told(499, _CALLER, "client_left")


@attrs.frozen(kw_only=True)
class Draining(Unavailable):
    """The proxy is about to stop and takes no new work."""

    message: str = "The proxy is shutting down."
    TOLD: ClassVar[Told] = Told(503, "server_error", "draining")


@attrs.frozen(kw_only=True)
class Overloaded(Unavailable):
    """As many requests are under way as the proxy takes at a time."""

    message: str = "The proxy is busy with as many requests as it takes at a time."
    TOLD: ClassVar[Told] = Told(503, "server_error", "overloaded")


@attrs.frozen(kw_only=True)
class QuotaExhausted(Unavailable):
    """Every candidate waits for a quota of ours."""

    TOLD: ClassVar[Told] = Told(429, "rate_limit_error", "quota_exhausted")


@attrs.frozen(kw_only=True)
class RateLimited(Unavailable):
    """The caller waits for a limit of its own."""

    TOLD: ClassVar[Told] = Told(429, "rate_limit_error", "rate_limit_exceeded")


@attrs.frozen(kw_only=True)
class NoCandidate(Unavailable):
    """Nobody was asked, or all are resting; the message says why, one by one."""

    TOLD: ClassVar[Told] = Told(503, "upstream_error", "no_candidate")


@attrs.frozen(kw_only=True)
class UpstreamFailed(Unavailable):
    """One candidate failed, in the way `failure` describes.

    `detail` is for our log and never leaves it; it quotes neither request nor answer.
    Where every candidate failed, the one that tells the client most is raised, with the
    others in its message.
    """

    failure: Failure
    model: str
    detail: str = ""

    @classmethod
    def of(cls, model: str, failure: Failure, detail: str) -> UpstreamFailed:
        """A failure of which the client is told nothing but the kind."""
        message = f"{model}: {failure.said}."
        return cls(message=message, failure=failure, model=model, detail=detail)

    @property
    def told(self) -> Told:
        return self.failure.told


@attrs.frozen
class Fault:
    """One mistake in the configuration, or, as a warning, something worth knowing.

    `path` is where it stands in the tree, `models[0].name`; `line` counts from 1 and
    is 0 where a fault has no line of its own; `hint` is a suggestion.
    """

    source: str
    line: int
    problem: str
    path: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        at = f" @ {self.path}" if self.path else ""
        return f"{place}: {self.problem}{at}" + (f" ({self.hint})" if self.hint else "")


@attrs.frozen(kw_only=True)
class ConfigError(Exception):
    """The configuration cannot be served; all faults, in the order of the file."""

    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.faults))

"""Nobody answered: which error tells the client most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tproxy.core import failures
from tproxy.core.catalog import DEFAULT_CATEGORY
from tproxy.core.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    ModelNotAllowed,
    NoCandidate,
    ProxyError,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    UpstreamFailed,
)
from tproxy.core.selection import Exclusion, Why

_WAITS = {Why.QUOTA, Why.RESTING, Why.OWN_LIMIT, Why.BUSY, Why.UNCOUNTED}
# Of several reasons the one to tell is the one whose mending helps most.
_NEAREST = (
    *(Why.TOO_LONG, Why.INCAPABLE, Why.UNSUPPORTED),
    *(Why.OTHER_KIND, Why.NOT_ALLOWED),
)
_KINDS: Mapping[Why, type[Unavailable]] = {
    Why.QUOTA: QuotaExhausted,
    Why.OWN_LIMIT: RateLimited,
}
_LISTED = 8  # candidates named in one message


def verdict(
    called: str | None,
    excluded: Sequence[Exclusion],
    failed: Sequence[UpstreamFailed],
    own: float = 0.0,
) -> ProxyError:
    """The error for a request that nobody took: `failed` were asked, `excluded` not.

    What the client can mend comes first where nobody else is concerned; then the
    soonest moment at which somebody can take the request; then what went wrong. Nobody
    can before the client's own limits have room, in `own` seconds.
    """
    if not failed and not any(e.why in _WAITS for e in excluded):
        return _unfit(called, excluded)
    if len(failed) == 1 and not any(e.why in _WAITS for e in excluded):
        return failed[0]
    story = _story(excluded, failed)
    soonest = min(_moments(excluded, failed), key=_wait_of, default=None)
    if soonest is None:
        return _worst(failed, story)
    wait, kind = soonest
    limited = (e.wait or 0.0 for e in excluded if e.why is Why.OWN_LIMIT)
    own = own or min(limited, default=0.0)
    if 0 < own >= wait:
        wait, kind = own, RateLimited
    seconds = max(math.ceil(wait), 1)
    return kind(
        message=f"No model can take this request within {seconds} s: {story}",
        retry_after=wait,
    )


def _moments(
    excluded: Sequence[Exclusion], failed: Sequence[UpstreamFailed]
) -> list[tuple[float, type[Unavailable]]]:
    """When candidates become available, in seconds, and what one says to wait for."""
    moments = [
        (e.wait, _KINDS.get(e.why, NoCandidate)) for e in excluded if e.wait is not None
    ]
    moments += [
        (error.retry_after or 1.0, QuotaExhausted)
        for error in failed
        if error.failure is failures.RATE_LIMIT
    ]
    return moments


def _wait_of(moment: tuple[float, type[Unavailable]]) -> float:
    return moment[0]


def _worst(failed: Sequence[UpstreamFailed], story: str) -> ProxyError:
    """Several failed and nothing is known of when: what all of them share, if they do.

    One that found the request too long says least: others may take it.
    """
    rows = [error.failure for error in failed]
    rows = [row for row in rows if row is not failures.TOO_LONG] or rows
    alike = len({row.told for row in rows}) == 1
    return UpstreamFailed(
        message=f"Every model that was asked failed: {story}",
        failure=rows[0] if alike else failures.SERVER,
        model=", ".join(error.model for error in failed),
        detail="; ".join(error.detail for error in failed),
    )


def _unfit(called: str | None, excluded: Sequence[Exclusion]) -> ProxyError:
    """Nobody could ever take it as it is. The nearest miss says what to mend."""
    name = called or "a request without a model"
    why = next((w for w in _NEAREST if any(e.why is w for e in excluded)), None)
    if why is None:
        return NoCandidate(message=f"No model answered {name} in time.")
    told = dict.fromkeys(_told(e) for e in excluded if e.why is why)
    message = f"{name} cannot take this request: {'; '.join([*told][:_LISTED])}."
    match why:
        case Why.TOO_LONG:
            return ContextLengthExceeded(message=message, param="messages")
        case Why.INCAPABLE:
            return InvalidRequest(message=message)
        case Why.OTHER_KIND:
            detail = next(e.detail for e in excluded if e.why is why)
            message = f"{called or DEFAULT_CATEGORY} is {detail}."
            return InvalidRequest(message=message, param="model")
        case Why.NOT_ALLOWED:
            return ModelNotAllowed(message=message, param="model")
    return NoCandidate(message=message)


def _story(excluded: Sequence[Exclusion], failed: Sequence[UpstreamFailed]) -> str:
    told = [error.message.rstrip(".") for error in failed]
    told += [_told(e) for e in excluded if e.why is not Why.NOT_ALLOWED]
    told = list(dict.fromkeys(told))
    more = f"; and {len(told) - _LISTED} more" if len(told) > _LISTED else ""
    return "; ".join(told[:_LISTED]) + more + "."


def _told(exclusion: Exclusion) -> str:
    detail = f" ({exclusion.detail})" if exclusion.detail else ""
    return f"{exclusion.model.name}: {exclusion.why.value}{detail}"

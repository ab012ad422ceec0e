"""When one candidate is asked again, as arithmetic."""

from __future__ import annotations

import math

from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import RetryPolicy

_NOBODYS = (failures.STALE, failures.EXPIRED, failures.UNTAKEN)


def pause(
    failure: UpstreamFailed,
    repeat: int,
    policy: RetryPolicy,
    *,
    rest: float,
    chance: float,
) -> float | None:
    """Seconds to wait before the `repeat`th repeat (from 1); None: do not repeat.

    `rest` is how long the candidate's quota rests still, `chance` is in [0, 1). Doubles
    from `base_delay`, spread by `jitter`, never shorter than the provider asked; longer
    than `max_delay` is the client's to wait. A kept connection that was closed, a token
    that died, or a refusal of what only we had added is nobody's failure: the first
    repeat after that is free, and comes before all others, as if it were due since
    ever.
    """
    if failure.failure in _NOBODYS and repeat == 1:
        return -math.inf
    if not failure.failure.again or repeat > policy.max_retries:
        return None
    delay = min(policy.base_delay * 2.0 ** min(repeat - 1, 30), policy.max_delay)
    delay *= 1 + policy.jitter * (2 * chance - 1)
    asked = max(failure.retry_after or 0.0, rest)
    if asked > policy.max_delay:
        return None
    return max(min(delay, policy.max_delay), asked)

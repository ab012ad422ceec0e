"""How calls to one credential are spaced: a provider's keys, or a model's own."""

from __future__ import annotations

from tproxy.core.model import Throttle
from tproxy.settings.upstreams import Asking


def resolve(asking: Asking) -> Throttle | None:
    """The throttle of a model, shared with those of its provider.

    A model that says something of it, or has a credential of its own, has its own.
    """
    interval, _ = asking.inherited("min_interval", lambda access: access.min_interval)
    most, _ = asking.inherited("max_concurrent", lambda access: access.max_concurrent)
    seconds, place = asking.inherited("queue_seconds", lambda a: a.queue_seconds)
    if interval is None and most is None:
        if seconds is not None:
            hint = "it goes with min_interval or max_concurrent"
            asking.report.warn(place, "it is of no use here", hint)
        return None
    said, account = asking.said, asking.account
    own = (said.min_interval, said.max_concurrent, said.queue_seconds, said.token)
    shared = account.where and all(value is None for value in own)
    return Throttle(
        f"provider/{account.name}" if shared else f"model/{said.name}",
        min_interval=interval or 0.0,
        max_concurrent=most,
        queue_seconds=20.0 if seconds is None else seconds,
    )

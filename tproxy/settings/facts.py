"""The parts of a preset: its models to start with, and what its quotas are like."""

from __future__ import annotations

import attrs

from tproxy.settings.schema import (
    Capability,
    Count,
    Counted,
    Kind,
    Scope,
    Span,
    Unit,
)


@attrs.frozen
class PresetModel:
    """A model to start with. `size` is its category; what does not chat has none."""

    name: str
    size: str | None = None
    kind: Kind = Kind("chat")
    upstream_name: str | None = None
    context_tokens: Count | None = None
    max_output_tokens: Count | None = None
    capabilities: tuple[Capability, ...] | None = None


@attrs.frozen
class Limits:
    """Of one quota at the free tier."""

    requests_per_minute: Count | None = None
    requests_per_hour: Count | None = None
    requests_per_day: Count | None = None
    requests_per_month: Count | None = None


@attrs.frozen
class Quota:
    """Whose a quota is, what is counted, and the zone in which its days begin.

    All keys of an account or project share its quota, over all models; with the scope
    `model` they share one for each model. `counts` and `resets` hold for every budget
    that says nothing of them.
    """

    scope: Scope = Scope("account")
    counts: tuple[Counted, ...] = (Counted("answers"), Counted("errors"))
    resets: str = "UTC"


@attrs.frozen
class Meter:
    """What a provider's headers, lower case, tell of one quota.

    `per` is its window. `left` and `limit` are how much there is, still and in all;
    `reset` is when that is so again, in any spelling that `core.meters` reads.
    """

    of: Unit
    per: Span
    left: str
    limit: str | None = None
    reset: str | None = None

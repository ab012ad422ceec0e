"""What several candidates are compared by: `routing.strategy`."""

from __future__ import annotations

import enum


class By(enum.Enum):
    """Equals come in the order of priority, then the longest idle first."""

    PRIORITY = "priority"
    COST = "cost"  # what this request is expected to cost
    LATENCY = "latency"  # how soon answers have lately begun
    HEADROOM = "headroom"  # what it leaves of the tightest limit
    WEIGHTED = "weighted"  # chance, in proportion to weights

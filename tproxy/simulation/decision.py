"""What becomes of a request in a replay."""

from __future__ import annotations

import enum

import attrs

from tproxy.core.leases import Denial
from tproxy.simulation.record import Record


class Fate(enum.Enum):
    """How it ends."""

    ANSWERED = "answered"
    REFUSED = "refused"  # nobody has room, or those who have rest after failures
    FAILED = "failed"  # as in the log
    UNFIT = "unfit"  # no model may take it, or holds it
    UNKNOWN = "unknown"  # there is no model of that name


@attrs.frozen
class Decision:
    """What becomes of `record`, decided at `moment`, in seconds since the epoch.

    `model` is the one that answers. `denial` says of a refused one whose room comes
    back first, and when. `stranger`: the configuration does not know the client.
    """

    record: Record
    fate: Fate
    moment: float
    model: str | None = None
    denial: Denial | None = None
    stranger: bool = False

    @property
    def rerouted(self) -> bool:
        """Whether another model answers than the one in the log."""
        before = self.record.model
        return self.model is not None and before is not None and self.model != before

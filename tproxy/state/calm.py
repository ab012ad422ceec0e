"""Wall time that does not follow every jump of the machine's clock.

It goes on as the steady clock does, and believes a jump where it is small, as time
services make them; where it is large, as after a night asleep; and else once it has
lasted for a while. Days that have to begin by both clocks neither end early nor hold
twice their limit, whichever of the two was right.
"""

from __future__ import annotations

import attrs

from tproxy.core.state import Clock

_SMALL = 60.0  # seconds
_LARGE = 7_200.0
_LASTING = 7_200.0


@attrs.define(eq=False)
class CalmClock:
    """A `core.state.Clock` made of another."""

    _clock: Clock
    _ahead: float = attrs.field(init=False)  # of the steady clock
    _doubtful_since: float | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._ahead = self._clock.wall() - self._clock.steady()

    def steady(self) -> float:
        return self._clock.steady()

    def wall(self) -> float:
        said, steady = self._clock.wall(), self._clock.steady()
        jump = abs(said - steady - self._ahead)
        if jump <= _SMALL or jump > _LARGE or self._lasts(steady):
            self._ahead, self._doubtful_since = said - steady, None
            return said
        return steady + self._ahead

    def _lasts(self, steady: float) -> bool:
        if self._doubtful_since is None:
            self._doubtful_since = steady
        return steady - self._doubtful_since >= _LASTING

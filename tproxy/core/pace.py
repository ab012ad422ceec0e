"""How soon the answers of models have lately begun.

Of a stream that is its first content, of an answer in one piece the whole, so the two
are told apart. Moments are of the steady clock; all is in seconds.
"""

from __future__ import annotations

import math

import attrs

HALF_LIFE = 60.0  # after which an answer counts for half as much
FORGOTTEN = 300.0  # after the last answer, nothing is known any more
TRIAL = 30.0  # while somebody is about to find out, nobody else is sent to


@attrs.define(eq=False)
class Pace:
    """Of one model, a mean in which each answer counts the less the older it is."""

    _sum: float = 0.0
    _weight: float = 0.0
    _at: float = -math.inf  # of the last answer
    _tried: float = -math.inf

    def began(self, seconds: float, now: float) -> None:
        """An answer took so long to begin."""
        age = now - self._at
        kept = 0.5 ** (age / HALF_LIFE) if age < FORGOTTEN else 0.0
        self._sum = self._sum * kept + seconds
        self._weight = self._weight * kept + 1.0
        self._at = now

    def waited(self, seconds: float, now: float) -> None:
        """It had not begun by then, when it failed or was given up.

        Who fails soon is not quick: this counts only where it is longer than usual;
        where that is not known, than a trial.
        """
        usual = self.lately(now)
        if seconds > (TRIAL if usual is None else usual):
            self.began(seconds, now)

    def lately(self, now: float) -> float | None:
        """The mean; None where nothing is known."""
        return self._sum / self._weight if now - self._at < FORGOTTEN else None

    def tried(self, now: float) -> None:
        """A request goes there, which will tell."""
        self._tried = now

    def figure(self, now: float) -> float:
        """The mean. Where it is not known: before all others, and once, after them."""
        usual = self.lately(now)
        if usual is not None:
            return usual
        return math.inf if now - self._tried < TRIAL else -math.inf


@attrs.define(eq=False)
class Paces:
    """Those of all models, of streams and of whole answers."""

    _known: dict[tuple[str, bool], Pace] = attrs.field(factory=dict, init=False)

    def of(self, model: str, *, stream: bool) -> Pace:
        key = model, stream
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Pace()
        return known

"""One figure and its target."""

from __future__ import annotations

import attrs


@attrs.frozen
class Figure:
    """Something measured. It has to be `most` at most, and `least` at least."""

    what: str
    value: float
    unit: str = ""
    most: float | None = None
    least: float | None = None

    @property
    def met(self) -> bool:
        over = self.most is not None and self.value > self.most
        under = self.least is not None and self.value < self.least
        return not (over or under)

    def cells(self) -> tuple[str, str, str]:
        """Words for a table: what, how much, and how much it may be."""
        target = ""
        if self.most is not None and self.most == self.least:
            target = self._shown(self.most)
        elif self.most is not None:
            target = f"≤ {self._shown(self.most)}"
        elif self.least is not None:
            target = f"≥ {self._shown(self.least)}"
        verdict = "" if self.met else " **missed**"
        return self.what, self._shown(self.value) + verdict, target

    def _shown(self, value: float) -> str:
        whole = value == int(value)
        figure = f"{value:,.0f}" if whole else f"{value:,.4g}"
        return f"{figure} {self.unit}".rstrip()

"""What is told at `GET /metrics`: all that was counted, and how things stand now."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import attrs

from tproxy import __version__
from tproxy.core.budget import LEAST, Budget
from tproxy.core.leases import QuotaStore
from tproxy.core.model import Model
from tproxy.core.state import Breakers, Clock
from tproxy.core.status import HedgingStatus, QueueStatus
from tproxy.observe import process, standing
from tproxy.observe.exposition import END, OPENMETRICS, TEXT, Metric, Sample, family
from tproxy.observe.families import (
    BUILD,
    BY_NAME,
    CPU,
    DRAINING,
    FAMILIES,
    HEDGEABLE,
    HEDGED,
    HEDGES_LEFT,
    HEDGES_WON,
    LOST_SERIES,
    QUEUED,
    RELOADED,
    START_TIME,
    STORE_UP,
    UNKNOWN,
    WORKER_STARTS,
    WORKERS,
)
from tproxy.observe.standing import Told
from tproxy.observe.tallies import Key, Tallies, Tally

_PATIENCE = 0.5  # seconds for an answer of the store
_AT_ONCE = 25  # budgets looked at, so that others get their turn between
_LINES_AT_ONCE = 500
_SERIES_AT_ONCE = 250
_BEAT = 1.0  # seconds

Figures = Iterable[tuple[Metric, tuple[str, ...], float]]  # labels, and the number


@attrs.frozen
class Configured:
    """What there is by the configuration that was taken in `at`, since the epoch.

    `taken` is what a request to each model takes from; `budgets` are all there are.
    """

    models: tuple[Model, ...]
    taken: tuple[tuple[Budget, ...], ...]
    budgets: tuple[Budget, ...]
    at: float


class Process(Protocol):
    """What a process knows of itself."""

    def now(self) -> Figures:
        """What passes with it."""
        ...

    def since_its_start(self) -> Figures:
        """What only grows."""
        ...

    def stores(self) -> Mapping[str, bool]:
        """Whether each part of the state store answers."""
        ...

    def is_draining(self) -> bool: ...


@attrs.define(eq=False)
class Metrics:
    """Of one process, which `number` says, and of all that share its tallies."""

    _process: Process
    _quotas: QuotaStore
    _breakers: Breakers
    _clock: Clock
    _tallies: Tallies
    _tally: Tally
    _number: int
    configured: Configured = attrs.field(init=False)
    _began: float = attrs.field(init=False)  # since the epoch
    _shown: set[Key] = attrs.field(factory=set, init=False)
    _labels: dict[Key, str] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._began = self._clock.wall()
        self._tally.add((WORKER_STARTS.name,))

    async def keep(self) -> None:
        """Show the others how this process is, again and again; never returns."""
        while True:
            self.show()
            await asyncio.sleep(_BEAT)

    def show(self) -> None:
        """Write down how this process is now."""
        tally, worker = self._tally, str(self._number)
        shown = {(metric.name, *of): n for metric, of, n in self._process.now()}
        for metric, number in process.figures():
            shown[metric.name, worker] = number
        shown[START_TIME.name, worker] = self._began
        for key in self._shown - shown.keys():  # a line that nobody waits in any more
            tally.show(key, 0.0)
        for key, number in shown.items():
            tally.show(key, number)
        self._shown |= shown.keys()
        tally.follow((CPU.name, worker), process.cpu())
        self.follow()
        tally.beat(self._clock.steady())

    def follow(self) -> None:
        """Write down what this process counts by itself."""
        for metric, of, number in self._process.since_its_start():
            self._tally.follow((metric.name, *of), number)

    async def queues(self) -> tuple[QueueStatus, ...]:
        """The lines of all processes in which somebody waits."""
        await self._look()
        lengths = await self._by_label(QUEUED)
        return tuple(QueueStatus(of, int(n)) for of, n in lengths.items() if n)

    async def hedging(self) -> tuple[HedgingStatus, ...]:
        """What hedging has cost all processes, by category."""
        await self._look()
        metrics = (HEDGEABLE, HEDGED, HEDGES_WON, HEDGES_LEFT)
        columns = [await self._by_label(metric) for metric in metrics]
        return tuple(
            HedgingStatus(of, *(int(column.get(of, 0)) for column in columns))
            for of in sorted(columns[0])
        )

    async def page(self, accept: str) -> tuple[str, str]:
        """Content type and text, in the form that an Accept header asks for.

        Nobody waits for a silent store: what it does not tell is left out. Others get
        their turn between the parts.
        """
        openmetrics = "application/openmetrics-text" in accept
        told = await self._standing()
        await self._look()
        told.update(self._rest())
        parts: list[str] = []
        for metric in FAMILIES:
            samples = told.get(metric) or self._samples(await self._sums(metric))
            for part in family(metric, samples, openmetrics=openmetrics):
                parts.append(part)
                if len(parts) % _LINES_AT_ONCE == 0:
                    await asyncio.sleep(0)
        if openmetrics:
            parts.append(END)
        return OPENMETRICS if openmetrics else TEXT, "".join(parts)

    async def _standing(self) -> dict[Metric, list[Sample]]:
        """How budgets, breakers and models stand, as far as that is known."""
        configured, budgets = self.configured, standing.Budgets()
        models = configured.models
        breakers = await self._breakers.states([model.name for model in models])
        told: dict[Metric, list[Sample]] = dict(standing.breakers(models, breakers))
        known = False
        wants = [(budgets, LEAST) for budgets in configured.taken]
        try:
            for first in range(0, len(configured.budgets), _AT_ONCE):
                some = configured.budgets[first : first + _AT_ONCE]
                async with asyncio.timeout(_PATIENCE):
                    states = await self._quotas.snapshot(some)
                budgets.take(states)
                await asyncio.sleep(0)  # a busy loop is no silent store
            async with asyncio.timeout(_PATIENCE):
                waits = await self._quotas.waits(wants)
            known = self._process.stores().get("quotas", True)
        except TimeoutError:
            waits = []
        if known:
            told.update(budgets)
            told.update((standing.availability(models, waits, breakers),))
        told[UNKNOWN] = [(UNKNOWN.labelled(("budgets",)), (not known,))]
        return told

    def _rest(self) -> Iterator[Told]:
        now, tallies = self._clock.steady(), self._tallies.all
        yield WORKERS, [("", (sum(tally.alive(now) for tally in tallies),))]
        yield LOST_SERIES, [("", (sum(tally.lost for tally in tallies),))]
        yield DRAINING, [("", (self._process.is_draining(),))]
        yield RELOADED, [("", (self.configured.at,))]
        stores = self._process.stores().items()
        yield STORE_UP, [(STORE_UP.labelled((part,)), (up,)) for part, up in stores]
        build = BUILD.labelled((__version__, platform.python_version()))
        yield BUILD, [(build, (1,))]

    async def _look(self) -> None:
        """Find out how things are by now, and of which series there are numbers."""
        self.show()
        for tally in self._tallies.all:
            while tally.look(_SERIES_AT_ONCE):  # noqa: ASYNC110 - it is no waiting
                await asyncio.sleep(0)

    async def _sums(self, metric: Metric) -> dict[Key, list[float]]:
        """What was counted of a metric, or is so now, in all processes together."""
        sums, now = dict[Key, list[float]](), self._clock.steady()
        for tally in self._tallies.all:
            for count, _ in enumerate(tally.add_to(sums, metric.name, now), 1):
                if count % _SERIES_AT_ONCE == 0:
                    await asyncio.sleep(0)
        return sums

    async def _by_label(self, metric: Metric) -> dict[str, float]:
        """The same of a metric with one label."""
        return {key[1]: n for key, (n,) in (await self._sums(metric)).items()}

    def _samples(self, sums: Mapping[Key, Sequence[float]]) -> Iterator[Sample]:
        return ((self._labelled(key), numbers) for key, numbers in sums.items())

    def _labelled(self, key: Key) -> str:
        text = self._labels.get(key)
        if text is None:
            text = self._labels[key] = BY_NAME[key[0]].labelled(key[1:])
        return text

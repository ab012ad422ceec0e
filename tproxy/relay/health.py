"""Health checks: a provider whose models rest is asked for what costs nothing.

Where it answers, they need not rest to the end: the next request to each is let through
as its probe, and only that closes the breaker. A check opens nothing, takes from no
quota, and is not made while all is well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence

import attrs

from tproxy.core.breaker import BreakerState, State
from tproxy.core.errors import UpstreamFailed
from tproxy.core.events import Notice, Observer
from tproxy.core.model import HealthCheck, Model, Patience
from tproxy.core.state import Breakers, Starts
from tproxy.core.upstream import Broken, UpstreamRequest
from tproxy.relay.doors import Doors

_JITTER = 0.2  # of the interval, which is never longer
_PATIENCE = 10.0  # seconds for a head, or less if a request has less


@attrs.define(eq=False)
class HealthChecks:
    """One for a process. Of those that share a store, one process makes each check.

    A provider may well answer a check and no request. So once a request has failed
    after a check, the next success counts only when a check has failed between.
    """

    _doors: Doors
    _breakers: Breakers
    _starts: Starts
    _observer: Observer
    _chance: Callable[[], float]
    _sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _tasks: list[asyncio.Task[None]] = attrs.field(factory=list, init=False)
    _failing: set[str] = attrs.field(factory=set, init=False)  # providers
    # By model: how often its breaker had opened when a check last ended its rest.
    _relieved: dict[str, int] = attrs.field(factory=dict, init=False)

    def watch(self, models: Iterable[Model]) -> None:
        """From now on check those of `models` that are to be, and no others."""
        self._cancel()
        by_provider: dict[str, list[tuple[Model, HealthCheck]]] = {}
        for model in models:
            if model.check is not None:
                by_provider.setdefault(model.provider, []).append((model, model.check))
        self._tasks = [
            asyncio.create_task(self._watch(provider, checked))
            for provider, checked in by_provider.items()
        ]

    async def close(self) -> None:
        self._cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _watch(
        self, provider: str, checked: Sequence[tuple[Model, HealthCheck]]
    ) -> None:
        every = min(check.every for _, check in checked)
        while True:
            await self._sleep(every * (1 - _JITTER * self._chance()))
            names = [model.name for model, _ in checked]
            states = dict(zip(names, await self._breakers.states(names), strict=True))
            resting = self._resting(states)
            if not resting:
                self._failing.discard(provider)
                continue
            if await self._starts.take(f"check/{provider}", every * (1 - _JITTER)):
                continue  # somebody else has made it
            doors: dict[Hashable, list[Model]] = {}
            for model, check in checked:
                if model.name in resting:
                    at = model.upstream
                    door = (check.url, at.token, at.auth, at.headers)
                    doors.setdefault(door, []).append(model)
            for behind in doors.values():
                await self._check(provider, behind, states)

    def _resting(self, states: dict[str, BreakerState]) -> set[str]:
        """Those whose rest could be ended."""
        for name, state in states.items():
            if state.state is State.CLOSED:
                self._relieved.pop(name, None)
        return {name for name, state in states.items() if state.state is State.OPEN}

    async def _check(
        self, provider: str, models: Sequence[Model], states: dict[str, BreakerState]
    ) -> None:
        """Ask once for all `models`, which rest and are reached alike."""
        why = await self._problem(models[0])
        if why:
            for model in models:
                self._relieved.pop(model.name, None)
            if provider not in self._failing:
                self._failing.add(provider)
                said = {"provider": provider, "why": why}
                self._observer.emit(Notice("warning", "a health check fails", said))
            return
        self._failing.discard(provider)
        relieved = []
        for model in models:
            openings = states[model.name].openings
            if self._relieved.get(model.name, openings) == openings:
                self._relieved[model.name] = openings
                self._breakers.relieve(model.name)
                relieved.append(model.name)
        if relieved:
            said = {"provider": provider, "models": ", ".join(relieved)}
            words = "a health check succeeds, so models are tried again"
            self._observer.emit(Notice("info", words, said))

    async def _problem(self, model: Model) -> str:
        """Why the provider is not well; nothing if it is. Its body is not read."""
        check, upstream = model.check, model.upstream
        if check is None:
            return ""
        usual = upstream.patience
        seconds = min(usual.first_byte, _PATIENCE)
        whole = usual.connect + seconds
        patience = Patience(usual.connect, seconds, seconds, whole)
        given = upstream.headers if check.ours else ()
        headers = (("Accept", "application/json"), *check.headers, *given)
        request = UpstreamRequest("GET", check.url, headers, b"", ours=check.ours)
        try:
            request = await self._doors.signed(request, model, whole)
            opening = self._doors.transport.open(request, upstream, patience)
            async with opening as reply:
                status = reply.head.status
        except Broken as broken:
            return str(broken)
        except UpstreamFailed as error:
            return f"{error.failure.name}: {error.detail}"
        return "" if 200 <= status < 300 else f"status {status}"

"""Who may ask a model now: quotas, throttles and breakers, in one place."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

import attrs

from tproxy.core import failures
from tproxy.core.budget import Cost
from tproxy.core.leases import CONCURRENCY, STORE, Denial, Lease, Want
from tproxy.core.model import Client, Model, Throttle
from tproxy.core.request import Request
from tproxy.core.selection import Candidate, Exclusion, Why
from tproxy.core.state import Starts, Turns
from tproxy.relay.attempt import Asking, Ports
from tproxy.relay.cost import Purse
from tproxy.relay.fare import Fare
from tproxy.relay.queues import LOOK_AGAIN, NoTurn, Queues
from tproxy.relay.search import Search


@attrs.define(eq=False)
class Admission:
    """Lets requests through, one by one. One for a process, whatever it serves by."""

    ports: Ports
    starts: Starts
    turns: Turns
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    queues: Queues = attrs.field(factory=Queues)
    _purses: dict[tuple[str, str], tuple[Model, Client, Purse]] = attrs.field(
        factory=dict, init=False
    )

    def cost(
        self, request: Request, client: Client, model: Model, requests: int = 1
    ) -> Cost:
        """What it would take to ask `model`."""
        return self._cost(request, model, self._purse(model, client), requests)

    def is_busy(self, model: Model) -> bool:
        """Whether one would have to queue for it now."""
        throttle = model.throttle
        if throttle is None:
            return False
        wait = self.starts.wait(throttle.name, throttle.min_interval)
        return self.queues.busy(throttle.name) or wait > 0

    async def admit(
        self,
        candidate: Candidate,
        search: Search,
        until: float,
        requests: int = 1,
    ) -> Asking | Exclusion | None:
        """Begin to ask a candidate, for which one may queue `until` a moment.

        `requests` is how many of the provider's it takes. If it cannot be asked: why it
        is passed over; None where that is known, for it is what it has failed for.
        """
        model, client, failed = candidate.model, search.client, search.failed
        turn, before = search.turn, failed.get(model.name) if failed else None
        if turn is not None and self.is_busy(model):
            turn.pass_on()  # it waits in another line now
        if failed and not candidate.resting_for:
            [rest] = await self.ports.breakers.resting([model.name])
            if rest:
                resting = Exclusion(model, Why.RESTING, "", wait=rest)
                return resting if before is None else None
        purse, ports = self._purse(model, client), self.ports
        cost = self._cost(search.request, model, purse, requests)
        fare = search.fare
        budgets = purse.budgets if fare is None else fare.left_of(purse)
        if model.throttle is None:
            taken = await ports.quotas.reserve(budgets, cost)
        else:
            want = budgets, cost
            taken = await self._in_turn(model.throttle, client, purse, want, until)
        if isinstance(taken, Lease):
            if fare is None and purse.once:
                fare = Fare(ports.quotas, ports.leases, purse.once, taken)
                search.fare = fare
            asking = Asking(model, purse, taken, ports, search.trail, fare)
            if turn is not None:
                turn.pass_on()
            self.turns.take(model.name)
            asking.begin()
            return asking
        if before is not None and before.failure is failures.RATE_LIMIT:
            return None
        return _denied(model, purse, taken)

    async def _in_turn(
        self,
        throttle: Throttle,
        client: Client,
        purse: Purse,
        want: Want,
        deadline: float,
    ) -> Lease | Denial:
        """Reserve as the throttle allows, for as long as one may queue for that.

        Where that is not at all, only if nobody queues and nothing is in the way.
        """
        clock = self.ports.clock
        until = min(clock.steady() + throttle.queue_seconds, deadline)
        busy = Denial(throttle.name, CONCURRENCY, 1.0)
        try:
            left = until - clock.steady()
            place = self.queues.arrive(client.priority)
            async with self.queues.turn(throttle.name, place, left):
                while True:
                    wait = await self._start(throttle)
                    if not wait:
                        taken = await self._reserve(throttle, want)
                        if isinstance(taken, Lease) or taken.budget != purse.throttle:
                            return taken
                        wait = LOOK_AGAIN
                    if clock.steady() + wait >= until:
                        return busy
                    await self.sleep(wait)
        except NoTurn:
            pass
        return busy

    async def _start(self, throttle: Throttle) -> float:
        """Take the next start, if it is now: 0; else the seconds until another try."""
        if not throttle.min_interval:
            return 0.0
        return await self.starts.take(throttle.name, throttle.min_interval)

    async def _reserve(self, throttle: Throttle, want: Want) -> Lease | Denial:
        """What it costs; where that is not to be had, the start is given back."""
        taken = None
        try:
            taken = await self.ports.quotas.reserve(*want)
            return taken
        finally:
            if throttle.min_interval and not isinstance(taken, Lease):
                await self.starts.give_back(throttle.name)

    def _purse(self, model: Model, client: Client) -> Purse:
        key = (model.name, client.name)
        known = self._purses.get(key)
        if known is None or known[0] is not model or known[1] is not client:
            known = self._purses[key] = model, client, Purse.of(model, client)
        return known[2]

    def _cost(
        self, request: Request, model: Model, purse: Purse, requests: int
    ) -> Cost:
        """Estimated, from the length of the request and what is wanted back."""
        if not purse.by_tokens and purse.price is None:
            return purse.plain if requests == 1 else purse.cost(0, 0, requests)
        expected = self.ports.answers.expected(request, model)
        cost = purse.guessed if request.output_tokens is None else purse.cost
        return cost(request.prompt_tokens, expected, requests)


def _denied(model: Model, purse: Purse, denial: Denial) -> Exclusion:
    """Why a model is passed over that a quota keeps from being asked."""
    if denial.limit == STORE:
        return Exclusion(model, Why.UNCOUNTED, "", denial.wait)
    if denial.wait == math.inf:
        return Exclusion(model, Why.TOO_LONG, f"more than its {denial.limit} allow")
    if denial.limit == CONCURRENCY and denial.budget not in purse.own:
        return Exclusion(model, Why.BUSY, "", denial.wait)
    why = Why.OWN_LIMIT if denial.budget in purse.own else Why.QUOTA
    return Exclusion(model, why, "", denial.wait)

"""A ledger as text: the whole of it, its plans, and its changes one by one.

A change is a JSON array, `[what, ...]`. Those that are written together make a row,
`[steady, wall, change, ...]`, whose moment is that at which it was written. Changes
applied in the order of their writing make equal ledgers anywhere.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from tproxy.core.budget import Budget, Limit, Outcome, Unit
from tproxy.core.leases import Heard, LeaseId
from tproxy.core.windows import Window
from tproxy.state.books import Book, Sizes, counter
from tproxy.state.counting import Counter
from tproxy.state.ledger import Ledger
from tproxy.state.moments import Calm, Moment
from tproxy.state.periods import Fixed, Period
from tproxy.state.plans import Held, Plan
from tproxy.state.rests import Rest
from tproxy.state.seeding import meet
from tproxy.state.shares import Demand, Split

_MOST_PLANS = 10_000
_PERIODS = ("by_wall", "by_calm")
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}  # calling it is slow

encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode


def lease_id(number: int) -> LeaseId:
    return LeaseId(str(number))


@attrs.define(eq=False)
class Archive:
    """A ledger that can be written down and read again.

    Changes speak of budgets by the number of the change that introduced them, and of
    leases by the number of the change that took them.
    """

    ledger: Ledger = attrs.field(factory=Ledger)
    calm: Calm = attrs.field(factory=Calm)
    last: float = 0.0  # the steady moment of the last change
    numbers: dict[Budget, int] = attrs.field(factory=dict)
    _budgets: dict[int, Budget] = attrs.field(factory=dict)
    _plans: dict[tuple[int, ...], Plan] = attrs.field(factory=dict)
    _by_plan: dict[Plan, tuple[int, ...]] = attrs.field(factory=dict)

    def begin(self, now: Moment) -> None:
        """Changes follow that were written at this moment, all together."""
        self.last = max(self.last, now.steady)
        self.calm.see(now.steady, now.wall)

    def perform(self, number: int, now: Moment, what: str, said: Sequence[Any]) -> None:
        """Do what a change says, after `begin`.

        Raises:
            ValueError, TypeError, LookupError: it says nothing that is understood.
        """
        ledger = self.ledger
        match what:
            case "take":
                numbers, sizes, seconds, *high = said
                plan = self._plan(tuple(numbers), high=bool(high))
                ledger.take(lease_id(number), plan, _sizes(sizes), seconds, now)
            case "settle":
                key, sizes, outcome, head, end = said
                actual = _sizes(sizes)
                ledger.settle(key, actual, _OUTCOMES[outcome], head, end, now)
            case "release":
                [key] = said
                ledger.release(key, now)
            case "split":
                key, part, names = said
                ledger.split(key, part, names, now)
            case "extend":
                keys, seconds, reached = said
                ledger.extend(keys, seconds, now)
                for key, at in reached:
                    ledger.reached(key, at, now)
            case "sweep":
                ledger.sweep(now)
            case "see":
                pass  # the moment itself
            case "budget":
                [text] = said
                budget = _read_budget(text)
                self._introduce(number, budget)
                meet(ledger.plan((budget,)), now)
            case _:
                budget, *about = said
                self._perform_on(self._budgets[budget], now, what, about)

    def _perform_on(
        self, budget: Budget, now: Moment, what: str, said: Sequence[Any]
    ) -> None:
        """What a change says of one budget."""
        match what:
            case "wish":
                sizes, *high = said
                self.ledger.wish(budget, _sizes(sizes), bool(high), now)
            case "rest":
                [seconds] = said
                self.ledger.rest(budget, seconds, now)
            case "learn":
                [heard] = said
                window = [Heard(Unit(u), Window.of(w), *f) for u, w, *f in heard]
                self.ledger.learn(budget, window, now)
            case _:
                raise ValueError(f"unknown change {what!r}")

    def numbers_of(self, plan: Plan) -> tuple[int, ...]:
        """What changes call the plan's budgets. Raises KeyError if one is new."""
        numbers = self._by_plan.get(plan)
        if numbers is None:
            numbers = tuple(self.numbers[budget] for budget in plan.budgets)
            if len(self._by_plan) >= _MOST_PLANS:
                self._by_plan.clear()
            self._by_plan[plan] = numbers
        return numbers

    def dump(self) -> str:
        return encode(
            {
                "last": self.last,
                "calm": attrs.astuple(self.calm),
                "budgets": [[n, introduction(b)] for n, b in self._budgets.items()],
                "books": {name: _dumped(b) for name, b in self.ledger.books.items()},
                "held": self._dumped(self.ledger.held),
                "late": self._dumped(self.ledger.late),
            }
        )

    @classmethod
    def load(cls, text: str) -> Archive:
        """Raises ValueError, TypeError or LookupError where that is no dump."""
        tree = json.loads(text)
        archive = cls(calm=Calm(*tree["calm"]), last=tree["last"])
        for number, said in tree["budgets"]:
            archive._introduce(number, _read_budget(said))
        for name, said in tree["books"].items():
            archive.ledger.books[name] = _loaded(said)
        for key, held in archive._leases(tree["held"]):
            archive.ledger.hold(key, held)
        archive.ledger.late.update(archive._leases(tree["late"]))
        return archive

    def _dumped(self, leases: Mapping[LeaseId, Held]) -> list[object]:
        return [
            [
                *(key, self.numbers_of(h.plan), h.sizes, h.since, h.expires, h.at),
                *([True] if h.plan.high else []),
            ]
            for key, h in leases.items()
        ]

    def _leases(self, said: Any) -> Iterator[tuple[LeaseId, Held]]:
        for key, numbers, sizes, since, expires, at, *high in said:
            plan = self._plan(tuple(numbers), high=bool(high))
            yield key, Held(plan, _sizes(sizes), since, expires, at)

    def _introduce(self, number: int, budget: Budget) -> None:
        self.numbers[budget] = number
        self._budgets[number] = budget

    def _plan(self, numbers: tuple[int, ...], *, high: bool) -> Plan:
        plan = self._plans.get(numbers)
        if plan is None:
            budgets = [self._budgets[number] for number in numbers]
            plan = self._plans[numbers] = self.ledger.plan(budgets)
        return plan.first or plan if high else plan


def told(what: str, said: Sequence[Any]) -> str:
    """A change as text; the frequent ones without the encoder, which takes longer."""
    if what == "settle":
        key, (requests, tokens, spend), outcome, head, end = said
        sizes = f"[{requests},{tokens},{spend}]"
        return f'["settle","{key}",{sizes},"{outcome}",{head!r},{end!r}]'
    if what == "take":
        numbers, (requests, tokens, spend), seconds, *high = said
        whose = ",".join(map(str, numbers))
        more = ",true" if high else ""
        return f'["take",[{whose}],[{requests},{tokens},{spend}],{seconds!r}{more}]'
    return encode((what, *said))


def row_of(now: Moment, changes: Sequence[str]) -> str:
    """Changes that are written together, each as `told`."""
    return f"[{now.steady!r},{now.wall!r},{','.join(changes)}]"


def read_row(text: str) -> tuple[float, float, list[list[Any]]]:
    """The moment, steady and wall, and the changes. Raises ValueError or TypeError."""
    (steady, wall, *changes), end = _decode(text)
    if end != len(text) or not changes:
        raise ValueError("no row of changes")
    return steady, wall, changes


def introduction(budget: Budget) -> list[object]:
    """What the change "budget" says."""
    limits = [
        [limit.unit.value, limit.amount, limit.window.key, limit.kept]
        for limit in budget.limits
    ]
    counts = sorted(outcome.value for outcome in budget.counts)
    share = [] if budget.share is None else [budget.share]
    return [budget.name, limits, budget.max_concurrent, counts, *share]


def _sizes(said: Any) -> Sizes:
    requests, tokens, spend = said
    return int(requests), int(tokens), int(spend)


def _read_budget(said: Any) -> Budget:
    name, limits, max_concurrent, counts, *share = said
    return Budget(
        name,
        tuple(
            Limit(Unit(unit), amount, Window.of(key), kept)
            for unit, amount, key, kept in limits
        ),
        max_concurrent,
        frozenset(map(Outcome, counts)),
        *share,
    )


def _dumped(book: Book) -> list[object]:
    counters = [
        [key, unit.value, _fields(counter)]
        for (key, unit), counter in book.counters.items()
    ]
    said = [counters, attrs.asdict(book.rest), book.touched]
    return [*said, _split(book)] if book.splits else said


def _split(book: Book) -> object:
    return [
        [
            *(key, unit.value, [_fields(counter) for counter in split.counters]),
            [attrs.asdict(demand) for demand in split.demands],
        ]
        for (key, unit), split in book.splits.items()
    ]


def _fields(counter: Counter) -> dict[str, object]:
    fields = attrs.asdict(counter, recurse=False)
    if isinstance(counter, Fixed):
        del fields["window"]
        for name in _PERIODS:
            fields[name] = attrs.asdict(fields[name])
    return fields


def _loaded(said: Any) -> Book:
    counters, rest, touched, *splits = said
    book = Book(rest=Rest(**rest), touched=touched)
    for key, unit, fields in counters:
        book.counters[key, Unit(unit)] = _counter(key, fields)
    for key, unit, (low, high), (fewer, more) in itertools.chain(*splits):
        book.splits[key, Unit(unit)] = Split(
            (_counter(key, low), _counter(key, high)),
            (Demand(**fewer), Demand(**more)),
        )
    return book


def _counter(key: str, fields: dict[str, Any]) -> Counter:
    made = counter(Window.of(key))
    if isinstance(made, Fixed):
        for name in _PERIODS:
            fields[name] = Period(**fields[name])
    return attrs.evolve(made, **fields)

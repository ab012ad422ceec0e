"""What a new counter begins with: what others of its budget know to have been used.

So a window whose kind or length was changed goes on, and does not begin at nothing. All
that the others count, also of requests under way, has its place at that moment.
"""

from __future__ import annotations

from tproxy.core.budget import Budget, Limit
from tproxy.state.books import Book, key_of
from tproxy.state.counting import Rolling
from tproxy.state.moments import Moment
from tproxy.state.plans import Plan


def meet(plan: Plan, now: Moment) -> None:
    """Have its counters that are new go on from those that are not."""
    plan.met = True
    for book, budget in plan.books:
        new = [limit for limit in budget.limits if not book.counter(limit).met]
        for limit in new:
            counter, used = book.counter(limit), _used(limit, budget, book, now)
            counter.refresh(now)
            counter.place(now.steady, used, now, now.steady - counter.seconds)
        for limit in new:
            book.counter(limit).met = True


def _used(limit: Limit, budget: Budget, book: Book, now: Moment) -> int:
    """What was used within its window, as far as the others know.

    Exactly so, where one of them has a log of that length; else the largest count of
    those that are declared no more.
    """
    declared = set(map(key_of, budget.limits))
    seconds, logged, counts = limit.window.seconds, [], [0]
    for key, counter in book.counters.items():
        if counter.met and key[1] is limit.unit:
            taken = counter.taken(now)
            if isinstance(counter, Rolling) and counter.seconds >= seconds:
                logged.append(counter.lately(seconds, now) + counter.flight)
            elif key not in declared:
                counts.append(taken)
    return min(logged, default=max(counts))

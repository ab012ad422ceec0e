"""What a request takes from quotas: an estimate before, the truth after."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import attrs

from tproxy.core.budget import ONE, ONE_HIGH, Budget, Cost, Unit
from tproxy.core.model import Client, Model, Price, Throttle
from tproxy.core.request import Request
from tproxy.core.upstream import Usage

_FIRST_GUESS = 512  # tokens of an answer, of a model that has not answered yet
_WEIGHT = 0.2  # of the newest answer, in what answers have lately needed


@attrs.frozen
class Purse:
    """All that a client's request to one model takes from."""

    budgets: tuple[Budget, ...]
    by_tokens: bool
    price: Price | None
    own: frozenset[str]  # names of the client's among them
    once: frozenset[str]  # of these, those that the model does not draw from as well
    plain: Cost  # where nobody counts tokens
    most: Cost  # that limits can hold, of tokens and money
    throttle: str | None  # the name of the one that bounds what is under way

    @classmethod
    def of(cls, model: Model, client: Client) -> Purse:
        throttle = concurrency(model.throttle)
        budgets = model.budgets + throttle + client.budgets  # often the first, as it is
        own = frozenset(budget.name for budget in client.budgets)
        units = {limit.unit for budget in budgets for limit in budget.limits}
        return cls(
            budgets,
            Unit.TOKENS in units,
            model.price if Unit.SPEND in units else None,
            own,
            own - {budget.name for budget in model.budgets},
            ONE_HIGH if client.least.high else ONE,
            Cost(1, _least(Unit.TOKENS, budgets), _least(Unit.SPEND, budgets)),
            throttle[0].name if throttle else None,
        )

    def cost(self, prompt: int, completion: int, requests: int = 1) -> Cost:
        """Of so many tokens, as far as anybody counts them."""
        high = self.plain.high
        if not self.by_tokens and self.price is None:
            return self.plain if requests == 1 else Cost(requests, high=high)
        price = self.price
        spent = 0 if price is None else spend(price, prompt, completion)
        return Cost(requests, prompt + completion, spent, high)

    def guessed(self, prompt: int, completion: int, requests: int = 1) -> Cost:
        """The same, where nobody said how long the answer may be.

        A guess keeps nobody out: it is no more than limits can ever hold.
        """
        cost, most = self.cost(prompt, completion, requests), self.most
        if cost.tokens <= most.tokens and cost.spend <= most.spend:
            return cost
        least = self.cost(prompt, 0, requests)
        tokens = max(least.tokens, min(cost.tokens, most.tokens))
        spent = max(least.spend, min(cost.spend, most.spend))
        return Cost(requests, tokens, spent, cost.high)

    def actual(self, usage: Usage | None, reserved: Cost) -> Cost | None:
        """What was used; None where nobody said or counts it: it was as reserved.

        That may have been for another model, which has a price.
        """
        counted = self.by_tokens or self.price is not None or reserved.spend
        if usage is None or not counted:
            return None
        if not (usage.prompt or usage.completion):
            return None
        return self.cost(usage.prompt, usage.completion, reserved.requests)


@attrs.define(eq=False)
class Answers:
    """How long a model's answers have lately been, in tokens."""

    _lately: dict[str, float] = attrs.field(factory=dict, init=False)

    def expected(self, request: Request, model: Model) -> int:
        """The most that the client wants, or else what is usual."""
        if request.output_tokens is not None:
            return request.output_tokens
        usual = round(self._lately.get(model.name, _FIRST_GUESS))
        most = model.max_output_tokens
        return usual if most is None else min(usual, most)

    def learn(self, model: Model, usage: Usage | None) -> None:
        if usage is not None and usage.completion:
            before = self._lately.get(model.name, usage.completion)
            after = before + _WEIGHT * (usage.completion - before)
            self._lately[model.name] = after


def _least(unit: Unit, budgets: Sequence[Budget]) -> int:
    limits = [limit for budget in budgets for limit in budget.limits]
    of_unit = (limit.usable for limit in limits if limit.unit is unit)
    return min(of_unit, default=sys.maxsize)


def concurrency(throttle: Throttle | None) -> tuple[Budget, ...]:
    """What may be under way, as a budget: so it holds for all processes together."""
    if throttle is None or throttle.max_concurrent is None:
        return ()
    name = f"throttle/{throttle.name}"
    return (Budget(name, max_concurrent=throttle.max_concurrent),)


def spend(price: Price, prompt: int, completion: int) -> int:
    """Billionths of a dollar; a price is in dollars per million tokens."""
    return round((prompt * price.input + completion * price.output) * 1_000)

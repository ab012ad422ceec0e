"""How much a model is asked to think, and how much room that leaves its answer.

Source: Anthropic's guides "Extended thinking", "Adaptive thinking" and "Effort".
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from tproxy.core.chat import ChatRequest
from tproxy.core.model import Model
from tproxy.core.wishes import Wishes
from tproxy.providers.anthropic.generation import Generation

_ANSWER = 4_096  # tokens, where nobody says more; each model can do that
_LEAST = 1_024  # tokens that a budget must have
_BUDGETS = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384}
_MOST = 24_576  # for efforts beyond; the answer still fits into 32,000


@attrs.frozen
class Thinking:
    """`said` are fields of the request, `output` those of its `output_config`.

    `max_tokens` bounds thoughts and answer together. `dropped` names the client's
    fields that could not be followed.
    """

    max_tokens: int
    said: Mapping[str, object] = attrs.field(factory=dict)
    output: Mapping[str, object] = attrs.field(factory=dict)
    dropped: tuple[str, ...] = ()

    @property
    def is_on(self) -> bool:
        thinking = self.said.get("thinking")
        return isinstance(thinking, Mapping) and thinking.get("type") != "disabled"

    @classmethod
    def of(
        cls,
        chat: ChatRequest,
        wish: Wishes,
        model: Model,
        generation: Generation,
        *,
        can_think: bool,
    ) -> Thinking:
        """What to say for the effort that the client wants.

        Its own `thinking`, in Anthropic's words, goes through as it is.
        """
        most = chat.output_tokens or model.max_output_tokens
        own = chat.document.values.get("thinking")
        if isinstance(own, dict):
            spent = own.get("budget_tokens")
            budget = spent if type(spent) is int and spent > 0 else 0
            output = _effort(wish, generation) if generation.adapts else {}
            return cls(most or budget + _ANSWER, {"thinking": own}, output)
        if wish.effort is None:
            return cls(most or _ANSWER)
        if not generation.thinks or wish.effort == "none":
            said = {"thinking": {"type": "disabled"}} if generation.thinks else {}
            gone = ("reasoning_effort",) if wish.effort != "none" else ()
            return cls(most or _ANSWER, said, dropped=gone)
        budget = _BUDGETS.get(wish.effort, _MOST)
        if generation.adapts:
            adaptive = {"type": "adaptive"}
            if generation.is_silent:
                adaptive["display"] = "summarized"
            effort = _effort(wish, generation)
            return cls(most or budget + _ANSWER, {"thinking": adaptive}, effort)
        if most is not None:
            budget = min(budget, most * 3 // 4)
        if not can_think or budget < _LEAST:
            return cls(most or _ANSWER, dropped=("reasoning_effort",))
        enabled = {"type": "enabled", "budget_tokens": budget}
        return cls(most or budget + _ANSWER, {"thinking": enabled})


def _effort(wish: Wishes, generation: Generation) -> dict[str, object]:
    if wish.effort is None or wish.effort == "none":
        return {}
    words = {"minimal": "low"}
    if not generation.knows_xhigh:
        words["xhigh"] = "high"
    return {"effort": words.get(wish.effort, wish.effort)}

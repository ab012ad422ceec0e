"""Simulated providers: real sockets, each provider's own words, faults on demand.

One module a provider; this folder is the registry. A module ends in

    PROVIDER: Final = Provider(
        answer=answer,  # Callable[[Asked], Said], see `simulator`
        upstream=upstream,  # Callable[[str], Upstream]: the simulator's URL to it
        abilities=ALL - {Ability.VISION},  # what the provider cannot do, it does not
        errors={429: ..., 500: ...},  # Said, as the provider words them
    )

and `tests/e2e/test_dialects.py` drives OpenAI's client through the proxy to it. The
module `openai` shows how; a key other than `scene.KEY` has to be refused.
"""

from __future__ import annotations

import enum
import importlib
import pkgutil
from collections.abc import Callable, Mapping

import attrs

from tests.simulators.simulator import Answer, Said
from tproxy.core.model import Upstream


class Ability(enum.Enum):
    """What a client may ask of a provider. Text and errors are a matter of course."""

    STREAM = "stream"
    TOOLS = "tools"  # one call, its result sent back
    PARALLEL_TOOLS = "parallel tools"  # "both": two calls in one turn
    STREAM_TOOLS = "stream tools"
    VISION = "vision"
    JSON_SCHEMA = "json_schema"
    USAGE = "usage"  # `scene.PROMPT_TOKENS` and `COMPLETION_TOKENS`
    STREAM_USAGE = "stream usage"


ALL = frozenset(Ability)


@attrs.frozen
class Provider:
    """One simulated provider.

    `upstream` makes the model's upstream of the simulator's URL (no path), with
    `scene.KEY` as its token. `retry_after`: seconds its 429 asks for, None if it does
    not say.
    """

    answer: Answer
    upstream: Callable[[str], Upstream]
    errors: Mapping[int, Said]
    abilities: frozenset[Ability] = ALL
    upstream_name: str = "simulated-1"
    retry_after: float | None = None


def providers() -> Mapping[str, Provider]:
    """All there are, by the names of their modules."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("test_"):
            continue
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        provider = getattr(loaded, "PROVIDER", None)
        if provider is not None:
            found[module.name] = provider
    return found

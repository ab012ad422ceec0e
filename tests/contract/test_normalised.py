"""The contract, kept by a dialect that relays once it is asked for OpenAI's fields."""

from __future__ import annotations

from pathlib import Path

from tests.values import KEY
from tproxy.contract.suite import DialectContract
from tproxy.core.model import Model, Upstream
from tproxy.core.secret import Secret
from tproxy.providers.openai import DIALECT

assert DIALECT.normal is not None
NORMAL = DIALECT.normal
UPSTREAM = Upstream("https://openai.test/v1", "openai", Secret(KEY))
RECORDINGS = Path(__file__).parents[1] / "recordings" / "openai"


class TestNormalised(DialectContract):
    """Of one provider; the other recordings are in `tests/providers/shaped`."""

    dialect = NORMAL
    model = Model("openai/m-1", "openai", "m-1", UPSTREAM, normalise=True)
    recordings = RECORDINGS / "ollama-cloud"
    rounds = 10

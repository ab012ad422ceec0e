"""The contract, kept by a relayed dialect that is asked for OpenAI's own fields."""

from __future__ import annotations

from pathlib import Path

from tests.values import KEY
from tproxy.contract.suite import DialectContract
from tproxy.core.model import Model, Upstream
from tproxy.core.secret import Secret
from tproxy.providers.openai import DIALECT

UPSTREAM = Upstream("https://openai.test/v1", "openai", Secret(KEY))
assert DIALECT.normal is not None


class TestNormalised(DialectContract):
    dialect = DIALECT.normal
    model = Model("openai/m-1", "openai", "m-1", UPSTREAM, normalise=True)
    recordings = Path(__file__).parents[1] / "recordings" / "openai"
    rounds = 3

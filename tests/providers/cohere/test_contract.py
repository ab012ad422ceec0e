from __future__ import annotations

from pathlib import Path

from tests.providers.cohere.models import model
from tproxy.contract.suite import DialectContract
from tproxy.providers.cohere import DIALECT


class TestCohere(DialectContract):
    dialect = DIALECT
    model = model()
    recordings = Path(__file__).parents[2] / "recordings" / "cohere"

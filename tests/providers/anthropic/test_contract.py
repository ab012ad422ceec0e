from __future__ import annotations

from pathlib import Path

from tests.providers.anthropic.models import model
from tproxy.contract.suite import DialectContract
from tproxy.providers.anthropic import DIALECT


class TestAnthropic(DialectContract):
    dialect = DIALECT
    model = model()
    recordings = Path(__file__).parents[2] / "recordings" / "anthropic"

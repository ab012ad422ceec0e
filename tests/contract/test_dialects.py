"""The contract, kept by every dialect here that has recordings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.values import KEY
from tproxy.contract.suite import DialectContract
from tproxy.core.model import Model, Upstream
from tproxy.core.secret import Secret
from tproxy.providers import dialect, dialects
from tproxy.providers.openai import OpenAI

RECORDINGS = Path(__file__).parents[1] / "recordings"
RECORDED = sorted(name for name in dialects() if (RECORDINGS / name).is_dir())

# What is particular about a dialect or its recordings.
SPECIAL: Mapping[str, Mapping[str, Any]] = {
    "gigachat": {"by_nature": {"parallel_tool_calls"}},  # it makes one call at a time
    "openai": {"rounds": 10},
}


def contract(name: str) -> type[DialectContract]:
    upstream = Upstream(f"https://{name}.test/v1", name, Secret(KEY))
    tested = {
        "dialect": dialect(name),
        "model": Model(f"{name}/m-1", name, "m-1", upstream),
        "recordings": RECORDINGS / name,
        "relays": isinstance(dialect(name).chat, OpenAI),
    }
    return type(name, (DialectContract,), {**tested, **SPECIAL.get(name, {})})


for _name in RECORDED:
    globals()[f"Test{_name.capitalize()}"] = contract(_name)


def test_every_dialect_has_recordings() -> None:
    assert set(RECORDED) == dialects()
    assert set(SPECIAL) <= dialects()


@pytest.mark.parametrize("name", RECORDED)
def test_the_contract_runs_on_it(name: str) -> None:
    assert issubclass(globals()[f"Test{name.capitalize()}"], DialectContract)

"""The store that the settings name, opened, used and closed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.clocks import FakeClock
from tests.serving import Recorder
from tests.state.servers import Server
from tests.values import per
from tproxy.core.budget import Budget
from tproxy.core.leases import Lease
from tproxy.core.windows import DAY
from tproxy.settings import Backend, StateSettings
from tproxy.stores import StoreFailed, opened


def admitted(state: StateSettings, clock: FakeClock) -> bool:
    """Whether a request gets through, of those that a day allows once."""
    once = Budget("once", (per(DAY, 1),))

    async def test() -> bool:
        store = opened(state, clock, Recorder())
        await store.start([once])
        lease = await store.quotas.reserve([once])
        if isinstance(lease, Lease):
            await store.quotas.settle(lease)
        await store.close()
        return isinstance(lease, Lease)

    return asyncio.run(test())


@pytest.mark.parametrize("backend", Backend)
def test_counts_outlast_a_process_but_in_memory(
    backend: Backend, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = ""
    if backend is Backend.REDIS:
        server: Server = request.getfixturevalue("server")
        url = f"{server.url}?db=3"
    state = StateSettings(backend, path=str(tmp_path / "t.db"), url=url)
    clock = FakeClock()

    outcomes = [admitted(state, clock) for _ in range(2)]

    assert outcomes == [True, backend is Backend.MEMORY]


def test_a_file_that_cannot_serve_is_told(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.write_text("something else")

    with pytest.raises(StoreFailed, match=r"t\.db"):
        opened(StateSettings(Backend.SQLITE, str(path)), FakeClock(), Recorder())


def test_a_url_that_is_none_is_told() -> None:
    with pytest.raises(StoreFailed, match=r"state\.url"):
        opened(StateSettings(Backend.REDIS, url="http://x"), FakeClock(), Recorder())

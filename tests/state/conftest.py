"""Fixtures of the stores' tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clocks import FakeClock
from tests.state.servers import Server
from tests.state.shops import MemoryShop, RedisShop, Shop, SqliteShop, Till


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def opening(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[FakeClock], Shop]:
    """Opens an empty store of each kind; a test that takes it runs on each."""
    if request.param == "memory":
        return MemoryShop
    if request.param == "redis":
        server = request.getfixturevalue("server")
        return lambda clock: RedisShop(clock, server)
    numbers = itertools.count()
    return lambda clock: SqliteShop(clock, tmp_path / f"state{next(numbers)}.db")


@pytest.fixture
def shop(opening: Callable[[FakeClock], Shop]) -> Iterator[Shop]:
    shop = opening(FakeClock())
    yield shop
    shop.close()


@pytest.fixture
def till(shop: Shop) -> Till:
    return Till(shop)


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Server]:
    """A server for one test, which may do to it what it likes."""
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()

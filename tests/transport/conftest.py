"""Fixtures of the transport's tests."""

import pytest

from tests.transport.scripted import LOOPS


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """The name of an event loop; a test that takes it runs on each."""
    return str(request.param)

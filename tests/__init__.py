"""Tests of tproxy, in the order of its rooms."""

import asyncio

# Saying that there is no event loop keeps asyncio from making one of its own when
# pytest-tornado first asks. That one would never be closed, and would fail whichever
# test runs while it is collected.
asyncio.set_event_loop(None)

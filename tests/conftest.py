"""What holds for all tests.

On which event loop those run that do not choose one: `tox -e uvloop`. The engines'
tests run on both anyway; the daemon's on uvloop, as it runs by itself.
"""

from __future__ import annotations

import asyncio
import os

import pytest
import uvloop
from hypothesis import settings

pytest.register_assert_rewrite("tests.faults.laboratory")  # others import it, too

if os.environ.get("TPROXY_TEST_LOOP") == "uvloop":
    # What else would `asyncio.run` ask? Until 3.16 it is there.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # type: ignore[deprecated]

# A busy machine is no fault of the code's.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")

"""All the faults that come before a client has anything, from the first on."""

from __future__ import annotations

import pytest

from tests.faults.bodies import BODIES
from tests.faults.refusals import REFUSALS
from tests.faults.unanswered import BEGINNING, CONNECTING

FAULTS = [*CONNECTING, *BEGINNING, *REFUSALS, *BODIES]

faults = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])

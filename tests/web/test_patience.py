from __future__ import annotations

import math

import pytest

from tproxy.web.answering import patience


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, math.inf),
        ({"X-Stainless-Read-Timeout": "600"}, 601.0),
        ({"X-Stainless-Read-Timeout": "2.0"}, 3.0),
        ({"X-Stainless-Timeout": "10", "X-Request-Timeout": "4"}, 5.0),
        ({"X-Stainless-Timeout": "0"}, math.inf),
        ({"X-Stainless-Timeout": "-1"}, math.inf),
        ({"X-Stainless-Timeout": "nan"}, math.inf),
        ({"X-Stainless-Timeout": "1e400"}, math.inf),
        ({"X-Stainless-Timeout": "NOT_GIVEN"}, math.inf),
        ({"X-Stainless-Timeout": "9" * 400}, math.inf),
    ],
)
def test_how_long_a_client_waits(headers: dict[str, str], seconds: float) -> None:
    assert patience({name: [value] for name, value in headers.items()}) == seconds

from pathlib import Path

from bench import hedging, wire
from bench.hedging import WHOLE, Case


def test_a_daemon_that_hedges_is_measured_beside_one_that_does_not(
    tmp_path: Path,
) -> None:
    case = Case("one of 3 slow now and then", replicas=3, every=8)

    plain, hedged = wire.run(hedging.measured(case, WHOLE, tmp_path, 16, 1))

    assert plain.problems == hedged.problems == 0
    assert (plain.requests, plain.calls, plain.hung_up) == (32, 32, 0)
    assert hedged.requests == 32
    assert 0 <= hedged.hung_up <= hedged.calls - hedged.requests <= 4
    assert 0 < hedged.first(0) <= hedged.first(1)

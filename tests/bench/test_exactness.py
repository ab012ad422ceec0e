"""The bench of exactness in small: exactly the limit, whoever asks or is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import exactness
from bench.attempts import Outcome
from bench.exactness import REDIS, SQLITE, crew, exactly, under_kills

linux = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="reads what Linux tells of processes"
)


def test_one_process_admits_exactly_the_limit_of_many_at_once() -> None:
    assert exactness.in_one_process(limit=500, attempts=5_000).good


def test_processes_of_two_hosts_admit_exactly_the_limit_of_many_at_once() -> None:
    finding = exactness.in_processes(REDIS, limit=100, attempts=400, count=2)

    assert finding.good, finding.line()


@linux
@pytest.mark.parametrize("backend", [SQLITE, REDIS])
def test_the_provider_never_sees_more_though_workers_are_killed(backend: str) -> None:
    with crew(backend, 150) as (daemon, upstream):
        findings = under_kills(daemon, upstream, 150, 300, seconds=1.2, every=0.4)

    assert all(finding.good for finding in findings), findings


def test_one_too_many_and_one_too_few_would_be_found() -> None:
    assert exactly("", [Outcome(4), Outcome(1)], 5).good
    assert not exactly("", [Outcome(4), Outcome(2)], 5).good
    assert not exactly("", [Outcome(4)], 5).good

"""The bench measures something, and would notice a proxy that loses or mixes up."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from bench import processes, relay, soak, wire
from bench.load import Check, percentiles
from bench.wire import END, Plan, Reader

STREAM = Plan(chunks=20, burst=4, gap=0.001)
EVENTS = [wire.chunk(number, 1_000) for number in range(STREAM.chunks)]

linux = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="reads what Linux tells of processes"
)


def problems(plan: Plan, body: bytes) -> list[str]:
    check = Check(plan)
    check.feed(body)
    check.end(200, whole=True)
    return check.problems


def test_plan_survives_its_request() -> None:
    plan = Plan(chunks=3, burst=2, gap=0.25, delay=0.5, fault="cut")

    assert Plan.of(plan.body(4_096)) == plan
    assert 4_000 < len(plan.body(4_096)) <= 4_100


def test_messages_read_the_same_wherever_they_are_cut() -> None:
    sized = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n"
    )
    chunked += b"0\r\n\r\n"
    for message in (sized, chunked):
        for cut in range(len(message)):
            reader = Reader(response=True)
            body = reader.feed(message[:cut])
            assert not reader.done
            assert body + reader.feed(message[cut:]) == b"hello"
            assert (reader.done, reader.status) == (True, 200)


def test_a_right_stream_passes() -> None:
    assert problems(STREAM, b"".join(EVENTS) + END) == []
    assert problems(Plan(), wire.ANSWER) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (EVENTS[:7] + EVENTS[8:] + [END], "chunks lost or out of order"),
        ([EVENTS[1], EVENTS[0], *EVENTS[2:], END], "chunks lost or out of order"),
        ([EVENTS[0].replace(b"bench", b"other"), *EVENTS[1:], END], "chunk damaged"),
        (EVENTS[:-1], "chunks lost"),
        (EVENTS, "another end"),
        ([*EVENTS, END, END], "another end"),
    ],
)
def test_a_wrong_stream_is_noticed(body: list[bytes], said: str) -> None:
    assert said in problems(STREAM, b"".join(body))


def test_percentiles_are_median_and_99th() -> None:
    assert percentiles(range(1_000)) == (500, 990)
    assert percentiles([]) == (0, 0)


@linux
def test_each_target_is_measured_and_answers_rightly(tmp_path: Path) -> None:
    known = {scenario.name: scenario.quick() for scenario in relay.SCENARIOS}
    paced = attrs.evolve(known["100 a second"], requests=10)
    bursts = attrs.evolve(known["bursts"], plan=STREAM, connections=3, requests=5)
    with processes.targets(tmp_path) as found:
        names = [target.name for target in found]
        results = relay.rounds(found, (paced, bursts), 1, tmp_path)
        assert found[-1].cpu() > 0  # others may need less than the kernel's tick
        assert all(target.descriptors() > 2 for target in found)
        assert found[0].stats().requests >= len(found) * 15

    lines = relay.table(results, names)

    assert names[0] == "direct"
    assert names[-1] == "tproxy"
    for (name, _), (sample,) in results.items():
        assert not sample.report.problems
        assert sample.report.requests == (10 if name == paced.name else 5)
        assert sample.report.chunks == (0 if name == paced.name else 100)
        assert 0 < sample.report.first[0] <= sample.report.whole[1] < 5
        assert 5_000_000 < sample.peak < 500_000_000
    assert [line[0] for line in lines[-2:]] == [
        "100 a second: first byte, p50 ms",
        "100 a second: first byte, p99 ms",
    ]
    assert relay.markdown(lines).count("\n") == len(lines)


@linux
def test_a_small_soak_leaves_nothing_behind(tmp_path: Path) -> None:
    outcome = soak.soak(tmp_path, requests=100, connections=8)

    assert not outcome.problems
    assert outcome.good
    assert outcome.after.memory > 5_000_000
    assert 0 <= outcome.reuse <= 1

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core.breaker import CLOSED, Breaker, BreakerPolicy, BreakerState, State
from tproxy.core.failures import Rest

NOW = 12.0
USUAL = BreakerPolicy()
POLICY = BreakerPolicy(threshold=3, first_rest=10.0, max_rest=60.0, proofs=1)


def failing(times: int, breaker: Breaker = CLOSED, now: float = 0.0) -> Breaker:
    for _ in range(times):
        breaker = breaker.failed(Rest.COUNTED, now, POLICY)
    return breaker


def opened(now: float = 0.0) -> Breaker:
    return failing(POLICY.threshold, now=now)


def probing(now: float = 10.0) -> Breaker:
    return opened().asked(now, POLICY)


def test_failures_in_a_row_open_it() -> None:
    assert failing(2).resting_for(0.0) == 0.0
    assert failing(3).resting_for(0.0) == 10.0
    assert failing(3).resting_for(4.0) == 6.0


def test_a_success_between_them_starts_the_row_anew() -> None:
    breaker = failing(2).succeeded(NOW, POLICY)

    assert failing(2, breaker).resting_for(0.0) == 0.0


def test_it_says_how_it_is() -> None:
    assert CLOSED.state(0.0) == BreakerState(State.CLOSED)
    assert failing(2).state(0.0) == BreakerState(State.CLOSED, 0.0, 2)
    assert opened().state(4.0) == BreakerState(State.OPEN, 6.0, 3, 1)
    assert opened().state(10.0) == BreakerState(State.HALF_OPEN, 0.0, 3, 1)
    assert probing().state(10.0) == BreakerState(State.HALF_OPEN, 10.0, 3, 1)
    again = failing(1, probing(), now=11.0)
    assert again.state(11.0) == BreakerState(State.OPEN, 20.0, 4, 2)


def test_a_proof_ends_the_row_of_failures() -> None:
    proven = failing(5).asked(20.0, USUAL).succeeded(20.0, USUAL)

    assert proven.state(20.0) == BreakerState(State.HALF_OPEN, 0.0, 0, 1)


def flow(outcomes: str, *, apart: float = 0.1) -> Breaker:
    """After successes ("+") and failures ("-"), under the policy as it comes."""
    breaker, now = CLOSED, 0.0
    for outcome in outcomes:
        now += apart
        if outcome == "+":
            breaker = breaker.succeeded(now, USUAL)
        else:
            breaker = breaker.failed(Rest.COUNTED, now, USUAL)
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "opens"),
    [
        ("-----", True),
        ("----+----", False),
        ("-+" * 9 + "-", False),  # 19 requests say too little
        ("-+" * 10 + "-", True),
        ("-++" * 20, False),
        ("+" * 1_000 + "-+" * 10 + "-", True),  # good times before weigh nothing
    ],
)
def test_half_of_many_failing_opens_it_too(outcomes: str, opens: bool) -> None:
    assert bool(flow(outcomes).openings) is opens


def test_failures_far_apart_do_not() -> None:
    assert not flow("-+" * 100, apart=2.0).openings


def test_successes_after_the_span_forget_the_failures() -> None:
    assert flow("--++", apart=20.0) == CLOSED


def test_more_than_one_success_may_be_asked_for() -> None:
    breaker = failing(5).asked(10.0, USUAL).succeeded(11.0, USUAL)

    assert breaker.resting_for(11.0) == 0.0  # the next may go out at once
    probing_again = breaker.asked(11.0, USUAL)
    assert probing_again.resting_for(11.0) > 0.0
    assert probing_again.succeeded(12.0, USUAL) == CLOSED
    assert probing_again.failed(Rest.COUNTED, 12.0, USUAL).resting_for(12.0) == 20.0


@pytest.mark.parametrize(("chance", "rest"), [(0.0, 8.0), (0.5, 10.0), (1.0, 12.0)])
def test_rests_are_spread(chance: float, rest: float) -> None:
    opened = CLOSED.failed(Rest.AT_ONCE, 0.0, USUAL, chance)

    assert opened.resting_for(0.0) == pytest.approx(rest)


def test_what_will_not_mend_within_seconds_opens_it_at_once() -> None:
    assert CLOSED.failed(Rest.AT_ONCE, 5.0, POLICY).resting_for(5.0) == 10.0


def test_what_says_nothing_of_health_changes_nothing() -> None:
    breaker = failing(2)

    assert breaker.failed(Rest.NONE, 0.0, POLICY) == breaker
    assert breaker.excused() == breaker
    assert opened().failed(Rest.NONE, 0.0, POLICY) == opened()


@pytest.mark.parametrize(
    ("state", "now", "rest"),
    [
        ("closed", 0.0, 0.0),
        ("open", 0.0, 10.0),
        ("open", 9.0, 1.0),
        ("half-open", 10.0, 0.0),
        ("half-open", 99.0, 0.0),
        ("probing", 10.0, 10.0),
        ("probing", 15.0, 5.0),
        ("probe vanished", 20.0, 0.0),
    ],
)
def test_a_state_lets_requests_through_or_not(
    state: str, now: float, rest: float
) -> None:
    breaker = {
        "closed": CLOSED,
        "open": opened(),
        "half-open": opened(),
        "probing": probing(),
        "probe vanished": probing(),
    }[state]

    assert breaker.resting_for(now) == rest


def test_a_probe_that_succeeds_closes_it() -> None:
    assert probing().succeeded(NOW, POLICY) == CLOSED


def test_a_probe_that_fails_opens_it_for_twice_as_long() -> None:
    rests = []
    breaker, now = opened(), 0.0
    for _ in range(5):
        rests.append(breaker.resting_for(now))
        now += rests[-1]
        breaker = breaker.asked(now, POLICY).failed(Rest.COUNTED, now, POLICY)

    assert rests == [10.0, 20.0, 40.0, 60.0, 60.0]


def test_a_probe_that_tells_nothing_makes_room_for_another() -> None:
    assert probing().resting_for(11.0) > 0
    assert probing().excused().resting_for(11.0) == 0.0
    assert probing().failed(Rest.NONE, 11.0, POLICY).resting_for(11.0) == 0.0


def test_closed_it_needs_no_probe() -> None:
    assert CLOSED.asked(0.0, POLICY) == CLOSED
    assert failing(2).asked(0.0, POLICY).resting_for(0.0) == 0.0


def test_a_burst_of_failures_under_way_counts_once() -> None:
    burst = failing(50, opened())

    assert burst == opened()
    assert failing(50, burst, now=12.0).resting_for(12.0) == 0.0


def test_a_success_sent_before_it_opened_does_not_close_it() -> None:
    assert opened().succeeded(NOW, POLICY) == opened()


def test_one_asked_all_the_same_while_it_rests_is_heard() -> None:
    asked = opened().asked(5.0, POLICY)

    assert asked.succeeded(6.0, POLICY) == CLOSED
    again = asked.failed(Rest.COUNTED, 6.0, POLICY)
    assert again.resting_for(6.0) == 20.0
    assert again.failed(Rest.COUNTED, 6.0, POLICY) == again  # another of the same burst


STEPS = st.tuples(
    st.sampled_from(["asked", "succeeded", "excused", *Rest]),
    st.floats(0, 100, allow_nan=False),
)


@given(st.lists(STEPS, max_size=40))
def test_nothing_is_banned_for_good(steps: list[tuple[str | Rest, float]]) -> None:
    breaker, now = CLOSED, 1.0
    for step, passed in steps:
        now += passed
        match step:
            case "asked":
                breaker = breaker.asked(now, POLICY)
            case "succeeded":
                breaker = breaker.succeeded(now, POLICY)
            case "excused":
                breaker = breaker.excused()
            case Rest():
                breaker = breaker.failed(step, now, POLICY)

        assert 0.0 <= breaker.resting_for(now) <= POLICY.max_rest + 1e-6
        after = now + POLICY.max_rest + 1e-6
        assert breaker.resting_for(after) == 0.0
        assert breaker.asked(after, POLICY).succeeded(after, POLICY) == CLOSED


def test_rests_stay_finite_however_often_it_opens() -> None:
    breaker = attrs.evolve(opened(), openings=10_000)

    again = breaker.asked(0.0, POLICY).failed(Rest.COUNTED, 0.0, POLICY)

    assert again.resting_for(0.0) == POLICY.max_rest

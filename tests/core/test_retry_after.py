import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core import retry_after
from tproxy.core.retry_after import LONGEST

NOW = "Tue, 03 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20.0),
        ({"retry-after": " 20 "}, 20.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, None),
        ({"retry-after": "0.0"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "86401"}, LONGEST),
        ({"retry-after": "274579000"}, LONGEST),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "5, 5"}, None),
        ({"retry-after": "5;5"}, None),
        ({"retry-after-ms": "1250"}, 1.25),
        ({"retry-after-ms": "1250", "retry-after": "2"}, 1.25),
        ({"retry-after-ms": "0", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "-1", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "x", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "999999999999"}, LONGEST),
        ({"retry-after": "Tue, 03 Nov 2026 10:00:30 GMT", "date": NOW}, 30.0),
        ({"retry-after": "Tue, 03 Nov 2026 12:00:30 +0200", "date": NOW}, 30.0),
        ({"retry-after": "Tue, 03 Nov 2026 09:59:30 GMT", "date": NOW}, None),
        ({"retry-after": "Tue, 03 Nov 2036 10:00:00 GMT", "date": NOW}, LONGEST),
        ({"retry-after": "Tue, 03 Nov 2026 10:00:30 GMT"}, None),
        ({"retry-after": "Tue, 03 Nov 2026 10:00:30 -0000", "date": NOW}, None),
        ({"retry-after": "Tue, 03 Nov 99999999999 10:00:30 GMT", "date": NOW}, None),
        ({"retry-after": NOW, "date": "yesterday"}, None),
    ],
)
def test_headers_are_read(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after.from_headers(headers) == expected


@given(st.text() | st.from_regex(r"\A[\d., :+GMTa-z-]{1,40}\Z"), st.text())
def test_no_header_is_a_surprise(said: str, date: str) -> None:
    wait = retry_after.from_headers({"retry-after": said, "date": date})

    assert wait is None or 0 < wait <= LONGEST


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Please try again in 7.66s. Visit us", 7.66),
        ("Please try again in 1m7.66s.", 67.66),
        ("Please try again in 1h2m3s", 3723.0),
        ("Please try again in 650ms.", 0.65),
        ("Please wait 46 seconds before retrying.", 46.0),
        ("Please retry after 24 seconds.", 24.0),
        ("\nPlease retry in 48.939935699s.", 48.939935699),
        ("Try again in 2 minutes and 5 seconds", 125.0),
        ("try again in 1 hour, 30 minutes", 5400.0),
        ("try again in 5min", 300.0),
        ("try again in 30 secs", 30.0),
        ("try again in 500 milliseconds", 0.5),
        ("TRY AGAIN IN 3S", 3.0),
        ("retry in 48s, or 60s on the other plan", 48.0),
        ("Please wait 0 seconds before retrying.", None),
        ("wait 100000000 seconds", LONGEST),
        ("Please retry shortly.", None),
        ("Please try again later.", None),
        ("retry 3 times", None),
        ("Limit 6000, Used 5990, Requested 80.", None),
        ("Wait for your 12 month plan", None),
        ("Out of call volume quota. Quota will be replenished in 01:31:24.", 5484.0),
        ("Quota will be replenished in 00:00:00.", None),
        ("", None),
    ],
)
def test_words_are_read(text: str, expected: float | None) -> None:
    wait = retry_after.from_words(text)

    assert wait == (None if expected is None else pytest.approx(expected))


@given(st.text(alphabet="try again in0123456789.hms ,wait", max_size=200))
def test_no_words_are_a_surprise(text: str) -> None:
    wait = retry_after.from_words(text)

    assert wait is None or 0 < wait <= LONGEST


@pytest.mark.parametrize(
    ("text", "headers", "expected"),
    [
        ('{"error":"Model X is currently loading","estimated_time":20.0}', {}, 20.0),
        ('{"estimated_time":0}', {}, None),
        ('{"details":[{"retryDelay":"34.4s"}]}', {}, 34.4),
        ('{"headers":{"X-RateLimit-Reset":"1793700060000"}}', {"date": NOW}, 60.0),
        ('{"headers":{"X-RateLimit-Reset":1793700060000}}', {"date": NOW}, 60.0),
        ('{"headers":{"X-RateLimit-Reset":"1793700060000"}}', {}, None),
        ('{"headers":{"X-RateLimit-Reset":"1793600000000"}}', {"date": NOW}, None),
        ('{"headers":{"Retry-After":"12"}}', {}, 12.0),
        ('{"metadata":{"retry_after_seconds":7.5,"raw":"try again in 1h"}}', {}, 7.5),
        ('{"retry_after_ms":1200}', {}, None),
        ('{"retry_after":"soon"}', {}, None),
        ("{}", {}, None),
    ],
)
def test_hints_beside_the_message_are_read(
    text: str, headers: dict[str, str], expected: float | None
) -> None:
    assert retry_after.from_body(text, headers) == expected


def resets(**headers: str) -> float | None:
    named = {f"x-ratelimit-{n.replace('_', '-')}": v for n, v in headers.items()}
    return retry_after.from_resets(named)


def test_of_ratelimit_headers_those_with_nothing_left_are_read() -> None:
    assert resets(remaining_requests="0", reset_requests="6m0s") == 360.0
    assert resets(remaining_tokens="0", reset_tokens="130ms") == 0.13
    both = resets(
        remaining_requests="0",
        reset_requests="2s",
        remaining_tokens="0",
        reset_tokens="1s",
    )
    assert both == 2.0
    assert resets(remaining_requests="1", reset_requests="6m0s") is None
    assert resets(remaining_requests="0") is None
    assert resets(remaining_requests="0", reset_requests="500") is None  # of what?


NONE_LEFT = {"x-ratelimit-remaining": "0"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({**NONE_LEFT, "x-ratelimit-reset": "2"}, 2.0),  # Together
        ({**NONE_LEFT, "x-ratelimit-reset": "1793700060", "date": NOW}, 60.0),
        # OpenRouter
        ({**NONE_LEFT, "x-ratelimit-reset": "1793700060000", "date": NOW}, 60.0),
        ({**NONE_LEFT, "x-ratelimit-reset": "1793700060000"}, None),
        ({**NONE_LEFT, "x-ratelimit-reset": "1793699999000", "date": NOW}, None),
        ({**NONE_LEFT, "x-ratelimit-reset": "0"}, None),
        ({**NONE_LEFT, "x-ratelimit-reset": "-1"}, None),
        ({**NONE_LEFT, "x-ratelimit-reset": "never"}, None),
        (NONE_LEFT, None),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": "2"}, None),
        ({"x-ratelimit-reset": "2"}, None),
        ({"x-ratelimit-timeremaining": "11034"}, 11034.0),  # GitHub
        (
            {
                "x-ratelimit-remaining-requests-day": "0",
                "x-ratelimit-reset-requests-day": "33011.38",
                "x-ratelimit-remaining-tokens-minute": "0",
                "x-ratelimit-reset-tokens-minute": "11.38",
            },
            33011.38,
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-03T10:00:05Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-03T10:00:30Z",
                "anthropic-ratelimit-tokens-remaining": "9000",
                "anthropic-ratelimit-tokens-reset": "2026-11-03T10:10:00Z",
                "date": NOW,
            },
            30.0,
        ),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2026-11-03T10:00:30Z",
            },
            None,
        ),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2026-11-03T10:00:30",  # where?
                "date": NOW,
            },
            None,
        ),
        (
            {
                "x-ratelimit-remaining-requests-day": "14399",
                "x-ratelimit-reset-requests-day": "33011.38",
            },
            None,
        ),
    ],
)
def test_other_resets_are_read(headers: dict[str, str], expected: float | None) -> None:
    wait = retry_after.from_resets(headers)

    assert wait == (None if expected is None else pytest.approx(expected))


NEURONS = "you have used up your daily free allocation of 10,000 neurons"
GEMINI = '"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"'


@pytest.mark.parametrize(
    ("text", "date", "expected"),
    [
        (NEURONS, NOW, 14 * 3600.0),
        (NEURONS, "Tue, 03 Nov 2026 23:59:59 GMT", 1.0),
        (NEURONS, "Wed, 04 Nov 2026 00:00:00 GMT", 86_400.0),
        (GEMINI, NOW, 22 * 3600.0),  # midnight there is 08:00 here, and 2:00 has passed
        (GEMINI, "Sun, 08 Mar 2026 08:00:00 GMT", 23 * 3600.0),  # a short day
        (GEMINI, "Sun, 01 Nov 2026 07:00:00 GMT", LONGEST),  # a long one, of 25 hours
        (GEMINI.replace("PerDay", "PerMinute"), NOW, None),
        (NEURONS, "", None),
        (NEURONS, "soon", None),
        (NEURONS, "Fri, 31 Dec 9999 23:00:00 GMT", None),
        ("", NOW, None),
    ],
)
def test_a_day_lasts_until_midnight_where_it_is_counted(
    text: str, date: str, expected: float | None
) -> None:
    assert retry_after.from_day(text, {"date": date}) == expected


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("x-ratelimit-reset", "x-ratelimit-remaining", "date"),
                *("x-ratelimit-timeremaining", "x-ratelimit-reset-requests-day"),
                "x-ratelimit-remaining-requests-day",
                "anthropic-ratelimit-tokens-remaining",
                "anthropic-ratelimit-tokens-reset",
            ]
        ),
        st.sampled_from(["9999-12-31T23:00:00-12:00", "0001-01-01T00:00:00+12:00"])
        | st.sampled_from(["0", NOW, "Fri, 31 Dec 9999 23:00:00 -1200", "9" * 15])
        | st.text(max_size=12),
    ),
    st.sampled_from([NEURONS, GEMINI, '"X-RateLimit-Reset": "9999999999999" '])
    | st.from_regex(r"\Aretry_after\W\d{1,12}\W\Z|\Areplenished in [\d:]{8}\Z"),
)
def test_no_reset_is_a_surprise(headers: dict[str, str], text: str) -> None:
    for wait in (
        retry_after.from_resets(headers),
        retry_after.from_day(text, headers),
        retry_after.from_body(text, headers),
    ):
        assert wait is None or 0 < wait <= LONGEST

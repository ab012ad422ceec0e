import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.settings.configuring import MODEL, Folder
from tproxy.core.windows import DAY, HOUR, MINUTE, MONTH, WEEK, Kind, Window
from tproxy.settings import schema
from tproxy.settings.amounts import SPANS, interval
from tproxy.settings.report import Report
from tproxy.settings.windows import resolve


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("america/los_angeles", "did you mean 'America/Los_Angeles'?"),
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("Nowhere", "such as Europe/Berlin"),
        ("../etc/passwd", "such as Europe/Berlin"),
        ("", "such as Europe/Berlin"),
    ],
)
def test_zones_that_are_none(folder: Folder, zone: str, hint: str) -> None:
    text = f"{MODEL}    requests_per_day: 1\n    resets: '{zone}'\n"

    assert folder.faults(text) == [
        f"proxy.yaml:6: unknown zone '{zone}' @ models[0].resets ({hint})"
    ]


CLOCK, FIRST_USE, CALENDAR = Kind.CLOCK, Kind.FIRST_USE, Kind.CALENDAR
LA = "America/Los_Angeles"


@pytest.mark.parametrize(
    ("said", "window"),
    [
        ("per: minute", Window(MINUTE)),
        ("per: hour", Window(HOUR)),
        ("per: day", Window(DAY, CALENDAR)),
        ("per: week", Window(WEEK, CALENDAR)),
        ("per: month", Window(MONTH, CALENDAR)),
        ("per: 250ms", Window(0.25)),
        ("per: 2s", Window(2)),
        ("per: 90m", Window(5_400)),
        ("per: 5h", Window(5 * HOUR)),
        ("per: 24h", Window(DAY)),
        ("per: 168h", Window(WEEK)),
        ("per: 1h30m", Window(5_400)),
        ("per: minute, window: rolling", Window(MINUTE)),
        ("per: day, window: rolling", Window(DAY)),
        ("per: week, window: rolling", Window(WEEK)),
        ("per: month, window: rolling", Window(MONTH)),
        ("per: minute, window: clock", Window(MINUTE, CLOCK)),
        ("per: hour, window: clock", Window(HOUR, CLOCK)),
        ("per: 5h, window: clock", Window(5 * HOUR, CLOCK)),
        ("per: 24h, window: clock", Window(DAY, CLOCK)),
        ("per: minute, window: first_use", Window(MINUTE, FIRST_USE)),
        ("per: 5h, window: first_use", Window(5 * HOUR, FIRST_USE)),
        ("per: month, window: first_use", Window(MONTH, FIRST_USE)),
        ("per: day, window: calendar", Window(DAY, CALENDAR)),
        ("per: day, resets: " + LA, Window(DAY, CALENDAR, LA)),
        ("per: week, resets: " + LA, Window(WEEK, CALENDAR, LA)),
        (
            "per: month, window: calendar, resets: " + LA,
            Window(MONTH, CALENDAR, LA),
        ),
    ],
)
def test_what_is_said_of_a_span_is_a_window(
    folder: Folder, said: str, window: Window
) -> None:
    pools = f"pools: {{p: {{windows: [{{{said}, requests: 5}}]}}}}\n"

    budget = folder.model(f"{MODEL}    pool: p\n{pools}").budgets[1]

    assert [limit.window for limit in budget.limits] == [window]


OF_CALENDAR = ("day", "week", "month")
DURATIONS = st.integers(1, 366 * 24 * 3600).map(lambda seconds: f"{seconds}s")
KINDS = st.none() | st.sampled_from([kind.value for kind in Kind])


@given(per=st.sampled_from([*SPANS, "24h", "168h"]) | DURATIONS, said=KINDS, own=...)
def test_every_window_is_as_the_interface_has_it_or_a_fault(
    per: str, said: str | None, own: bool
) -> None:
    report = Report("")
    written = schema.Window(
        schema.Per(per),
        schema.Count(1),
        window=None if said is None else schema.WindowKind(said),
        resets="Asia/Tokyo" if own else None,
    )

    window = resolve(written, LA, (), report)

    usual = "calendar" if per in OF_CALENDAR else "rolling"
    kind = Kind(said or usual)
    seconds = SPANS[per] if per in SPANS else interval(per)
    fits = {CALENDAR: per in OF_CALENDAR, CLOCK: per not in OF_CALENDAR}.get(kind, True)
    if kind is CLOCK and seconds > DAY:
        fits = False
    if not fits or (own and kind is not CALENDAR):
        assert window is None
        assert report.at_fault(())
    else:
        zone = "Asia/Tokyo" if own else LA
        assert window == Window(seconds, kind, zone if kind is CALENDAR else "UTC")
        assert report.settle() == ()

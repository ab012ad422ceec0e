"""What requests take from: budgets of models, their providers, and pools."""

import pytest

from tests.settings.configuring import MODEL, Folder
from tproxy.core.budget import COUNTED, Budget, Limit, Outcome, Unit
from tproxy.core.windows import DAY, HOUR, MINUTE, MONTH, WEEK, Kind, Window

LA = "America/Los_Angeles"
ALL = frozenset(Outcome)
WINDOWS = {
    "minute": Window(MINUTE),
    "hour": Window(HOUR),
    "day": Window(DAY, Kind.CALENDAR),
    "week": Window(WEEK, Kind.CALENDAR),
    "month": Window(MONTH, Kind.CALENDAR),
}
KEYS = [
    pytest.param(
        f"{unit.value}_per_{span}", Limit(unit, 7, window), id=f"{unit}/{span}"
    )
    for unit in (Unit.REQUESTS, Unit.TOKENS)
    for span, window in WINDOWS.items()
]


def test_a_model_always_has_a_budget_of_its_own(folder: Folder) -> None:
    assert folder.model(MODEL).budgets == (Budget("model/m"),)


@pytest.mark.parametrize(("key", "limit"), KEYS)
def test_a_limit_of_a_model(folder: Folder, key: str, limit: Limit) -> None:
    model = folder.model(f"{MODEL}    {key}: 7\n")

    assert model.budgets == (Budget("model/m", (limit,)),)


@pytest.mark.parametrize(("key", "limit"), KEYS)
def test_a_limit_of_a_provider(folder: Folder, key: str, limit: Limit) -> None:
    model = folder.model(f"{MODEL}providers: {{groq: {{{key}: 7}}}}\n")

    assert model.budgets == (Budget("model/m"), Budget("provider/groq", (limit,)))


@pytest.mark.parametrize(("key", "limit"), KEYS)
def test_a_limit_of_a_client(folder: Folder, key: str, limit: Limit) -> None:
    text = f"{MODEL}clients: [{{name: a, token: long-enough, {key}: 7}}]\n"

    default, client = folder.load(text).clients

    assert default.budgets == ()
    assert client.budgets == (Budget("client/a", (limit,)),)


@pytest.mark.parametrize(("key", "limit"), KEYS)
def test_a_zone_is_for_days_weeks_and_months(
    folder: Folder, key: str, limit: Limit
) -> None:
    text = f"{MODEL}    requests_per_day: 1\n    resets: {LA}\n"
    text = text.replace("requests_per_day: 1", f"{key}: 7")
    of_calendar = limit.window.kind is Kind.CALENDAR

    if of_calendar:
        (found,) = folder.model(text).budgets[0].limits
        assert found.window == Window(limit.window.seconds, Kind.CALENDAR, LA)
    else:
        assert folder.faults(text) == [
            (
                "proxy.yaml:6: there is no limit per day, week or month here that it"
                " could reset @ models[0].resets"
            )
        ]


def test_all_keys_at_once_are_one_budget(folder: Folder) -> None:
    text = "".join(f"    {key.values[0]}: 7\n" for key in reversed(KEYS))

    (budget,) = folder.model(MODEL + text).budgets

    assert list(budget.limits) == [key.values[1] for key in KEYS]


@pytest.mark.parametrize(
    ("company", "counts", "zone"),
    [
        ("groq", COUNTED, "UTC"),
        ("openai", ALL, "UTC"),
        ("openrouter", ALL, "UTC"),
        ("gemini", COUNTED, LA),
        ("google", COUNTED, LA),
        ("anybody", COUNTED, "UTC"),
    ],
)
def test_what_is_not_said_is_as_the_company_has_it(
    folder: Folder, company: str, counts: frozenset[Outcome], zone: str
) -> None:
    text = f"""\
providers:
  mine: {{type: {company}, token: k, url: "https://h.example/v1", requests_per_day: 9}}
models:
  - {{name: m, provider: mine, requests_per_minute: 2, tokens_per_week: 8}}
"""
    minute = Limit(Unit.REQUESTS, 2, Window(MINUTE))
    week = Limit(Unit.TOKENS, 8, Window(WEEK, Kind.CALENDAR, zone))
    day = Limit(Unit.REQUESTS, 9, Window(DAY, Kind.CALENDAR, zone))

    assert folder.model(text).budgets == (
        Budget("model/m", (minute, week), counts=counts),
        Budget("provider/mine", (day,), counts=counts),
    )


def test_a_company_brings_no_limits(folder: Folder) -> None:
    text = MODEL.replace("groq", "gemini")

    assert [budget.limits for budget in folder.model(text).budgets] == [()]


def test_the_zone_that_is_said_wins(folder: Folder) -> None:
    text = MODEL.replace("groq", "gemini")
    text += "    requests_per_day: 5\n    resets: Asia/Tokyo\n"

    (limit,) = folder.model(text).budgets[0].limits

    assert limit.window.zone == "Asia/Tokyo"


def test_a_model_takes_from_its_own_its_providers_and_pools_once_each(
    folder: Folder,
) -> None:
    text = """\
providers:
  mine: {type: groq, token: k, requests_per_day: 9, pool: [c, b]}
pools:
  a: {windows: [{per: day, requests: 1}]}
  b: {windows: [{per: day, requests: 2}]}
  c: {windows: [{per: day, requests: 3}]}
models:
  - {name: m, provider: mine, pool: [b, a, b]}
  - {name: n, provider: mine, pool: a}
  - {name: o, provider: mine}
"""

    assert [
        [budget.name for budget in model.budgets] for model in folder.load(text).models
    ] == [
        ["model/m", "provider/mine", "pool/b", "pool/a", "pool/c"],
        ["model/n", "provider/mine", "pool/a", "pool/c", "pool/b"],
        ["model/o", "provider/mine", "pool/c", "pool/b"],
    ]


def test_names_tell_budgets_of_one_name_apart(folder: Folder) -> None:
    text = """\
clients: [{name: x, token: long-enough, requests_per_hour: 1, pool: x}]
providers: {x: {type: groq, token: k, requests_per_hour: 1}}
pools: {x: {windows: [{per: hour, requests: 1}]}}
models: [{name: x, provider: x, pool: x, requests_per_hour: 1}]
"""
    settings = folder.load(text)

    assert [budget.name for budget in settings.models[0].budgets] == [
        "model/x",
        "provider/x",
        "pool/x",
    ]
    assert [budget.name for budget in settings.clients[1].budgets] == [
        "client/x",
        "pool/x",
    ]
    assert settings.models[0].budgets[2] == settings.clients[1].budgets[1]


def test_the_model_of_an_account_that_has_no_entry(folder: Folder) -> None:
    text = MODEL + "    requests_per_day: 3\n"

    assert [budget.name for budget in folder.model(text).budgets] == ["model/m"]

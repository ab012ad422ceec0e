"""Quotas of accounts and projects, which models, providers and clients draw from."""

import pytest

from tests.settings.configuring import MODEL, Folder
from tproxy.core.budget import COUNTED, Budget, Limit, Outcome, Unit
from tproxy.core.windows import DAY, MINUTE, Kind, Window

LA = "America/Los_Angeles"
ALL = frozenset(Outcome)


def pool(folder: Folder, said: str, provider: str = "groq") -> tuple[Budget, ...]:
    """What a model draws from beside its own budget."""
    model = MODEL.replace("groq", provider)
    text = f"{model}    pool: p\npools: {{p: {{{said}}}}}\n"
    return folder.model(text).budgets[1:]


def test_a_pool_is_a_budget(folder: Folder) -> None:
    said = "windows: [{per: minute, requests: 15, tokens: 99}, {per: day, requests: 3}]"

    assert pool(folder, said) == (
        Budget(
            "pool/p",
            (
                Limit(Unit.REQUESTS, 15, Window(MINUTE)),
                Limit(Unit.TOKENS, 99, Window(MINUTE)),
                Limit(Unit.REQUESTS, 3, Window(DAY, Kind.CALENDAR)),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("headroom", "amount", "usable"),
    [
        ("10%", 15, 13),
        ("10%", 10, 9),
        ("0%", 1, 1),
        ("0.5%", 1000, 995),
        ("12.5 %", 8, 7),
        ("33%", 3, 2),
        ("99.9%", 1000, 1),
    ],
)
def test_headroom_is_kept_rounded_up(
    folder: Folder, headroom: str, amount: int, usable: int
) -> None:
    said = f"windows: [{{per: hour, requests: {amount}}}], headroom: {headroom}"

    ((limit,),) = (budget.limits for budget in pool(folder, said))

    assert (limit.amount, limit.usable) == (amount, usable)


@pytest.mark.parametrize(
    ("cost", "billionths"),
    [
        ("1.50", 1_500_000_000),
        ("2", 2_000_000_000),
        ("0.000_001", 1_000),
        ("0.1", 100_000_000),
        ("1.0e-12", 1),
        ("9000000", 9_000_000 * 10**9),
    ],
)
def test_cost_is_in_dollars(folder: Folder, cost: str, billionths: int) -> None:
    said = f"windows: [{{per: day, cost: {cost}}}]"

    ((limit,),) = (budget.limits for budget in pool(folder, said))

    assert (limit.unit, limit.amount) == (Unit.SPEND, billionths)


@pytest.mark.parametrize(
    ("provider", "said", "counts"),
    [
        ("groq", "", COUNTED),
        ("openrouter", "", ALL),
        ("openai", "", ALL),
        ("openrouter", ", counts: [answers]", {Outcome.ANSWER}),
        ("groq", ", counts: [refusals, errors, answers]", ALL),
    ],
)
def test_what_counts(
    folder: Folder, provider: str, said: str, counts: frozenset[Outcome]
) -> None:
    windows = f"windows: [{{per: day, requests: 5{said}}}]"

    assert [each.counts for each in pool(folder, windows, provider)] == [counts]


def test_windows_that_count_otherwise_are_a_budget_of_their_own(folder: Folder) -> None:
    said = """windows: [
  {per: minute, requests: 20},
  {per: day, requests: 50, counts: [answers, errors, refusals]},
  {per: hour, requests: 30, counts: [errors, answers]},
  {per: day, requests: 40}]"""

    first, second = pool(folder, said)

    assert (first.name, first.counts) == ("pool/p", COUNTED)
    assert [limit.amount for limit in first.limits] == [20, 30, 40]
    assert (second.name, second.counts) == ("pool/p answers+errors+refusals", ALL)
    assert [limit.amount for limit in second.limits] == [50]


MIXED = """\
providers:
  mine: {type: gemini, token: k%s}
models:
  - {name: m, provider: mine%s}
  - {name: n, provider: openrouter, token: k%s}
clients: [{name: a, token: long-enough%s}]
pools: {p: {windows: [{per: day, requests: 5}]}}
"""


@pytest.mark.parametrize(
    ("drawing", "counts", "zone"),
    [
        ((", pool: p", "", "", ""), COUNTED, LA),
        (("", ", pool: p", "", ""), COUNTED, LA),
        (("", "", ", pool: p", ""), ALL, "UTC"),
        (("", ", pool: p", ", pool: p", ", pool: p"), ALL, "UTC"),
        (("", ", pool: p", "", ", pool: p"), COUNTED, LA),
        (("", "", "", ", pool: p"), COUNTED, "UTC"),
    ],
)
def test_a_silent_pool_is_as_those_who_draw_from_it(
    folder: Folder,
    drawing: tuple[str, ...],
    counts: frozenset[Outcome],
    zone: str,
) -> None:
    settings = folder.load(MIXED % drawing)

    drawn = {
        budget
        for budgets in (
            *(model.budgets for model in settings.models),
            *(client.budgets for client in settings.clients),
        )
        for budget in budgets
        if budget.name.startswith("pool/")
    }
    limit = Limit(Unit.REQUESTS, 5, Window(DAY, Kind.CALENDAR, zone))
    assert drawn == {Budget("pool/p", (limit,), counts=counts)}


def test_a_pool_that_is_not_there(folder: Folder) -> None:
    text = f"""\
{MODEL}    pool: [gemini, gemini-projct]
pools:
  gemini-project: {{windows: [{{per: day, requests: 5}}]}}
"""

    assert folder.faults(text) == [
        (
            "proxy.yaml:5: there is no pool 'gemini' @ models[0].pool[0]"
            " (known: gemini-project)"
        ),
        (
            "proxy.yaml:5: there is no pool 'gemini-projct' @ models[0].pool[1]"
            " (did you mean 'gemini-project'?)"
        ),
    ]


def test_a_pool_that_nothing_draws_from_is_warned_of(folder: Folder) -> None:
    text = MODEL + "pools: {p: {windows: [{per: day, requests: 5}]}}\n"

    assert folder.warnings(text) == [
        (
            "proxy.yaml:5: nothing draws from this pool @ pools.p"
            " (pool: NAME, on a model, provider or client)"
        )
    ]


def test_every_fault_of_a_pool_is_told_at_once(folder: Folder) -> None:
    text = """\
pools:
  p:
    headroom: 10%
    windows:
      - {per: minute, requests: 1, window: calendar}
      - {per: day, resets: Mars}
      - {per: hour, requests: 1, resets: UTC, counts: []}
models: [{name: m, provider: groq, token: k, pool: p}]
"""

    assert folder.faults(text) == [
        (
            "proxy.yaml:5: only per: day, week and month follow a calendar"
            " @ pools.p.windows[0].window (window: clock)"
        ),
        (
            "proxy.yaml:6: unknown zone 'Mars' @ pools.p.windows[1].resets"
            " (such as Europe/Berlin)"
        ),
        (
            "proxy.yaml:6: limits nothing @ pools.p.windows[1]"
            " (requests, tokens or cost)"
        ),
        (
            "proxy.yaml:7: only days, weeks and months of the calendar begin in a zone"
            " @ pools.p.windows[2].resets"
        ),
        (
            "proxy.yaml:7: counts nothing at all @ pools.p.windows[2].counts"
            " (leave the key out for the usual: answers and errors)"
        ),
    ]


PRICED = """\
models:
  - {name: m, provider: groq, token: k%s}
  - {name: n, provider: groq, token: k, model_size: BIG%s}
clients: [{name: a, token: long-enough, models: [%s], pool: p}]
pools: {p: {windows: [{per: day, %s: 5}]}}
"""
PRICE = ", price: {input: 0, output: 0}"


@pytest.mark.parametrize(
    ("filled", "names"),
    [
        (("", "", "m, n", "requests"), None),
        (("", "", "m, n", "cost"), "'m' does not have, nor 1 more"),
        ((PRICE, "", "m, n", "cost"), "'n' does not have"),
        (("", PRICE, "BIG", "cost"), None),
        (("", "", "BIG", "cost"), "'n' does not have"),
        ((", pool: p", PRICE, "BIG", "cost"), "'m' does not have"),
        ((PRICE, PRICE, "m, n", "cost"), None),
    ],
)
def test_models_that_cost_nothing_for_want_of_a_price_are_warned_of(
    folder: Folder, filled: tuple[str, ...], names: str | None
) -> None:
    problem = f"cost is counted by price, which {names} @ pools.p"

    assert folder.warnings(PRICED % filled) == (
        [] if names is None else [f"proxy.yaml:5: {problem}"]
    )

import pytest

from tests.settings.configuring import TOKEN, Folder
from tproxy.settings import Settings

MODELS = """\
pools:
  account: {windows: [{per: minute, requests: 100}]}
  team: {windows: [{per: day, requests: 9}]}
models:
  - {name: a, provider: groq, token: k, pool: account, requests_per_minute: 30}
  - {name: b, provider: openai, token: k}
clients:
  - {name: first, token: a-first-token, priority: PRIORITY, pool: [account, team],
     requests_per_minute: 5}
"""


def shares(settings: Settings) -> dict[str, float | None]:
    """By the budgets' names; each has the same wherever it stands."""
    drawn = [model.budgets for model in settings.models]
    drawn += [client.budgets for client in settings.clients]
    budgets = {budget for each in drawn for budget in each}
    found = {budget.name: budget.share for budget in budgets}
    assert len(found) == len(budgets)
    return found


@pytest.mark.parametrize(
    ("said", "share"),
    [("", 0.7), ("routing: {shares: {high: 55.5%}}", 0.555), ("routing: {}", 0.7)],
)
def test_limits_of_models_are_shared_where_some_clients_are_high(
    folder: Folder, said: str, share: float
) -> None:
    text = MODELS.replace("PRIORITY", "high") + said

    settings = folder.load(text)

    assert shares(settings) == {
        "model/a": share,
        "model/b": None,
        "pool/account": share,
        "pool/team": None,
        "client/first": None,
    }


@pytest.mark.parametrize("priority", ["normal", "low"])
def test_without_clients_of_high_priority_nothing_is_kept(
    folder: Folder, priority: str
) -> None:
    settings = folder.load(MODELS.replace("PRIORITY", priority))

    assert set(shares(settings).values()) == {None}


def test_where_all_are_high_nobody_is(folder: Folder) -> None:
    settings = folder.load(MODELS.replace("PRIORITY", "high"), {})

    assert set(shares(settings).values()) == {None}


def test_what_headers_tell_is_of_the_budget_that_is_shared(folder: Folder) -> None:
    settings = folder.load(MODELS.replace("PRIORITY", "high"), TOKEN)

    assert all(
        metered.budget in model.budgets
        for model in settings.models
        for metered in model.meters
    )


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("0%", "keeps nothing @ routing.shares.high"),
        ("100%", "is not a part @ routing.shares.high"),
        ("0.7", "routing.shares.high"),
    ],
)
def test_a_share_is_a_part(folder: Folder, said: str, fault: str) -> None:
    text = f"{MODELS.replace('PRIORITY', 'high')}routing: {{shares: {{high: {said}}}}}"

    assert fault in folder.faults(text)[0]

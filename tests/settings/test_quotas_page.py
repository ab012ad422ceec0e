"""The examples of `docs/quotas.md`: they load, and are what the page says of them."""

import re
from pathlib import Path

import pytest

from tests.settings.configuring import MODEL, TOKEN, Folder
from tproxy.core.budget import Limit, Outcome, Unit
from tproxy.core.model import Model
from tproxy.core.windows import DAY, HOUR, MINUTE, MONTH, Kind, Window

PAGE = (Path(__file__).parents[2] / "docs" / "quotas.md").read_text("utf-8")
WINDOWS, SHARES, GEMINI, OPENROUTER, GROQ = re.findall(
    r"```yaml\n(.*?)```", PAGE, re.DOTALL
)
NAMES = ("GEMINI_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY", "GROQ_WORK_KEY")
LA = "America/Los_Angeles"


def models(folder: Folder, text: str) -> tuple[Model, ...]:
    settings = folder.load(text, TOKEN | dict.fromkeys(NAMES, "key"))
    assert settings.warnings == ()
    return settings.models


def drawn(model: Model) -> list[str]:
    return [budget.name for budget in model.budgets[1:]]


def test_the_windows(folder: Folder) -> None:
    price = "    price: {input: 1, output: 2}\n"

    (model,) = models(folder, f"{MODEL}{price}    pool: project\n{WINDOWS}")

    assert model.budgets[1].limits == (
        Limit(Unit.REQUESTS, 15, Window(MINUTE), 2),
        Limit(Unit.TOKENS, 1_000_000, Window(MINUTE), 100_000),
        Limit(Unit.REQUESTS, 200, Window(5 * HOUR, Kind.FIRST_USE), 20),
        Limit(Unit.REQUESTS, 1500, Window(DAY, Kind.CALENDAR, LA), 150),
        Limit(Unit.SPEND, 50 * 10**9, Window(MONTH, Kind.CALENDAR), 5 * 10**9),
    )


def test_the_shares(folder: Folder) -> None:
    first = "clients: [{name: first, token: a-first-token, priority: high}]\n"

    (model,) = models(folder, f"{MODEL}    requests_per_minute: 9\n{first}{SHARES}")

    assert model.budgets[0].share == 0.7


def test_geminis_project(folder: Folder) -> None:
    flash, pro = models(folder, GEMINI)

    assert flash.budgets[1:] == pro.budgets[1:]
    (project,) = flash.budgets[1:]
    assert [limit.usable for limit in project.limits] == [13, 900_000, 1350]
    day = Window(DAY, Kind.CALENDAR, LA)
    assert project.limits[2].window == day
    assert pro.budgets[0].limits == (Limit(Unit.REQUESTS, 50, day),)


def test_openrouters_free_models(folder: Folder) -> None:
    qwen, minimax, paid = models(folder, OPENROUTER)

    assert drawn(qwen) == drawn(minimax) == ["pool/openrouter-free"]
    assert qwen.budgets[1].counts == frozenset(Outcome)
    assert drawn(paid) == []
    assert paid.budgets[0].limits == ()


def test_two_accounts_at_groq(folder: Folder) -> None:
    mine, work = models(folder, GROQ)

    assert mine.upstream_name == work.upstream_name == "openai/gpt-oss-120b"
    assert {*mine.budgets}.isdisjoint(work.budgets)
    assert mine.throttle != work.throttle


@pytest.mark.parametrize(
    "word", ["rolling", "clock", "first_use", "calendar", "sqlite", "redis", "memory"]
)
def test_the_page_speaks_of_every_choice(word: str) -> None:
    assert f"`{word}`" in PAGE

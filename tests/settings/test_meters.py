"""Which headers tell of which budgets, for each company that has them."""

import json
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.settings.configuring import Folder
from tproxy.core import meters
from tproxy.core.model import Model
from tproxy.settings.presets import presets

RECORDINGS = Path(__file__).parents[1] / "recordings"

LIMITS = "".join(
    f"    {unit}_per_{span}: 5\n"
    for unit in ("requests", "tokens")
    for span in ("minute", "hour", "day", "week", "month")
)

# The windows of a model with all of them that headers tell of.
TOLD = {
    "openai": ["requests per minute", "tokens per minute"],
    "groq": ["requests per day", "tokens per minute"],
    "cohere": ["requests per minute"],
    "mistral": ["requests per minute", "tokens per minute"],
    "azure": ["requests per minute", "tokens per minute"],
    "anthropic": ["requests per minute", "tokens per minute"],
}


def limited(folder: Folder, company: str, limits: str = LIMITS) -> Model:
    return folder.model(f"""\
models:
  - name: m
    provider: {company}
    url: https://host.test/v1/chat/completions
    token: key
{limits}""")


def told(model: Model) -> dict[str, list[str]]:
    """What is told of each budget."""
    return {
        metered.budget.name: [
            f"{meter.unit.value} per {meter.window.label}" for meter in metered.meters
        ]
        for metered in model.meters
    }


@pytest.mark.parametrize("word", sorted(presets().keys() - {"echo"}))
def test_of_each_company_what_its_headers_tell(folder: Folder, word: str) -> None:
    expected = {"model/m": TOLD[word]} if word in TOLD else {}

    assert told(limited(folder, word)) == expected


def test_windows_are_as_the_limits_have_them(folder: Folder) -> None:
    limits = "    requests_per_day: 5\n    resets: Europe/Berlin\n"

    [metered] = limited(folder, "groq", limits).meters

    [meter] = metered.meters
    assert metered.budget.limits[0].window == meter.window
    assert meter.window.zone == "Europe/Berlin"
    assert meter.left == "x-ratelimit-remaining-requests"


def test_what_is_not_limited_is_not_heard_of(folder: Folder) -> None:
    assert limited(folder, "groq", "").meters == ()
    assert limited(folder, "groq", "    requests_per_minute: 30\n").meters == ()


SHARED = """\
providers:
  openai: {token: k, requests_per_minute: 9}
  other: {type: openai, token: l, url: https://host.test/v1/chat/completions}
  mistral: {token: k, requests_per_minute: 9}
pools:
  one: {windows: [{per: minute, requests: 9}]}
  several: {windows: [{per: minute, requests: 9}]}
models:
  - {name: openai/a, provider: openai, pool: [one, several]}
  - {name: openai/b, provider: openai, pool: several}
  - {name: other/a, provider: other, upstream_name: a, pool: one}
  - {name: mistral/a, provider: mistral}
  - {name: mistral/b, provider: mistral, pool: several, requests_per_minute: 5}
"""


def test_a_header_tells_of_no_budget_that_others_draw_from(folder: Folder) -> None:
    """OpenAI's quotas are each model's, Mistral's the account's."""
    per_minute = ["requests per minute"]

    assert [told(model) for model in folder.load(SHARED).models] == [
        {"pool/one": per_minute},
        {},
        {"pool/one": per_minute},
        {"provider/mistral": per_minute},
        {"model/mistral/b": per_minute, "provider/mistral": per_minute},
    ]


@pytest.mark.parametrize(
    ("company", "recording", "expected"),
    [
        (
            "openai",
            "openai/openai/openai.chat-streaming.",
            [(499, 0.12), (199_996, 0.001)],
        ),
        (
            "groq",
            "openai/groq/groq.test-chat-streaming-",
            [(14_399, 6.0), (5_987, 0.13)],
        ),
        (
            "mistral",
            "openai/mistral/mistral.chat-basic-chat-functionality-",
            [(95, 60.0), (97_903, 60.0)],
        ),
        (
            "azure",  # its resets are in nobody knows what
            "openai/azure/azure.test-chat-async-streaming-with-events-with-content.",
            [(119, 60.0), (119_986, 60.0)],
        ),
        (
            "azure",
            "openai/azure/azure.test-chat-with-events-with-no-content.",
            [(119, 60.0), (119_984, 60.0)],
        ),
        (
            "anthropic",
            "anthropic/anthropic.test-async-anthropic-message-create-",
            [(3, 30.0), (8_000, 30.0)],
        ),
        (
            "anthropic",  # full again two seconds ago
            "anthropic/anthropic.test-image-with-no-prompt.",
            [(2_399_000, 0.0)],
        ),
        ("cohere", "cohere/cohere.test-stream.", [(39, 60.0)]),
    ],
)
def test_recorded_headers_are_read(
    folder: Folder,
    company: str,
    recording: str,
    expected: list[tuple[int, float]],
) -> None:
    first = min(RECORDINGS.glob(f"{recording}*.json"))
    headers = json.loads(first.read_text("utf-8"))["response"]["headers"]
    then = parsedate_to_datetime(headers["date"]).timestamp()
    [metered] = limited(folder, company).meters

    heard = meters.read(headers, metered.meters, then)

    assert [each.left for each in heard] == [left for left, _ in expected]
    resets = [reset for _, reset in expected]
    assert [each.resets_in for each in heard] == pytest.approx(resets)

"""The facts in presets.yaml: complete enough, and right about each other."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.settings.configuring import DIALECTS
from tproxy.app import Dialects
from tproxy.core.errors import ConfigError
from tproxy.core.model import Kind
from tproxy.settings import endpoint, structure, tree
from tproxy.settings.dialects import makes
from tproxy.settings.facts import Limits, Quota
from tproxy.settings.presets import Preset, preset, presets, speaker
from tproxy.settings.report import Report

# The words that the interface promises.
KNOWN = """openai google gemini gigachat groq openrouter cloudflare cohere huggingface
    anthropic azure mistral deepseek together github ollama echo"""


def each() -> list[Preset]:
    return list(dict.fromkeys(presets().values()))


def test_every_word_of_the_interface_is_known() -> None:
    assert sorted(presets()) == sorted(KNOWN.split())


def test_google_is_gemini() -> None:
    assert preset("google") is preset("gemini")
    assert preset("Google").words == ("gemini", "google")


def test_another_word_has_no_facts() -> None:
    assert preset("glama") == Preset("glama", "glama")


@pytest.mark.parametrize("known", each(), ids=lambda known: known.word)
def test_a_preset_can_be_used(known: Preset) -> None:
    if known.word != "echo":
        for url in filter(None, (known.url, known.own_url, known.auth_url)):
            endpoint.check(
                url.replace("${CLOUDFLARE_ACCOUNT_ID}", "a"), insecure_http=False
            )
        assert known.url is None or known.url.endswith("/chat/completions")
    assert known.title
    own = {known.dialect, known.image_dialect} - {None}
    assert own <= DIALECTS.keys()
    assert (own != {"openai"}) == (known.own_url is not None)
    assert set(known.takes.values()).isdisjoint(known.env)
    ZoneInfo(known.quota.resets)


@pytest.mark.parametrize("known", each(), ids=lambda known: known.word)
def test_a_url_that_nobody_gives_is_read_as_it_was_meant(known: Preset) -> None:
    for kind in Kind:
        url = known.usual_url(kind, None)
        if url is not None and known.word != "echo":
            at = endpoint.derive(url, known, kind=kind, shared=True)

            assert (at.dialect, at.kind) == (known.usual(kind), kind)


@pytest.mark.parametrize("known", each(), ids=lambda known: known.word)
def test_what_up_serves_chats_small_and_big(known: Preset) -> None:
    assert bool(known.models) == bool(known.env or known.word == "echo")
    chats = [model for model in known.models if model.kind == "chat"]
    if known.models:
        assert {model.size for model in chats} == {"SMALL", "BIG"}
    for model in known.models:
        assert (model.size is None) == (model not in chats)


@pytest.mark.parametrize("known", each(), ids=lambda known: known.word)
def test_what_up_serves_can_be_asked(known: Preset) -> None:
    for model in known.models:
        kind = Kind(model.kind)
        assert makes(Dialects(), known.usual(kind), kind), model.name


@pytest.mark.parametrize("known", each(), ids=lambda known: known.word)
def test_meters_name_headers(known: Preset) -> None:
    for meter in known.meters:
        for name in (meter.left, meter.limit, meter.reset):
            assert name is None or name == name.lower()


def test_no_variable_belongs_to_two_providers() -> None:
    variables = [name for known in each() for name in (*known.env, *known.needs)]

    assert len(variables) == len(set(variables))


@pytest.mark.parametrize(
    ("word", "scope", "resets"),
    [
        ("gemini", "project", "America/Los_Angeles"),
        ("groq", "model", "UTC"),
        ("openrouter", "account", "UTC"),
        ("cloudflare", "account", "UTC"),
        ("glama", "account", "UTC"),
    ],
)
def test_whose_a_quota_is_and_when_its_days_begin(
    word: str, scope: str, resets: str
) -> None:
    quota = preset(word).quota

    assert (quota.scope, quota.resets) == (scope, resets)


def test_refusals_count_where_the_provider_counts_them() -> None:
    counting = {known.word for known in each() if "refusals" in known.quota.counts}

    assert counting == {"openai", "openrouter"}
    assert Quota().counts == ("answers", "errors")


def test_groqs_headers_speak_of_the_day_and_of_the_minute() -> None:
    requests, tokens = preset("groq").meters

    assert (requests.of, requests.per) == ("requests", "day")
    assert requests.limit == "x-ratelimit-limit-requests"
    assert requests.left == "x-ratelimit-remaining-requests"
    assert requests.reset == "x-ratelimit-reset-requests"
    assert (tokens.of, tokens.per) == ("tokens", "minute")


def test_free_tiers() -> None:
    limits = preset("gemini").limits

    assert (limits.requests_per_minute, limits.requests_per_day) == (15, 1500)
    assert preset("openai").limits == Limits()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("meters: [{of: words}]", "unknown word 'words'"),
        ("meters: [{per: minute}]", "'of' is missing"),
        ("quota: {scope: key}", "unknown word 'key'"),
        ("quota: {counts: [tries]}", "unknown word 'tries'"),
        ("models: [{kind: chat}]", "'name' is missing"),
    ],
)
def test_facts_are_checked_as_strictly_as_a_configuration(
    name: str, problem: str
) -> None:
    report = Report("presets.yaml")
    found = tree.read(f"x:\n  title: X\n  {name}\n", report, None)
    assert found is not None
    assert isinstance(found.root, dict)

    structure.read(found.root["x"], Preset, ("x",), report)

    with pytest.raises(ConfigError, match=problem):
        report.settle()


def test_the_page_on_providers_names_them_all_and_their_variables() -> None:
    page = (Path(__file__).parents[2] / "docs" / "providers.md").read_text("utf-8")

    for known in each():
        if known.word != "echo":
            names = (*known.words, *known.env, *known.needs, *known.takes.values())
            assert [name for name in names if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("dialect", "company", "whose"),
    [
        ("gemini", "glama", "gemini"),
        ("gemini", "gemini", "gemini"),
        ("openai", "gemini", "openai"),
        ("openai", "azure", "azure"),
        ("huggingface", "glama", "huggingface"),
        ("klingon", "gemini", ""),
    ],
)
def test_whose_a_dialect_is(dialect: str, company: str, whose: str) -> None:
    assert speaker(dialect, preset(company)).word == whose

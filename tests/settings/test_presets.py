"""The facts in presets.yaml: complete enough, and right about each other."""

from zoneinfo import ZoneInfo

import pytest

from tproxy.settings import endpoint
from tproxy.settings.presets import Preset, preset, presets
from tproxy.settings.schema import WORDS, Dialect

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
        for url in filter(None, (known.url, known.own_url)):
            endpoint.check(
                url.replace("${CLOUDFLARE_ACCOUNT_ID}", "a"), insecure_http=False
            )
        assert known.url is None or known.url.endswith(endpoint.CHAT)
    assert known.title
    built, later = WORDS[Dialect].built, WORDS[Dialect].later
    assert {known.dialect, known.image_dialect} - {None} <= {*built, *later}
    if known.limits.resets is not None:
        ZoneInfo(known.limits.resets)
        assert known.limits.requests_per_day is not None


@pytest.mark.parametrize("known", each(), ids=lambda known: known.word)
def test_what_up_serves_is_small_and_big(known: Preset) -> None:
    if known.models:
        assert {model.size for model in known.models} == {"SMALL", "BIG"}
        assert known.url is not None
    assert bool(known.models) == bool(known.url and (known.env or known.word == "echo"))


def test_no_variable_belongs_to_two_providers() -> None:
    variables = [name for known in each() for name in (*known.env, *known.needs)]

    assert len(variables) == len(set(variables))

import pytest

from tests.settings.configuring import Folder
from tproxy.core.model import HealthCheck

TEXT = """\
providers:
  mine: {%s, token: k, health_check: %s}
models:
  - {name: m, provider: mine, model_size: BIG%s}
"""
VERSION = (("anthropic-version", "2023-06-01"),)


def check(folder: Folder, said: str, provider: str = "type: groq") -> HealthCheck:
    found = folder.model(TEXT % (provider, said, "")).check
    assert found is not None
    return found


def test_nobody_is_checked_unasked(folder: Folder) -> None:
    text = "models: [{name: m, provider: groq, token: k}]\n"

    assert folder.model(text).check is None


@pytest.mark.parametrize(("said", "every"), [("{}", 10.0), ("{every: 2m}", 120.0)])
def test_it_is_checked_every_so_often(folder: Folder, said: str, every: float) -> None:
    assert check(folder, said).every == every


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ("type: groq", "https://api.groq.com/openai/v1/models"),
        ('url: "http://localhost:1/v1/"', "http://localhost:1/v1/models"),
        (
            'url: "http://localhost:1/x/chat/completions?a=b"',
            "http://localhost:1/x/models?a=b",
        ),
        (
            "type: gemini",
            "https://generativelanguage.googleapis.com/v1beta/models",
        ),
        (
            'type: gemini, url: "https://g.test/v1beta/models/x:generateContent"',
            "https://g.test/v1beta/models",
        ),
        ("type: anthropic", "https://api.anthropic.com/v1/models"),
        (
            'dialect: anthropic, url: "https://gateway.test/claude"',
            "https://gateway.test/claude/v1/models",
        ),
        ("type: gigachat", "https://gigachat.devices.sberbank.ru/api/v1/models"),
        (
            'type: gigachat, url: "https://g.test/api/v2"',
            "https://g.test/api/v1/models",
        ),
    ],
)
def test_the_list_of_models_is_asked_for(
    folder: Folder, provider: str, url: str
) -> None:
    found = check(folder, "{}", provider)

    assert (found.url, found.ours) == (url, True)
    assert found.headers == (VERSION if "anthropic" in provider else ())


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("https://api.groq.com/health", True),
        ("https://api.groq.com:443/health", True),
        ("http://localhost/health", False),
        ("https://api.groq.com:8443/health", False),
        ("https://status.groq.com/", False),
    ],
)
def test_the_key_stays_with_the_provider(folder: Folder, url: str, ours: bool) -> None:
    assert check(folder, f'{{url: "{url}"}}') == HealthCheck(10.0, url, (), ours)


def test_each_image_and_embedding_endpoint_has_the_same_list(folder: Folder) -> None:
    for kind in ("image", "embedding"):
        text = TEXT % ("type: together", "{}", f", kind: {kind}")
        found = folder.model(text).check
        assert found is not None
        assert found.url == "https://api.together.xyz/v1/models"


@pytest.mark.parametrize(
    ("provider", "dialect"),
    [
        ('url: "https://x.test/openai/deployments/d/chat/completions"', "openai"),
        (
            'url: "https://api.cloudflare.com/client/v4/accounts/A/ai/v1"',
            "openai",
        ),
        ("type: github", "openai"),
        ("type: cohere, dialect: cohere", "cohere"),
    ],
)
def test_what_has_no_free_list_is_a_fault(
    folder: Folder, provider: str, dialect: str
) -> None:
    [fault] = folder.faults(TEXT % (provider, "{every: 10s}", ""))

    problem = f"models of '{dialect}' at this url have no free list to check"
    hint = "give a url that costs nothing"
    assert fault == f"proxy.yaml:2: {problem} @ providers.mine.health_check ({hint})"
    url = '{url: "https://x.test/health"}'
    assert check(folder, url, provider).url == "https://x.test/health"


@pytest.mark.parametrize(
    ("said", "key", "problem"),
    [
        ("{every: 500ms}", "every", "a check is made once a second at most"),
        ("{url: 'http://far.test/'}", "url", "plain http:// to 'far.test'"),
        ("{evry: 10s}", "evry", "unknown key 'evry'"),
        ("{every: 10}", "every", "expected"),
    ],
)
def test_what_cannot_be_is_a_fault(
    folder: Folder, said: str, key: str, problem: str
) -> None:
    [fault] = folder.faults(TEXT % ("type: groq", said, ""))

    assert fault.startswith(f"proxy.yaml:2: {problem}")
    assert f" @ providers.mine.health_check.{key}" in fault

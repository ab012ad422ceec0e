from collections.abc import Mapping
from hashlib import sha256

import pytest

from tests.settings.configuring import DIALECTS, EVERY_KEY, Folder
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.errors import ConfigError
from tproxy.core.model import KeyHeader, Kind
from tproxy.core.windows import DAY, MINUTE, Window
from tproxy.core.windows import Kind as WindowKind
from tproxy.settings import ECHO_URL, Discovery, Overrides, discover
from tproxy.settings.presets import preset, presets


def make_token() -> str:
    return "made-token"


def up(environ: Mapping[str, str], addr: str | None = None) -> Discovery:
    return discover(
        dialects=DIALECTS,
        environ=environ,
        make_token=make_token,
        env_files=(),
        overrides=Overrides(addr=addr),
    )


def test_with_no_key_at_all_the_echo_provider_serves() -> None:
    found = up({})

    assert (found.found, found.notes) == ((), ())
    assert found.settings.needs_echo
    assert [
        (m.name, m.provider, m.category, m.upstream.url, m.upstream_name)
        for m in found.settings.models
    ] == [
        ("echo/small", "echo", "SMALL", ECHO_URL, "small"),
        ("echo/big", "echo", "BIG", ECHO_URL, "big"),
        ("echo/image", "echo", None, ECHO_URL, "image"),
        ("echo/embedding", "echo", None, ECHO_URL, "embedding"),
    ]
    assert found.settings.warnings == ()


def test_the_echo_provider_is_asked_where_it_runs() -> None:
    url = "http://127.0.0.1:9/v1/chat/completions"

    found = discover(
        dialects=DIALECTS, environ={}, make_token=make_token, env_files=(), echo_url=url
    )

    base = url.removesuffix("/chat/completions")
    assert {model.upstream.url for model in found.settings.models} == {
        *(url, f"{base}/images/generations", f"{base}/embeddings")
    }
    assert not found.settings.needs_echo


def test_it_listens_on_loopback() -> None:
    servers = [
        up({}).settings.server,
        up({"PORT": "9"}).settings.server,
        up({"PORT": "9"}, addr=":10").settings.server,
    ]

    assert [(server.host, server.port) for server in servers] == [
        ("127.0.0.1", 8080),
        ("127.0.0.1", 9),
        ("", 10),
    ]


@pytest.mark.parametrize("environ", [{}, {"AUTH_TOKEN": ""}])
def test_a_client_token_is_made_where_none_is_set(environ: dict[str, str]) -> None:
    found = up(environ)

    (client,) = found.settings.clients
    assert found.token == "made-token"
    assert client.name == "default"
    assert client.token_sha256 == (sha256(b"made-token").digest(),)
    assert "made-token" not in repr(found)


def test_a_client_token_that_is_set_is_taken() -> None:
    found = up({"AUTH_TOKEN": "my-own-token"})

    (client,) = found.settings.clients
    assert found.token is None
    assert client.token_sha256 == (sha256(b"my-own-token").digest(),)


def test_a_key_brings_its_providers_models_and_limits() -> None:
    found = up({"GEMINI_API_KEY": "k", "GROQ_API_KEY": ""})

    assert found.found == ("gemini",)
    assert [(m.name, m.category) for m in found.settings.models] == [
        ("gemini/gemini-flash-latest", "SMALL"),
        ("gemini/gemini-pro-latest", "BIG"),
        ("gemini/gemini-2.5-flash-image", None),
        ("gemini/gemini-embedding-001", None),
    ]
    day = Window(DAY, WindowKind.CALENDAR, "America/Los_Angeles")
    limits = (
        Limit(Unit.REQUESTS, 15, Window(MINUTE)),
        Limit(Unit.REQUESTS, 1500, day),
    )
    assert {model.budgets[1:] for model in found.settings.models} == {
        (Budget("provider/gemini", limits),)
    }
    assert {m.upstream.token.reveal() for m in found.settings.models} == {"k"}


def test_the_first_of_a_providers_variables_that_is_set_is_used() -> None:
    both = up({"GEMINI_API_KEY": "", "GOOGLE_API_KEY": "other"})

    assert both.settings.models[0].upstream.token.reveal() == "other"


NAMES = [
    ("OPENAI_API_KEY", "openai"),
    ("GROQ_API_KEY", "groq"),
    ("GEMINI_API_KEY", "gemini"),
    ("GOOGLE_API_KEY", "gemini"),
    ("OPENROUTER_API_KEY", "openrouter"),
    ("COHERE_API_KEY", "cohere"),
    ("CO_API_KEY", "cohere"),
    ("HF_TOKEN", "huggingface"),
    ("GIGACHAT_CREDENTIALS", "gigachat"),
    ("CLOUDFLARE_API_TOKEN", "cloudflare"),
    ("ANTHROPIC_API_KEY", "anthropic"),
    ("MISTRAL_API_KEY", "mistral"),
    ("DEEPSEEK_API_KEY", "deepseek"),
    ("TOGETHER_API_KEY", "together"),
    ("GITHUB_MODELS_TOKEN", "github"),
    ("AZURE_OPENAI_API_KEY", "azure"),
]


def test_every_variable_is_tried() -> None:
    known = {name for each in presets().values() for name in each.env}

    assert {variable for variable, _ in NAMES} == known


@pytest.mark.parametrize(("variable", "word"), NAMES)
def test_a_key_alone_is_enough(variable: str, word: str) -> None:
    needs = {name: EVERY_KEY[name] for name in preset(word).needs}

    found = up({variable: "the-key", **needs})

    assert (found.found, found.notes) == ((word,), ())
    assert found.settings.warnings == ()
    chats = {m.category for m in found.settings.models if m.kind is Kind.CHAT}
    assert chats == {"SMALL", "BIG"}
    for model in found.settings.models:
        assert model.upstream.token.reveal() == "the-key"
        assert model.obstacle is None
        assert (model.category is None) == (model.kind is not Kind.CHAT)


def test_all_keys_together() -> None:
    found = up(EVERY_KEY)

    assert set(found.found) == {word for _, word in NAMES}
    assert (found.notes, found.settings.warnings) == ((), ())
    made = {m.name: m.kind for m in found.settings.models if m.kind is not Kind.CHAT}
    assert made == {
        "openai/gpt-image-1-mini": Kind.IMAGE,
        "openai/text-embedding-3-small": Kind.EMBEDDING,
        "gemini/gemini-2.5-flash-image": Kind.IMAGE,
        "gemini/gemini-embedding-001": Kind.EMBEDDING,
        "cloudflare/@cf/black-forest-labs/flux-1-schnell": Kind.IMAGE,
        "cloudflare/@cf/baai/bge-m3": Kind.EMBEDDING,
        "cohere/embed-v4.0": Kind.EMBEDDING,
        "huggingface/black-forest-labs/FLUX.1-schnell": Kind.IMAGE,
        "mistral/mistral-embed": Kind.EMBEDDING,
        "together/black-forest-labs/FLUX.1-schnell": Kind.IMAGE,
        "together/intfloat/multilingual-e5-large-instruct": Kind.EMBEDDING,
        "github/openai/text-embedding-3-small": Kind.EMBEDDING,
        "gigachat/GigaChat-2-Pro": Kind.IMAGE,
        "gigachat/Embeddings": Kind.EMBEDDING,
    }


def test_azures_deployment_is_asked_under_both_sizes() -> None:
    environ = {
        "AZURE_OPENAI_API_KEY": "k",
        "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com/",
        "AZURE_OPENAI_DEPLOYMENT": "my-gpt",
    }

    models = up(environ).settings.models

    assert [(m.name, m.category, m.upstream_name) for m in models] == [
        ("azure/small", "SMALL", "my-gpt"),
        ("azure/big", "BIG", "my-gpt"),
    ]
    assert {m.upstream.url for m in models} == {
        "https://res.openai.azure.com/openai/v1/chat/completions"
    }
    assert {m.upstream.auth for m in models} == {KeyHeader("api-key", "")}
    assert up({"AZURE_OPENAI_API_KEY": "k"}).notes == (
        (
            "AZURE_OPENAI_API_KEY is set, but AZURE_OPENAI_ENDPOINT and"
            " AZURE_OPENAI_DEPLOYMENT are not"
        ),
    )


def test_a_key_without_what_it_needs_is_noted() -> None:
    found = up({"CLOUDFLARE_API_TOKEN": "k"})

    assert found.notes == (
        "CLOUDFLARE_API_TOKEN is set, but CLOUDFLARE_ACCOUNT_ID is not",
    )
    assert found.settings.needs_echo


def test_keys_are_found_in_an_env_file_too(folder: Folder) -> None:
    env_file = folder.write("GROQ_API_KEY=k\nAUTH_TOKEN=from-a-file\n", ".env")

    found = discover(
        dialects=DIALECTS, environ={}, make_token=make_token, env_files=(env_file,)
    )

    assert (found.found, found.token) == (("groq",), None)


def test_a_key_that_cannot_be_sent_is_a_fault_of_its_variable() -> None:
    with pytest.raises(ConfigError) as caught:
        up({"GROQ_API_KEY": "Bearer k", "OPENAI_API_KEY": "k\n", "PORT": "x"})

    assert str(caught.value).splitlines() == [
        (
            "environment: OPENAI_API_KEY: cannot be sent: a line break, a character"
            " or a space at an end"
        ),
        (
            "environment: GROQ_API_KEY: the token begins with 'Bearer'"
            " (the proxy adds that word)"
        ),
        "environment: PORT: 'x' is not a port (1 to 65535, or 0 for any free one)",
    ]


def test_faults_of_the_environment_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        up({"PORT": "x", "RETRY_MAX_DELAY": "x"})

    assert str(caught.value).splitlines() == [
        "environment: PORT: 'x' is not a port (1 to 65535, or 0 for any free one)",
        "environment: RETRY_MAX_DELAY: 'x' is not a duration (such as 250ms, 1s or 2m)",
    ]

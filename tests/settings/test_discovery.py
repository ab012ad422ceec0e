from collections.abc import Mapping
from hashlib import sha256

import pytest

from tests.settings.configuring import EVERY_KEY, Folder
from tproxy.core.errors import ConfigError
from tproxy.core.quota import Kind, Pool, Window
from tproxy.settings import ECHO_URL, Discovery, Overrides, discover


def make_token() -> str:
    return "made-token"


def up(environ: Mapping[str, str], addr: str | None = None) -> Discovery:
    return discover(
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
    ]
    assert found.settings.warnings == ()


def test_the_echo_provider_is_asked_where_it_runs() -> None:
    url = "http://127.0.0.1:9/v1/chat/completions"

    found = discover(environ={}, make_token=make_token, env_files=(), echo_url=url)

    assert {model.upstream.url for model in found.settings.models} == {url}
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
    ]
    assert {model.pools[1:] for model in found.settings.models} == {
        (
            Pool(
                "provider:gemini",
                (
                    Window(60, 15),
                    Window(86_400, 1500, Kind.CALENDAR, "America/Los_Angeles"),
                ),
            ),
        )
    }
    assert {m.upstream.token.reveal() for m in found.settings.models} == {"k"}


def test_the_first_of_a_providers_variables_that_is_set_is_used() -> None:
    both = up({"GEMINI_API_KEY": "", "GOOGLE_API_KEY": "other"})

    assert both.settings.models[0].upstream.token.reveal() == "other"


def test_every_key_is_of_use_or_noted() -> None:
    found = up(EVERY_KEY)

    assert found.found == (
        "openai",
        "gemini",
        "groq",
        "openrouter",
        "cloudflare",
        "cohere",
        "huggingface",
        "mistral",
        "deepseek",
        "together",
        "github",
    )
    assert found.notes == (
        (
            "AZURE_OPENAI_API_KEY is set, but Azure OpenAI: its URL names your"
            " resource, so it needs a configuration file"
        ),
        "ANTHROPIC_API_KEY is set, but Anthropic's dialect is not built yet",
        "GIGACHAT_CREDENTIALS is set, but GigaChat's dialect is not built yet",
    )
    for word in found.found:
        sizes = {m.category for m in found.settings.models if m.provider == word}
        assert sizes == {"SMALL", "BIG"}
    assert found.settings.warnings == ()
    assert not any(model.obstacle for model in found.settings.models)


def test_a_key_without_what_it_needs_is_noted() -> None:
    found = up({"CLOUDFLARE_API_TOKEN": "k"})

    assert found.notes == (
        "CLOUDFLARE_API_TOKEN is set, but CLOUDFLARE_ACCOUNT_ID is not",
    )
    assert found.settings.needs_echo


def test_keys_are_found_in_an_env_file_too(folder: Folder) -> None:
    env_file = folder.write("GROQ_API_KEY=k\nAUTH_TOKEN=from-a-file\n", ".env")

    found = discover(environ={}, make_token=make_token, env_files=(env_file,))

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

"""Keys: where they are sent, what they are exchanged for, and which cannot be sent."""

import pytest

from tests.settings.configuring import MODEL, TOKEN, Folder
from tproxy.core.model import ClientCredentials, KeyHeader
from tproxy.core.secret import Secret

GEMINI = "https://generativelanguage.googleapis.com/v1beta"
OAUTH = "https://ngw.devices.sberbank.ru:9443/api/v2/oauth"
NO_KEY = "models:\n  - name: m\n    provider: groq\n"
UNSENDABLE = "cannot be sent: a line break, a character or a space at an end"


@pytest.mark.parametrize(
    ("rest", "header"),
    [
        ("provider: azure, url: 'https://r.example'", "api-key"),
        ("provider: anthropic", "x-api-key"),
        ("provider: gemini", "x-goog-api-key"),
        ("provider: gemini, kind: embedding", "x-goog-api-key"),
        ("provider: my, dialect: gemini, url: 'https://g.example'", "x-goog-api-key"),
        ("provider: azure, dialect: anthropic, url: 'https://r.example'", "x-api-key"),
    ],
)
def test_a_key_that_is_no_bearer_token_is_a_header(
    folder: Folder, rest: str, header: str
) -> None:
    model = folder.model(f"models: [{{name: m, token: k, {rest}}}]")

    assert model.upstream.auth == KeyHeader(header, scheme="")
    assert model.upstream.token == Secret("k")


@pytest.mark.parametrize(
    "rest",
    [
        "provider: groq",
        "provider: cohere, dialect: cohere",
        "provider: gemini, dialect: openai",
        f"provider: gemini, url: '{GEMINI}/openai'",
        "provider: anthropic, url: 'https://api.anthropic.com/v1/chat/completions'",
        "provider: huggingface, kind: image",
    ],
)
def test_elsewhere_a_key_is_a_bearer_token(folder: Folder, rest: str) -> None:
    model = folder.model(f"models: [{{name: m, token: k, {rest}}}]")

    assert model.upstream.auth == KeyHeader()


@pytest.mark.parametrize(
    ("rest", "auth"),
    [
        ("provider: gigachat", ClientCredentials(OAUTH)),
        (
            "provider: gigachat, scope: GIGACHAT_API_CORP",
            ClientCredentials(OAUTH, "GIGACHAT_API_CORP"),
        ),
        (
            "provider: gigachat, auth_url: 'https://a.example/token'",
            ClientCredentials("https://a.example/token"),
        ),
        (
            "provider: my, dialect: gigachat, url: 'https://g.example/api/v1'",
            ClientCredentials(OAUTH),
        ),
        (
            "provider: my, url: 'https://g.example/v1', auth_url: 'http://10.0.0.1/t'",
            ClientCredentials("http://10.0.0.1/t"),
        ),
    ],
)
def test_a_key_that_is_exchanged_for_tokens(
    folder: Folder, rest: str, auth: ClientCredentials
) -> None:
    text = f"models: [{{name: m, token: 'id:secret', {rest}}}]"

    assert folder.model(text).upstream.auth == auth
    assert folder.warnings(text) == []


def test_each_account_has_its_own_scope(folder: Folder) -> None:
    text = """\
providers:
  mine: {type: gigachat, token: k, scope: GIGACHAT_API_PERS}
  ours: {type: gigachat, token: k, scope: GIGACHAT_API_B2B, auth_url: "https://a.example"}
models:
  - {name: a, provider: mine}
  - {name: b, provider: ours}
"""

    assert [model.upstream.auth for model in folder.load(text).models] == [
        ClientCredentials(OAUTH, "GIGACHAT_API_PERS"),
        ClientCredentials("https://a.example", "GIGACHAT_API_B2B"),
    ]


def test_a_scope_that_nothing_asks_for_is_told(folder: Folder) -> None:
    (warning,) = folder.warnings(f"{MODEL}    scope: X\n")

    problem = "it is of no use here @ models[0].scope (it goes with an auth_url)"
    assert warning == f"proxy.yaml:5: {problem}"


def test_gigachats_host_in_openais_dialect_is_told(folder: Folder) -> None:
    url = "https://gigachat.devices.sberbank.ru/api/v1/chat/completions"
    text = f"models:\n  - {{name: m, provider: gigachat, token: k, url: '{url}'"

    problem = "in OpenAI's dialect GigaChat's key is not exchanged @ models[0].url"
    assert folder.warnings(f"{text}}}\n") == [
        f"proxy.yaml:2: {problem} (dialect: gigachat does)"
    ]
    assert folder.warnings(f"{text}, dialect: gigachat}}\n") == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (NO_KEY, "2: the token is missing; most providers want one @ models[0].token"),
        (
            NO_KEY + "    token: ''\n",
            "4: the token is empty; most providers want one @ models[0].token",
        ),
        (
            NO_KEY + "  - {name: n, provider: groq}\nproviders: {groq: {token: ''}}\n",
            "5: the token is empty; most providers want one @ providers.groq.token",
        ),
    ],
)
def test_a_token_that_is_not_there(folder: Folder, text: str, place: str) -> None:
    assert folder.warnings(text) == [f"proxy.yaml:{place}"]


@pytest.mark.parametrize(
    "rest",
    [
        "provider: ollama",
        "provider: echo",
        "provider: vllm, url: 'http://10.0.0.5:8000'",
        "provider: x, url: 'https://localhost/v1'",
        "provider: x, url: 'https://x.example/v1', headers: {Authorization: Basic x}",
    ],
)
def test_where_no_token_is_needed(folder: Folder, rest: str) -> None:
    assert folder.warnings(f"models:\n  - {{name: m, {rest}}}\n") == []


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("a\nb", UNSENDABLE),
        ("key\n", UNSENDABLE),
        (" key", UNSENDABLE),
        ("ключ", UNSENDABLE),
        ("\x7f", UNSENDABLE),
        ("Bearer key", "the token begins with 'Bearer'"),
    ],
)
def test_a_token_that_cannot_be_sent(folder: Folder, key: str, fault: str) -> None:
    text = NO_KEY + "    token: ${KEY}\n"

    hint = " (the proxy adds that word)" if "Bearer" in key else ""
    assert folder.faults(text, TOKEN | {"KEY": key}) == [
        f"proxy.yaml:4: {fault} @ models[0].token{hint}"
    ]


@pytest.mark.parametrize(
    ("provider", "header", "clashes"),
    [
        ("groq", "Authorization", True),
        ("gemini", "X-Goog-Api-Key", True),
        ("gemini", "Authorization", False),
        ("anthropic", "x-api-key", True),
        ("gigachat", "authorization", True),
    ],
)
def test_a_key_is_not_sent_twice(
    folder: Folder, provider: str, header: str, clashes: bool
) -> None:
    text = f"models:\n  - {{name: m, provider: {provider}, headers: {{{header}: x}}"

    assert folder.load(f"{text}}}\n").warnings == ()
    if clashes:
        problem = "the token is sent in this header already"
        assert folder.faults(f"{text}, token: k}}\n") == [
            f"proxy.yaml:2: {problem} @ models[0].headers.{header}"
        ]
    else:
        folder.load(f"{text}, token: k}}\n")

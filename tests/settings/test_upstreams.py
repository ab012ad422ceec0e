import pytest

from tests.settings.configuring import MODEL, TOKEN, Folder
from tproxy.core.model import KeyHeader, Patience, Tls
from tproxy.core.secret import Secret
from tproxy.settings.presets import presets

NO_KEY = "models:\n  - name: m\n    provider: groq\n"
UNSENDABLE = "cannot be sent: a line break, a character or a space at an end"


def test_a_models_own_keys_win_over_its_providers(folder: Folder) -> None:
    for name in ("p.pem", "m.pem", "m.key"):
        folder.write("", name)
    text = """\
providers:
  acc:
    type: groq
    url: http://one.example/v1
    insecure_http: true
    token: provider-key
    headers: {X-A: provider, X-B: provider}
    http_client_config:
      timeout_seconds: 10
      connect_timeout_seconds: 1
      idle_conn_timeout_seconds: 90
      ca_file: p.pem
models:
  - name: shared
    provider: acc
  - name: own
    provider: acc
    url: https://two.example/v1
    token: model-key
    headers: {x-a: model}
    http_client_config:
      timeout_seconds: 20.5
      first_byte_timeout_seconds: 2
      ca_file: m.pem
      client_cert: {cert: m.pem, key: m.key}
"""

    shared, own = (model.upstream for model in folder.load(text).models)

    path = str(folder.path)
    assert shared.url == "http://one.example/v1/chat/completions"
    assert shared.token.reveal() == "provider-key"
    assert shared.headers == (("X-A", "provider"), ("X-B", "provider"))
    assert shared.patience == Patience(connect=1, silence=10, whole=10)
    assert shared.tls == Tls(f"{path}/p.pem")
    assert own.url == "https://two.example/v1/chat/completions"
    assert own.token.reveal() == "model-key"
    assert own.headers == (("x-a", "model"), ("X-B", "provider"))
    assert own.patience == Patience(1, 2, 20.5, 20.5)
    assert own.tls == Tls(f"{path}/m.pem", f"{path}/m.pem", f"{path}/m.key")


def test_without_a_url_the_preset_is_asked(folder: Folder) -> None:
    for word, preset in presets().items():
        if preset.url is not None and "$" not in preset.url:
            model = folder.model(f"models: [{{name: m, provider: {word}, token: k}}]")

            assert model.upstream.url == preset.url
            assert (model.upstream.dialect, model.obstacle) == ("openai", None)


def test_known_words_are_known_in_any_case(folder: Folder) -> None:
    model = folder.model("models: [{name: m, provider: OpenAI, token: k}]")

    assert model.provider == "OpenAI"
    assert model.upstream.url == "https://api.openai.com/v1/chat/completions"


def test_a_preset_may_take_its_url_from_the_environment(folder: Folder) -> None:
    text = "models:\n  - {name: m, provider: cloudflare, token: k}\n"

    model = folder.model(text, TOKEN | {"CLOUDFLARE_ACCOUNT_ID": "abc"})

    assert model.upstream.url == (
        "https://api.cloudflare.com/client/v4/accounts/abc/ai/v1/chat/completions"
    )
    assert folder.faults(text) == [
        (
            "proxy.yaml:2: Cloudflare's URL: environment variable"
            " 'CLOUDFLARE_ACCOUNT_ID' is not set @ models[0].provider (or give a url)"
        )
    ]


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        (
            "provider: azure",
            "no url, and Azure OpenAI has none that is the same for all",
        ),
        (
            "provider: anthropic, dialect: openai",
            "no url, and none of Anthropic's in that dialect is known",
        ),
        ("provider: mine", "no url, and 'mine' is no known provider"),
    ],
)
def test_no_url_at_all(folder: Folder, rest: str, problem: str) -> None:
    assert folder.faults(f"models:\n  - {{name: m, token: k, {rest}}}\n") == [
        f"proxy.yaml:2: {problem} @ models[0].provider"
    ]


def test_the_accounts_of_the_file_are_suggested_too(folder: Folder) -> None:
    text = MODEL.replace("groq", "wrok") + "providers: {work: {type: groq}}\n"

    assert folder.faults(text) == [
        (
            "proxy.yaml:3: no url, and 'wrok' is no known provider @ models[0].provider"
            " (did you mean 'work'?)"
        )
    ]


def test_a_key_that_is_no_bearer_token_is_a_header(folder: Folder) -> None:
    model = folder.model(
        "models: [{name: m, provider: azure, token: k, url: 'https://r.example'}]"
    )

    assert model.upstream.auth == KeyHeader("api-key", scheme="")
    assert model.upstream.token == Secret("k")


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


def test_plain_http_may_be_allowed_by_the_model_or_its_provider(folder: Folder) -> None:
    text = f"{MODEL}    url: http://h.example/v1\n"

    assert folder.faults(text) == [
        (
            "proxy.yaml:5: plain http:// to 'h.example' would show the key to the"
            " network @ models[0].url (https://, or insecure_http: true)"
        )
    ]
    folder.load(f"{text}    insecure_http: true\n")
    provider = "providers: {groq: {insecure_http: true}}\n"
    folder.load(text + provider)
    assert folder.faults(f"{text}    insecure_http: false\n{provider}")


def test_a_url_that_is_a_fault_is_told_once_for_all_models(folder: Folder) -> None:
    text = """\
providers:
  acc: {url: "ftp://x"}
models:
  - {name: a, provider: acc}
  - {name: b, provider: acc}
"""

    assert folder.faults(text) == [
        "proxy.yaml:2: a URL has to begin with https:// or http:// @ providers.acc.url"
    ]

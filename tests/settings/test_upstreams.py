import pytest

from tests.settings.configuring import MODEL, TOKEN, Folder
from tproxy.core.model import Patience, Tls


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


GEMINI = "https://generativelanguage.googleapis.com/v1beta"
COHERE = "https://api.cohere.ai/compatibility/v1"
CLOUDFLARE = "https://api.cloudflare.com/client/v4/accounts/acc/ai"
HUGGING_FACE = "https://router.huggingface.co"


@pytest.mark.parametrize(
    ("rest", "dialect", "url"),
    [
        ("groq", "openai", "https://api.groq.com/openai/v1/chat/completions"),
        ("google", "gemini", GEMINI),
        ("gemini, kind: image", "gemini", GEMINI),
        ("gemini, dialect: openai", "openai", f"{GEMINI}/openai/chat/completions"),
        (
            "gemini, dialect: openai, kind: embedding",
            "openai",
            f"{GEMINI}/openai/embeddings",
        ),
        ("cohere", "openai", f"{COHERE}/chat/completions"),
        ("cohere, kind: embedding", "cohere", "https://api.cohere.com/v2"),
        ("cohere, dialect: cohere", "cohere", "https://api.cohere.com/v2"),
        ("cloudflare", "openai", f"{CLOUDFLARE}/v1/chat/completions"),
        ("cloudflare, kind: embedding", "openai", f"{CLOUDFLARE}/v1/embeddings"),
        ("cloudflare, kind: image", "cloudflare", f"{CLOUDFLARE}/run"),
        ("cloudflare, dialect: cloudflare", "cloudflare", f"{CLOUDFLARE}/run"),
        ("huggingface", "openai", f"{HUGGING_FACE}/v1/chat/completions"),
        (
            "huggingface, kind: image",
            "huggingface",
            f"{HUGGING_FACE}/hf-inference/models",
        ),
        ("anthropic", "anthropic", "https://api.anthropic.com/v1/messages"),
        (
            "gigachat",
            "gigachat",
            "https://gigachat.devices.sberbank.ru/api/v1",
        ),
        (
            "openai, kind: image",
            "openai",
            "https://api.openai.com/v1/images/generations",
        ),
        ("echo", "openai", "echo:"),
    ],
)
def test_without_a_url_the_preset_is_asked(
    folder: Folder, rest: str, dialect: str, url: str
) -> None:
    text = f"models: [{{name: m, token: k, provider: {rest}}}]"

    model = folder.model(text, TOKEN | {"CLOUDFLARE_ACCOUNT_ID": "acc"})

    assert (model.upstream.dialect, model.upstream.url) == (dialect, url)
    assert model.obstacle is None


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
        (
            "provider: groq, dialect: gemini",
            "no url, and none of Groq's in that dialect is known",
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

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.settings.configuring import Folder
from tproxy.core.model import Kind
from tproxy.settings.endpoint import Endpoint, UnusableUrl, check, derive, is_near
from tproxy.settings.presets import preset

GEMINI = "https://generativelanguage.googleapis.com/v1beta"
CLOUDFLARE = "https://api.cloudflare.com/client/v4/accounts/acc/ai"
GATEWAY = "https://gateway.ai.cloudflare.com/v1/acc/gw"
HUGGING_FACE = "https://api-inference.huggingface.co/models/owner/name"


@pytest.mark.parametrize(
    ("provider", "url", "asked"),
    [
        # the endpoint itself
        ("any", "https://h.example/x/chat/completions", "/x/chat/completions"),
        ("any", "https://h.example/x/chat/completions/", "/x/chat/completions"),
        ("cohere", "https://h.example/v1/chat/completions", "/v1/chat/completions"),
        # a base
        ("any", "https://h.example/v1", "/v1/chat/completions"),
        ("any", "https://h.example/v1/", "/v1/chat/completions"),
        ("any", "https://h.example/api/paas/v4", "/api/paas/v4/chat/completions"),
        ("any", "https://h.example/api", "/api/chat/completions"),
        ("deepseek", "https://api.deepseek.com/beta", "/beta/chat/completions"),
        ("gemini", f"{GEMINI}/openai/", "/v1beta/openai/chat/completions"),
        (
            "cohere",
            "https://api.cohere.ai/compatibility/v1",
            "/compatibility/v1/chat/completions",
        ),
        (
            "cloudflare",
            f"{CLOUDFLARE}/v1",
            "/client/v4/accounts/acc/ai/v1/chat/completions",
        ),
        (
            "cloudflare",
            "https://gateway.ai.cloudflare.com/v1/acc/gw/compat",
            "/v1/acc/gw/compat/chat/completions",
        ),
        # part of the provider's own base
        ("groq", "https://api.groq.com", "/openai/v1/chat/completions"),
        ("groq", "https://api.groq.com/openai", "/openai/v1/chat/completions"),
        ("openrouter", "https://openrouter.ai/api", "/api/v1/chat/completions"),
        ("github", "https://models.github.ai/", "/inference/chat/completions"),
        # a host alone
        ("any", "https://h.example", "/v1/chat/completions"),
        ("ollama", "http://localhost:11434", "/v1/chat/completions"),
        ("groq", "https://h.example/", "/v1/chat/completions"),
        ("azure", "https://res.openai.azure.com", "/openai/v1/chat/completions"),
        # a query stays
        (
            "azure",
            "https://res.openai.azure.com/openai/deployments/d?api-version=1",
            "/openai/deployments/d/chat/completions?api-version=1",
        ),
    ],
)
def test_where_chats_are_asked(provider: str, url: str, asked: str) -> None:
    endpoint = derive(url, preset(provider), unsized=True)

    host = "/".join(url.split("/")[:3])
    assert endpoint == Endpoint(host + asked, "openai", Kind.CHAT)


@pytest.mark.parametrize(
    ("provider", "url", "dialect", "kind"),
    [
        ("any", "https://h.example/v1/images/generations", "openai", "image"),
        ("any", "https://h.example/v1/embeddings/", "openai", "embedding"),
        ("any", "https://h.example/flux", "openai", "image"),
        ("huggingface", HUGGING_FACE, "huggingface", "image"),
        ("gemini", GEMINI, "gemini", "chat"),
        ("google", f"{GEMINI}/models/m:generateContent", "gemini", "chat"),
        ("gigachat", "https://g.example/api/v1", "gigachat", "chat"),
        ("cohere", "https://api.cohere.com/v2", "cohere", "chat"),
        ("cohere", "https://api.cohere.com/v2/chat", "cohere", "chat"),
        ("cloudflare", f"{CLOUDFLARE}/run", "cloudflare", "chat"),
        ("cloudflare", f"{CLOUDFLARE}/run/@cf/flux", "cloudflare", "image"),
        ("cloudflare", f"{GATEWAY}/workers-ai", "cloudflare", "chat"),
        ("anthropic", "https://api.anthropic.com/v1", "anthropic", "chat"),
        ("anthropic", "https://api.anthropic.com/v1/messages", "anthropic", "chat"),
        ("gemini", f"{GEMINI}/models/imagen:predict", "gemini", "image"),
        ("gemini", f"{GEMINI}/models/e:batchEmbedContents", "gemini", "embedding"),
        ("cohere", "https://api.cohere.com/v2/embed", "cohere", "embedding"),
        ("ollama", "http://localhost:11434/api/chat", "ollama", "chat"),
        ("any", "http://gpu.local/ollama/api/embed", "ollama", "embedding"),
        # the end of the URL is OpenAI's, whatever the provider
        ("gigachat", "https://g.example/api/v1/embeddings", "openai", "embedding"),
        ("gemini", f"{GEMINI}/openai/embeddings", "openai", "embedding"),
        ("gemini", f"{GEMINI}/openai/images/generations", "openai", "image"),
        ("cloudflare", f"{CLOUDFLARE}/v1/embeddings", "openai", "embedding"),
    ],
)
def test_what_an_unsized_model_is(
    provider: str, url: str, dialect: str, kind: str
) -> None:
    endpoint = derive(url, preset(provider), unsized=True)

    assert endpoint == Endpoint(url.rstrip("/"), dialect, Kind(kind))


@pytest.mark.parametrize(
    ("provider", "url", "asked"),
    [
        ("anthropic", "https://api.anthropic.com/", "/v1/messages"),
        ("cohere", "https://api.cohere.com", "/v2"),
        ("gemini", "https://generativelanguage.googleapis.com", "/v1beta"),
        ("gigachat", "https://gigachat.devices.sberbank.ru", "/api/v1"),
        ("anthropic", "https://h.example", ""),  # another host may have other paths
        ("cloudflare", "https://api.cloudflare.com", ""),  # of whose account?
    ],
)
def test_a_provider_in_its_own_dialect_may_be_named_by_its_host(
    provider: str, url: str, asked: str
) -> None:
    endpoint = derive(url, preset(provider), unsized=True)

    assert endpoint == Endpoint(
        url.rstrip("/") + asked, preset(provider).dialect, Kind.CHAT
    )


@pytest.mark.parametrize(
    ("url", "kind", "asked"),
    [
        ("https://h.example/v1", "image", "/v1/images/generations"),
        ("https://h.example/v1/", "embedding", "/v1/embeddings"),
        ("https://h.example", "embedding", "/v1/embeddings"),
        ("https://h.example/v1/chat/completions", "image", "/v1/images/generations"),
        ("https://h.example/v1/embeddings", "chat", "/v1/chat/completions"),
        ("https://h.example/x", "embedding", "/x/v1/embeddings"),
    ],
)
def test_other_kinds_are_asked_beside_the_url_of_their_provider(
    url: str, kind: str, asked: str
) -> None:
    endpoint = derive(url, preset("any"), kind=Kind(kind), shared=True)

    assert endpoint == Endpoint(f"https://h.example{asked}", "openai", Kind(kind))


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://h.example/v1", "/v1/images/generations"),
        ("https://h.example", "/v1/images/generations"),
        ("https://h.example/v1/images/generations", "/v1/images/generations"),
        ("https://h.example/flux", "/flux"),
    ],
)
def test_where_images_are_asked_at_a_url_of_their_own(url: str, asked: str) -> None:
    endpoint = derive(url, preset("any"), kind=Kind.IMAGE)

    assert endpoint == Endpoint(f"https://h.example{asked}", "openai", Kind.IMAGE)


@pytest.mark.parametrize(
    ("provider", "url", "kind", "dialect"),
    [
        ("gemini", f"{GEMINI}/models/m-image:generateContent", "image", "gemini"),
        ("gemini", GEMINI, "embedding", "gemini"),
        ("cloudflare", f"{CLOUDFLARE}/run/@cf/x/y", "chat", "cloudflare"),
        ("huggingface", HUGGING_FACE, "image", "huggingface"),
        ("gigachat", "https://g.example/api/v1", "image", "gigachat"),
    ],
)
def test_the_kind_that_is_named_wins_in_dialects_of_their_own(
    provider: str, url: str, kind: str, dialect: str
) -> None:
    endpoint = derive(url, preset(provider), kind=Kind(kind), unsized=True)

    assert endpoint == Endpoint(url, dialect, Kind(kind))


SEGMENTS = """v1 v2 v1beta openai ai run models chat completions images generations
    embeddings embed messages m:generateContent workers-ai accounts acc x"""


@given(
    word=st.sampled_from(["any", "openai", "azure", "gemini", "cohere", "cloudflare"]),
    segments=st.lists(st.sampled_from(SEGMENTS.split()), max_size=4),
    kind=st.none() | st.sampled_from(Kind),
    shared=st.booleans(),
)
def test_what_was_read_is_read_as_itself(
    word: str, segments: list[str], kind: Kind | None, shared: bool
) -> None:
    url = "/".join(["https://h.example", *segments])

    first = derive(url, preset(word), kind=kind, shared=shared)
    again = derive(first.url, preset(word), kind=first.kind)

    assert kind in (None, first.kind) or not shared
    assert again == first


def test_a_url_of_openais_form_is_asked_as_it_is_in_another_dialect() -> None:
    url = "https://g.example/api/v1/chat/completions"

    chat = derive(url, preset("gigachat"), dialect="gigachat")
    image = derive(url, preset("gigachat"), dialect="gigachat", kind=Kind.IMAGE)

    assert chat == Endpoint(url, "gigachat", Kind.CHAT)
    assert image == Endpoint(url, "gigachat", Kind.IMAGE)


def test_a_model_with_a_size_chats(folder: Folder) -> None:
    text = f"models:\n  - {{name: m, provider: huggingface, url: {HUGGING_FACE}"

    sized = folder.model(f"{text}, token: k, model_size: BIG}}")
    image = folder.model(f"{text}, token: k}}")

    assert sized.upstream.url == f"{HUGGING_FACE}/v1/chat/completions"
    assert (sized.kind, sized.upstream.dialect) == (Kind.CHAT, "openai")
    assert image.upstream.url == HUGGING_FACE
    assert (image.kind, image.upstream.dialect) == (Kind.IMAGE, "huggingface")


def test_dialect_overrides_what_the_provider_speaks(folder: Folder) -> None:
    text = "{name: m, provider: anthropic, token: k, url: 'https://a.example/v1'"

    own = folder.model(f"models: [{text}}}]")
    said = folder.model(f"models: [{text}, dialect: openai}}]")

    assert (own.upstream.dialect, own.upstream.url) == (
        "anthropic",
        "https://a.example/v1",
    )
    assert said.upstream.dialect == "openai"
    assert said.upstream.url == "https://a.example/v1/chat/completions"
    assert said.obstacle is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/v1",
        "http://[::1]/v1",
        "http://10.1.2.3",
        "http://192.168.0.9:8000",
        "http://[fd00::1]",
        "http://localhost:11434",
        "http://vllm:8000",
        "http://box.local",
        "http://host.docker.internal:11434",
    ],
)
def test_plain_http_is_fine_nearby(url: str) -> None:
    check(url, insecure_http=False)
    assert is_near(url)


@pytest.mark.parametrize(
    "url", ["http://8.8.8.8", "http://example.com", "http://[2001:4860::1]/v1"]
)
def test_plain_http_elsewhere_has_to_be_allowed(url: str) -> None:
    check(url, insecure_http=True)
    with pytest.raises(UnusableUrl, match=r"^plain http:// to '.*' would show the key"):
        check(url, insecure_http=False)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "a URL has to begin with https:// or http://"),
        ("api.example/v1", "a URL has to begin with https:// or http://"),
        ("localhost:8000/v1", "a URL has to begin with https:// or http://"),
        ("file:///etc/passwd", "a URL has to begin with https:// or http://"),
        ("https:///v1", "the URL names no host"),
        ("https://user:password@h.example", "the URL holds a user or password"),
        ("https://h.example/#x", "the URL has a fragment ('#…')"),
        ("https://h.example:x", "not a valid URL"),
        ("https://h.example:99999", "not a valid URL"),
        ("https://[::1", "not a valid URL"),
        ("https://h.example/a b", "a URL holds only visible ASCII characters"),
        ("https://h.example/\n", "a URL holds only visible ASCII characters"),
        ("https://пример.example", "a URL holds only visible ASCII characters"),
    ],
)
def test_urls_that_cannot_be_asked(url: str, problem: str) -> None:
    with pytest.raises(UnusableUrl) as caught:
        check(url, insecure_http=True)

    assert str(caught.value) == problem

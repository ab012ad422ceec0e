import pytest

from tests.settings.configuring import MODEL, Folder
from tproxy.core.model import ALL_CAPABILITIES, Capability
from tproxy.core.quota import Pool

NOT_VISIBLE = "only visible ASCII characters, without spaces, can be used here"


def test_a_model_that_says_little(folder: Folder) -> None:
    model = folder.model(MODEL)

    assert (model.name, model.provider, model.upstream_name) == ("m", "groq", "m")
    assert (model.aliases, model.priority, model.category) == ((), 1, None)
    assert model.capabilities == ALL_CAPABILITIES
    assert model.pools == (Pool("model:m", ()),)
    assert model.obstacle is None


def test_a_model_that_says_all(folder: Folder) -> None:
    model = folder.model(
        MODEL
        + """\
    upstream_name: M-1
    aliases: [n, o/p]
    kind: chat
    priority: -2
    model_size: HUGE
    max_request_length: 1
    context_tokens: 2
    max_output_tokens: 3
    capabilities: [vision, tools]
"""
    )

    assert model.upstream_name == "M-1"
    assert model.aliases == ("n", "o/p")
    assert (model.priority, model.category) == (-2, "HUGE")
    assert (
        model.max_request_length,
        model.context_tokens,
        model.max_output_tokens,
    ) == (1, 2, 3)
    assert model.capabilities == {Capability.VISION, Capability.TOOLS}


def test_a_model_may_have_no_capabilities(folder: Folder) -> None:
    assert folder.model(MODEL + "    capabilities: []\n").capabilities == frozenset()


def test_names_are_unique_and_no_categories(folder: Folder) -> None:
    text = """\
models:
  - {name: a, provider: groq, token: k, aliases: [b, a]}
  - {name: b, provider: groq, token: k, model_size: SMALL}
  - {name: c, provider: groq, token: k, aliases: [SMALL]}
  - {name: a b, provider: groq, token: k, aliases: [ü]}
"""

    assert folder.faults(text) == [
        "proxy.yaml:2: 'a' is already the name of models[0] @ models[0].aliases[1]",
        "proxy.yaml:3: 'b' is already an alias of models[0] @ models[1].name",
        (
            "proxy.yaml:4: 'SMALL' is a model_size here: it means them all"
            " @ models[2].aliases[0]"
        ),
        f"proxy.yaml:5: {NOT_VISIBLE} @ models[3].name",
        f"proxy.yaml:5: {NOT_VISIBLE} @ models[3].aliases[0]",
    ]


@pytest.mark.parametrize(
    ("rest", "obstacle", "hint"),
    [
        (
            "provider: anthropic",
            "Anthropic's own dialect is not built yet in this version",
            "",
        ),
        (
            "provider: gigachat, url: 'https://g.example/api/v1'",
            "GigaChat's own dialect is not built yet in this version",
            "",
        ),
        (
            "provider: cohere, url: 'https://api.cohere.com/v2/chat'",
            "Cohere's own dialect is not built yet in this version",
            " (without url, its OpenAI-compatible endpoint is asked)",
        ),
        (
            "provider: openai, url: 'https://api.openai.com/v1/images/generations'",
            "image models are not built yet in this version",
            "",
        ),
        (
            "provider: openai, url: 'https://api.openai.com/v1/embeddings'",
            "embedding models are not built yet in this version",
            "",
        ),
        (
            "provider: any, url: 'https://any.example/flux'",
            "image models are not built yet in this version",
            " (with neither model_size nor max_request_length it is for images)",
        ),
    ],
)
def test_what_is_not_built_is_listed_but_never_asked(
    folder: Folder, rest: str, obstacle: str, hint: str
) -> None:
    text = f"models:\n  - {{name: m, token: k, {rest}}}\n"

    assert folder.model(text).obstacle == obstacle
    assert folder.warnings(text) == [
        f"proxy.yaml:2: 'm' is listed but never asked: {obstacle} @ models[0]{hint}"
    ]


def test_kind_has_to_agree_with_the_url(folder: Folder) -> None:
    text = MODEL + "    kind: chat\n    url: https://x.example/v1/embeddings\n"

    assert folder.faults(text) == [
        "proxy.yaml:5: the url is one for embedding models @ models[0].kind"
    ]

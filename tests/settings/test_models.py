import attrs
import pytest

from tests.settings.configuring import CHATS_ONLY, DIALECTS, MODEL, Folder
from tproxy.core.budget import Budget
from tproxy.core.errors import ConfigError, Fault
from tproxy.core.model import ALL_CAPABILITIES, Capability, Kind, Price
from tproxy.core.upstream import Dialect

NOT_VISIBLE = "only visible ASCII characters, without spaces, can be used here"


def test_a_model_that_says_little(folder: Folder) -> None:
    model = folder.model(MODEL)

    assert (model.name, model.provider, model.upstream_name) == ("m", "groq", "m")
    assert (model.aliases, model.priority, model.category) == ((), 1, None)
    assert model.capabilities == ALL_CAPABILITIES
    assert model.budgets == (Budget("model/m"),)
    assert (model.throttle, model.price) == (None, None)
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
            "",
        ),
        (
            "provider: openai, url: 'https://api.openai.com/v1/images/generations'",
            "image models of the dialect openai are not built yet in this version",
            "",
        ),
        (
            "provider: openai, url: 'https://api.openai.com/v1/embeddings'",
            "embedding models of the dialect openai are not built yet in this version",
            "",
        ),
        (
            "provider: any, url: 'https://any.example/flux'",
            "image models of the dialect openai are not built yet in this version",
            " (with neither model_size nor max_request_length it is for images)",
        ),
    ],
)
def test_what_is_not_built_is_listed_but_never_asked(
    folder: Folder, rest: str, obstacle: str, hint: str
) -> None:
    text = f"models:\n  - {{name: m, token: k, {rest}}}\n"
    early = attrs.evolve(folder, dialects=CHATS_ONLY)

    assert early.model(text).obstacle == obstacle
    assert folder.model(text).obstacle is None
    assert early.warnings(text) == [
        f"proxy.yaml:2: 'm' is listed but never asked: {obstacle} @ models[0]{hint}"
    ]


@pytest.mark.parametrize(
    ("rest", "kind"),
    [
        ("provider: groq", Kind.CHAT),
        ("provider: openai, kind: image", Kind.IMAGE),
        (
            "provider: openai, url: 'https://api.openai.com/v1/embeddings'",
            Kind.EMBEDDING,
        ),
        ("provider: cohere, kind: embedding", Kind.EMBEDDING),
        ("provider: any, url: 'https://any.example/flux'", Kind.IMAGE),
        ("provider: any, url: 'https://a.example/f', kind: chat", Kind.CHAT),
        ("provider: any, url: 'https://a.example/f', max_request_length: 1", Kind.CHAT),
    ],
)
def test_what_a_model_makes(folder: Folder, rest: str, kind: Kind) -> None:
    text = f"models:\n  - {{name: m, token: k, {rest}}}\n"

    assert folder.model(text).kind is kind
    assert folder.warnings(text) == []


@pytest.mark.parametrize(
    ("rest", "strict"),
    [("", False), ("    unsupported: drop", False), ("    unsupported: refuse", True)],
)
def test_hints_may_be_refused(folder: Folder, rest: str, strict: bool) -> None:
    assert folder.model(f"{MODEL}{rest}\n").strict is strict


@pytest.mark.parametrize(
    ("said", "price"),
    [
        ("{input: 1, output: 2.5}", Price(1.0, 1.0, 2.5)),
        ("{input: 1, cached_input: 0.25, output: 2}", Price(1.0, 0.25, 2.0)),
        ("{input: 0, output: 0}", Price(0.0, 0.0, 0.0)),
        ("{input: 0.5, cached_input: 0, output: 0}", Price(0.5, 0.0, 0.0)),
    ],
)
def test_prices(folder: Folder, said: str, price: Price) -> None:
    assert folder.model(f"{MODEL}    price: {said}\n").price == price


@pytest.mark.parametrize("kind", ["image", "embedding"])
def test_only_text_has_to_have_a_price_when_it_comes_out(
    folder: Folder, kind: str
) -> None:
    text = MODEL.replace("groq", "openai")

    model = folder.model(f"{text}    kind: {kind}\n    price: {{input: 3}}\n")

    assert model.price == Price(3.0, 3.0, 0.0)


def test_any_dialect_there_is_can_be_named(folder: Folder) -> None:
    klingon = attrs.evolve(folder, dialects=DIALECTS | {"klingon": DIALECTS["openai"]})
    text = f"{MODEL}    url: https://k.example/qo\n    dialect: klingon\n"

    upstream = klingon.model(text).upstream

    assert (upstream.dialect, upstream.url) == ("klingon", "https://k.example/qo")
    assert klingon.faults(text.replace("klingon", "klingn")) == [
        (
            "proxy.yaml:6: unknown word 'klingn' @ models[0].dialect"
            " (did you mean 'klingon'?)"
        )
    ]


def test_a_dialect_that_cannot_be_used_is_a_fault_where_it_is_needed(
    folder: Folder,
) -> None:
    class Broken(dict[str, Dialect]):
        def __getitem__(self, name: str) -> Dialect:
            if name == "klingon":
                raise ConfigError(faults=(Fault("plug-in klingon", 0, "no", ""),))
            return super().__getitem__(name)

    broken = Broken(DIALECTS | {"klingon": DIALECTS["openai"]})
    folder = attrs.evolve(folder, dialects=broken)

    assert folder.load(MODEL).warnings == ()
    text = f"{MODEL}    url: https://k.example/qo\n    dialect: klingon\n"
    assert folder.faults(text) == ["plug-in klingon: no"]


def test_kind_has_to_agree_with_the_url(folder: Folder) -> None:
    text = MODEL + "    kind: chat\n    url: https://x.example/v1/embeddings\n"

    assert folder.faults(text) == [
        "proxy.yaml:5: the url is one for embedding models @ models[0].kind"
    ]

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.values import model
from tproxy.core.catalog import Catalog
from tproxy.core.errors import ModelNotFound
from tproxy.core.model import Kind

LLAMA = model("groq/llama-3.3-70b", category="SMALL", aliases=("llama",))
GPT = model("openrouter/openai/gpt-4o", category="BIG")
MINI = model("openai/gpt-4o-mini", category="SMALL")
ALONE = model("custom", aliases=("mine",))
CATALOG = Catalog.of([LLAMA, GPT, MINI, ALONE], {})


def missing(name: str | None, catalog: Catalog = CATALOG) -> str:
    with pytest.raises(ModelNotFound) as caught:
        catalog.find(name)
    assert caught.value.param == "model"
    assert caught.value.told.status == 404
    return caught.value.message


@pytest.mark.parametrize(
    ("name", "how", "models"),
    [
        ("groq/llama-3.3-70b", "name", (LLAMA,)),
        ("llama", "alias", (LLAMA,)),
        ("SMALL", "category", (LLAMA, MINI)),
        ("BIG", "category", (GPT,)),
        (None, "category", (LLAMA, MINI)),
        ("custom", "name", (ALONE,)),
    ],
)
def test_a_name_stands_for_its_models(
    name: str | None, how: str, models: tuple[object, ...]
) -> None:
    asked = CATALOG.find(name)

    assert (asked.how, asked.models, asked.fallbacks) == (how, models, ())
    assert asked.named == (how != "category")


def test_an_image_may_be_anybodys_but_vectors_are_one_models() -> None:
    drawing = model("draws", kind=Kind.IMAGE)
    small = model("draws-too", kind=Kind.IMAGE, category="SMALL")
    vectors = model("vectors", kind=Kind.EMBEDDING)

    for models, able in [
        ((LLAMA, drawing, vectors), (drawing,)),
        ((drawing, LLAMA, small), (small,)),
    ]:
        asked = Catalog.of(models, {}).find(None, Kind.IMAGE)
        assert (asked.models, asked.named) == (able, False)
    assert Catalog.of([LLAMA, vectors], {}).find(None, Kind.EMBEDDING).models == (
        LLAMA,
    )
    assert CATALOG.find(None, Kind.IMAGE).models == (LLAMA, MINI)


@given(st.text())
def test_a_name_is_never_quietly_another(name: str) -> None:
    try:
        asked = CATALOG.find(name)
    except ModelNotFound:
        return
    names = {n for m in asked.models for n in (m.name, *m.aliases, m.category)}
    assert name in names


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("groq/llama-3.3-70b-versatile", "groq/llama-3.3-70b"),
        ("llama-3.3-70b", "groq/llama-3.3-70b"),
        ("gpt-4o", "openrouter/openai/gpt-4o"),
        ("GPT-4O-mini", "openai/gpt-4o-mini"),
        ("small", "SMALL"),
        ("Bigg", "BIG"),
    ],
)
def test_near_names_are_suggested(name: str, near: str) -> None:
    assert missing(name) == (
        f"The model `{name}` does not exist here. Did you mean {near}? "
        "GET /v1/models lists all."
    )


@pytest.mark.parametrize("name", ["", "gpt-5-turbo-preview-x", "ß", "\ud800", "a\nb"])
def test_names_near_to_nothing_are_just_unknown(name: str) -> None:
    message = missing(name)

    assert "Did you mean" not in message
    assert message.isprintable()


def test_an_endless_name_is_cut() -> None:
    assert len(missing("x" * 1_000_000)) < 250


def test_without_a_name_there_has_to_be_the_default_category() -> None:
    assert "category SMALL" in missing(None, Catalog.of([GPT], {}))


def test_fallbacks_come_after_a_named_model() -> None:
    chains = {LLAMA.name: ("custom", "BIG", "SMALL", "mine")}

    catalog = Catalog.of([LLAMA, GPT, MINI, ALONE], chains)

    for name in ("groq/llama-3.3-70b", "llama"):
        assert catalog.find(name).models == (LLAMA,)
        assert catalog.find(name).fallbacks == (ALONE, GPT, MINI)
    assert catalog.find("SMALL").fallbacks == ()
    assert catalog.find("custom").fallbacks == ()


def test_categories_are_those_the_models_name() -> None:
    assert CATALOG.categories == {"SMALL": (LLAMA, MINI), "BIG": (GPT,)}

import pytest

from tests.settings.configuring import MODEL, Folder


def named(name: str, provider: str, rest: str = "") -> str:
    return f"models:\n  - {{name: '{name}', provider: {provider}, token: k, {rest}}}\n"


@pytest.mark.parametrize(
    ("name", "provider", "upstream_name"),
    [
        ("groq/openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("google/gemini-x", "google", "gemini-x"),
        ("gemini/gemini-x", "google", "gemini-x"),
        ("google/gemini-x", "gemini", "gemini-x"),
        ("openrouter/deepseek/r1:free", "openrouter", "deepseek/r1:free"),
        ("openrouter/auto", "openrouter", "openrouter/auto"),
        ("deepseek/r1:free", "openrouter", "deepseek/r1:free"),
        ("groqqy", "groq", "groqqy"),
    ],
)
def test_the_provider_is_stripped_from_the_name(
    folder: Folder, name: str, provider: str, upstream_name: str
) -> None:
    assert folder.model(named(name, provider)).upstream_name == upstream_name


@pytest.mark.parametrize("name", ["work/x", "groq/x"])
def test_the_account_and_its_type_are_stripped(folder: Folder, name: str) -> None:
    text = named(name, "work") + "providers: {work: {type: groq}}\n"

    assert folder.model(text).upstream_name == "x"


def test_a_provider_that_no_model_has(folder: Folder) -> None:
    text = MODEL + "providers:\n  mine: {type: groq}\n"

    assert folder.warnings(text) == [
        "proxy.yaml:6: no model here is of the provider 'mine' @ providers.mine"
    ]


def test_a_provider_that_no_model_has_is_checked_as_well(folder: Folder) -> None:
    text = MODEL + "providers:\n  mine:\n    url: nowhere\n    headers: {Host: x}\n"

    problem = "a URL has to begin with https:// or http://"
    assert folder.faults(text) == [
        f"proxy.yaml:7: {problem} @ providers.mine.url",
        "proxy.yaml:8: the proxy sets this header itself @ providers.mine.headers.Host",
    ]


@pytest.mark.parametrize(
    ("entry", "path"),
    [("'a b': {type: groq}", '["a b"]'), ("a: {type: 'a b'}", ".a.type")],
)
def test_accounts_and_types_are_words(folder: Folder, entry: str, path: str) -> None:
    (fault,) = folder.faults(f"{MODEL}providers: {{{entry}}}\n")

    assert fault.startswith("proxy.yaml:5: ")
    assert fault.endswith(f"without spaces, can be used here @ providers{path}")

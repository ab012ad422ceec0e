import pytest

from tests.values import KEY, model
from tproxy.core.model import Client, Upstream
from tproxy.core.secret import Secret


@pytest.mark.parametrize(
    ("patterns", "name", "allowed"),
    [
        (("*",), "anything/at all", True),
        (("groq/*",), "groq/llama", True),
        (("groq/*",), "groq/meta/llama", True),
        (("groq/*",), "groq", False),
        (("groq/*",), "not-groq/llama", False),
        (("*-mini",), "gpt-4o-mini", True),
        (("*-mini",), "gpt-4o-mini-2", False),
        (("gpt-4.1",), "gpt-4.1", True),
        (("gpt-4.1",), "gpt-4x1", False),
        (("gpt-[45]",), "gpt-4", False),
        (("SMALL", "b"), "b", True),
        (("SMALL",), "small", False),
        ((), "a", False),
        (("",), "a", False),
    ],
)
def test_an_allow_list_holds_names_with_stars(
    patterns: tuple[str, ...], name: str, allowed: bool
) -> None:
    assert Client("c", (), patterns).may_call(name) is allowed


def test_any_of_several_names_will_do() -> None:
    client = Client("c", (), ("SMALL",))

    assert client.may_call("SMALL", "groq/llama")
    assert not client.may_call("groq/llama", "llama")


def test_nothing_secret_is_shown() -> None:
    upstream = Upstream("https://u/", "openai", Secret(KEY), (("api-key", "other"),))

    for shown in (repr(upstream), repr(model(upstream=upstream))):
        assert KEY not in shown
        assert "other" not in shown
    assert "digest" not in repr(Client("c", (b"digest",)))


def test_keys_may_be_in_headers_too() -> None:
    upstream = Upstream("https://u/", "openai", Secret("a"), (("api-key", "b"),))

    assert [secret.reveal() for secret in upstream.secrets] == ["a", "b"]

import attrs

from tproxy.core.secret import Secret


def test_a_secret_is_told_only_when_asked() -> None:
    secret = Secret("sk-abc")

    @attrs.frozen
    class Holder:
        token: Secret

    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r}", [secret]):
        assert "abc" not in str(shown)
    assert "abc" not in repr(Holder(secret))
    assert secret.reveal() == "sk-abc"


def test_no_secret_is_false() -> None:
    assert not Secret("")
    assert Secret("x")

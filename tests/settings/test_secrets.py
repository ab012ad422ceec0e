"""No secret of a configuration is in a repr, a fault or a warning."""

import pytest

from tests.settings.configuring import Folder
from tproxy.settings.environment import Environment

CANARY = "sk-canary-0123456789"
TEXT = f"""\
clients:
  - name: team
    token: {CANARY}1
providers:
  groq:
    token: ${{PROVIDER}}
    headers: {{X-Key: {CANARY}2, Cookie: "${{PROVIDER}}"}}
models:
  - name: a
    provider: groq
    token: "${{file:secret}}"
  - name: b
    provider: azure
    token: {CANARY}3
    url: https://r.example/{CANARY}4
  - name: c
    provider: groq
"""
ENVIRON = {"AUTH_TOKEN": f"{CANARY}5", "PROVIDER": f"{CANARY}6"}


@pytest.fixture(autouse=True)
def secret(folder: Folder) -> None:
    folder.write(f"{CANARY}7\n", "secret")


def test_not_in_the_repr_of_settings(folder: Folder) -> None:
    settings = folder.load(TEXT, ENVIRON)

    assert settings.models[0].upstream.token.reveal() == f"{CANARY}7"
    assert "canary" not in repr(settings)
    assert "canary" not in str(settings)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f"token: {CANARY}1", f"tokn: {CANARY}1"),
        (f"token: {CANARY}1", f"token: [{CANARY}1]"),
        (f"token: {CANARY}1", f"token: {CANARY}1 two"),
        (f"token: {CANARY}1", f"token_sha256: {CANARY}1"),
        (f"token: {CANARY}1", f"token: {CANARY}1\n    token_sha256: {CANARY}1"),
        ("name: team", "name: default"),
        ("token: ${PROVIDER}", 'token: "Bearer ${PROVIDER}"'),
        ("token: ${PROVIDER}", 'token: "${PROVIDER}\\n"'),
        ("token: ${PROVIDER}", 'token: "${PROVIDER}${NONE}"'),
        (f"X-Key: {CANARY}2", f'X-Key: "{CANARY}\\n2"'),
        (f"X-Key: {CANARY}2", f"X-Key: {{{CANARY}: 2}}"),
        ("X-Key:", "Host:"),
        (f"https://r.example/{CANARY}4", f"https://{CANARY}4@r.example"),
        (f"https://r.example/{CANARY}4", f"ftp://r.example/{CANARY}4"),
        (f"https://r.example/{CANARY}4", f"https://r.example/?k={CANARY} 4"),
        (f"https://r.example/{CANARY}4", f"https://r.example:{CANARY}"),
    ],
)
def test_not_in_a_fault(folder: Folder, old: str, new: str) -> None:
    assert old in TEXT

    faults = folder.faults(TEXT.replace(old, new), ENVIRON)

    assert "canary" not in "\n".join(faults)


def test_not_in_a_fault_about_the_token_itself(folder: Folder) -> None:
    faults = folder.faults(TEXT, ENVIRON | {"AUTH_TOKEN": f"{CANARY} and more"})

    assert "canary" not in "\n".join(faults)


def test_not_in_a_warning(folder: Folder) -> None:
    weak = {"AUTH_TOKEN": "canary", "PROVIDER": ""}

    warnings = folder.warnings(TEXT.replace(f"{CANARY}1", "canary1"), weak)

    assert len(warnings) == 3
    assert "canary" not in "\n".join(warnings)


def test_not_in_the_reprs_on_the_way() -> None:
    assert "canary" not in repr(Environment(ENVIRON))

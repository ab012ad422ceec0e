from pathlib import Path

import attrs
import pytest

from tests.settings.configuring import CHATS_ONLY, DIALECTS, EVERY_KEY, TOKEN, Folder
from tproxy.core.errors import ConfigError
from tproxy.core.model import ClientCredentials, Tls
from tproxy.settings import Backend, discover, load, render_init


@pytest.mark.parametrize(
    "environ",
    [{}, {"GROQ_API_KEY": "groq-value"}, EVERY_KEY],
    ids=["none", "one", "all"],
)
def test_init_writes_what_up_serves(tmp_path: Path, environ: dict[str, str]) -> None:
    environ = environ | {"AUTH_TOKEN": "my-own-token"}
    text = render_init(environ, dialects=DIALECTS, env_files=())
    file = tmp_path / "started.yaml"
    file.write_text(text, "utf-8")

    loaded = load(file, dialects=DIALECTS, environ=environ, env_files=())

    found = discover(dialects=DIALECTS, environ=environ, make_token=str, env_files=())
    assert (found.settings.state.backend, loaded.state.backend) == (
        Backend.MEMORY,
        Backend.SQLITE,
    )
    assert loaded == attrs.evolve(found.settings, state=loaded.state)
    assert loaded.warnings == ()  # no token stands in the file, though all may read it


def test_init_writes_no_secret() -> None:
    text = render_init(
        EVERY_KEY | {"AUTH_TOKEN": "my-own-token"}, dialects=DIALECTS, env_files=()
    )

    assert "-value" not in text
    assert "my-own-token" not in text
    assert "token: ${GROQ_API_KEY}\n" in text


def test_init_notes_keys_that_are_of_no_use_yet() -> None:
    text = render_init({"GIGACHAT_CREDENTIALS": "k"}, dialects=CHATS_ONLY, env_files=())

    assert "# GIGACHAT_CREDENTIALS is set, but GigaChat's dialect is not built" in text
    assert "provider: echo" in text


def test_init_leaves_out_models_that_cannot_be_asked_yet() -> None:
    environ = {"OPENAI_API_KEY": "k"}

    chats = render_init(environ, dialects=CHATS_ONLY, env_files=())
    all_kinds = render_init(environ, dialects=DIALECTS, env_files=())

    assert "kind:" not in chats
    assert "    kind: image\n" in all_kinds
    assert "    kind: embedding\n" in all_kinds


GEMINI = """\
providers:
  gemini:
    token: ${GEMINI_API_KEY}
    # The project's free tier, for all its models together; adjust.
    requests_per_minute: 15
    requests_per_day: 1500
    resets: America/Los_Angeles

models:
  - name: "gemini/gemini-flash-latest"
    provider: gemini
    model_size: SMALL
"""
GROQ = """\
providers:
  groq:
    token: ${GROQ_API_KEY}

models:
  - name: "groq/meta-llama/llama-4-scout-17b-16e-instruct"
    provider: groq
    model_size: SMALL
    capabilities: [tools, vision]
    # The model's free tier; adjust.
    requests_per_minute: 30
    requests_per_day: 1000
"""


@pytest.mark.parametrize(
    ("variable", "text"), [("GEMINI_API_KEY", GEMINI), ("GROQ_API_KEY", GROQ)]
)
def test_limits_stand_with_whom_they_belong_to(variable: str, text: str) -> None:
    assert text in render_init({variable: "k"}, dialects=DIALECTS, env_files=())


def test_other_variables_fill_other_keys(folder: Folder) -> None:
    ca_file = folder.write("", "root.pem")
    environ = {
        "GIGACHAT_CREDENTIALS": "k",
        "GIGACHAT_SCOPE": "GIGACHAT_API_B2B",
        "GIGACHAT_CA_BUNDLE_FILE": str(ca_file),
    }
    text = render_init(environ, dialects=DIALECTS, env_files=())

    upstream = folder.model(text, TOKEN | environ).upstream

    assert "    scope: ${GIGACHAT_SCOPE}\n" in text
    assert isinstance(upstream.auth, ClientCredentials)
    assert upstream.auth.scope == "GIGACHAT_API_B2B"
    assert upstream.tls == Tls(str(ca_file))


def test_init_reads_the_env_file_as_up_does(folder: Folder) -> None:
    env_file = folder.write("GROQ_API_KEY=k\n", ".env")

    assert "  groq:\n" in render_init({}, dialects=DIALECTS, env_file=env_file)
    with pytest.raises(ConfigError, match="No such file"):
        render_init({}, dialects=DIALECTS, env_file=folder.path / "none")

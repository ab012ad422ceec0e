from pathlib import Path

import pytest

from tests.settings.configuring import EVERY_KEY, Folder
from tproxy.core.errors import ConfigError
from tproxy.settings import discover, load, render_init


@pytest.mark.parametrize(
    "environ",
    [{}, {"GROQ_API_KEY": "groq-value"}, EVERY_KEY],
    ids=["none", "one", "all"],
)
def test_init_writes_what_up_serves(tmp_path: Path, environ: dict[str, str]) -> None:
    environ = environ | {"AUTH_TOKEN": "my-own-token"}
    text = render_init(environ, env_files=())
    file = tmp_path / "started.yaml"
    file.write_text(text, "utf-8")

    loaded = load(file, environ=environ, env_files=())

    found = discover(environ=environ, make_token=str, env_files=())
    assert loaded == found.settings
    assert loaded.warnings == ()  # no token stands in the file, though all may read it


def test_init_writes_no_secret() -> None:
    text = render_init(EVERY_KEY | {"AUTH_TOKEN": "my-own-token"}, env_files=())

    assert "-value" not in text
    assert "my-own-token" not in text
    assert "token: ${GROQ_API_KEY}\n" in text


def test_init_notes_keys_that_are_of_no_use_yet() -> None:
    text = render_init({"GIGACHAT_CREDENTIALS": "k"}, env_files=())

    assert "# GIGACHAT_CREDENTIALS is set, but GigaChat's dialect is not built" in text
    assert "provider: echo" in text


def test_init_reads_the_env_file_as_up_does(folder: Folder) -> None:
    env_file = folder.write("GROQ_API_KEY=k\n", ".env")

    assert "  groq:\n" in render_init({}, env_file=env_file)
    with pytest.raises(ConfigError, match="No such file"):
        render_init({}, env_file=folder.path / "none")

from pathlib import Path

import pytest

from tests.settings.configuring import MODEL, TOKEN, Folder
from tproxy.core.model import RetryPolicy
from tproxy.settings import Overrides
from tproxy.settings.environment import Unparsable, duration


def test_without_variables_the_defaults_hold(folder: Folder) -> None:
    assert folder.load(MODEL).retry == RetryPolicy(3, 1.0, 30.0, 0.1)


def test_retries_are_set_by_variables(folder: Folder) -> None:
    environ = TOKEN | {
        "RETRY_MAX_RETRIES": "0",
        "RETRY_BASE_DELAY": "250ms",
        "RETRY_MAX_DELAY": "2m",
        "RETRY_JITTER": "0.25",
    }

    assert folder.load(MODEL, environ).retry == RetryPolicy(0, 0.25, 120.0, 0.25)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("1s", 1), ("1.5s", 1.5), ("2m", 120), ("1m30s", 90), ("0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "s", "-1s", "1 s", "1s ", "1d", "٣s", "1.s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Unparsable):
        duration(text)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("PORT", "http", "'http' is not a port (1 to 65535, or 0 for any free one)"),
        ("PORT", "65536", "'65536' is not a port (1 to 65535, or 0 for any free one)"),
        ("PORT", "", "'' is not a port (1 to 65535, or 0 for any free one)"),
        ("RETRY_MAX_RETRIES", "-1", "'-1' is not a whole number (0 or more)"),
        (
            "RETRY_BASE_DELAY",
            "abc",
            "'abc' is not a duration (such as 250ms, 1s or 2m)",
        ),
        ("RETRY_MAX_DELAY", "30", "'30' is not a duration (such as 250ms, 1s or 2m)"),
        ("RETRY_JITTER", "1.1", "'1.1' is not a share (between 0 and 1, such as 0.1)"),
        ("RETRY_JITTER", "nan", "'nan' is not a share (between 0 and 1, such as 0.1)"),
    ],
)
def test_a_value_that_does_not_parse(
    folder: Folder, name: str, value: str, fault: str
) -> None:
    assert folder.faults(MODEL, TOKEN | {name: value}) == [
        f"environment: {name}: {fault}"
    ]


def test_flag_then_environment_then_env_file_then_yaml_then_default(
    folder: Folder,
) -> None:
    text = MODEL + 'server: {addr: "0.0.0.0:1111"}\n'
    env_file = folder.write("AUTH_TOKEN=from-the-file\nPORT=2222\n", "some.env")
    environ = {"PORT": "3333"}
    flag = Overrides(addr="127.0.0.2:4444")

    default = folder.load(MODEL).server
    yaml = folder.load(text).server
    file = folder.load(text, {}, env_file=env_file).server
    environment = folder.load(text, environ, env_file=env_file).server
    flags = folder.load(text, environ, env_file=env_file, overrides=flag).server

    assert [(s.host, s.port) for s in (default, yaml, file, environment, flags)] == [
        ("127.0.0.1", 8080),
        ("0.0.0.0", 1111),
        ("0.0.0.0", 2222),
        ("0.0.0.0", 3333),
        ("127.0.0.2", 4444),
    ]


def test_references_are_filled_from_the_env_file_too(folder: Folder) -> None:
    text = MODEL.replace("token: key", "token: ${A}${B}")
    env_file = folder.write("A=file\nB=file\n", "some.env")

    settings = folder.load(text, TOKEN | {"A": "real-"}, env_file=env_file)

    assert settings.models[0].upstream.token.reveal() == "real-file"


def test_the_first_env_file_that_exists_is_read(folder: Folder) -> None:
    paths = (folder.path / "none.env", folder.path / "a.env", folder.path / "b.env")
    folder.write("PORT=1\n", "a.env")
    folder.write("PORT=2\nRETRY_JITTER=0\n", "b.env")

    settings = folder.load(MODEL, TOKEN, env_files=paths)

    assert (settings.server.port, settings.retry.jitter) == (1, 0.1)


def test_an_env_file_that_is_named_is_the_only_one(folder: Folder) -> None:
    folder.write("PORT=1\n", "a.env")
    named = folder.write("RETRY_JITTER=0\n", "b.env")

    settings = folder.load(
        MODEL, TOKEN, env_file=named, env_files=(folder.path / "a.env",)
    )

    assert (settings.server.port, settings.retry.jitter) == (8080, 0)


def test_an_env_file_that_is_named_has_to_exist(folder: Folder) -> None:
    faults = folder.faults(MODEL, TOKEN, env_file=folder.path / "none.env")

    assert faults == ["none.env: cannot be read: No such file or directory"]


def test_values_of_an_env_file_are_taken_as_written(folder: Folder) -> None:
    env_file = folder.write(
        "# a comment\n\nexport A='si ngle'\nB=\"dou\\nble\"\nC=${A} # why\nD\nE=\n",
        "e.env",
    )
    text = "models:\n" + "".join(
        f"  - {{name: m{name}, provider: echo, upstream_name: 'x${{{name}}}'}}\n"
        for name in "ABCE"
    )

    settings = folder.load(text, TOKEN, env_file=env_file)

    assert [model.upstream_name for model in settings.models] == [
        "xsi ngle",
        "xdou\nble",
        "x${A}",
        "x",
    ]


def test_faults_of_an_env_file_have_its_name_and_line(folder: Folder) -> None:
    env_file = folder.write(
        "# first\n\nAUTH_TOKEN=\nPORT=no\nthis is = not it\nRETRY_JITTER=7\n", "e.env"
    )

    hint = "the token that clients send; or give clients: an entry"
    assert folder.faults(MODEL, {}, env_file=env_file) == [
        f"e.env:3: AUTH_TOKEN: empty ({hint})",
        "e.env:4: PORT: 'no' is not a port (1 to 65535, or 0 for any free one)",
        "e.env:5: not an assignment (NAME=value)",
        "e.env:6: RETRY_JITTER: '7' is not a share (between 0 and 1, such as 0.1)",
    ]


def test_an_env_file_that_is_not_text(folder: Folder) -> None:
    env_file = folder.write("", "e.env")
    env_file.write_bytes(b"A=\xff")

    assert folder.faults(MODEL, TOKEN, env_file=env_file) == [
        "e.env: cannot be read: not UTF-8 text"
    ]


def test_a_folder_is_no_env_file(folder: Folder) -> None:
    folder.load(MODEL, TOKEN, env_files=(Path(folder.path),))

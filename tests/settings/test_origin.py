"""The origin's own example files."""

from pathlib import Path

import attrs
import pytest

from tests.settings.configuring import TOKEN
from tproxy.core.errors import ConfigError
from tproxy.core.model import ALL_CAPABILITIES, Model, Patience, Upstream
from tproxy.core.quota import Kind, Pool, Window
from tproxy.core.secret import Secret
from tproxy.settings import Settings, load

DATA = Path(__file__).parent / "data"


def origin(folder: Path) -> Settings:
    file = folder / "origin.yaml"
    file.write_bytes((DATA / "origin.yaml").read_bytes())
    file.chmod(0o600)
    return load(file, environ=TOKEN, env_files=())


def windows(minute: int, hour: int, day: int) -> tuple[Window, ...]:
    return (
        Window(60, minute),
        Window(3_600, hour),
        Window(86_400, day, Kind.CALENDAR),
    )


def test_the_valid_file_loads_unchanged(tmp_path: Path) -> None:
    settings = origin(tmp_path)

    assert settings.models[2] == Model(
        "groq/llama-3.2-90b-vision-preview",
        "groq",
        "llama-3.2-90b-vision-preview",
        Upstream(
            "https://api.groq.com/openai/v1/chat/completions",
            "openai",
            Secret("groq_token"),
            patience=Patience(),
        ),
        category="BIG",
        priority=1,
        pools=(
            Pool("model:groq/llama-3.2-90b-vision-preview", windows(10, 100, 3500)),
        ),
        max_request_length=128_000,
        capabilities=ALL_CAPABILITIES,
    )
    assert [
        (m.provider, m.upstream_name, m.category, m.priority, m.obstacle is None)
        for m in settings.models
    ] == [
        ("gigachat", "GigaChat", "SMALL", 1, False),
        ("huggingface", "Mistral-Nemo-Instruct-2407", "SMALL", 2, True),
        ("groq", "llama-3.2-90b-vision-preview", "BIG", 1, True),
        ("openrouter", "deepseek/deepseek-chat:free", "BIG", 1, True),
        ("glama", "gemini-2.0-flash-thinking-exp-01-21", "SMALL", 1, True),
    ]
    assert [model.upstream.dialect for model in settings.models] == [
        "gigachat",
        *["openai"] * 4,
    ]


def test_what_is_not_built_yet_is_listed_with_a_warning(tmp_path: Path) -> None:
    settings = origin(tmp_path)

    obstacle = "GigaChat's own dialect is not built yet in this version"
    assert settings.models[0].obstacle == obstacle
    assert [attrs.evolve(w, source="origin.yaml") for w in settings.warnings] == [
        attrs.evolve(
            settings.warnings[0],
            source="origin.yaml",
            line=13,
            path="models[0]",
            problem=f"'gigachat/GigaChat' is listed but never asked: {obstacle}",
        )
    ]


def test_the_invalid_file_gets_one_precise_fault() -> None:
    file = DATA / "origin_invalid.yaml"

    with pytest.raises(ConfigError) as caught:
        load(file, environ=TOKEN, env_files=())

    assert str(caught.value) == (
        f"{file}:49: not valid YAML at column 4: "
        "this list item is indented by 3 spaces, the one before it by 2"
    )


def test_the_invalid_file_loads_once_it_is_mended(tmp_path: Path) -> None:
    lines = (DATA / "origin_invalid.yaml").read_text("utf-8").split("\n")
    lines[48:64] = [line.removeprefix(" ") for line in lines[48:64]]
    file = tmp_path / "mended.yaml"
    file.write_text("\n".join(lines), "utf-8")
    file.chmod(0o600)

    settings = load(file, environ=TOKEN, env_files=())

    assert {model.upstream.patience for model in settings.models} == {
        Patience(silence=30.0, whole=30.0)
    }
    assert settings.models[3].upstream_name == "deepseek/deepseek-chat:free"

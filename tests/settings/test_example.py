"""The example configuration: it loads, and it shows all there is."""

import re
from pathlib import Path

import attrs
import pytest
from dotenv import dotenv_values

from tests.settings.configuring import DIALECTS
from tproxy.core.errors import ConfigError
from tproxy.core.model import Throttle
from tproxy.settings import Settings, load, schema
from tproxy.settings.presets import presets
from tproxy.settings.schema import NOT_BUILT

CONFIG = Path(__file__).parents[2] / "config"
CLASSES = (
    schema.Server,
    schema.Client,
    schema.Pool,
    schema.Window,
    schema.Price,
    schema.Provider,
    schema.HealthCheck,
    schema.HttpClient,
    schema.Model,
    schema.Routing,
    schema.Shares,
    schema.State,
    schema.Cache,
    schema.KeyPair,
)


def load_example(**environ: str) -> Settings:
    names = dotenv_values(CONFIG / "env.example", interpolate=False)
    filled = {name: f"the-{name}" for name in names}
    return load(
        CONFIG / "example.yaml",
        dialects=DIALECTS,
        environ=filled | environ,
        env_files=(),
    )


def test_the_example_loads_with_the_names_of_the_example_environment() -> None:
    settings = load_example()

    assert [client.name for client in settings.clients] == ["default", "team-a"]
    assert [model.upstream.url for model in settings.models] == [
        "https://api.groq.com/openai/v1/chat/completions",
        "https://generativelanguage.googleapis.com/v1beta",
        "https://gigachat.devices.sberbank.ru/api/v1",
        "https://generativelanguage.googleapis.com/v1beta",
        "https://generativelanguage.googleapis.com/v1beta",
        "http://localhost:11434/v1/chat/completions",
    ]
    kinds = [model.kind.value for model in settings.models]
    assert kinds == ["chat", "chat", "chat", "image", "embedding", "chat"]
    assert settings.warnings == ()


def test_an_example_environment_that_is_not_filled_in_serves_nobody() -> None:
    with pytest.raises(ConfigError, match="an empty token @ clients"):
        load(
            CONFIG / "example.yaml",
            dialects=DIALECTS,
            environ={},
            env_file=CONFIG / "env.example",
        )


def test_every_variable_that_up_looks_for_is_shown() -> None:
    text = (CONFIG / "env.example").read_text("utf-8")

    looked_for = {
        name
        for preset in presets().values()
        for name in (*preset.env, *preset.needs, *preset.takes.values())
    }
    assert looked_for <= set(re.findall(r"[A-Z_]{4,}", text))


@pytest.mark.parametrize("kind", CLASSES)
def test_every_key_that_is_built_is_shown(kind: type) -> None:
    text = (CONFIG / "example.yaml").read_text("utf-8")

    keys = {field.name for field in attrs.fields(kind)}
    assert {key for key in keys if not re.search(rf"\b{key}\b", text)} == set()


@pytest.mark.parametrize("kind", CLASSES)
def test_no_key_is_shown_that_is_not_built(kind: type) -> None:
    text = (CONFIG / "example.yaml").read_text("utf-8")
    built = {field.name for each in CLASSES for field in attrs.fields(each)}

    keys = NOT_BUILT.get(kind, frozenset()) - built
    shown = set(re.findall(r"^[\s#-]*(\w+):", text, re.MULTILINE))
    assert keys & shown == set()


def test_the_commented_lines_are_right_as_well(tmp_path: Path) -> None:
    text = (CONFIG / "example.yaml").read_text("utf-8")
    shown = re.sub(r"^( +)# (\w+: )", r"\1\2", text, flags=re.MULTILINE)
    for name in re.findall(r"[\w-]+\.(?:pem|key)", shown):
        (tmp_path / name).touch()
    file = tmp_path / "example.yaml"
    file.write_text(shown, "utf-8")
    names = dotenv_values(CONFIG / "env.example", interpolate=False)

    settings = load(
        file, dialects=DIALECTS, environ={n: f"the-{n}" for n in names}, env_files=()
    )

    assert settings.server.tls_cert == str(tmp_path / "server.pem")
    assert settings.models[0].upstream.headers == (("X-Title", "tproxy"),)
    assert len(settings.models[0].budgets[0].limits) == 10
    assert settings.models[0].throttle == Throttle("provider/groq", 1.0, 4)

"""Whatever a file or an environment holds: settings, or faults, and nothing else."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.settings.configuring import Folder
from tproxy.core.errors import ConfigError
from tproxy.settings import schema
from tproxy.settings.amounts import SPANS
from tproxy.settings.schema import NOT_BUILT, WORDS

EXAMPLE = (Path(__file__).parents[2] / "config" / "example.yaml").read_text("utf-8")
ENVIRON = {
    "AUTH_TOKEN": "a-client-token",
    "TEAM_A_TOKEN": "team-a-token",
    "GROQ_API_KEY": "k",
    "GEMINI_API_KEY": "k",
    "GIGACHAT_CREDENTIALS": "k",
}
KEYS = sorted(
    {key for keys in NOT_BUILT.values() for key in keys}
    | {
        field.name
        for kind in vars(schema).values()
        if isinstance(kind, type) and attrs.has(kind)
        for field in attrs.fields(kind)
    }
)
TEXTS = sorted(
    {word for words in WORDS.values() for word in words.built}
    | {*SPANS, "2s", "5h", "10%", "Europe/Berlin", "p"}
    | {"m", "groq", "SMALL", "${GROQ_API_KEY}", "https://h.example/v1"}
)


@pytest.fixture(scope="module")
def place() -> Iterator[Folder]:
    with tempfile.TemporaryDirectory() as path:
        yield Folder(Path(path))


def load(
    place: Folder,
    text: str,
    environ: dict[str, str] = ENVIRON,
    env_file: Path | None = None,
) -> None:
    """Load, or be told in whole lines why not; anything else fails."""
    with contextlib.suppress(ConfigError):
        loaded = place.load(text, environ, env_file=env_file)
        assert loaded.models
        assert loaded.clients
        return
    faults = place.faults(text, environ, env_file=env_file)
    assert faults
    assert all(": " in fault for fault in faults)


ANY_TEXT = st.text(st.characters(codec="utf-8"))
MARKS = "\n|\t|\0| |  |:|: |- |'|\"|{|}|[|]|,|#|&a |*a|<<: |!!x |>|${|?|~|0|---\n"
SCRAPS = st.sampled_from(MARKS.split("|"))


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The example with some pieces cut out, put in or moved."""
    text = EXAMPLE
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.sampled_from([0, 0, 1, 2, 8, 80, 400]))
        piece = draw(SCRAPS | st.just("") | ANY_TEXT.map(lambda new: new[:20]))
        text = text[:start] + piece + text[end:]
    return text


@settings(max_examples=300, deadline=None)
@given(text=mutated())
def test_a_damaged_file(place: Folder, text: str) -> None:
    load(place, text)


@settings(max_examples=100, deadline=None)
@given(text=ANY_TEXT)
@example(text="\ufeff")
@example(text="a: !<> x")
def test_any_text(place: Folder, text: str) -> None:
    load(place, text)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.binary(max_size=4)
    | ANY_TEXT
    | st.sampled_from(TEXTS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | ANY_TEXT, inner, max_size=4)
    ),
    max_leaves=8,
)
WINDOWS = st.dictionaries(
    st.sampled_from([field.name for field in attrs.fields(schema.Window)]),
    st.integers(0, 20) | st.sampled_from(TEXTS) | VALUES,
)
POOLS = st.fixed_dictionaries(
    {"windows": st.lists(WINDOWS, max_size=3) | VALUES},
    optional={"headroom": st.sampled_from(["10%", "0%", "99%"]) | VALUES},
)
ENTRIES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)
MODELS = ENTRIES.map(lambda entry: {"name": "m", "provider": "groq"} | entry)
FILES = st.fixed_dictionaries(
    {"models": st.lists(MODELS, max_size=3) | VALUES},
    optional={
        "server": ENTRIES | VALUES,
        "clients": st.lists(ENTRIES, max_size=3) | VALUES,
        "providers": st.dictionaries(st.just("groq") | ANY_TEXT, ENTRIES) | VALUES,
        "pools": st.dictionaries(st.just("p") | ANY_TEXT, POOLS | VALUES) | VALUES,
        "routing": ENTRIES | VALUES,
        "state": ENTRIES,
        "cache": ENTRIES,
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(root=FILES)
def test_any_values_under_any_keys(place: Folder, root: dict[str, object]) -> None:
    load(place, yaml.safe_dump(root, allow_unicode=True))


NAMES = ["AUTH_TOKEN", "PORT", "RETRY_MAX_RETRIES", "RETRY_BASE_DELAY", "RETRY_JITTER"]


@settings(max_examples=100, deadline=None)
@given(environ=st.dictionaries(st.sampled_from(NAMES), ANY_TEXT))
def test_any_environment(place: Folder, environ: dict[str, str]) -> None:
    load(place, EXAMPLE, ENVIRON | environ)


@settings(max_examples=100, deadline=None)
@given(content=st.binary() | ANY_TEXT.map(str.encode))
def test_any_env_file(place: Folder, content: bytes) -> None:
    env_file = place.write("", "any.env")
    env_file.write_bytes(content)

    load(place, EXAMPLE, ENVIRON, env_file)

"""Dialects of other packages, as their metadata and their modules tell of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import DistributionFinder, EntryPoint, MetadataPathFinder
from pathlib import Path

import pytest

from tproxy.core.errors import ConfigError
from tproxy.providers import openai
from tproxy.providers.plugins import GROUP, plugins

GOOD = "tproxy.providers.openai:DIALECT"


def entry(value: str = GOOD, name: str = "other") -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def installed(folder: Path, package: str, value: str) -> list[EntryPoint]:
    """The entry points of a package, as an installer writes them down."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nother = {value}\n")
    context = DistributionFinder.Context(name=package, path=[str(folder)])
    [found] = MetadataPathFinder.find_distributions(context)
    return [*found.entry_points]


@pytest.fixture
def modules(tmp_path: Path) -> Iterator[Path]:
    """A folder whose modules can be imported during a test."""
    sys.path.insert(0, str(tmp_path))
    before = {*sys.modules}
    yield tmp_path
    sys.path.remove(str(tmp_path))
    for name in {*sys.modules} - before:
        del sys.modules[name]


def test_a_plugin_is_loaded_by_name() -> None:
    found = plugins([entry(), entry("nowhere:NOTHING", name="unused")])

    assert set(found) == {"other", "unused"}
    assert found["other"].load() is openai.DIALECT


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no_such_module:DIALECT", "ModuleNotFoundError: No module named"),
        ("tproxy.providers.openai:NOTHING", "AttributeError: "),
        ("tproxy.providers.openai", "brings no Dialect, but a module"),
        ("tproxy.providers.openai:OpenAI", "brings no Dialect, but a type"),
        ("raising:DIALECT", "RuntimeError: what a day"),
        ("unreadable:DIALECT", "SyntaxError: "),
        ("lacking:DIALECT", "has no parse_error, stream_reader"),
    ],
)
def test_a_broken_plugin_is_a_fault_by_its_name(
    modules: Path, value: str, problem: str
) -> None:
    (modules / "raising.py").write_text("raise RuntimeError('what a day\\nand night')")
    (modules / "unreadable.py").write_text("def (")
    (modules / "lacking.py").write_text(
        "from tproxy.core.upstream import Dialect\n"
        "class Chat: build_request = parse_response = print\n"
        "DIALECT = Dialect(Chat())\n"
    )

    with pytest.raises(ConfigError) as caught:
        plugins([entry(value)])["other"].load()

    [line] = str(caught.value).splitlines()
    assert line.startswith(f"plug-in other: {value}")
    assert problem in line
    assert "night" not in line


def test_a_name_that_two_packages_register_is_a_fault(tmp_path: Path) -> None:
    one = installed(tmp_path / "a", "one", GOOD)
    two = installed(tmp_path / "b", "two", "x:Y")

    with pytest.raises(ConfigError) as caught:
        plugins([*two, *one])["other"].load()

    assert str(caught.value) == (
        "plug-in other: registered by one and two; uninstall one"
    )


def test_a_package_that_is_on_the_path_twice_is_one(tmp_path: Path) -> None:
    one = installed(tmp_path / "a", "one", GOOD)
    again = installed(tmp_path / "b", "one", GOOD)

    assert plugins([*one, *again])["other"].load() is openai.DIALECT

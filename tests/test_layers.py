"""The rules of the house, read from the source: who may import whom, and how much
a file may hold. A room is a module or package directly below `tproxy`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "tproxy"
FILES = sorted(HOUSE.rglob("*.py"))

# Beyond itself, `core` and, for its version, `tproxy`.
MAY_IMPORT = {
    "__main__": {"cli"},
    "cli": {
        *("app", "lifecycle", "process", "settings", "simulation"),
        *("status", "stores", "workers"),
    },
    "listening": {"server", "settings"},
    "monitoring": {"observe", "relay", "settings", "stores", "transport", "web"},
    "process": {"settings"},
    "server": {"secure"},
    "simulation": {"relay", "selection", "settings", "state"},
    "stores": {"settings", "state"},
    "transport": {"secure"},
    "web": {"relay"},
}
# May import every room but those that start them.
BUILDERS = {"app", "crew", "lifecycle"}
STARTERS = {"cli", "__main__"}

PURE = {"core", "providers", "selection"}
WAITS = (
    "asyncio concurrent multiprocessing sched select selectors threading time tornado"
)
GUESSES = "random secrets uuid"
LOOKS = (
    "glob http.client http.server importlib.resources logging os pathlib platform"
    " shutil signal socket sqlite3 ssl subprocess tempfile urllib.request"
)
IMPURE = {*WAITS.split(), *GUESSES.split(), *LOOKS.split()}
OWN_DATA = {"providers": {"importlib.resources"}}

MAX_LINES = 350
NAMELESS = {"common", "helper", "helpers", "manager", "misc", "util", "utils"}


def imports(source: bytes | str) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name of all that is imported, at any depth."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                origin = "." * level + (module or "")
                yield from ((node.lineno, f"{origin}.{name.name}") for name in names)


def may_import(room: str, name: str) -> bool:
    match name.split("."):
        case ["", *_]:  # relative
            return False
        case ["tproxy"] | ["tproxy", "__version__"]:
            return True
        case ["tproxy", other, *_]:
            if room in BUILDERS:
                return other not in STARTERS
            return other in {room, "core"} | MAY_IMPORT.get(room, set())
        case parts:
            if room not in PURE:
                return True
            modules = {".".join(parts[: end + 1]) for end in range(len(parts))}
            return not modules & (IMPURE - OWN_DATA.get(room, set()))


def faults(file: Path) -> list[str]:
    path = file.relative_to(HOUSE)
    room = path.parts[0].removesuffix(".py")
    return [
        f"{path}:{line}: {room} may not import {name}"
        for line, name in imports(file.read_bytes())
        if not may_import(room, name)
    ]


def test_every_room_imports_only_what_it_may() -> None:
    assert HOUSE / "__init__.py" in FILES
    assert [fault for file in FILES for fault in faults(file)] == []


@pytest.mark.parametrize(
    ("room", "statement"),
    [
        ("core", "import tproxy.relay"),
        ("relay", "from tproxy import web"),
        ("app", "from tproxy.cli import main"),
        ("core", "from . import errors"),
        ("cli", "from ..core import errors"),
        ("core", "import os.path"),
        ("selection", "from time import monotonic"),
        ("core", "from urllib import request"),
        ("core", "from importlib import resources"),
        ("providers", "def later():\n    from asyncio import sleep"),
    ],
)
def test_a_forbidden_import_is_seen(room: str, statement: str) -> None:
    assert [may_import(room, name) for _, name in imports(statement)] == [False]


@pytest.mark.parametrize(
    ("room", "statement"),
    [
        ("cli", "from tproxy import __version__, app"),
        ("web", "from tproxy.core.chat import ChatRequest"),
        ("app", "import tproxy.state.sqlite"),
        ("core", "from http import HTTPStatus"),
        ("core", "from urllib.parse import urlsplit"),
        ("providers", "from importlib import resources"),
        ("transport", "import asyncio, os"),
    ],
)
def test_any_other_import_is_allowed(room: str, statement: str) -> None:
    assert all(may_import(room, name) for _, name in imports(statement))


def test_files_are_short() -> None:
    lines = {str(file): len(file.read_text("utf-8").splitlines()) for file in FILES}

    assert {file for file, count in lines.items() if count > MAX_LINES} == set()


def test_files_are_named_for_what_they_hold() -> None:
    assert [file for file in FILES if NAMELESS & set(file.stem.split("_"))] == []

"""`state:`, where quotas are counted."""

from __future__ import annotations

import os
from importlib import util
from pathlib import Path
from urllib.parse import urlsplit

from tproxy.settings import schema
from tproxy.settings.report import Report, Where
from tproxy.settings.settings import Backend, StateSettings

_SCHEMES = ("redis", "rediss", "unix")


def resolve(said: schema.State, folder: Path, report: Report) -> StateSettings:
    """`path` starts at `folder`. Faults are about the backend that is to be used."""
    backend, where = Backend(said.backend), ("state", "backend")
    path = folder / said.path
    match backend:
        case Backend.SQLITE:
            _check_path(path, ("state", "path"), report)
        case Backend.REDIS:
            if util.find_spec("redis") is None:
                hint = "pip install tproxy[redis]"
                report.fault(where, "Redis's client is not installed", hint)
            _check_url(said.url, ("state", "url"), report)
        case Backend.MEMORY:
            pass
    return StateSettings(backend, str(path), said.url, said.on_loss)


def _check_path(path: Path, where: Where, report: Report) -> None:
    if path.name == ":memory:":
        report.fault(where, "not the name of a file", "backend: memory")
    elif os.path.isdir(path):
        report.fault(where, "a folder, and not a file")
    elif not os.path.isdir(path.parent):
        report.fault(where, "there is no folder to put the file in")


def _check_url(url: str, where: Where, report: Report) -> None:
    """It may hold a password, so nothing of it is quoted."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _SCHEMES and bool(parts.hostname or parts.path)
        _ = parts.port  # parsed when asked for
    except ValueError:
        usable = False
    if not usable:
        hint = "redis://user:password@host:6379/0, rediss:// or unix:///path"
        report.fault(where, "not a URL of Redis", hint)

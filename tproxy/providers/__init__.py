"""One module a dialect; this folder is the registry."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import cast

from tproxy.core.upstream import ProviderAdapter


@cache
def dialects() -> frozenset[str]:
    """The dialects that are built: the modules here that hold an `ADAPTER`."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return frozenset(name for name in names if _adapter(name) is not None)


def adapter(dialect: str) -> ProviderAdapter:
    """The adapter of one of `dialects()`."""
    found = _adapter(dialect)
    if found is None:
        raise LookupError(dialect)
    return found


@cache
def _adapter(name: str) -> ProviderAdapter | None:
    module = importlib.import_module(f"{__name__}.{name}")
    return cast("ProviderAdapter | None", getattr(module, "ADAPTER", None))

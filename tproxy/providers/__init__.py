"""One module a dialect; this folder is the registry."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import cast

from tproxy.core.upstream import Dialect


@cache
def dialects() -> frozenset[str]:
    """The dialects that are built: the modules here that hold an `DIALECT`."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return frozenset(name for name in names if _found(name) is not None)


def dialect(name: str) -> Dialect:
    """What can be asked in one of `dialects()`."""
    found = _found(name)
    if found is None:
        raise LookupError(name)
    return found


@cache
def _found(name: str) -> Dialect | None:
    module = importlib.import_module(f"{__name__}.{name}")
    return cast("Dialect | None", getattr(module, "DIALECT", None))

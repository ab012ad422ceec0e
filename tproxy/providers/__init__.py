"""One module a dialect; this folder is the registry, and other packages add to it.

A package registers its own as an entry point of the group `tproxy.dialects`, see
`docs/plugins.md`. A name that is taken here stays ours.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from typing import cast

from tproxy.core.upstream import Dialect
from tproxy.providers.plugins import GROUP, Plugin, plugins


@cache
def dialects() -> frozenset[str]:
    """All that have a name: the modules here that hold a `DIALECT`, and plug-ins."""
    built = (name for name in _modules() if _built(name) is not None)
    return frozenset((*built, *_plugins()))


@cache
def dialect(name: str) -> Dialect:
    """What can be asked in one of `dialects()`.

    Raises:
        LookupError: there is no such dialect.
        ConfigError: it is a plug-in that cannot be used.
    """
    found = _built(name) if name in _modules() else None
    return _plugins()[name].load() if found is None else found


def _modules() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(__path__))


@cache
def _built(name: str) -> Dialect | None:
    module = importlib.import_module(f"{__name__}.{name}")
    return cast("Dialect | None", getattr(module, "DIALECT", None))


@cache
def _plugins() -> Mapping[str, Plugin]:
    return plugins(metadata.entry_points(group=GROUP))

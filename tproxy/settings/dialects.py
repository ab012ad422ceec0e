"""What can be asked: the dialects there are, by name, and what each can make."""

from __future__ import annotations

from collections.abc import Mapping

from tproxy.core.model import Kind
from tproxy.core.upstream import Dialect
from tproxy.settings.presets import presets
from tproxy.settings.report import Report, Where, near, printable
from tproxy.settings.scalars import LATER

Dialects = Mapping[str, Dialect]


def makes(dialects: Dialects, name: str, kind: Kind) -> bool:
    """Whether models of `kind` can be asked in the dialect `name`.

    Raises:
        ConfigError: it is a plug-in that cannot be used.
    """
    if name not in dialects:
        return False
    dialect = dialects[name]
    match kind:
        case Kind.CHAT:
            return True
        case Kind.IMAGE:
            return dialect.images is not None
        case Kind.EMBEDDING:
            return dialect.embeddings is not None


def check(name: str, dialects: Dialects, where: Where, report: Report) -> None:
    """A fault where no dialect has this name."""
    if name in dialects:
        return
    if any(name == preset.dialect for preset in presets().values()):
        report.fault(where, f"'{name}' {LATER}")
        return
    hint = near(name, dialects) or f"known: {', '.join(sorted(dialects))}"
    report.fault(where, f"unknown word '{printable(name)}'", hint)

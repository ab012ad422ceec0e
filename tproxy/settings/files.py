"""Files that a configuration names: relative to it, and there."""

from __future__ import annotations

from pathlib import Path

from tproxy.settings.report import Report, Where


def check_present(name: str, folder: Path, where: Where, report: Report) -> None:
    """A fault where the file `name` cannot be opened."""
    try:
        with (folder / name).open("rb"):
            pass
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or "no such path"
        report.fault(where, f"the file cannot be read: {why}")

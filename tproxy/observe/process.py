"""What this process takes of the machine."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from tproxy.observe.exposition import Metric
from tproxy.observe.families import MAX_FDS, MEMORY, OPEN_FDS

_PAGE = resource.getpagesize()


def cpu() -> float:
    """Seconds of user and system time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def figures() -> Iterator[tuple[Metric, float]]:
    """As far as this system tells."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield MAX_FDS, float("inf") if soft == resource.RLIM_INFINITY else soft
    with contextlib.suppress(OSError, ValueError, IndexError):  # not Linux
        pages = Path("/proc/self/statm").read_text("ascii").split()[1]
        yield MEMORY, int(pages) * _PAGE
        # Linux counts them by itself since 6.2.
        told = os.stat("/proc/self/fd").st_size
        yield OPEN_FDS, told or len(os.listdir("/proc/self/fd"))

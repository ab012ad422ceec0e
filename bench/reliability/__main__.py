"""`python -m bench.reliability [PART ...]`: measure, and print figures beside targets.

Leaves with 1 where a target was missed.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench import processes
from bench.relay import machine, markdown
from bench.reliability.figures import Figure

PARTS = {  # by the number of the test in the project's list, in running order
    "F3": "blackholes",
    "F6": "aborts",
    "F7": "restarts",
    "F8": "reloads",
    "L6": "soak",
    "L7": "prompts",
    "L8": "overload",
    "D": "decision",
}


def measured(
    parts: Iterable[str], folder: Path, scale: float
) -> Iterator[tuple[str, Figure]]:
    """The figures of each part, as they come."""
    for part in parts:
        place = folder / part
        place.mkdir()
        begun = time.perf_counter()
        run = importlib.import_module(f"bench.reliability.{PARTS[part]}").run
        for figure in run(place, scale):
            print(part, *figure.cells(), sep="  ", file=sys.stderr, flush=True)
            yield part, figure
        took = time.perf_counter() - begun
        print(f"{part} took {took:.0f} s", file=sys.stderr, flush=True)


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--scale", type=float, default=1.0, help="less is shorter")
    said = parser.parse_args()
    parts = said.parts or list(PARTS)
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(
            f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}"
        )
    processes.many_descriptors()
    with tempfile.TemporaryDirectory(prefix="tproxy-reliability-") as place:
        found = list(measured(parts, Path(place), said.scale))
    facts = machine()
    print("; ".join(f"{name}: {value}" for name, value in facts.items()), end="\n\n")
    rows = [[part, *figure.cells()] for part, figure in found]
    print(markdown([["", "", "figure", "target"], *rows]))
    return 0 if all(figure.met for _, figure in found) else 1


if __name__ == "__main__":
    sys.exit(_main())

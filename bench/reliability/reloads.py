"""F8: SIGHUP again and again, good and broken files in turn, while requests go on.

No request fails, and no counter begins anew: a quota has counted every request at the
end, and never fewer than it had.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

from bench import processes, wire
from bench.load import load
from bench.reliability import house
from bench.reliability.figures import Figure
from bench.reliability.house import House
from bench.wire import Plan

_EVERY = 0.2  # seconds, three times what was asked for: 100 a minute
_PLANS = Plan(), Plan(chunks=20, gap=0.02)
_BROKEN = "models: [{nme: bench}]\n"


def run(folder: Path, scale: float) -> Iterator[Figure]:
    with processes.provider(folder) as provider:
        files = _files(provider.port)
        with house.serving(folder / "proxy", files[0]) as proxy:
            yield from wire.run(_reloads(proxy, files, max(int(100 * scale), 4)))
        log = (folder / "proxy" / "tproxy.log").read_text()
        for word, message in ("taken", '"reloaded"'), ("refused", "is refused"):
            yield Figure(f"reloads {word}", log.count(message))


def _files(port: int) -> list[str]:
    """Two that can be served, with something else in each, and one that cannot."""
    bench = house.model("bench", port, "requests_per_day: 1000000000")
    other = house.model("other", port, "requests_per_minute: 10")
    return [house.config([bench]), _BROKEN, house.config([other, bench]), _BROKEN]


async def _reloads(proxy: House, files: list[str], count: int) -> list[Figure]:
    seconds = count * _EVERY
    port = proxy.daemon.port
    asking = asyncio.gather(
        *(
            load(port, plan, connections=10, seconds=seconds, rate=100)
            for plan in _PLANS
        )
    )
    counted, fallen = 0.0, 0
    for turn in range(count):
        proxy.file.write_text(files[(turn + 1) % len(files)])
        proxy.tell(signal.SIGHUP)
        await asyncio.sleep(_EVERY)
        now = house.used(await asyncio.to_thread(proxy.status), "model/bench")
        fallen += now < counted
        counted = now
    reports = await asking
    status = await asyncio.to_thread(proxy.settled)
    asked = sum(report.requests for report in reports)
    failed = sum(sum(report.problems.values()) for report in reports)
    missing = asked - house.used(status, "model/bench")
    return [
        Figure(f"{count} reloads: requests", asked),
        Figure(f"{count} reloads: failed", failed, most=0),
        Figure(f"{count} reloads: times a counter fell", fallen, most=0),
        Figure(f"{count} reloads: requests that are not counted", missing, most=0),
        Figure(
            f"{count} reloads: under way at the end", house.under_way(status), most=0
        ),
    ]

"""What do accounts see whose limits are real, while the daemon is asked for more?

Requests begin at a fixed rate, whatever the answers do. What an account of
`bench.metered` refuses, the daemon should not have sent, and what it would have taken
should be used. Then: who is overtaken in line, who waits for what is there, and whether
`Retry-After` is the moment.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import attrs

from bench import processes, wire
from bench.exactness import REDIS, SQLITE, Finding, killing, store
from bench.load import Caller
from bench.metered import (
    LIMIT,
    SECONDS,
    Account,
    BucketAccount,
    FixedAccount,
    Line,
    most_in_any_span,
)
from bench.processes import Target
from bench.upstream import Stats
from bench.wire import HOST, KEY, PATH, Plan

MEMORY = "memory"
RATE = 100.0  # requests a second, ten times what an account takes
_WAIT = re.compile(rb"\r\nretry-after-ms: *(\d+)", re.IGNORECASE).search
_PLANS = (
    *(Plan(delay=0.01), Plan(delay=0.1)),
    *(Plan(chunks=5, gap=0.02), Plan(chunks=20, burst=2, gap=0.3)),
)
_FAULTS = (Plan(fault="500"), Plan(delay=0.05, fault="reset"))


@attrs.frozen
class Asked:
    """One request of a client: when it asked, when that ended, and what it got."""

    begun: float
    ended: float
    status: str
    wait: float | None  # seconds, by `retry-after-ms`


@attrs.frozen
class Scene:
    """How the daemon runs, and what its account is like."""

    name: str
    backend: str
    workers: int
    account: type[Account]
    daemons: int = 1
    faults: bool = False
    kills: bool = False
    least: float = 0.9  # of what the account has is to be used


SCENES = (
    Scene("memory, a rolling window", MEMORY, 1, Account),
    Scene("memory, a fixed window, faults", MEMORY, 1, FixedAccount, faults=True),
    Scene("4 workers on SQLite, a bucket", SQLITE, 4, BucketAccount),
    Scene("4 workers on SQLite, killed", SQLITE, 4, Account, kills=True, least=0.3),
    Scene("2 daemons of 2 workers on Redis", REDIS, 2, FixedAccount, daemons=2),
)


def configuration(backend: str, where: str, port: int, window: str, more: str) -> str:
    place = {MEMORY: "", SQLITE: f", path: '{where}'", REDIS: f", url: '{where}'"}
    strict = ", on_loss: strict" if backend == REDIS else ""
    return (
        f"state: {{backend: {backend}{place[backend]}{strict}}}\n"
        f"pools: {{account: {{windows: [{{per: {SECONDS:g}s, {window}}}]}}}}\n{more}"
        f"models: [{{name: bench, provider: account, token: {KEY}, pool: account,\n"
        f"  url: 'http://{HOST}:{port}{PATH}'}}]\n"
    )


@asynccontextmanager
async def serving(
    scene: Scene, window: str = f"requests: {LIMIT}", more: str = ""
) -> AsyncIterator[tuple[Account, list[Target]]]:
    """The account, and the daemons that draw from it."""
    account, loop = scene.account(), asyncio.get_running_loop()
    stats, port = Stats(), processes.free_port()
    server = await loop.create_server(lambda: Line(stats, account=account), HOST, port)
    with ExitStack() as stack:
        stack.callback(server.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        where = ""
        if scene.backend != MEMORY:
            where = stack.enter_context(store(scene.backend, folder))
        config = configuration(scene.backend, where, port, window, more)
        flags = ("--workers", str(scene.workers))
        daemons = []
        for number in range(scene.daemons):
            place = folder / str(number)
            place.mkdir()
            daemon = stack.enter_context(processes.daemon(place, config, *flags))
            daemons.append(daemon)
        for daemon in daemons:  # which goes to the account
            await asyncio.to_thread(processes.answer_within, daemon.port, 20)
        await asyncio.sleep(SECONDS + 0.1)
        account.taken.clear()
        yield account, daemons


async def ask(caller: Caller, plan: Plan, body: bytes) -> Asked:
    begun = time.monotonic()
    try:
        problems = (await caller.ask(plan, body)).problems
    except OSError:
        problems = ["no connection"]
    found = _WAIT(caller.head)
    wait = int(found[1]) / 1_000 if problems and found else None
    status = problems[0] if problems else "answered"
    return Asked(begun, time.monotonic(), status, wait)


async def load(
    daemons: Sequence[Target],
    plans: Sequence[Plan],
    rate: float,
    seconds: float,
    size: int = 200,
) -> list[Asked]:
    """Requests to the daemons in turn, begun at that rate. In the order of asking."""
    idle: dict[int, list[Caller]] = {daemon.port: [] for daemon in daemons}
    ports = [*idle]

    async def one(number: int) -> Asked:
        port = ports[number % len(ports)]
        plan = random.choice(plans)
        caller = idle[port].pop() if idle[port] else Caller(port)
        asked = await ask(caller, plan, plan.body(size))
        idle[port].append(caller)
        return asked

    begun, asking = time.monotonic(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(begun + number / rate - time.monotonic())
        asking.append(asyncio.create_task(one(number)))
    seen = await asyncio.gather(*asking)
    for caller in (each for there in idle.values() for each in there):
        caller.close()
    return seen


def overtaken(asked: Sequence[Asked]) -> int:
    """How many gave up whom a later one, half a second at least, had overtaken."""
    answered = [each for each in asked if each.status == "answered"]
    return sum(
        any(o.begun > each.begun + 0.5 and o.ended < each.ended for o in answered)
        for each in asked
        if each.status != "answered"
    )


async def played(scene: Scene, seconds: float) -> list[Finding]:
    plans = (*_PLANS, *_FAULTS) if scene.faults else _PLANS
    async with serving(scene) as (account, daemons):
        killer = asyncio.create_task(killing(daemons[0], 1.3)) if scene.kills else None
        asked = await load(daemons, plans, RATE, seconds)
        if killer is not None:
            killer.cancel()
            with suppress(asyncio.CancelledError):
                await killer
    used, possible = len(account.taken), LIMIT * seconds / SECONDS
    told = Counter(each.status for each in asked)
    most = most_in_any_span(account.taken)
    seen = f"{account.refused} refused, {most} at most in {SECONDS:g} s; {dict(told)}"
    share = f"{used / possible:.0%} of {possible:g}"
    enough = used >= scene.least * possible
    return [
        Finding(scene.name, seen, account.refused == 0),
        Finding("  used of what there was", share, enough),
    ]


async def waiting(scene: Scene, seconds: float) -> list[Finding]:
    """Twice as many as there is room for, who may wait for as long as they come."""
    more = f"routing: {{on_exhausted: wait, wait_seconds: {seconds:g}}}\n"
    async with serving(scene, more=more) as (_, daemons):
        asked = await load(daemons, _PLANS[:1], 2 * LIMIT / SECONDS, seconds)
    passed = overtaken(asked)
    figure = f"{passed} of {len(asked)}"
    return [Finding("  gave up in line, overtaken", figure, not passed)]


async def estimates(scene: Scene) -> list[Finding]:
    """All at once ask for more tokens than there are, and use less: nobody waits long.

    Each reserves over 1,000 tokens, and is settled with 310.
    """
    more = "routing: {on_exhausted: wait, wait_seconds: 5}\n"
    async with serving(scene, f"tokens: {LIMIT * 400}", more) as (_, daemons):
        plans = [Plan(delay=0.1)]
        asked = await load(daemons, plans, 1e4, LIMIT / 1e4, size=4_000)
    longest = max(each.ended - each.begun for each in asked)
    figure = f"{longest:.2f} s at most, of {SECONDS:g}"
    return [Finding("  waited for tokens that were not used", figure, longest < 1)]


async def moments(window: str) -> list[Finding]:
    """Ask until it is refused, wait as it is told, and ask again."""
    async with serving(SCENES[0], window) as (_, [daemon]):
        caller, plan = Caller(daemon.port), Plan()
        body = plan.body(4_000)
        wait = None
        while wait is None:
            wait = (await ask(caller, plan, body)).wait
        begun, tries = time.monotonic(), 0
        while wait is not None and tries < 20:
            await asyncio.sleep(wait)
            wait, tries = (await ask(caller, plan, body)).wait, tries + 1
        took = time.monotonic() - begun
        caller.close()
    figure = f"admitted after {tries} tries, {took:.2f} s"
    return [Finding(f"  Retry-After, {window} spent", figure, tries <= 2)]


async def bench(seconds: float) -> AsyncIterator[Finding]:
    for scene in SCENES:
        for finding in await played(scene, seconds):
            yield finding
    for scene in (SCENES[0], SCENES[2]):
        for finding in await waiting(scene, seconds):
            yield attrs.evolve(finding, what=f"{finding.what}: {scene.name}")
    for finding in await estimates(SCENES[0]):
        yield finding
    for window in (f"requests: {LIMIT}", "tokens: 4000"):
        for finding in await moments(window):
            yield finding


async def _main(seconds: float) -> None:
    async for finding in bench(seconds):
        print(finding.line(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each scene")
    wire.run(_main(parser.parse_args().seconds))

"""Redis answers in the right shape, with something wrong in it."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import attrs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.clocks import FakeClock
from tests.state.mortal import WHOSE
from tests.state.shops import Notices
from tproxy.core.budget import ONE
from tproxy.core.leases import Lease
from tproxy.state.redis import RedisQuotas
from tproxy.state.remote import Remote
from tproxy.state.script import Script


def packed(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}d", *numbers)


JUNK = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63),
    st.sampled_from(["", "nan", "inf", "-inf", "-1", "1e400", "taken", "denied", "x"]),
    st.lists(st.integers(-9, 9), max_size=12),
    st.lists(st.floats(), max_size=12).map(lambda numbers: packed(*numbers)),
    st.lists(st.floats(), min_size=9, max_size=9).map(lambda nine: packed(*nine)),
)
TRUE = [packed(1000.5), b"epoch", 2, packed(0, 9, 1, 9, 3, 0, 60, 9, 0)]
ASKED = ["taken", "denied", "again", "forgotten", "seen", "resting"]


@attrs.frozen(eq=False)
class Liar(Script):
    """Answers whatever it is told to."""

    lies: Any = None

    async def _run(self, keys: object, *said: object) -> Any:
        return self.lies


def put(tree: list[Any], where: int, junk: object) -> None:
    """Replace the branch or leaf of that number."""
    branches = [tree, *(branch for branch in tree if isinstance(branch, list))]
    branches += [leaf for leaf in branches[-1] if isinstance(leaf, list)]
    places = [(branch, at) for branch in branches for at in range(len(branch))]
    branch, at = places[where % len(places)]
    branch[at] = junk


@given(
    st.sampled_from(ASKED),
    st.lists(st.one_of(st.sampled_from(["0.5", 1, 2]), JUNK), max_size=4),
    st.lists(st.tuples(st.integers(0, 30), JUNK), max_size=3),
)
@example("taken", [], [(4, 2**40)])  # for the epoch, which is not that many bytes
@settings(deadline=None)
def test_no_lie_makes_a_request_fail(
    what: str, said: list[Any], lies: list[tuple[int, Any]]
) -> None:
    tree = [[what.encode(), *said], [*TRUE]]
    for where, junk in lies:
        put(tree, where, junk)

    async def test() -> None:
        clock = FakeClock()
        true = Script.at("unix:///nobody", "a")
        script = Liar(true._redis, "a", true.patience, tree)
        quotas = RedisQuotas(Remote(script, clock), clock, Notices(), "a")
        await quotas.start()
        for _ in range(2):
            lease = await quotas.reserve([WHOSE])
            if isinstance(lease, Lease):
                await quotas.extend([lease])
                await quotas.settle(lease)
            else:
                assert lease.wait > 0
        assert await quotas.rest(WHOSE, 1.0) >= 0
        [wait] = await quotas.waits([([WHOSE], ONE)])
        assert wait >= 0
        assert len(await quotas.room([WHOSE])) <= 1
        [state] = await quotas.snapshot([WHOSE])
        assert state.name == "b"
        await quotas.close()
        await script.close()

    asyncio.run(test())

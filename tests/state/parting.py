"""A lease made two."""

from __future__ import annotations

from tests.state.shops import Till
from tproxy.core.leases import Lease


def split(till: Till, lease: Lease, *names: str) -> tuple[Lease, Lease]:
    """What it holds of the budgets of these names, and the rest."""
    part, rest = lease.split(names)

    async def split() -> None:
        till.store.split(part, rest)

    till.shop.run(split())
    return part, rest

"""Leases that are open, kept from expiring for as long as this process lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import attrs

from tproxy.core.leases import HEARTBEAT_SECONDS, Lease, LeaseId, QuotaStore


@attrs.define(eq=False)
class OpenLeases:
    """Those of requests under way in this process."""

    _open: dict[LeaseId, Lease] = attrs.field(factory=dict, init=False)

    def add(self, lease: Lease) -> None:
        self._open[lease.id] = lease

    def remove(self, lease: Lease) -> None:
        self._open.pop(lease.id, None)

    async def keep(
        self,
        quotas: QuotaStore,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Extend them again and again; never returns.

        Also where there are none: to a store that is shared it is a sign of life.
        """
        while True:
            await sleep(HEARTBEAT_SECONDS)
            await quotas.extend(tuple(self._open.values()))

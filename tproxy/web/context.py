"""What handlers share: one snapshot of the configuration, and the doors to the rest."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from typing import Protocol

import attrs

from tproxy.core.catalog import Catalog
from tproxy.core.events import Observer
from tproxy.core.leases import QuotaStore
from tproxy.core.model import Client
from tproxy.core.state import Breakers, Clock
from tproxy.core.status import HedgingStatus, QueueStatus
from tproxy.relay.relay import Relay


@attrs.frozen(eq=False)
class Snapshot:
    """One configuration in force. A request keeps the one it began with."""

    relay: Relay
    catalog: Catalog
    clients: tuple[Client, ...]
    created: int  # when it came into force, seconds since the epoch
    cors_origins: tuple[str, ...]
    max_request_bytes: int
    max_in_flight: int

    def client(self, token: str) -> Client | None:
        """Whose token this is. Takes the same time whoever's it is, or nobody's."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = None
        for client in self.clients:
            for known in client.token_sha256:
                if hmac.compare_digest(digest, known):
                    found = client
        return found


class Figures(Protocol):
    """What was counted, and is so now, in all processes of this proxy."""

    async def page(self, accept: str) -> tuple[str, str]:
        """Content type and text for monitoring, as an Accept header asks for them."""
        ...

    async def queues(self) -> tuple[QueueStatus, ...]:
        """The lines in which somebody waits."""
        ...

    async def hedging(self) -> tuple[HedgingStatus, ...]:
        """What it has cost, by category."""
        ...


class Cuttable(Protocol):
    """A request that can be ended with an error when the proxy has to stop."""

    def cut(self) -> None: ...


@attrs.define(eq=False)
class Context:
    """Handed to every handler. `snapshot` is replaced whole on reload."""

    snapshot: Snapshot
    clock: Clock
    observer: Observer
    quotas: QuotaStore
    breakers: Breakers
    new_id: Callable[[], str]
    draining: bool = False
    ready: bool = False
    active: set[Cuttable] = attrs.field(factory=set)
    large: asyncio.Lock = attrs.field(factory=asyncio.Lock)  # one large body at a time
    idle: Callable[[], None] = lambda: None  # called as the last ends, while draining
    figures: Figures = attrs.field(init=False)  # looks at all the above
    started: float = attrs.field(init=False)  # a steady moment

    @started.default
    def _now(self) -> float:
        return self.clock.steady()

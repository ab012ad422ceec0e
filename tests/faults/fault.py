"""One fault: where it happens, what the provider does, and of which kind it is."""

from __future__ import annotations

import enum
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path

import attrs
import tornado.test

from tests.faults.consequences import Consequence
from tests.faults.script import Drip, End, Script
from tests.faults.upstream import ScriptedUpstream, deaf, refusing, scripted

NOWHERE = "nowhere.invalid"
URL_CANARY = "canary-of-the-url"
_CERTIFICATE = Path(tornado.test.__file__).with_name("test.crt")
Kinds = Consequence | tuple[Consequence, Consequence]


class Place(enum.Enum):
    """Where the provider is."""

    THERE = "there"
    SECURED = "there, and its URL says https"
    REFUSED = "nobody listens"
    DEAF = "connections are never accepted"
    UNNAMED = "its name does not resolve"
    UNTRUSTED = "its certificate is unknown"


@attrs.frozen
class Fault:
    """`does` and `kinds` are for a request that is not streamed, and for one that is.

    `on_accept` comes before anything is asked. `rest` is in seconds.
    """

    name: str
    kinds: tuple[Consequence, Consequence]
    does: tuple[Script, Script]
    place: Place = Place.THERE
    on_accept: Script = ()
    rest: float = 10.0

    def hangs(self, stream: bool) -> bool:
        """Whether it never ends by itself."""
        steps = [*self.on_accept, *self.does[stream]]
        return self.place is Place.DEAF or any(
            step is End.HOLD or isinstance(step, Drip) for step in steps
        )

    @property
    def is_reached(self) -> bool:
        """Whether requests get to the provider."""
        return self.place is Place.THERE and not self.on_accept


def fault(
    name: str, kinds: Kinds, whole: Script, stream: Script | None = None
) -> Fault:
    """One that a provider has which can be reached."""
    both = (kinds, kinds) if isinstance(kinds, Consequence) else kinds
    return Fault(name, both, (whole, whole if stream is None else stream))


def limit(name: str, kind: Consequence, script: Script, rest: float) -> Fault:
    """One that says for how long."""
    return attrs.evolve(fault(name, kind, script), rest=rest)


def unreached(
    place: Place, kind: Consequence, name: str = "", on_accept: Script = ()
) -> Fault:
    """One that keeps requests from getting there."""
    return Fault(name or place.value, (kind, kind), ((), ()), place, on_accept)


@asynccontextmanager
async def failing(
    fault: Fault, stream: bool
) -> AsyncIterator[tuple[str, ScriptedUpstream]]:
    """A provider with that fault, and its URL."""
    place, on_accept = fault.place, fault.on_accept
    tls = _serving_tls() if place is Place.UNTRUSTED else None
    elsewhere = _ELSEWHERE.get(place, nullcontext)
    async with scripted(fault.does[stream], on_accept=on_accept, tls=tls) as upstream:
        with elsewhere() as port:
            host = NOWHERE if place is Place.UNNAMED else "127.0.0.1"
            secured = place in (Place.SECURED, Place.UNTRUSTED)
            where = f"{host}:{port or upstream.port}/v1/chat/completions?{URL_CANARY}"
            yield f"{'https' if secured else 'http'}://{where}", upstream


_ELSEWHERE: Mapping[Place, Callable[[], AbstractContextManager[int | None]]] = {
    Place.REFUSED: refusing,
    Place.DEAF: deaf,
}


def _serving_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE, _CERTIFICATE.with_suffix(".key"))
    return context

"""What a configuration comes to: complete, checked values."""

from __future__ import annotations

import enum

import attrs

from tproxy.core.errors import Fault
from tproxy.core.model import Client, Kind, Model, RetryPolicy, Routing
from tproxy.settings.endpoint import END_OF

ECHO_URL = "echo:"  # stands where the built-in provider's address will be


@attrs.frozen
class Overrides:
    """Flags of the command line; None where a flag was not given."""

    addr: str | None = None
    workers: int | None = None


@attrs.frozen
class ServerSettings:
    """Where to listen and what to take. An empty `host` means all interfaces.

    `path` is a Unix socket's, and stands in for host and port. `fetch_images`: pictures
    that a client links to are fetched for providers that take only the bytes.
    """

    host: str
    port: int  # 0: any free one
    path: str | None = None
    max_request_bytes: int = 20_971_520
    max_in_flight: int = 2_000  # requests, of each process
    drain_seconds: float = 600.0
    cors_origins: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    fetch_images: bool = False
    workers: int = 1  # processes


class Backend(enum.Enum):
    """Where quotas are counted."""

    SQLITE = "sqlite"
    REDIS = "redis"
    MEMORY = "memory"


@attrs.frozen
class StateSettings:
    """Where quotas are counted, and what is admitted while Redis is away.

    `path` is SQLite's file; `url` is Redis's, and may hold a password. `on_loss` is
    `share`, `strict` or `open`.
    """

    backend: Backend = Backend.SQLITE
    path: str = "tproxy.db"
    url: str = attrs.field(default="redis://127.0.0.1:6379/0", repr=False)
    on_loss: str = "share"


def _names(models: tuple[Model, ...]) -> str:
    return f"<{', '.join(model.name for model in models)}>"


@attrs.frozen
class Settings:
    """All that a proxy serves by.

    Models of the provider `echo` have the URL `ECHO_URL` until `with_echo` gives them
    the address of a running echo provider.
    """

    server: ServerSettings
    clients: tuple[Client, ...]
    # By name: the URLs of models may hold keys.
    models: tuple[Model, ...] = attrs.field(repr=_names)
    routing: Routing
    retry: RetryPolicy
    warnings: tuple[Fault, ...] = ()
    state: StateSettings = StateSettings()

    @property
    def needs_echo(self) -> bool:
        """Whether an echo provider has to be started before serving."""
        return any(model.upstream.url == ECHO_URL for model in self.models)

    def listening_as(self, old: Settings) -> Settings:
        """The same, with all as in `old` that only a restart changes."""
        server = attrs.evolve(
            self.server,
            host=old.server.host,
            port=old.server.port,
            path=old.server.path,
            tls_cert=old.server.tls_cert,
            tls_key=old.server.tls_key,
            workers=old.server.workers,
        )
        return attrs.evolve(self, server=server, state=old.state)

    def with_echo(self, url: str) -> Settings:
        """The same, with the echo provider's models asked at `url`, a full endpoint.

        It is the one for chats; images and embeddings are asked beside it.
        """
        return attrs.evolve(
            self, models=tuple(_echoing(model, url) for model in self.models)
        )


def _echoing(model: Model, url: str) -> Model:
    if model.upstream.url != ECHO_URL:
        return model
    if model.kind is not Kind.CHAT:
        url = url.removesuffix(END_OF[Kind.CHAT]) + END_OF[model.kind]
    return attrs.evolve(model, upstream=attrs.evolve(model.upstream, url=url))


@attrs.frozen
class Discovery:
    """What `tproxy up` serves, and what there is to tell about it.

    `found` are the words of the providers whose keys were found. `token` is the
    client token that was made because AUTH_TOKEN is not set; None where it is.
    """

    settings: Settings
    found: tuple[str, ...]
    token: str | None = attrs.field(repr=False)
    notes: tuple[str, ...] = ()

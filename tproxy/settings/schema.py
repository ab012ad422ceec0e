"""The configuration file as written: one class a mapping, one field a key.

Times are in seconds, sizes in bytes. Only what is built stands here; `NOT_BUILT` names
the other keys of the interface, which are refused with that reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NewType

import attrs

Count = NewType("Count", int)  # above 0, and no limit where it is left out
Size = NewType("Size", int)  # above 0
Seconds = NewType("Seconds", float)  # above 0
SecondsOrZero = NewType("SecondsOrZero", float)  # 0 or more
Off = NewType("Off", bool)  # a switch that cannot be turned on yet
One = NewType("One", int)  # a number that can only be 1 yet

Backend = NewType("Backend", str)
Capability = NewType("Capability", str)
Kind = NewType("Kind", str)
OnExhausted = NewType("OnExhausted", str)
Strategy = NewType("Strategy", str)
Unsupported = NewType("Unsupported", str)

# Of presets alone, so far.
Counted = NewType("Counted", str)
ResetForm = NewType("ResetForm", str)
Scope = NewType("Scope", str)
Span = NewType("Span", str)
Unit = NewType("Unit", str)


@attrs.frozen
class Words:
    """What a field may say: `built`, and what will be."""

    built: tuple[str, ...]
    later: tuple[str, ...] = ()


WORDS: Mapping[object, Words] = {
    Backend: Words(("memory",), ("sqlite", "redis")),
    Capability: Words(("tools", "vision", "json_schema", "reasoning")),
    Kind: Words(("chat", "image", "embedding")),
    OnExhausted: Words(("reject",), ("wait",)),
    Strategy: Words(
        ("priority",), ("cost", "latency", "headroom", "weighted", "learned")
    ),
    Unsupported: Words(("drop", "refuse")),
    Counted: Words(("answers", "errors", "refusals")),
    ResetForm: Words(("duration", "seconds", "time", "epoch_ms")),
    Scope: Words(("account", "project", "model")),
    Span: Words(("minute", "hour", "day", "week", "month")),
    Unit: Words(("requests", "tokens", "input_tokens", "output_tokens")),
}


@attrs.frozen
class KeyPair:
    """Two PEM files."""

    cert: str
    key: str


@attrs.frozen
class Server:
    addr: str = "127.0.0.1:8080"
    workers: One = One(1)
    max_request_bytes: Size = Size(20_971_520)
    drain_seconds: SecondsOrZero = SecondsOrZero(600.0)
    cors_origins: tuple[str, ...] = ()
    fetch_images: bool = False
    tls: KeyPair | None = None


@attrs.frozen
class Client:
    name: str
    token: str | None = attrs.field(default=None, repr=False)
    token_sha256: str | None = attrs.field(default=None, repr=False)
    models: tuple[str, ...] = ("*",)


@attrs.frozen
class HttpClient:
    timeout_seconds: Seconds | None = None
    connect_timeout_seconds: Seconds | None = None
    first_byte_timeout_seconds: Seconds | None = None
    idle_conn_timeout_seconds: Seconds | None = None
    max_idle_conns: Size | None = None
    max_idle_conns_per_host: Size | None = None
    max_conns_per_host: Size | None = None
    proxy: str | None = attrs.field(default=None, repr=False)
    ca_file: str | None = None
    client_cert: KeyPair | None = None


@attrs.frozen(kw_only=True)
class Access:
    """What a provider gives to all its models, and a model may say for itself.

    All but the windows, which are a budget of whoever declares them.
    """

    dialect: str | None = None
    url: str | None = attrs.field(default=None, repr=False)
    auth_url: str | None = attrs.field(default=None, repr=False)
    scope: str | None = None
    token: str | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    insecure_http: bool | None = None
    http_client_config: HttpClient = HttpClient()
    requests_per_minute: Count | None = None
    requests_per_hour: Count | None = None
    requests_per_day: Count | None = None
    resets: str | None = None


@attrs.frozen(kw_only=True)
class Provider(Access):
    type: str | None = None


@attrs.frozen(kw_only=True)
class Model(Access):
    name: str
    provider: str
    upstream_name: str | None = None
    aliases: tuple[str, ...] = ()
    kind: Kind | None = None
    priority: int = 1
    model_size: str | None = None
    max_request_length: Count | None = None
    context_tokens: Count | None = None
    max_output_tokens: Count | None = None
    capabilities: tuple[Capability, ...] | None = None
    unsupported: Unsupported = Unsupported("drop")


@attrs.frozen
class Routing:
    strategy: Strategy = Strategy("priority")
    fallbacks: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    on_exhausted: OnExhausted = OnExhausted("reject")
    deadline_seconds: Seconds = Seconds(300.0)


@attrs.frozen
class State:
    backend: Backend = Backend("memory")


@attrs.frozen
class Cache:
    enabled: Off = Off(False)


@attrs.frozen
class File:
    """The sections; each is read by itself."""

    server: Server
    clients: tuple[Client, ...]
    providers: Mapping[str, Provider]
    models: tuple[Model, ...]
    routing: Routing
    state: State
    cache: Cache


_LONG_WINDOWS = {"requests_per_week", "requests_per_month"}
_WINDOWS = {"requests_per_minute", "requests_per_hour", "requests_per_day"}
_TOKEN_WINDOWS = {
    f"tokens_per_{span}" for span in ("minute", "hour", "day", "week", "month")
}
_BUDGETS = _LONG_WINDOWS | _TOKEN_WINDOWS | {"pool"}
_THROTTLE = {"min_interval", "max_concurrent", "queue_seconds"}
_ACCESS = _BUDGETS | _THROTTLE | {"normalise"}

NOT_BUILT: Mapping[object, frozenset[str]] = {
    File: frozenset({"pools"}),
    Client: frozenset(_BUDGETS | _WINDOWS | {"priority", "max_concurrent"}),
    Provider: frozenset(_ACCESS),
    Model: frozenset(_ACCESS | {"price"}),
    Routing: frozenset({"wait_seconds", "max_waiting"}),
    State: frozenset({"path", "url", "on_loss"}),
    Cache: frozenset({"ttl_seconds", "max_bytes", "shared", "warm"}),
}

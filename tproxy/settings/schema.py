"""The configuration file as written: one class a mapping, one field a key.

Times are in seconds, sizes in bytes. Only what is built stands here; `NOT_BUILT` names
the other keys of the interface, which are refused with that reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NewType

import attrs

Count = NewType("Count", int)  # above 0, and no limit where it is left out
Size = NewType("Size", int)  # above 0
Seconds = NewType("Seconds", float)  # above 0
SecondsOrZero = NewType("SecondsOrZero", float)  # 0 or more
Duration = NewType("Duration", float)  # `250ms`, `2s` or `1h30m`, in seconds
Dollars = NewType("Dollars", float)  # above 0
DollarsOrZero = NewType("DollarsOrZero", float)  # 0 or more
Weight = NewType("Weight", float)  # above 0
Per = NewType("Per", str)  # a span, or a duration
Part = NewType("Part", Fraction)  # `10%`, less than all
Names = str | tuple[str, ...]  # one, or a list of them
Off = NewType("Off", bool)  # a switch that cannot be turned on yet

Backend = NewType("Backend", str)
Capability = NewType("Capability", str)
Counted = NewType("Counted", str)
Kind = NewType("Kind", str)
OnExhausted = NewType("OnExhausted", str)
OnLoss = NewType("OnLoss", str)
Prefill = NewType("Prefill", str)
Priority = NewType("Priority", str)
Strategy = NewType("Strategy", str)
Unsupported = NewType("Unsupported", str)
WindowKind = NewType("WindowKind", str)

# Of presets alone, so far.
Scope = NewType("Scope", str)
Span = NewType("Span", str)
Unit = NewType("Unit", str)


@attrs.frozen
class Words:
    """What a field may say: `built`, and what will be."""

    built: tuple[str, ...]
    later: tuple[str, ...] = ()


WORDS: Mapping[object, Words] = {
    Backend: Words(("sqlite", "redis", "memory")),
    Capability: Words(("tools", "vision", "json_schema", "reasoning")),
    Kind: Words(("chat", "image", "embedding")),
    OnExhausted: Words(("reject", "wait")),
    OnLoss: Words(("share", "strict", "open")),
    Prefill: Words(("message", "prefix", "echoed_prefix", "continue_final_message")),
    Priority: Words(("high", "normal", "low")),
    Strategy: Words(
        ("priority", "cost", "latency", "headroom", "weighted"), ("learned",)
    ),
    Unsupported: Words(("drop", "refuse")),
    WindowKind: Words(("rolling", "clock", "first_use", "calendar")),
    Counted: Words(("answers", "errors", "refusals")),
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
    workers: Size = Size(1)
    max_request_bytes: Size = Size(20_971_520)
    max_in_flight: Size = Size(2_000)
    drain_seconds: SecondsOrZero = SecondsOrZero(600.0)
    cors_origins: tuple[str, ...] = ()
    fetch_images: bool = False
    tls: KeyPair | None = None


@attrs.frozen(kw_only=True)
class Budgeted:
    """Whoever has a budget of its own, and may draw from pools besides.

    `max_concurrent` is of a client's requests, or of the calls with a credential.
    """

    requests_per_minute: Count | None = None
    requests_per_hour: Count | None = None
    requests_per_day: Count | None = None
    requests_per_week: Count | None = None
    requests_per_month: Count | None = None
    tokens_per_minute: Count | None = None
    tokens_per_hour: Count | None = None
    tokens_per_day: Count | None = None
    tokens_per_week: Count | None = None
    tokens_per_month: Count | None = None
    pool: Names = ()
    max_concurrent: Count | None = None


@attrs.frozen(kw_only=True)
class Client(Budgeted):
    name: str
    token: str | None = attrs.field(default=None, repr=False)
    token_sha256: str | None = attrs.field(default=None, repr=False)
    models: tuple[str, ...] = ("*",)
    priority: Priority = Priority("normal")
    operator: bool = False


@attrs.frozen
class Window:
    """At least one of `requests`, `tokens` and `cost`, which is in US dollars."""

    per: Per
    requests: Count | None = None
    tokens: Count | None = None
    cost: Dollars | None = None
    window: WindowKind | None = None
    resets: str | None = None
    counts: tuple[Counted, ...] | None = None


@attrs.frozen
class Pool:
    windows: tuple[Window, ...] = ()
    headroom: Part = Part(Fraction(0))


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
class Access(Budgeted):
    """What a provider gives to all its models, and a model may say for itself.

    All but windows and pools: a request takes from the model's and its provider's.
    """

    dialect: str | None = None
    url: str | None = attrs.field(default=None, repr=False)
    auth_url: str | None = attrs.field(default=None, repr=False)
    scope: str | None = None
    token: str | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    insecure_http: bool | None = None
    http_client_config: HttpClient = HttpClient()
    resets: str | None = None
    min_interval: Duration | None = None
    queue_seconds: SecondsOrZero | None = None
    normalise: bool | None = None


@attrs.frozen
class HealthCheck:
    every: Duration = Duration(10.0)
    url: str | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Provider(Access):
    type: str | None = None
    health_check: HealthCheck | None = None


@attrs.frozen
class Price:
    """In US dollars per million tokens."""

    input: DollarsOrZero
    cached_input: DollarsOrZero | None = None
    output: DollarsOrZero | None = None


@attrs.frozen(kw_only=True)
class Model(Access):
    name: str
    provider: str
    upstream_name: str | None = None
    aliases: tuple[str, ...] = ()
    kind: Kind | None = None
    priority: int = 1
    weight: Weight | None = None
    model_size: str | None = None
    max_request_length: Count | None = None
    context_tokens: Count | None = None
    max_output_tokens: Count | None = None
    capabilities: tuple[Capability, ...] | None = None
    price: Price | None = None
    unsupported: Unsupported = Unsupported("drop")
    resume: bool = False
    prefill: Prefill | None = None


@attrs.frozen
class Shares:
    high: Part = Part(Fraction(7, 10))


@attrs.frozen
class Routing:
    strategy: Strategy = Strategy("priority")
    fallbacks: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    on_exhausted: OnExhausted = OnExhausted("reject")
    wait_seconds: Seconds = Seconds(30.0)
    max_waiting: Size = Size(1_000)
    deadline_seconds: Seconds = Seconds(300.0)
    hedge: tuple[str, ...] = ()
    shares: Shares = Shares()


@attrs.frozen
class State:
    backend: Backend = Backend("sqlite")
    path: str = "tproxy.db"
    url: str = attrs.field(default="redis://127.0.0.1:6379/0", repr=False)
    on_loss: OnLoss = OnLoss("share")


@attrs.frozen
class Cache:
    enabled: Off = Off(False)


@attrs.frozen
class File:
    """The sections; each is read by itself."""

    server: Server
    clients: tuple[Client, ...]
    providers: Mapping[str, Provider]
    pools: Mapping[str, Pool]
    models: tuple[Model, ...]
    routing: Routing
    state: State
    cache: Cache


NOT_BUILT: Mapping[object, frozenset[str]] = {
    Cache: frozenset({"ttl_seconds", "max_bytes", "shared", "warm"}),
}

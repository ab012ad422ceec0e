"""Every metric there is. `docs/metrics.md` has the same table, for operators.

Labels hold words of the configuration and of our own, never a client's or a provider's:
so there are no more series than these allow, and none tells a secret.
"""

from __future__ import annotations

from typing import Final

from tproxy.observe.exposition import Kind, Metric

# As OpenTelemetry advises for durations of generative models, and on to five minutes:
# the bounds of gen_ai.client.operation.duration, each twice the one before.
SECONDS: Final = tuple(0.01 * 2**n for n in range(16))

_COUNTER, _GAUGE, _HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

# Counted as things happen.
REQUESTS: Final = Metric(
    "tproxy_requests_total",
    _COUNTER,
    "Requests answered or refused; code is that of the error told, if any.",
    ("route", "client", "status", "code"),
)
REQUEST_SECONDS: Final = Metric(
    "tproxy_request_duration_seconds",
    _HISTOGRAM,
    "From the first byte of a request to the last of its answer.",
    ("route", "stream"),
    SECONDS,
)
LEFT: Final = Metric(
    "tproxy_requests_left_total",
    _COUNTER,
    "Requests whose client went away first.",
    ("route",),
)
ATTEMPTS: Final = Metric(
    "tproxy_attempts_total",
    _COUNTER,
    "Models asked: answered, left, outrun, or the name of a failure.",
    ("model", "provider", "outcome"),
)
ATTEMPT_SECONDS: Final = Metric(
    "tproxy_attempt_duration_seconds",
    _HISTOGRAM,
    "Of attempts that answered, to the end of the answer.",
    ("model", "provider"),
    SECONDS,
)
TOKENS: Final = Metric(
    "tproxy_tokens_total",
    _COUNTER,
    "Tokens of answers, as providers report them.",
    ("model", "client", "direction"),
)
COST: Final = Metric(
    "tproxy_cost_usd_total",
    _COUNTER,
    "Tokens at the configured price of their model, in US dollars.",
    ("model", "client"),
)
RESUMES: Final = Metric(
    "tproxy_resumes_total",
    _COUNTER,
    "Streams that broke and went on with another model, by the first one.",
    ("model",),
)
NOTICES: Final = Metric(
    "tproxy_notices_total",
    _COUNTER,
    "Lines of the log that are not about one request.",
    ("level",),
)
WORKER_STARTS: Final = Metric(
    "tproxy_worker_starts_total", _COUNTER, "Processes that began to serve."
)

# Counted by each process by itself, and followed.
HEDGEABLE: Final = Metric(
    "tproxy_hedging_requests_total",
    _COUNTER,
    "Requests for which a second candidate might have been asked.",
    ("category",),
)
HEDGED: Final = Metric(
    "tproxy_hedges_total",
    _COUNTER,
    "Requests for which a second candidate was asked.",
    ("category",),
)
HEDGES_WON: Final = Metric(
    "tproxy_hedges_won_total",
    _COUNTER,
    "Of those, the ones that the second answered.",
    ("category",),
)
CPU: Final = Metric(
    "process_cpu_seconds_total",
    _COUNTER,
    "User and system time of a worker, and of those whose place it took.",
    ("worker",),
)

# As each process is now, added up.
HEDGES_LEFT: Final = Metric(
    "tproxy_hedges_left",
    _GAUGE,
    "Requests that may be hedged at once.",
    ("category",),
)
IN_FLIGHT: Final = Metric(
    "tproxy_requests_in_flight", _GAUGE, "Requests to models under way."
)
QUEUED: Final = Metric(
    "tproxy_queued_requests", _GAUGE, "Requests that wait in line.", ("queue",)
)
CLIENT_CONNECTIONS: Final = Metric(
    "tproxy_client_connections", _GAUGE, "Connections of clients."
)
PROVIDER_CONNECTIONS: Final = Metric(
    "tproxy_provider_connections",
    _GAUGE,
    "Connections to providers: idle, or busy, which includes those being opened.",
    ("state",),
)
CONNECTION_WAITS: Final = Metric(
    "tproxy_provider_connection_waits",
    _GAUGE,
    "Exchanges with providers that wait for a connection.",
)
MEMORY: Final = Metric(
    "process_resident_memory_bytes", _GAUGE, "Memory of a worker.", ("worker",)
)
OPEN_FDS: Final = Metric(
    "process_open_fds", _GAUGE, "Open descriptors of a worker.", ("worker",)
)
MAX_FDS: Final = Metric(
    "process_max_fds", _GAUGE, "Descriptors that a worker may open.", ("worker",)
)
START_TIME: Final = Metric(
    "process_start_time_seconds",
    _GAUGE,
    "When a worker began, in seconds since the epoch.",
    ("worker",),
)

# Looked at when asked; the same for all processes.
_LIMIT: Final = ("budget", "unit", "window")
LIMIT: Final = Metric(
    "tproxy_budget_limit",
    _GAUGE,
    "The most that is taken in a window: requests, tokens or usd.",
    _LIMIT,
)
USED: Final = Metric(
    "tproxy_budget_used",
    _GAUGE,
    "What was taken in the window, including what is under way.",
    _LIMIT,
)
REMAINING: Final = Metric(
    "tproxy_budget_left",
    _GAUGE,
    "What can still be taken, by our count and the provider's word.",
    _LIMIT,
)
RESETS: Final = Metric(
    "tproxy_budget_resets_seconds",
    _GAUGE,
    "Seconds until all of it is free again, if nobody asks meanwhile.",
    _LIMIT,
)
DRIFT: Final = Metric(
    "tproxy_budget_drift",
    _GAUGE,
    "What the provider had counted more than we, when it was last heard.",
    _LIMIT,
)
SOURCE: Final = Metric(
    "tproxy_budget_source",
    _GAUGE,
    "1 for whose word is followed: declared, counted, header or error.",
    (*_LIMIT, "source"),
)
AGE: Final = Metric(
    "tproxy_budget_source_age_seconds",
    _GAUGE,
    "Seconds since that source has spoken.",
    _LIMIT,
)
LEASES: Final = Metric(
    "tproxy_budget_leases", _GAUGE, "Requests under way that take from it.", ("budget",)
)
MAX_LEASES: Final = Metric(
    "tproxy_budget_max_leases",
    _GAUGE,
    "The most that may be under way, where that is limited.",
    ("budget",),
)
RESTING: Final = Metric(
    "tproxy_budget_resting_seconds",
    _GAUGE,
    "Seconds it rests still, since its provider limits it against our count.",
    ("budget",),
)
BREAKER: Final = Metric(
    "tproxy_breaker_state",
    _GAUGE,
    "1 for the state that a model's breaker is in: closed, open or half-open.",
    ("model", "provider", "state"),
)
BREAKER_REST: Final = Metric(
    "tproxy_breaker_resting_seconds",
    _GAUGE,
    "Seconds until a breaker lets a request through.",
    ("model", "provider"),
)
AVAILABLE: Final = Metric(
    "tproxy_model_available",
    _GAUGE,
    "1 where a small request would be taken now.",
    ("model", "provider", "category", "kind"),
)
WORKERS: Final = Metric(
    "tproxy_workers", _GAUGE, "Processes heard of in the last five seconds."
)
DRAINING: Final = Metric("tproxy_draining", _GAUGE, "1 while it stops.")
RELOADED: Final = Metric(
    "tproxy_config_loaded_timestamp_seconds",
    _GAUGE,
    "When whoever answers took in its configuration, in seconds since the epoch.",
)
STORE_UP: Final = Metric(
    "tproxy_store_up",
    _GAUGE,
    "1 where the store answers: that of quotas, or what is shared of breakers.",
    ("part",),
)
UNKNOWN: Final = Metric(
    "tproxy_unknown",
    _GAUGE,
    "1 for what is left out here, since its store did not answer in time.",
    ("what",),
)
LOST_SERIES: Final = Metric(
    "tproxy_lost_series", _GAUGE, "Series that found no room, and are not told."
)
BUILD: Final = Metric(
    "tproxy_build_info",
    _GAUGE,
    "1, with the versions that run.",
    ("version", "python"),
)

FAMILIES: Final = tuple(
    value for value in tuple(globals().values()) if isinstance(value, Metric)
)
BY_NAME: Final = {metric.name: metric for metric in FAMILIES}
PASSING: Final = frozenset(
    metric.name for metric in FAMILIES if metric.kind is Kind.GAUGE
)

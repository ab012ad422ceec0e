"""What is configured: models, where they are served, and who may call."""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Mapping

import attrs
from attrs import validators

from tproxy.core.budget import LEAST, LEAST_HIGH, Budget, Cost, Unit
from tproxy.core.meters import Metered
from tproxy.core.secret import Secret
from tproxy.core.strategy import By


class Capability(enum.Enum):
    """What a request may need of a model beyond text."""

    TOOLS = "tools"
    VISION = "vision"
    JSON_SCHEMA = "json_schema"
    REASONING = "reasoning"
    PREFILL = "prefill"  # has to be declared, see `Prefill`


ALL_CAPABILITIES = frozenset(Capability) - {Capability.PREFILL}


class Prefill(enum.Enum):
    """How a model is told to go on from a text, which is the chat's last message."""

    MESSAGE = "message"  # nothing more is said
    PREFIX = "prefix"  # the message is marked `prefix: true`
    ECHOED_PREFIX = "echoed_prefix"  # the same; the answer begins with the text
    CONTINUE_FINAL_MESSAGE = "continue_final_message"  # a field beside the messages


class Kind(enum.Enum):
    """What a model makes."""

    CHAT = "chat"
    IMAGE = "image"
    EMBEDDING = "embedding"


@attrs.frozen
class Tls:
    """Files for verifying a provider and for showing ourselves to it; None: default."""

    ca_file: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


@attrs.frozen
class Patience:
    """How long a provider may take, in seconds.

    `whole` bounds an answer that is not streamed; `first_byte` the wait for the first
    content of a stream; `silence` the longest pause between its reads.
    """

    connect: float = 3.0
    first_byte: float = 30.0
    silence: float = 30.0
    whole: float = 120.0


@attrs.frozen
class Limits:
    """Bounds of the pool. A host is one origin with one set of TLS and proxy settings.

    `max_idle_conns` bounds what is idle over all hosts together. `max_waiting_per_host`
    bounds the queue for a connection; who comes to a full one is refused at once.
    """

    max_idle_conns: int = attrs.field(default=200, validator=validators.ge(0))
    max_idle_conns_per_host: int = attrs.field(default=50, validator=validators.ge(0))
    max_conns_per_host: int = attrs.field(default=100, validator=validators.gt(0))
    idle_conn_timeout_seconds: float = attrs.field(
        default=90.0, validator=validators.gt(0)
    )
    max_waiting_per_host: int = attrs.field(default=1000, validator=validators.ge(0))


@attrs.frozen
class Reach:
    """How a provider is reached, beyond its URL and TLS settings.

    `proxy` is `http://user:password@host:port`, credentials optional.
    """

    limits: Limits = Limits()
    proxy: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class KeyHeader:
    """The header that carries a provider's key; `scheme` is the word before it."""

    name: str = "Authorization"
    scheme: str = "Bearer"


@attrs.frozen
class ClientCredentials:
    """OAuth 2.0 (RFC 6749, 4.4): the key is exchanged for short-lived tokens."""

    auth_url: str = attrs.field(repr=False)
    scope: str | None = None


@attrs.frozen
class Throttle:
    """Calls that share `name` begin `min_interval` seconds apart or more.

    At most `max_concurrent` of them are under way, and who has to queue for either does
    so for `queue_seconds` at most.
    """

    name: str
    min_interval: float = 0.0
    max_concurrent: int | None = None
    queue_seconds: float = 20.0


@attrs.frozen
class HealthCheck:
    """What a provider is asked every so many seconds while a model of it rests.

    `url` is one that costs nothing. One that is not `ours` leads elsewhere than to the
    provider, and is asked without our key.
    """

    every: float
    url: str = attrs.field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    ours: bool = True


@attrs.frozen
class Price:
    """US dollars per million tokens; `cached_input` is for those read from a cache."""

    input: float
    cached_input: float
    output: float


@attrs.frozen
class Upstream:
    """Where and how a model is asked.

    `url` is the full endpoint; in dialects of a provider's own it may be the base.
    `headers` are the operator's own, sent as given; a key may be among them.
    """

    url: str = attrs.field(repr=False)
    dialect: str
    token: Secret
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)
    patience: Patience = Patience()
    tls: Tls = Tls()
    reach: Reach = Reach()
    auth: KeyHeader | ClientCredentials = KeyHeader()
    # `patience` with a stream, which may go on for ever; and with an answer in one
    # piece, which may come at the last moment.
    streaming: Patience = attrs.field(init=False, eq=False, repr=False)
    answering: Patience = attrs.field(init=False, eq=False, repr=False)

    @streaming.default
    def _without_an_end(self) -> Patience:
        return attrs.evolve(self.patience, whole=math.inf)

    @answering.default
    def _to_the_last_moment(self) -> Patience:
        whole = self.patience.whole
        return Patience(self.patience.connect, whole, whole, whole)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All that a provider might repeat and nobody else may see."""
        return (self.token, *(Secret(value) for _, value in self.headers))


@attrs.frozen
class Model:
    """One entry of `models:`, complete: presets and provider defaults are filled in.

    `max_request_length` is in bytes of request text, `context_tokens` and
    `max_output_tokens` in tokens; None means not declared. A model with an `obstacle`
    is listed but never asked: the obstacle says why, in words for the client. A
    `strict` one refuses hints that its dialect has no words for; others drop them.
    `budgets` are what a request takes from: the model's own comes first and is always
    there, then its provider's and those of pools. `meters` are those that its
    provider's headers tell of. With `resume`, a stream of plain text that breaks goes
    on with a model that can be told to; `prefill` is how, None where it cannot be.
    With `normalise`, its answers are told in OpenAI's own fields alone.
    """

    name: str
    provider: str  # the account: a key of `providers:`, or the provider's word
    upstream_name: str
    upstream: Upstream
    aliases: tuple[str, ...] = ()
    priority: int = 1  # lower is asked first
    weight: float = 1.0  # in `By.WEIGHTED`
    category: str | None = None  # `model_size`
    max_request_length: int | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    capabilities: frozenset[Capability] = ALL_CAPABILITIES
    obstacle: str | None = None
    kind: Kind = Kind.CHAT
    strict: bool = False
    budgets: tuple[Budget, ...] = ()
    throttle: Throttle | None = None
    price: Price | None = None
    meters: tuple[Metered, ...] = ()
    check: HealthCheck | None = None
    resume: bool = False
    prefill: Prefill | None = None
    normalise: bool = False
    # Whether a budget has to know how many tokens an answer took.
    counts_tokens: bool = attrs.field(init=False, eq=False, repr=False)

    @counts_tokens.default
    def _is_counted_by_tokens(self) -> bool:
        return any(
            limit.unit is not Unit.REQUESTS
            for budget in self.budgets
            for limit in budget.limits
        )


class Priority(enum.Enum):
    """Who gets the last of a quota."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


@attrs.frozen
class Client:
    """A caller. Tokens are kept as SHA-256 digests; `models` are glob patterns.

    Its requests take from its `budgets`, besides those of the model that is asked.
    """

    name: str
    token_sha256: tuple[bytes, ...] = attrs.field(repr=False)
    models: tuple[str, ...] = ("*",)
    budgets: tuple[Budget, ...] = ()
    priority: Priority = Priority.NORMAL
    operator: bool = False  # may see what all others do, in numbers
    # What a request costs that nothing more is known of.
    least: Cost = attrs.field(init=False, eq=False, repr=False)
    may_call_all: bool = attrs.field(init=False, eq=False, repr=False)

    @least.default
    def _at_least(self) -> Cost:
        return LEAST_HIGH if self.priority is Priority.HIGH else LEAST

    @may_call_all.default
    def _may_call_any(self) -> bool:
        return "*" in self.models

    def may_call(self, *names: str) -> bool:
        """Whether one of `names` is allowed: a model's own, an alias, a category."""
        return self.may_call_all or any(
            re.fullmatch(_glob(pattern), name) is not None
            for pattern in self.models
            for name in names
        )


def _glob(pattern: str) -> str:
    """`*` stands for anything, slashes included; nothing else is special."""
    return ".*".join(re.escape(part) for part in pattern.split("*"))


@attrs.frozen
class RetryPolicy:
    """Repeats on one candidate. Delays in seconds; `jitter` is a share of the delay."""

    max_retries: int = 3
    base_delay: float = 1.0
    max_delay: float = 30.0
    jitter: float = 0.1


@attrs.frozen
class Routing:
    """How one request may spend its time and whom it may be passed on to.

    `fallbacks` maps a named model to the names or categories to ask after it. Where all
    quotas are spent, `max_waiting` requests may wait for `wait_seconds`; with 0, none.
    In the categories of `hedge` a second candidate is asked where the first is late.
    """

    deadline_seconds: float = 300.0
    fallbacks: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    wait_seconds: float = 0.0
    max_waiting: int = 1_000
    hedge: frozenset[str] = frozenset()
    by: By = By.PRIORITY

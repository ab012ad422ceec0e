"""`tproxy status`: asks a running proxy how it is, and shows that as tables."""

from __future__ import annotations

import itertools
import json
import math
import socket
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

import attrs
import cattrs

from tproxy.core.secret import Secret
from tproxy.core.status import (
    BudgetStatus,
    LimitStatus,
    ModelStatus,
    ShareStatus,
    Status,
)

_SECONDS = 10.0  # of silence, and it does not answer
_MOST = 16 << 20  # bytes of an answer
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))

Row = Sequence[str]


@attrs.frozen
class Unanswered(Exception):
    """There is no status to show; `why`, in words for the operator."""

    why: str

    def __str__(self) -> str:
        return self.why


class _UnixConnection(HTTPConnection):
    """HTTP over the Unix socket at `path`."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(url: str, token: Secret) -> str:
    """The body of `GET /status` below `url`, or over `unix:PATH`, which is JSON.

    Asked directly: no proxy of the environment and no redirect is followed, so that
    the token goes nowhere else.

    Raises:
        Unanswered: nobody is there, or it refuses, or it is no tproxy.
    """
    shown, bearer = _shown(url), token.reveal()
    if not (bearer.isascii() and bearer.isprintable()):
        raise Unanswered("AUTH_TOKEN cannot be sent: it has to be visible ASCII")
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    try:
        connection, path = _connection(url)
    except (HTTPException, ValueError):  # which may hold a password, so it is not shown
        raise Unanswered("this is no URL such as http://127.0.0.1:8080") from None
    try:
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as response:
            body = response.read(_MOST).decode("utf-8", "replace")
    except TimeoutError:
        raise Unanswered(f"{shown} does not answer") from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Unanswered(f"{shown} cannot be reached: {why}") from None
    except UnicodeError:
        raise Unanswered(f"{shown} names no host") from None
    except HTTPException:
        raise Unanswered(f"{shown} does not speak HTTP") from None
    finally:
        connection.close()
    if response.status == 401:
        raise Unanswered(
            f"{shown} refuses: AUTH_TOKEN in the environment has to be a client's token"
        )
    if response.status != 200:
        raise Unanswered(f"{shown} answers {response.status} where /status should be")
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        raise Unanswered(f"{shown} is no tproxy: /status is not JSON") from None
    return body


def _connection(url: str) -> tuple[HTTPConnection, str]:
    """Raises ValueError for what is no URL of a proxy."""
    socket_path = url.removeprefix("unix:")
    if socket_path != url:
        if not socket_path or "\0" in socket_path:
            raise ValueError
        return _UnixConnection(socket_path), "/status"
    parts = urlsplit(url)
    kinds = {"http": HTTPConnection, "https": HTTPSConnection}
    path = f"{parts.path.rstrip('/')}/status"
    sendable = path.isascii() and path.isprintable() and " " not in path
    if parts.scheme not in kinds or not parts.hostname or not sendable:
        raise ValueError
    if "@" in parts.netloc:
        raise ValueError
    made = kinds[parts.scheme](parts.hostname, parts.port, timeout=_SECONDS)
    return made, path


def table(body: str) -> str:
    """The same for people.

    Raises:
        Unanswered: it is of another shape.
    """
    try:
        status = cattrs.structure(json.loads(body), Status)
    except Exception:  # noqa: BLE001 - cattrs raises whatever a wrong value raises
        words = "the answer is not that of a tproxy of this version; try --json"
        raise Unanswered(words) from None
    blocks = (
        [_summary(status)],
        _aligned(
            ("MODEL", "PROVIDER", "SIZE", "KIND", "PRIORITY", "STATE"), _models(status)
        ),
        _aligned(("BUDGET", "OF", "LEFT", "RESETS IN", "SOURCE"), _budgets(status)),
        _aligned(("BREAKER", "STATE", "RESTS FOR", "FAILURES"), _breakers(status)),
        _aligned(("CLIENT", "PRIORITY", "BUDGETS"), _clients(status)),
        _aligned(("QUEUE", "WAITING"), _queues(status)),
        _aligned(("HEDGING", "REQUESTS", "HEDGED", "WON", "LEFT"), _hedging(status)),
        _aligned(("LATENCY", "STREAMS", "WHOLE"), _latency(status)),
    )
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _summary(status: Status) -> str:
    words = (
        f"tproxy {_shown(status.version)}, up {lasting(status.uptime)}",
        f"worker {status.worker}",
        f"{status.active} request{'s' if status.active != 1 else ''} under way",
        *([f"by {status.strategy}"] if status.strategy != "priority" else []),
        *(["draining"] if status.draining else []),
    )
    return ", ".join(words)


def _models(status: Status) -> Iterator[Row]:
    for model in status.models:
        size, priority = model.category or "", str(model.priority)
        yield model.name, model.provider, size, model.kind, priority, _state(model)


def _state(model: ModelStatus) -> str:
    if model.available:
        return "available"
    wait = model.available_in
    until = f", for {lasting(wait)}" if wait is not None else ""
    return f"{model.why or 'not available'}{until}"


def _budgets(status: Status) -> Iterator[Row]:
    for budget in status.budgets:
        name = budget.name
        for of, left, resets, source in _lines(budget):
            yield name, of, left, resets, source
            name = ""


def _lines(budget: BudgetStatus) -> Iterator[tuple[str, str, str, str]]:
    """What bounds a budget; nothing, if nothing does."""
    for limit in budget.limits:
        of = f"{limit.unit} per {limit.window}"
        left = f"{_figure(limit, limit.left)}/{_figure(limit, limit.limit)}"
        yield of, left, lasting(limit.resets_in), _source(limit)
        if limit.shares is not None:
            yield "  priority: high", *_part(limit, limit.shares.high)
            yield "  all others", *_part(limit, limit.shares.rest)
    if budget.max_concurrent is not None:
        free = max(budget.max_concurrent - budget.under_way, 0)
        yield "at once", f"{free}/{budget.max_concurrent}", "", ""
    if budget.resting_for > 0:
        yield "rests", "", lasting(budget.resting_for), "error"


def _part(limit: LimitStatus, share: ShareStatus) -> tuple[str, str, str]:
    """What is left of a class's part, as far as the limit itself has it left."""
    left = _figure(limit, min(max(share.part - share.used, 0), limit.left))
    asked = f"asked for {_figure(limit, share.asked)}" if share.asked else ""
    return f"{left}/{_figure(limit, share.part)}", "", asked


def _figure(limit: LimitStatus, figure: float) -> str:
    return f"${figure:,.2f}" if limit.unit == "usd" else f"{figure:,.0f}"


def _source(limit: LimitStatus) -> str:
    """Whose word it is; and where the provider's is another, by how much."""
    ago = f" {lasting(limit.age)} ago" if limit.source != "declared" else ""
    drift = limit.drift
    sign = "+" if drift > 0 else "-"
    more = f", drift {sign}{_figure(limit, abs(drift))}" if drift else ""
    return f"{limit.source}{ago}{more}"


def _breakers(status: Status) -> Iterator[Row]:
    """Only of those that tell something: where all is well there is nothing."""
    for breaker in status.breakers:
        if breaker.state != "closed" or breaker.failures:
            rest, failures = lasting(breaker.resting_for), str(breaker.failures)
            yield breaker.model, breaker.state, rest, failures


def _clients(status: Status) -> Iterator[Row]:
    for client in status.clients:
        yield client.name, client.priority, ", ".join(client.budgets)


def _queues(status: Status) -> Iterator[Row]:
    for queue in status.queues:
        yield queue.name, str(queue.waiting)


def _hedging(status: Status) -> Iterator[Row]:
    for each in status.hedging:
        counts = each.requests, each.hedged, each.won, each.left
        yield each.category, *map(str, counts)


def _latency(status: Status) -> Iterator[Row]:
    for each in status.latency:
        yield each.model, _precisely(each.stream), _precisely(each.whole)


def _precisely(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3g} s"


def _aligned(head: Row, rows: Iterator[Row]) -> list[str]:
    """Columns as wide as what stands in them; nothing, if there are no rows."""
    lines = [head, *([_shown(cell) for cell in row] for row in rows)]
    if len(lines) == 1:
        return []
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def lasting(seconds: float) -> str:
    """A duration in its two largest units, rounded up: `42 s`, `1 h 5 min`."""
    if not 0 < seconds < math.inf:
        return "-"
    left = math.ceil(seconds)
    for (large, name), (small, below) in itertools.pairwise(_UNITS):
        if left >= large:
            whole, rest = divmod(-(-left // small), large // small)
            return f"{whole} {name} {rest} {below}" if rest else f"{whole} {name}"
    return f"{left} s"


def _shown(text: str) -> str:
    """Fit for a terminal, whatever somebody else wrote."""
    return "".join(c if c.isprintable() else "?" for c in text)

"""The runner: a proxy before a provider that fails, and what nobody may ever see."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable

import attrs

from tests import dialect
from tests.clocks import FakeClock
from tests.dialect import completion
from tests.e2e.stage import KEY, PATIENT, Stage
from tests.faults.consequences import Consequence
from tests.faults.fault import NOWHERE, URL_CANARY
from tests.faults.refusals import PROMPT
from tests.faults.script import Script, chunked, whole
from tests.serving import Recorder, Reply
from tests.values import per
from tproxy.core.budget import Budget
from tproxy.core.model import Model, Patience, RetryPolicy
from tproxy.core.windows import DAY
from tproxy.observe.log import JsonLog

TWICE = RetryPolicy(max_retries=1, base_delay=0.001, max_delay=0.01)
ASKING = {"messages": [{"role": "user", "content": PROMPT}]}
SHORT = {
    "no_connect": {"connect": 0.03},
    "first_byte": {"connect": 0.2, "first_byte": 0.02},
    "timed_out": {"whole": 0.05},
}  # else it is silence
SECRET = (KEY, "0123456789", URL_CANARY, "https:", "user_3", "Traceback")
PRIVATE = ("127.0.0.1", NOWHERE, "10.0.0.7", "http:")  # an address may be in the log
SAID = (PROMPT, "Hello")  # never in the log, whoever said it


def good(stream: bool) -> Script:
    """An answer."""
    return chunked(dialect.stream("Hello")) if stream else whole(completion("Hello"))


def patience(kind: Consequence, hangs: bool) -> Patience:
    """Long, but for the one limit that a provider which hangs is to run into."""
    if not hangs:
        return PATIENT
    return attrs.evolve(PATIENT, **SHORT.get(kind.outcome, {"silence": 0.02}))


def sharing_ten(*models: Model) -> Iterable[Model]:
    """The models, with ten requests for them all together."""
    pool = Budget("pool", (per(DAY, 10),))
    return [attrs.evolve(each, budgets=(*each.budgets, pool)) for each in models]


def envelope(reply: Reply) -> dict[str, object]:
    """The error, told as every error is, with nothing that is not the client's."""
    assert reply.headers["content-type"] == "application/json"
    error = reply.error
    for secret in (*SECRET, *PRIVATE):
        assert secret not in reply.body.decode()
        assert secret not in str(reply.headers)
    return error


def wait(reply: Reply) -> float | None:
    """How long the client is to wait, which is told in two ways that agree."""
    if "retry-after" not in reply.headers:
        return None
    exact = float(reply.headers["retry-after-ms"]) / 1000
    assert int(reply.headers["retry-after"]) == max(math.ceil(exact), 1)
    assert ("x-should-retry" in reply.headers) is (exact > 60)
    return exact


def lines(recorder: Recorder) -> str:
    """The log, as it is written."""
    sink = io.StringIO()
    log = JsonLog(sink, FakeClock())
    for event in recorder.events:
        log.emit(event)
    return sink.getvalue()


async def logged(stage: Stage, *outcomes: str) -> None:
    """The log has one line, with these attempts, and no secret."""
    told = await stage.recorder.request()
    assert stage.recorder.events == [told]
    assert tuple(attempt.outcome for attempt in told.attempts) == outcomes
    discreet(stage)


def discreet(stage: Stage) -> None:
    """The log has no secret, nothing that was said, and nothing unannounced."""
    assert stage.recorder.notices == []
    written = lines(stage.recorder)
    for secret in (*SECRET, *SAID):
        assert secret not in written

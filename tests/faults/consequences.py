"""What has to come of each kind of failure, as users may rely on it.

The kinds are those of `tproxy.core.failures`; what follows from them is written down
here once more, by hand, so that nobody changes the one without the other.
"""

# ruff: noqa: E501 - the table reads better in rows
from __future__ import annotations

import enum

import attrs


class Rests(enum.Enum):
    """Whether the candidate rests."""

    NEVER = "never"
    AFTER_FIVE = "after five failures in a row"
    AT_ONCE = "at once"
    QUOTA = "its quota rests"


@attrs.frozen
class Consequence:
    """`again`: the same model is asked again. `onward`: another is.

    `outcome` is the attempt's in the log, `status` and `code` are the client's, and
    `counts` says whether the request stays counted against the quota.
    """

    outcome: str
    status: int
    code: str
    again: bool
    onward: bool
    rests: Rests
    counts: bool

    @property
    def type(self) -> str:
        """OpenAI's, by which its clients tell errors apart."""
        if self.status == 429:
            return "rate_limit_error"
        ours = self.code.startswith("upstream")
        return "upstream_error" if ours else "invalid_request_error"


_NEVER, _FIVE, _ONCE, _QUOTA = Rests

# fmt: off
#                          outcome        status  code                       again  onward rests   counts
UNRESOLVED  = Consequence("unresolved",  502, "upstream_error",          True,  True,  _FIVE,  False)
UNREACHABLE = Consequence("unreachable", 502, "upstream_error",          True,  True,  _FIVE,  False)
NO_CONNECT  = Consequence("no_connect",  504, "upstream_timeout",        False, True,  _FIVE,  False)
TLS         = Consequence("tls",         502, "upstream_error",          False, True,  _FIVE,  False)
LOST        = Consequence("lost",        502, "upstream_error",          True,  True,  _FIVE,  True)
FIRST_BYTE  = Consequence("first_byte",  504, "upstream_timeout",        False, True,  _FIVE,  True)
SILENCE     = Consequence("silence",     504, "upstream_timeout",        False, True,  _FIVE,  True)
TIMED_OUT   = Consequence("timed_out",   504, "upstream_timeout",        False, True,  _FIVE,  True)
AUTH        = Consequence("auth",        502, "upstream_auth_failed",    False, True,  _ONCE,  False)
FORBIDDEN   = Consequence("forbidden",   502, "upstream_auth_failed",    False, True,  _FIVE,  False)
BILLING     = Consequence("billing",     502, "upstream_billing",        False, True,  _ONCE,  False)
MISSING     = Consequence("missing",     502, "upstream_model_missing",  False, True,  _ONCE,  False)
TOO_LONG    = Consequence("too_long",    400, "context_length_exceeded", False, True,  _NEVER, False)
UNSUPPORTED = Consequence("unsupported", 400, "invalid_request",         False, True,  _NEVER, False)
RATE_LIMIT  = Consequence("rate_limit",  429, "rate_limit_exceeded",     True,  True,  _QUOTA, False)
SERVER      = Consequence("server",      502, "upstream_error",          True,  True,  _FIVE,  True)
OVERLOADED  = Consequence("overloaded",  502, "upstream_error",          True,  True,  _FIVE,  True)
MODEL_FAULT = Consequence("model_fault", 502, "upstream_error",          True,  True,  _NEVER, True)
EMPTY       = Consequence("empty",       502, "upstream_error",          True,  True,  _FIVE,  True)
MALFORMED   = Consequence("malformed",   502, "upstream_error",          True,  True,  _FIVE,  True)
EARLY_END   = Consequence("early_end",   502, "upstream_error",          True,  True,  _FIVE,  True)
UNEXPECTED  = Consequence("unexpected",  502, "upstream_error",          False, True,  _FIVE,  True)
REJECTED    = Consequence("rejected",    400, "upstream_rejected",       False, False, _NEVER, True)
FILTERED    = Consequence("filtered",    400, "upstream_rejected",       False, False, _NEVER, True)
# fmt: on

ALL = {
    kind.outcome: kind for kind in globals().values() if isinstance(kind, Consequence)
}
# Nobody's faults, and a queue of ours; `test_kept` has the first two.
ELSEWHERE = {"stale", "crowded", "expired", "unjoined", "untaken"}

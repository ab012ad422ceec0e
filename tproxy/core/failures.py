"""The ways in which a candidate fails, as data: one row each, all in one table.

A row says what follows from a failure; which row a reply means is its dialect's to say
(`providers`).
"""

# ruff: noqa: E501 - the table reads better in rows
from __future__ import annotations

import enum

import attrs


@attrs.frozen
class Told:
    """What a client is told of an error: HTTP status, OpenAI's type and code."""

    status: int
    type: str
    code: str


class Rest(enum.Enum):
    """Whether a failure makes the candidate rest."""

    NONE = "none"  # says nothing about the candidate's health
    COUNTED = "counted"  # one of several in a row opens the breaker
    AT_ONCE = "at once"  # will not mend by itself within seconds


@attrs.frozen
class Failure:
    """One row of the table.

    `again`: the same candidate may be asked again after a pause. `onward`: another
    candidate may be asked. `counts`: the request stays counted against the quota,
    because the provider worked on it or may have.
    """

    name: str
    said: str  # after the candidate's name, in a message to the client
    told: Told
    again: bool
    onward: bool
    rest: Rest
    counts: bool


def _upstream(status: int, code: str) -> Told:
    return Told(status, "upstream_error", code)


_FAILED = _upstream(502, "upstream_error")
_CROWDED = _upstream(503, "no_candidate")
_SILENT = _upstream(504, "upstream_timeout")
_AUTH = _upstream(502, "upstream_auth_failed")
_BILLING = _upstream(502, "upstream_billing")
_MISSING = _upstream(502, "upstream_model_missing")
_REJECTED = _upstream(400, "upstream_rejected")
_LIMITED = Told(429, "rate_limit_error", "rate_limit_exceeded")
_INVALID = Told(400, "invalid_request_error", "invalid_request")
_TOO_LONG = Told(400, "invalid_request_error", "context_length_exceeded")

# fmt: off
#                        name             said                                   told       again  onward  rest          counts
UNRESOLVED  = Failure("unresolved",  "the provider's name could not be resolved", _FAILED,   True,  True,  Rest.COUNTED, False)
UNREACHABLE = Failure("unreachable", "the provider could not be reached",         _FAILED,   True,  True,  Rest.COUNTED, False)
NO_CONNECT  = Failure("no_connect",  "the provider did not accept a connection in time", _SILENT, False, True, Rest.COUNTED, False)
CROWDED     = Failure("crowded",     "all connections to the provider are in use",    _CROWDED,   True,  True,  Rest.NONE,    False)
STALE       = Failure("stale",       "the provider had closed its connection",        _FAILED,    True,  True,  Rest.NONE,    True)
TLS         = Failure("tls",         "no secure connection to the provider",      _FAILED,   False, True,  Rest.COUNTED, False)
LOST        = Failure("lost",        "the connection was lost before an answer",  _FAILED,   True,  True,  Rest.COUNTED, True)
FIRST_BYTE  = Failure("first_byte",  "the provider did not begin an answer in time", _SILENT, False, True, Rest.COUNTED, True)
SILENCE     = Failure("silence",     "the provider fell silent",                  _SILENT,   False, True,  Rest.COUNTED, True)
TIMED_OUT   = Failure("timed_out",   "the provider timed out",                    _SILENT,   False, True,  Rest.COUNTED, True)
AUTH        = Failure("auth",        "the provider refused the proxy's key",      _AUTH,     False, True,  Rest.AT_ONCE, False)
FORBIDDEN   = Failure("forbidden",   "the provider forbids this",                 _AUTH,     False, True,  Rest.COUNTED, False)
BILLING     = Failure("billing",     "the provider's account has no credit",      _BILLING,  False, True,  Rest.AT_ONCE, False)
MISSING     = Failure("missing",     "the provider no longer has this model",     _MISSING,  False, True,  Rest.AT_ONCE, False)
TOO_LONG    = Failure("too_long",    "the request is too long for this model",    _TOO_LONG, False, True,  Rest.NONE,    False)
RATE_LIMIT  = Failure("rate_limit",  "the provider limits the rate",              _LIMITED,  True,  True,  Rest.NONE,    False)
SERVER      = Failure("server",      "the provider failed",                       _FAILED,   True,  True,  Rest.COUNTED, True)
OVERLOADED  = Failure("overloaded",  "the provider is overloaded",                _FAILED,   True,  True,  Rest.COUNTED, True)
MODEL_FAULT = Failure("model_fault", "the model made an invalid call or document", _FAILED,  True,  True,  Rest.NONE,    True)
EMPTY       = Failure("empty",       "the provider's answer was empty",           _FAILED,   True,  True,  Rest.COUNTED, True)
MALFORMED   = Failure("malformed",   "the provider's answer was unreadable",      _FAILED,   True,  True,  Rest.COUNTED, True)
EARLY_END   = Failure("early_end",   "the provider's answer broke off",           _FAILED,   True,  True,  Rest.COUNTED, True)
UNJOINED    = Failure("unjoined",    "the model did not go on from where it was told", _FAILED, False, True, Rest.NONE,    True)
UNEXPECTED  = Failure("unexpected",  "the provider answered something else",      _FAILED,   False, True,  Rest.COUNTED, True)
UNSUPPORTED = Failure("unsupported", "this model's provider has no words for it", _INVALID, False, True,  Rest.NONE,    False)
EXPIRED     = Failure("expired",     "the provider no longer took the proxy's token", _AUTH,  True,  True,  Rest.NONE,    False)
UNTAKEN     = Failure("untaken",     "the provider does not take what the proxy adds", _FAILED, True,  True,  Rest.NONE,    False)
REJECTED    = Failure("rejected",    "the provider refused the request",          _REJECTED, False, False, Rest.NONE,    True)
FILTERED    = Failure("filtered",    "the provider's content filter refused the request", _REJECTED, False, False, Rest.NONE, True)
# fmt: on

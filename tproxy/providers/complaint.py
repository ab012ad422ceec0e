"""What a provider's error means, told from its status, code and words.

Shapes and codes are from the fact sheets of the providers: an object, a string, a list,
an array around the object, `detail`, `message`, `errors`, or HTML; codes are strings,
numbers or null; and a 429 may hide in a 500, or an error in a 200.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import attrs

from tproxy.core import failures, redact, retry_after
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.model import Model


@attrs.frozen
class _Complaint:
    """An error body, whatever its shape. `words` is codes and messages together.

    `status` is the one meant; None where only an error inside a 200 was sent. `codes`
    are the provider's own short words, types among them: they quote nobody, as
    `message` and `text` may.
    """

    status: int | None
    codes: str
    words: str
    message: str
    text: str


@attrs.frozen
class _Rule:
    """The first rule that fits decides. No statuses: any."""

    failure: Failure
    statuses: frozenset[int | None]
    words: re.Pattern[str]


def _rule(failure: Failure, statuses: tuple[int | None, ...], words: str = "") -> _Rule:
    return _Rule(failure, frozenset(statuses), re.compile(words, re.IGNORECASE))


_IN_200 = None

_RULES = (
    _rule(
        failures.BILLING,
        (400, 402, 403, 429, _IN_200),
        r"insufficient_quota|billing_(?:hard_limit|error)|credit balance is too low"
        r"|specified api usage limits",
    ),
    _rule(
        failures.BILLING,
        (403, 429, _IN_200),
        r"insufficient[ _]balance|payment required|(?:insufficient|more) credits"
        r"|used all available credits|exceeded your monthly included credits"
        r"|spending (?:limit|cap)|requires a (?:paid plan|subscription)"
        r"|key limit exceeded|api calls ?/ ?month",
    ),
    _rule(failures.BILLING, (402,)),
    _rule(
        failures.MODEL_FAULT,
        (400, 422, _IN_200),
        r"tool_use_failed|json_validate_failed|output_parse_failed"
        r"|json mode couldn.t be met|invalid[_ ]tool[_ ]generation",
    ),
    _rule(
        failures.FILTERED,
        (400, 403, 422, 451, _IN_200),
        r"content[_ ](?:filter|policy|management)|moderation|flagged|responsibleai"
        r"|sensitive content|\bnsfw\b",
    ),
    _rule(
        failures.TOO_LONG,
        (400, 403, 413, 422, _IN_200),
        r"context[ _](?:length|window|too long)|too_many_tokens|tokens_limit_reached"
        r"|string_above_max_length|reduce the length"
        r"|(?:prompt|input|request|message|body)s?(?: is| are)? too (?:long|large)"
        r"|too many (?:input )?tokens|token limit (?:reached|exceeded)"
        r"|max(?:imum)? (?:input|prompt) length"
        r"|exceeds? (?:the )?max(?:imum)? (?:length|number of tokens)"
        r"|tokens \+ +must be|exceeds? context limit",
    ),
    _rule(failures.TOO_LONG, (429,), r"request too large"),  # no waiting cures it
    _rule(failures.TOO_LONG, (413,)),
    _rule(
        failures.AUTH,
        (400, 401, 403, _IN_200),
        r"api[ _-]?key not valid|api_key_invalid|(?:invalid|incorrect)[ _]api[ _-]?key"
        r"|organization has been disabled"
        r"|api key (?:has )?expired|api key was reported as leaked",
    ),
    # The model is there, and cannot do this; another may.
    _rule(
        failures.UNSUPPORTED,
        (400, 404, 422, _IN_200),
        r"no endpoints found that (?:support|can handle)"
        r"|does(?: not|n't) support (?:the )?(?:tool|function|image|vision|audio|file"
        r"|json|structured|response format|thinking|reasoning|chat)"
        r"|(?:tool (?:use|calling|choice)|function calling|json mode"
        r"|(?:image|audio|vision) (?:inputs?|content)|structured outputs?)"
        r" (?:is|are) not (?:supported|enabled)|is only supported by certain models",
    ),
    _rule(
        failures.MISSING,
        (400, 403, 404, 410, 422, _IN_200),
        r"model_(?:not_found|decommissioned|not_available|not_supported|terms)"
        r"|(?:unknown|invalid|unavailable)[ _]model|no such model|model not exist"
        r"|deploymentnotfound|operationnotsupported|not a valid model id"
        r"|no route for that uri|not supported by (?:any )?provider"
        r"|does not exist or you do not have access",
    ),
    _rule(
        failures.FORBIDDEN,
        (400,),
        r"failed_precondition|unsupported_country|location is not supported"
        r"|organization_restricted",
    ),
    _rule(failures.RATE_LIMIT, (403,), r"out of call volume quota"),  # Azure's edge
    _rule(failures.AUTH, (401,)),
    _rule(failures.FORBIDDEN, (403,)),
    _rule(failures.MISSING, (404, 410)),
    _rule(failures.TIMED_OUT, (408, 504, 522, 524)),
    _rule(failures.RATE_LIMIT, (429,)),
    _rule(failures.SERVER, (409, 424, 425, 498, 499)),
    _rule(failures.REJECTED, (400, 422, 451)),
    _rule(failures.OVERLOADED, (503, 529)),
    _rule(failures.SERVER, tuple(range(500, 600))),
    _rule(
        failures.RATE_LIMIT,
        (_IN_200,),
        r"rate[_ -]?limit|too[_ ]many[_ ]requests|resource_exhausted",
    ),
    _rule(
        failures.OVERLOADED, (_IN_200,), r"overloaded|unavailable|capacity|\bloading"
    ),
    _rule(failures.TIMED_OUT, (_IN_200,), r"time[d_ -]*out"),
    _rule(failures.REJECTED, (_IN_200,), r"invalid_(?:request|argument)|validation"),
    _rule(failures.SERVER, (_IN_200,)),
    _rule(failures.UNEXPECTED, ()),
)

# The provider's own words help the caller only where the caller can mend something.
_QUOTED = {
    *(failures.REJECTED, failures.FILTERED, failures.TOO_LONG, failures.UNSUPPORTED)
}
_TIMED = (failures.RATE_LIMIT, failures.OVERLOADED, failures.SERVER)
_WRAPPED = re.compile(r"(?:status code|status|code)\W{1,3}(429|5\d\d)\b")
# What is quoted is often what the caller sent, and must not decide which rule fits.
_QUOTATION = re.compile(r"""(?<!\w)'[^']*'(?!\w)|"[^"]*"|`[^`]*`""")
# Cloudflare wraps its messages: "AiError: AiError: Too wide (0f1e2d3c-…)".
_WRAPPING = re.compile(r"\A(?:AiError: )+|\s*\([0-9a-f]{8}(?:-[0-9a-f]{4,12}){4}\)\Z")
_CODES = ("code", "type", "status", "error_type")
_WORD = re.compile(r"[\w.:-]{1,64}").fullmatch
_LONGEST = 65_536  # bytes looked at
_DEEPEST = 6  # levels at which words for people are looked for


def read(
    status: int | None, headers: Mapping[str, str], body: bytes, model: Model
) -> UpstreamFailed:
    """Say what an error means. `status` is None for an error inside a 200."""
    heard = _hear(status, body)
    failure = next(
        rule.failure
        for rule in _RULES
        if (not rule.statuses or heard.status in rule.statuses)
        and rule.words.search(heard.words)
    )
    secrets = model.upstream.secrets
    words = redact.safe(heard.message, *secrets) if failure in _QUOTED else ""
    codes = redact.safe(heard.codes, *secrets)
    return UpstreamFailed(
        message=f"{model.name}: {failure.said}" + (f": {words}" if words else "."),
        failure=failure,
        model=model.name,
        retry_after=_wait(heard, _dated(headers) if status is None else headers)
        if failure in _TIMED
        else None,
        detail=f"{heard.status or 'in a 200'} {codes}".rstrip(),
    )


def _dated(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Of the headers of a 200, the date is true; its `Retry-After` says nothing."""
    return {"date": headers.get("date", "")}


def _wait(heard: _Complaint, headers: Mapping[str, str]) -> float | None:
    """Seconds the provider asks for."""
    return (
        retry_after.from_headers(headers)
        or retry_after.from_day(heard.text, headers)
        or retry_after.from_words(heard.message)
        or retry_after.from_body(heard.text, headers)
        or retry_after.from_resets(headers)
    )


def _hear(status: int | None, body: bytes) -> _Complaint:
    text = body[:_LONGEST].decode("utf-8", "replace").strip()
    said = _first(_json(text))
    if not isinstance(said, dict):
        plain = "" if text.startswith("<") else text
        meant = _meant(status, None, text)
        return _Complaint(meant, "", _unquoted(text), plain, text)
    error = _first(
        next((said[n] for n in ("error", "errors", "detail") if said.get(n)), said)
    )
    if not isinstance(error, dict):
        error = {"message": error}
    found = error.get("metadata")
    metadata = found if isinstance(found, dict) else {}
    message = _WRAPPING.sub("", _behind(metadata) or _text(error) or _text(said))
    meant = _meant(status, _status(error) or _status(said), text)
    names = [error.get(n) for n in _CODES] + [said.get(n) for n in _CODES]
    words = (str(name) for name in names if name and name not in (status, meant))
    codes = dict.fromkeys(filter(_WORD, words))
    return _Complaint(
        meant,
        " ".join(codes),
        " ".join((*codes, *metadata, _unquoted(message), _unquoted(_text(error)))),
        message,
        text,
    )


def _unquoted(message: str) -> str:
    return _QUOTATION.sub("", message[:4_000])


def _meant(status: int | None, inner: int | None, text: str) -> int | None:
    """The status a reply means, where it names another one in its body."""
    if status is not None and status < 500:
        return 429 if inner == 429 else status
    if inner is None or inner >= 500:
        wrapped = _WRAPPED.search(text)
        inner = int(wrapped[1]) if wrapped else inner
    return inner or status


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else value


def _behind(metadata: Mapping[str, object]) -> str:
    """OpenRouter's `metadata.raw`: the words of the provider behind it, often JSON."""
    raw = metadata.get("raw")
    if not isinstance(raw, str):
        return ""
    return _text(_json(raw)) or raw


def _text(value: object, depth: int = _DEEPEST) -> str:
    """The words for people in an error, however deep they are."""
    match value:
        case str():
            return value
        case list() if depth:
            return "; ".join(filter(None, (_text(v, depth - 1) for v in value[:3])))
        case {"loc": list(path), "msg": str(words)}:  # pydantic's
            return f"{'.'.join(map(str, path))}: {words}"
        case dict() if depth:
            for name in ("message", "msg", "detail", "error"):
                if value.get(name):
                    return _text(value[name], depth - 1)
    return ""


def _status(said: Mapping[str, object]) -> int | None:
    for name in ("code", "status_code", "status", "statusCode"):
        value = said.get(name)
        if isinstance(value, str) and value.isdecimal() and len(value) == 3:
            value = int(value)
        if type(value) is int and 400 <= value <= 599:
            return value
    return None

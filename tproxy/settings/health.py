"""What a provider is asked in a health check: its list of models, which is free."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from tproxy.core.model import HealthCheck
from tproxy.settings import endpoint
from tproxy.settings.endpoint import END_OF, Endpoint, UnusableUrl
from tproxy.settings.upstreams import Asking

_LEAST = 1.0  # seconds
# Of OpenAI's dialect, and without its list of models, as far as is documented.
_UNLISTED = (
    *("api.cloudflare.com", "gateway.ai.cloudflare.com"),
    *("api.cohere.ai", "api.cohere.com", "models.github.ai"),
)
_ENDS = re.compile("(?:" + "|".join(map(re.escape, END_OF.values())) + r")\Z")
_VERSION = ("anthropic-version", "2023-06-01")


def resolve(asking: Asking, at: Endpoint) -> HealthCheck | None:
    """How the model's provider is checked, if it is to be."""
    said, report = asking.account.said.health_check, asking.report
    if said is None:
        return None
    where = (*asking.account.where, "health_check")
    if said.every < _LEAST:
        report.fault((*where, "every"), "a check is made once a second at most", "1s")
    headers = (_VERSION,) if at.dialect == "anthropic" else ()
    if said.url is None:
        url = _listing(at)
        if url is None:
            problem = f"models of '{at.dialect}' at this url have no free list to check"
            report.fault(where, problem, "give a url that costs nothing")
            return None
        return HealthCheck(said.every, url, headers)
    insecure, _ = asking.inherited("insecure_http", lambda a: a.insecure_http)
    try:
        endpoint.check(said.url, insecure_http=bool(insecure))
    except UnusableUrl as error:
        report.fault((*where, "url"), error.problem, error.hint)
        return None
    ours = _origin(said.url) == _origin(at.url)
    return HealthCheck(said.every, said.url, headers if ours else (), ours)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}
    return parts.scheme, parts.hostname, parts.port or usual.get(parts.scheme)


def _listing(at: Endpoint) -> str | None:
    """The URL of the list; None where none is known."""
    parts = urlsplit(at.url)
    path = _path(at.dialect, parts)
    return None if path is None else parts._replace(path=path, fragment="").geturl()


def _path(dialect: str, parts: SplitResult) -> str | None:
    path = parts.path.rstrip("/")
    match dialect:
        case "openai":
            unlisted = parts.hostname in _UNLISTED or "/deployments/" in path
            base = _ENDS.sub("", path)
            return None if unlisted or base == path else f"{base}/models"
        case "gemini":
            return path.partition("/models")[0] + "/models"
        case "anthropic":
            base = path.removesuffix("/messages")
            versioned = re.search(r"/v\d\w*\Z", base, re.ASCII)
            return f"{base}/models" if versioned else f"{base}/v1/models"
        case "gigachat":
            base = re.sub(r"/v\d+\Z", "/v1", _ENDS.sub("", path))
            return f"{base}/models"
        case "ollama":
            return re.sub(r"(?:/api(?:/chat|/embed)?)?\Z", "/api/tags", path, count=1)
    return None

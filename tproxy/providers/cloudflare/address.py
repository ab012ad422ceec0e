"""Where a model runs.

    https://api.cloudflare.com/client/v4/accounts/ACCOUNT/ai/run/@cf/meta/llama
    https://gateway.ai.cloudflare.com/v1/ACCOUNT/GATEWAY/workers-ai/@cf/meta/llama

Source: Cloudflare documentation, "Workers AI REST API" and "AI Gateway, Workers AI".
"""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from tproxy.core.model import Model
from tproxy.core.upstream import Headers, UpstreamRequest

_WHOLE = re.compile(r"/(?:ai/run|workers-ai)/(?!run\Z).+|/@(?:cf|hf)/.+").search
_COMPATIBLE = re.compile(r"(/ai|/workers-ai)/v1(?:/chat/completions|/embeddings)?\Z")
_ACCOUNT = re.compile(r"/accounts/[^/]+\Z").search
_GATEWAY = re.compile(r"\A/v1/[^/]+/[^/]+\Z").fullmatch


def request(
    model: Model,
    body: bytes,
    headers: Headers,
    dropped: tuple[str, ...] = (),
) -> UpstreamRequest:
    """What runs `model` with `body`."""
    return UpstreamRequest(
        method="POST",
        url=run(model.upstream.url, model.upstream_name),
        headers=(*headers, *model.upstream.headers),
        body=body,
        dropped=dropped,
    )


def run(url: str, name: str) -> str:
    """The endpoint of the model `name`. `url` is it already, or a base of it.

    A base may end anywhere from the account or the gateway on, and also on the
    compatible side.
    """
    parts = urlsplit(url)
    path = _COMPATIBLE.sub(r"\1", parts.path.rstrip("/"))
    if not _WHOLE(path):
        if _ACCOUNT(path):
            path += "/ai"
        elif _GATEWAY(path):
            path += "/workers-ai"
        if path.endswith("/ai"):
            path += "/run"
        path += "/" + quote(name, safe="/@:")
    return urlunsplit(parts._replace(path=path))

"""What is sent to GigaChat."""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs

from tproxy.core import wishes
from tproxy.core.chat import ChatRequest
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamRequest
from tproxy.providers.gigachat import conversation, options, v1, v2
from tproxy.providers.gigachat.endpoint import Endpoint

_JSON_ONLY = "Answer with one valid JSON object and nothing else."


def chat(asked: ChatRequest, model: Model) -> UpstreamRequest:
    """The request for an answer to `asked`.

    Raises:
        InvalidRequest: a field is of the wrong form; `param` names it.
        UpstreamFailed: `UNSUPPORTED`, where GigaChat has no words for it.
    """
    dropped = wishes.unsaid(asked, options.SPOKEN, model)
    wish = wishes.read(asked)
    heard = conversation.read(asked, model)
    if wish.form == "json":  # there is no mode for it
        system = "\n\n".join(filter(None, (heard.system, _JSON_ONLY)))
        heard = attrs.evolve(heard, system=system)
    endpoint = Endpoint.of(model.upstream)
    contract = v2 if endpoint.is_v2 else v1
    said = {
        "model": model.upstream_name,
        **contract.question(heard, wish, asked, model),
        **({"stream": True} if asked.stream else {}),
    }
    request = post(endpoint.chat, said, model, stream=asked.stream)
    return attrs.evolve(request, dropped=dropped)


def post(
    url: str, said: Mapping[str, object], model: Model, *, stream: bool = False
) -> UpstreamRequest:
    """A request with `said` as its JSON body."""
    # Unescaped: Sber's reference says that escaped text costs more tokens.
    body = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return UpstreamRequest(
        method="POST",
        url=url,
        headers=(
            ("Content-Type", "application/json"),
            ("Accept", "text/event-stream" if stream else "application/json"),
            *model.upstream.headers,
        ),
        body=body.encode("utf-8", "backslashreplace"),
    )

"""Images and vectors of a dialect that makes them: asked for, and badly answered."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from tproxy.contract.requests import check_clean
from tproxy.contract.shape import Violation, require
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.image import ImageRequest
from tproxy.core.model import Model
from tproxy.core.upstream import Dialect, Received, UpstreamHead, UpstreamRequest

_HEADS = [
    UpstreamHead(200, {"content-type": kind})
    for kind in ("application/json", "image/png", "text/plain")
]
_IMAGE = b'{"prompt": "text-70", "response_format": "b64_json"}'
_TEXTS = b'{"input": ["text-71", "text-72"]}'


def check_making(dialect: Dialect, body: bytes, model: Model) -> None:
    """Check that a worthless `body` makes neither an image nor a vector."""
    for head in _HEADS:
        if dialect.images is not None:
            image = ImageRequest.parse(_IMAGE, id="req_contract", created=1)
            steps: Generator[Any, Any, Any] = dialect.images.draw(image, model)
            _check(steps, ("text-70",), Received(head, body), model)
        if dialect.embeddings is not None:
            texts = EmbeddingRequest.parse(_TEXTS, id="req_contract", created=1)
            steps = dialect.embeddings.embed(texts, model)
            _check(steps, ("text-71", "text-72"), Received(head, body), model)


def _check(
    steps: Generator[UpstreamRequest, Received, object],
    marks: tuple[str, ...],
    received: Received,
    model: Model,
) -> None:
    request = next(steps)
    check_clean(request, model)
    for mark in marks:
        require(mark.encode() in request.body, "request.body", f"has lost {mark}")
    try:
        steps.send(received)
    except UpstreamFailed:
        return
    except StopIteration:
        raise Violation("answer: is none, and passes for one") from None
    raise Violation("answer: is none, and more is asked for")

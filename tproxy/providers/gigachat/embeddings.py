"""Vectors of texts by GigaChat: OpenAI's form, but that each tells its own usage."""

from __future__ import annotations

import attrs

from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.model import Model
from tproxy.core.upstream import Reply, Steps
from tproxy.core.wishes import unsupported
from tproxy.providers import vectors
from tproxy.providers.gigachat import question, wire
from tproxy.providers.gigachat.endpoint import Endpoint
from tproxy.providers.said import Object, malformed, whole

_SPOKEN = ("model", "input", "encoding_format")


@attrs.frozen
class Embeddings:
    """The `core.upstream.EmbeddingAdapter` of this dialect."""

    def embed(self, texts: EmbeddingRequest, model: Model) -> Steps[Reply]:
        if not texts.texts:
            raise unsupported(model, "input", "it is texts, not tokens")
        if texts.dimensions is not None:
            raise unsupported(model, "dimensions")
        said = {"model": model.upstream_name, "input": texts.texts}
        request = question.post(Endpoint.of(model.upstream).embeddings, said, model)
        values = texts.document.values
        dropped = (n for n, v in values.items() if v is not None and n not in _SPOKEN)
        received = yield attrs.evolve(request, dropped=tuple(dropped))
        made = _made(received.body, model)
        used = sum(_used(one) for one in made)
        return vectors.reply(
            texts, model, [one.get("embedding") for one in made], used or None
        )


def _made(body: bytes, model: Model) -> list[Object]:
    """The vectors in the order of their texts."""
    made = wire.objects(wire.opened(body, model).get("data"), "data", model)
    by_index = {whole(one.get("index")): one for one in made}
    try:
        return [by_index[index] for index in range(len(made))]
    except KeyError:
        raise malformed(model, "vectors in no order") from None


def _used(one: Object) -> int:
    usage = one.get("usage")
    return (whole(usage.get("prompt_tokens")) or 0) if isinstance(usage, dict) else 0

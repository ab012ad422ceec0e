"""Embeddings of texts."""

from __future__ import annotations

import attrs

from tproxy.core import failures, wishes
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Reply, Steps
from tproxy.providers import asking, complaint, vectors
from tproxy.providers.ollama.endpoint import endpoint
from tproxy.providers.said import listed, opened, whole

_OWN = ("dimensions", "truncate", "options", "keep_alive")  # go through as they are
_SPOKEN = {"model", "input", "encoding_format", *_OWN}


@attrs.frozen
class Embeddings:
    """The `core.upstream.EmbeddingAdapter` of this dialect."""

    def embed(self, texts: EmbeddingRequest, model: Model) -> Steps[Reply]:
        if not texts.texts:
            raise wishes.unsupported(model, "input", "numbers of tokens")
        given = {n: v for n, v in texts.document.values.items() if v is not None}
        asked = {
            "model": model.upstream_name,
            "input": texts.texts,
            **{name: given[name] for name in _OWN if name in given},
        }
        dropped = tuple(name for name in given if name not in _SPOKEN)
        url = endpoint("embed", model.upstream.url)
        received = yield asking.post(url, asked, model, dropped=dropped)
        said = opened(received.body, model)
        if said.get("error"):
            raise complaint.read(None, received.head.headers, received.body, model)
        made = listed(said, "embeddings", model)
        if not made:
            raise UpstreamFailed.of(model.name, failures.EMPTY, "no vectors")
        return vectors.reply(texts, model, made, whole(said.get("prompt_eval_count")))

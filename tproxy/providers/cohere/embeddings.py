"""Embeddings of texts."""

from __future__ import annotations

import attrs

from tproxy.core import failures, fields, wishes
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.model import Model
from tproxy.core.upstream import Reply, Steps
from tproxy.providers import asking, complaint, vectors
from tproxy.providers.cohere import answer
from tproxy.providers.cohere.endpoint import endpoint
from tproxy.providers.said import opened
from tproxy.providers.translated import failed

_MOST = 96  # texts in one call
_PURPOSES = ("search_document", "search_query", "classification", "clustering")
_CUTS = ("END", "START", "NONE")
_SPOKEN = {"model", "input", "dimensions", "encoding_format", "input_type", "truncate"}


@attrs.frozen
class Embeddings:
    """The `core.upstream.EmbeddingAdapter` of this dialect.

    `input_type` and `truncate` are fields of Cohere's own that a client may send.
    """

    def embed(self, texts: EmbeddingRequest, model: Model) -> Steps[Reply]:
        if not texts.texts:
            raise wishes.unsupported(model, "input", "numbers of tokens")
        values = texts.document.values
        said: dict[str, object] = {
            "model": model.upstream_name,
            "input_type": fields.word(values, "input_type", _PURPOSES) or _PURPOSES[0],
            "embedding_types": ["float"],
        }
        if texts.dimensions is not None:
            said["output_dimension"] = texts.dimensions
        if cut := fields.word(values, "truncate", _CUTS):
            said["truncate"] = cut
        given = (name for name, value in values.items() if value is not None)
        dropped = tuple(name for name in given if name not in _SPOKEN)
        url = endpoint("embed", model.upstream.url)
        found: list[object] = []
        tokens = 0
        for start in range(0, len(texts.texts), _MOST):
            some = texts.texts[start : start + _MOST]
            asked = {**said, "texts": some}
            received = yield asking.post(url, asked, model, dropped=dropped)
            made, spent = _read(received.body, model)
            if len(made) != len(some):
                detail = f"{len(made)} vectors for {len(some)} inputs"
                raise failed(failures.MALFORMED, model, detail)
            found += made
            tokens += spent
        return vectors.reply(texts, model, found, tokens)


def _read(body: bytes, model: Model) -> tuple[list[object], int]:
    """The vectors, and the tokens they were made of."""
    said = opened(body, model)
    made = said.get("embeddings")
    if made is None and said.get("message"):
        raise complaint.read(None, {}, body, model)
    if isinstance(made, dict):
        made = made.get("float")
    if not isinstance(made, list):
        raise failed(failures.MALFORMED, model, "no list of vectors")
    meta = said.get("meta")
    tokens = answer.tokens(meta)
    return made, 0 if tokens is None else tokens.prompt

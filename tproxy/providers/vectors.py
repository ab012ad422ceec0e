"""Embeddings in OpenAI's form: vectors as numbers, or as Base64 of 32-bit floats.

Source: OpenAI API reference, "Create embeddings", `encoding_format`; the byte order is
that of its official clients.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterable

from tproxy.core import failures
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Reply, Usage


def reply(
    texts: EmbeddingRequest,
    model: Model,
    vectors: Iterable[object],
    prompt_tokens: int | None,
) -> Reply:
    """An answer of `vectors`, one for each input, in the order of the inputs.

    Raises:
        UpstreamFailed: they are too few or too many, or one is none.
    """
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": spelled(vector, texts, model),
        }
        for index, vector in enumerate(vectors)
    ]
    check_count(len(data), texts, model)
    tokens = prompt_tokens or 0
    said = {
        "object": "list",
        "data": data,
        "model": model.name,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    body = json.dumps(said, separators=(",", ":")).encode()
    return Reply(body, None if prompt_tokens is None else Usage(prompt_tokens, 0))


def check_count(found: int, texts: EmbeddingRequest, model: Model) -> None:
    """Raises UpstreamFailed unless there is a vector for each input."""
    if found != texts.count:
        detail = f"{found} vectors for {texts.count} inputs"
        row = failures.MALFORMED if found else failures.EMPTY
        raise UpstreamFailed.of(model.name, row, detail)


def spelled(vector: object, texts: EmbeddingRequest, model: Model) -> object:
    """`vector`, numbers or Base64, as the client wants it; as it is, if it is so.

    Raises:
        UpstreamFailed: it is neither, or empty.
    """
    if not vector:
        raise UpstreamFailed.of(model.name, failures.EMPTY, "an empty vector")
    try:
        if isinstance(vector, str):
            packed = base64.b64decode(vector, validate=True)
            return vector if texts.base64 else _floats(packed)
        if isinstance(vector, list):
            packed = struct.pack(f"<{len(vector)}f", *vector)
            if math.isfinite(sum(vector)):
                return base64.b64encode(packed).decode() if texts.base64 else vector
    except (ValueError, OverflowError, struct.error):
        pass
    raise UpstreamFailed.of(model.name, failures.MALFORMED, "no vector of numbers")


def _floats(packed: bytes) -> list[float]:
    floats = list(struct.unpack(f"<{len(packed) // 4}f", packed))
    if not math.isfinite(sum(floats)):
        raise ValueError("not all are numbers")
    return floats

"""A request for embeddings: what the client asked, parsed once and never changed.

Source: OpenAI API reference, "Create embeddings".
"""

from __future__ import annotations

from typing import ClassVar, TypeGuard

import attrs

from tproxy.core import fields, tokens
from tproxy.core.document import Document
from tproxy.core.model import Capability, Kind

MOST_INPUTS = 2_048  # in one request
_MOST_DIMENSIONS = 65_536
_ENCODINGS = ("float", "base64")


@attrs.frozen
class EmbeddingRequest:
    """What selection, relay and adapters need to know.

    `texts` is empty where the client sent numbers of tokens, which only providers of
    OpenAI's dialect can read; `count` is of vectors wanted, either way. `dimensions` is
    None where the client leaves it to the model; `base64`: vectors are wanted as Base64
    of little-endian 32-bit floats. `model`, `id` and `created` are as in `ChatRequest`.
    """

    document: Document = attrs.field(repr=False)
    model: str | None
    texts: tuple[str, ...] = attrs.field(repr=False)
    text_bytes: int
    count: int = 1
    dimensions: int | None = None
    base64: bool = False
    id: str = ""
    created: int = 0

    kind: ClassVar[Kind] = Kind.EMBEDDING
    stream: ClassVar[bool] = False
    needs: ClassVar[frozenset[Capability]] = frozenset()
    output_tokens: ClassVar[int | None] = 0  # vectors are none

    @property
    def prompt_tokens(self) -> int:
        """Estimated, see `core.tokens`."""
        return tokens.estimate(self.text_bytes)

    @classmethod
    def parse(cls, raw: bytes, id: str = "", created: int = 0) -> EmbeddingRequest:
        """Read a body in OpenAI's embeddings format.

        Raises:
            InvalidRequest: not a JSON object, or a field is unusable; `param` names it.
        """
        body = fields.opened(raw)
        values = body.values
        texts, lengths = _inputs(values.get("input"))
        if len(lengths) > MOST_INPUTS:
            raise fields.bad("input", f"must not hold more than {MOST_INPUTS}")
        return cls(
            document=body,
            model=fields.optional(values, "model", str),
            texts=texts,
            text_bytes=sum(lengths),
            count=len(lengths),
            dimensions=fields.count(values, "dimensions", _MOST_DIMENSIONS),
            base64=fields.word(values, "encoding_format", _ENCODINGS) == "base64",
            id=id,
            created=created,
        )


def _inputs(said: object) -> tuple[tuple[str, ...], list[int]]:
    """The texts, if it is texts, and the bytes that each input comes to."""
    if isinstance(said, str) or _is_tokens(said):
        said = [said]
    if not isinstance(said, list) or not said:
        form = "must be a string, or an array of strings or of tokens"
        raise fields.bad("input", "is required" if said is None else form)
    texts, lengths = [], []
    for index, one in enumerate(said):
        if isinstance(one, str):
            texts.append(one)
            lengths.append(len(one.encode("utf-8", "surrogatepass")))
        elif _is_tokens(one):
            lengths.append(len(one) * tokens.BYTES_PER_TOKEN)
        else:
            raise fields.bad(
                f"input[{index}]", "must be a string or an array of tokens"
            )
    if texts and len(texts) < len(lengths):
        raise fields.bad("input", "must be all strings or all tokens")
    return tuple(texts), lengths


def _is_tokens(said: object) -> TypeGuard[list[int]]:
    if not isinstance(said, list) or not said:
        return False
    return all(type(token) is int and token >= 0 for token in said)

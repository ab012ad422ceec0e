"""Vectors the echo provider makes: texts that share words are near each other.

Source: OpenAI API reference, "Create embeddings".
"""

import base64
import math
import struct
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

from tproxy.echo.fields import Fields, wrong_type, wrong_value

_ENCODINGS: Final = ("float", "base64")
_USUAL: Final = 64  # numbers in a vector
_MOST: Final = 4_096
_EXPECTED: Final = "one of a string, array of strings, or array of integers"


def embeddings(body: Mapping[str, object]) -> dict[str, object]:
    """The reply to a parsed request body.

    Raises:
        Refused: OpenAI would refuse the request as well.
    """
    fields = Fields(body)
    model = fields.string("model")
    texts = _texts(fields.value("input"))
    dimensions = fields.optional_integer("dimensions", 1, _MOST) or _USUAL
    encoding = fields.optional_string("encoding_format") or "float"
    if encoding not in _ENCODINGS:
        raise wrong_value(encoding, "encoding_format", _ENCODINGS)
    data = []
    for index, words in enumerate(texts):
        made = vector(words, dimensions)
        said = _packed(made) if encoding == "base64" else made
        data.append({"object": "embedding", "index": index, "embedding": said})
    tokens = sum(map(len, texts))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def vector(words: Sequence[str], dimensions: int) -> list[float]:
    """A vector of length 1: each word adds to, or takes from, one of its numbers."""
    sums = [0.0] * dimensions
    for word in words:
        digest = sha256(word.lower().encode("utf-8", "surrogatepass")).digest()
        sums[int.from_bytes(digest[:4], "big") % dimensions] += 1 - digest[4] % 2 * 2
    if not any(sums):
        sums[0] = 1.0
    length = math.hypot(*sums)
    return [round(one / length, 6) for one in sums]


def _texts(said: object) -> list[list[str]]:
    """The words of each input; numbers of tokens count as words."""
    if isinstance(said, str):
        return [said.split()]
    if not isinstance(said, list) or not said:
        raise wrong_type(said, "input", _EXPECTED)
    if all(type(token) is int for token in said):
        return [list(map(str, said))]
    return [_words(one, f"input[{index}]") for index, one in enumerate(said)]


def _words(said: object, path: str) -> list[str]:
    if isinstance(said, str):
        return said.split()
    if isinstance(said, list) and said and all(type(token) is int for token in said):
        return list(map(str, said))
    raise wrong_type(said, path, _EXPECTED)


def _packed(floats: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(floats)}f", *floats)).decode()

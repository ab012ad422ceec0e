"""Pictures by GigaChat: drawn in a chat, then fetched as a file."""

from __future__ import annotations

import re

import attrs

from tproxy.core import failures, pictures, redact
from tproxy.core.errors import UpstreamFailed
from tproxy.core.image import ImageRequest
from tproxy.core.model import Model
from tproxy.core.upstream import ImageReply, Steps, UpstreamRequest, Usage
from tproxy.providers.gigachat import answer, question
from tproxy.providers.gigachat.answer import Answer
from tproxy.providers.gigachat.endpoint import Endpoint

_SPOKEN = ("model", "prompt", "n", "response_format")
_FORMAT = "jpeg"  # whatever is asked for
# Without it, a prompt that only describes a picture may be answered in words.
_DRAW = "Draw what the user describes."
_SEEN = 65_536  # characters of an answer in which a picture is looked for
_TAG = re.compile(r"""<img\b[^<>]*?\ssrc\s*+=\s*+["']?([\w-]++)["'\s/>]""", re.ASCII)
_FILE = re.compile(r"[\w-]{1,128}", re.ASCII).fullmatch


@attrs.frozen
class Images:
    """The `core.upstream.ImageAdapter` of this dialect."""

    def draw(self, image: ImageRequest, model: Model) -> Steps[ImageReply]:
        drawn = []
        usage = None
        asked = _asked(image, model)
        for _ in range(image.n):  # there is no word for more than one
            said = answer.read((yield asked).body, model)
            asked = attrs.evolve(asked, dropped=())  # which is told once
            received = yield _file(_drawn(said, model), model)
            drawn.append(pictures.whole(received.body, model))
            usage = _added(usage, said)
        return ImageReply(tuple(drawn), usage)


def _asked(image: ImageRequest, model: Model) -> UpstreamRequest:
    endpoint = Endpoint.of(model.upstream)
    said: dict[str, object] = {"model": model.upstream_name}
    if endpoint.is_v2:
        content = [{"text": image.prompt}]
        said["messages"] = [{"role": "user", "content": content}]
        said["tools"] = [{"image_generate": {}}]
        said["tool_config"] = {"mode": "forced", "tool_name": "image_generate"}
    else:
        said["messages"] = [
            {"role": "system", "content": _DRAW},
            {"role": "user", "content": image.prompt},
        ]
        said["function_call"] = "auto"
    request = question.post(endpoint.chat, said, model)
    return attrs.evolve(request, dropped=_dropped(image))


def _added(usage: Usage | None, said: Answer) -> Usage | None:
    if said.tokens is None or usage is None:
        return usage if said.tokens is None else said.tokens.usage
    prompt, completion = said.tokens.prompt, said.tokens.completion
    return Usage(usage.prompt + prompt, usage.completion + completion)


def _dropped(image: ImageRequest) -> tuple[str, ...]:
    """What the client said and GigaChat cannot be told; "auto" asks for nothing."""
    return tuple(
        name
        for name, value in image.document.values.items()
        if name not in _SPOKEN
        and value not in (None, "auto")
        and (name, value) != ("output_format", _FORMAT)
    )


def _drawn(said: Answer, model: Model) -> str:
    """The id of the picture.

    Raises:
        UpstreamFailed: `FILTERED` or `EMPTY`, where the model did not draw.
    """
    tag = _TAG.search(said.text[:_SEEN])
    found = next(iter(said.files), "") or (tag[1] if tag else "")
    if found and not _FILE(found):
        detail = "a picture whose id is none"
        raise UpstreamFailed.of(model.name, failures.MALFORMED, detail)
    if found:
        return found
    row = failures.EMPTY
    if said.finish == "content_filter":
        row = failures.FILTERED
    words = redact.safe(said.text, *model.upstream.secrets)
    raise UpstreamFailed(
        message=f"{model.name}: {row.said}" + (f": {words}" if words else "."),
        failure=row,
        model=model.name,
        detail="no picture in the answer",
    )


def _file(id: str, model: Model) -> UpstreamRequest:
    return UpstreamRequest(
        method="GET",
        url=Endpoint.of(model.upstream).content(id),
        headers=(("Accept", "application/jpg"), *model.upstream.headers),
        body=b"",
    )

"""A picture that a provider made and only links to."""

from __future__ import annotations

from urllib.parse import urlsplit

from tproxy.core import failures, pictures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Picture, Steps, UpstreamRequest


def fetched(picture: Picture, model: Model) -> Steps[Picture]:
    """`picture` with its bytes, fetched from its URL if it comes without.

    Our key goes along only to the origin that it is for.

    Raises:
        UpstreamFailed: there is no URL to ask, or no image behind it.
    """
    if picture.data is not None:
        return picture
    if picture.url is None or not picture.url.startswith(("https://", "http://")):
        raise UpstreamFailed.of(model.name, failures.MALFORMED, "a picture nowhere")
    ours = _origin(picture.url) == _origin(model.upstream.url)
    received = yield UpstreamRequest(
        method="GET",
        url=picture.url,
        headers=(("Accept", "image/*"), *(model.upstream.headers if ours else ())),
        body=b"",
        ours=ours,
    )
    return pictures.whole(received.body, model, picture.revised_prompt)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()

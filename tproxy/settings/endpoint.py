"""What a URL says: where a model is asked, in which dialect, and what kind it is."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

import attrs

from tproxy.core.model import Kind
from tproxy.settings.presets import OPENAI, Preset

# What URLs of OpenAI's dialect end in.
END_OF = {
    Kind.CHAT: "/chat/completions",
    Kind.IMAGE: "/images/generations",
    Kind.EMBEDDING: "/embeddings",
}
# And those of the providers' own dialects, where the end tells.
_OWN_ENDS = {
    "/chat": Kind.CHAT,
    "/messages": Kind.CHAT,
    "/workers-ai": Kind.CHAT,
    ":generateContent": Kind.CHAT,
    ":streamGenerateContent": Kind.CHAT,
    ":predict": Kind.IMAGE,
    "/embed": Kind.EMBEDDING,
    ":embedContent": Kind.EMBEDDING,
    ":batchEmbedContents": Kind.EMBEDDING,
}
_OLLAMAS_ENDS = ("/api/chat", "/api/embed")  # its base is of OpenAI's dialect
_BASE = re.compile(
    r"/(v\d+\w*|api|beta|deployments/[^/]+|inference|models|openai|run)$"
)
_NEAR_NAMES = (".localhost", ".local", ".internal")


@attrs.frozen
class Endpoint:
    url: str
    dialect: str
    kind: Kind


@attrs.frozen
class UnusableUrl(Exception):
    """A URL that cannot be asked. The problem does not quote it: it may hold a key."""

    problem: str
    hint: str = ""

    def __str__(self) -> str:
        return self.problem


def check(url: str, *, insecure_http: bool) -> None:
    """Accept an absolute http(s) URL; plain http only where it stays near.

    Raises:
        UnusableUrl: anything else.
    """
    parts = _split(url)
    if parts.scheme not in ("http", "https"):
        raise UnusableUrl("a URL has to begin with https:// or http://")
    if not parts.hostname:
        raise UnusableUrl("the URL names no host")
    if "@" in parts.netloc:
        raise UnusableUrl("the URL holds a user or password", "use token or headers")
    if parts.fragment:
        raise UnusableUrl("the URL has a fragment ('#…')")
    if parts.scheme == "http" and not (insecure_http or is_near(url)):
        raise UnusableUrl(
            f"plain http:// to '{parts.hostname}' would show the key to the network",
            "https://, or insecure_http: true",
        )


def is_proxy(url: str) -> bool:
    """Whether it names an HTTP proxy; credentials in it are welcome."""
    try:
        parts = _split(url)
    except UnusableUrl:
        return False
    rest = parts.path.strip("/") or parts.query or parts.fragment
    return parts.scheme == "http" and bool(parts.hostname) and not rest


def is_near(url: str) -> bool:
    """Whether the host is this machine or in a private network, judged by its name."""
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_NEAR_NAMES)
    return address.is_private or address.is_loopback


def same_host(url: str, other: str) -> bool:
    """Whether two checked URLs lead to one host."""
    return urlsplit(url).hostname == urlsplit(other).hostname


def derive(
    url: str,
    preset: Preset,
    *,
    dialect: str | None = None,
    kind: Kind | None = None,
    shared: bool = False,
    unsized: bool = False,
) -> Endpoint:
    """Read a checked `url`. `dialect` and `kind` are those that the operator names.

    `shared`: the URL is the provider's, and other kinds are asked beside it. `unsized`:
    it is the model's own, which has neither a size nor a length: the origin's way of
    saying that it makes images, unless the URL is one for chats.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    for made, end in END_OF.items():
        if path.endswith(end):
            spoken = dialect or OPENAI
            if kind is not None and (shared or spoken != OPENAI):
                made = kind
            if spoken == OPENAI:
                path = path.removesuffix(end) + END_OF[made]
            return Endpoint(_at(parts, path), spoken, made)
    kind = kind or _made(path, preset, unsized=unsized)
    spoken = dialect or _spoken(path, preset, kind)
    other = kind is not Kind.CHAT and not shared and path
    if spoken == OPENAI and (not other or _is_base(path, preset)):
        url = _at(parts, _openai_base(parts, path, preset) + END_OF[kind])
    elif not path:
        url = _at(parts, _own_path(parts, preset))
    return Endpoint(url, spoken, kind)


def _split(url: str) -> SplitResult:
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise UnusableUrl("a URL holds only visible ASCII characters")
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed when asked for
    except ValueError:
        raise UnusableUrl("not a valid URL") from None
    return parts


def _at(parts: SplitResult, path: str) -> str:
    return urlunsplit(parts._replace(path=path))


def _is_base(path: str, preset: Preset) -> bool:
    """Whether clients of OpenAI's dialect would take `path` for a base."""
    return bool(_BASE.search(path)) or path.endswith(preset.bases)


def _made(path: str, preset: Preset, *, unsized: bool) -> Kind:
    """The kind of model, going by a URL that is not of OpenAI's form."""
    for end, kind in _OWN_ENDS.items():
        if path.endswith(end):
            return kind
    image = unsized and path and not _is_base(path, preset)
    return Kind.IMAGE if image else Kind.CHAT


def _spoken(path: str, preset: Preset, kind: Kind) -> str:
    """The provider's own dialect, unless the URL is a base of its compatible side."""
    if path.endswith(_OLLAMAS_ENDS):
        return "ollama"
    return OPENAI if path.endswith(preset.bases) else preset.own(kind)


def _own_path(parts: SplitResult, preset: Preset) -> str:
    """What the provider's own host, standing alone, lacks in its own dialect."""
    known = urlsplit(preset.own_url or "")
    is_whole = parts.hostname == known.hostname and "$" not in known.path
    return known.path if is_whole else parts.path


def _openai_base(parts: SplitResult, path: str, preset: Preset) -> str:
    """The path that the ends of OpenAI's dialect come after."""
    known = urlsplit(preset.url or "")
    shortened = known.path.startswith(path + "/") and "$" not in known.path
    if shortened and parts.hostname == known.hostname:
        return known.path.removesuffix(END_OF[Kind.CHAT])
    return path if _is_base(path, preset) else path + preset.root

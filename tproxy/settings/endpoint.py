"""What a URL says: where a model is asked, in which dialect, and what kind it is."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

import attrs

from tproxy.settings.presets import Preset

CHAT = "/chat/completions"
_KINDS = {CHAT: "chat", "/images/generations": "image", "/embeddings": "embedding"}
# Where the providers' own dialects chat.
_OWN_CHAT = ("/chat", "/messages", ":generateContent", ":streamGenerateContent")
_BASE = re.compile(
    r"/(v\d+\w*|api|beta|deployments/[^/]+|inference|models|openai|run)$"
)
_NEAR_NAMES = (".localhost", ".local", ".internal")


@attrs.frozen
class Endpoint:
    url: str
    dialect: str
    kind: str


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


def derive(url: str, preset: Preset, dialect: str | None, *, unsized: bool) -> Endpoint:
    """Read a checked `url`. `dialect` is one that the operator names.

    `unsized`: the model has a URL of its own and neither a size nor a length, which is
    the origin's way of saying that it makes images, unless the URL is one for chats.
    """
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    for end, kind in _KINDS.items():
        if path.endswith(end):
            return Endpoint(_at(parts, path), dialect or "openai", kind)
    if unsized and path and not (path.endswith(_OWN_CHAT) or _is_base(path, preset)):
        own = preset.image_dialect or _spoken(path, preset)
        return Endpoint(url, dialect or own, "image")
    spoken = dialect or _spoken(path, preset)
    if spoken == "openai":
        url = _at(parts, _chat_path(parts, path, preset))
    return Endpoint(url, spoken, "chat")


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


def _spoken(path: str, preset: Preset) -> str:
    """The provider's own dialect, unless the URL is a base of its compatible side."""
    return "openai" if path.endswith(preset.bases) else preset.dialect


def _chat_path(parts: SplitResult, path: str, preset: Preset) -> str:
    known = urlsplit(preset.url or "")
    shortened = known.path.startswith(path + "/") and "$" not in known.path
    if shortened and parts.hostname == known.hostname:
        return known.path
    return path + CHAT if _is_base(path, preset) else path + preset.root + CHAT

"""Makes a provider's words fit for a client or a log."""

from __future__ import annotations

import re

from tproxy.core.secret import Secret

LONGEST = 500  # characters kept of a provider's message
_PIECE = 8  # characters of a secret that are too many to show

# Stands for a secret until links are masked, which may go on behind it.
_SECRET = "\ue000"
_HIDDEN = re.compile(
    r"(?P<link>\b[a-z][a-z0-9+.-]*://[^\s\"'<>)\]]+"
    r"|(?<![\w@.-])(?:[a-z0-9\ue000-]+\.)+"
    r"(?:(?:ai|app|cloud|co|com|dev|io|net|org|ru)\b|[a-z]{2,}(?=:\d|/))"
    r"(?::\d+)?(?:/[^\s\"'<>)\]]*)?)"
    r"|(?P<address>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b)"
    r"|(?P<account>\b(?:user|org|proj|acct|team)[-_]"
    r"(?:(?=[a-z]*\d)[a-z0-9]{8,}|[a-z0-9]{16,})\b)"
    r"|(?P<key>\ue000(?:[^\s\"'<>)\]/?#&@]*[/?#&@][^\s\"'<>)\]]*)?"
    r"|\b(?:(?:sk|gsk|pk|rk|xai|csk|pplx|nvapi)-|(?:hf|gsk|ghp|github_pat)_"
    r"|AIza|Bearer (?=\S*\d))[a-z0-9_\-.*]{8,}"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|\b(?=[a-z]*\d)[a-z0-9]{32,}\b)",
    re.IGNORECASE,
)


def safe(text: str, *secrets: Secret) -> str:
    """`text` on one line and cut short, without links, keys or account names.

    `secrets` are masked wherever they stand, whole or as a piece of `_PIECE` characters
    and more; a shorter one only where it stands alone.
    """
    text = text[: 8 * LONGEST].replace(_SECRET, " ")
    for secret in secrets:
        if secret:
            text = _without(text, secret.reveal())
    text = _HIDDEN.sub(lambda found: f"[{found.lastgroup}]", text)
    text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _without(text: str, secret: str) -> str:
    if len(secret) < _PIECE:
        return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", _SECRET, text)
    start = 0
    while start + _PIECE <= len(secret):
        end = start + _PIECE
        if secret[start:end] not in text:
            start += 1
            continue
        while end < len(secret) and secret[start : end + 1] in text:
            end += 1
        text = text.replace(secret[start:end], _SECRET)
    return text

"""Tokens: as a provider counted them, or a cheap estimate.

Never a tokenizer: those take seconds on long prompts.
"""

from __future__ import annotations

BYTES_PER_TOKEN = 4  # English prose; code and other scripts differ by a third
TOKENS_PER_IMAGE = 800  # about what a 1024 x 1024 picture costs at common providers
MOST = 1 << 40  # of one answer; whoever says more has not counted


def estimate(text_bytes: int, images: int = 0) -> int:
    """Tokens of a prompt of `text_bytes` bytes of UTF-8 and `images` pictures."""
    return -(-text_bytes // BYTES_PER_TOKEN) + images * TOKENS_PER_IMAGE


def counted(said: object) -> int:
    """A number that a provider tells, whatever it is; 0 where it makes no sense."""
    return said if type(said) is int and 0 <= said <= MOST else 0

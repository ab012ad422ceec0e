"""A cheap estimate of tokens. Never a tokenizer: those take seconds on long prompts."""

from __future__ import annotations

BYTES_PER_TOKEN = 4  # English prose; code and other scripts differ by a third
TOKENS_PER_IMAGE = 800  # about what a 1024 x 1024 picture costs at common providers


def estimate(text_bytes: int, images: int = 0) -> int:
    """Tokens of a prompt of `text_bytes` bytes of UTF-8 and `images` pictures."""
    return -(-text_bytes // BYTES_PER_TOKEN) + images * TOKENS_PER_IMAGE

"""A folder to write configurations in, and to load them from."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import attrs
import pytest

from tproxy.core.errors import ConfigError
from tproxy.core.model import Model, Prefill
from tproxy.core.upstream import Dialect, EmbeddingAdapter, ImageAdapter
from tproxy.providers import openai
from tproxy.settings import Overrides, Settings, load
from tproxy.settings.presets import presets

NAME = "proxy.yaml"
TOKEN = {"AUTH_TOKEN": "a-client-token"}

_IMAGES, _EMBEDDINGS = cast("ImageAdapter", 0), cast("EmbeddingAdapter", 0)
_CHAT = openai.DIALECT.chat

# What can be asked in each; settings look no further.
CHATS_ONLY = {"openai": Dialect(_CHAT)}
DIALECTS = {
    "openai": Dialect(_CHAT, _IMAGES, _EMBEDDINGS, prefills=frozenset(Prefill)),
    "gemini": Dialect(_CHAT, _IMAGES, _EMBEDDINGS),
    "gigachat": Dialect(_CHAT, _IMAGES, _EMBEDDINGS),
    "cohere": Dialect(_CHAT, embeddings=_EMBEDDINGS),
    "cloudflare": Dialect(_CHAT, _IMAGES, _EMBEDDINGS),
    "huggingface": Dialect(_CHAT, _IMAGES),
    "anthropic": Dialect(_CHAT, prefills=frozenset({Prefill.MESSAGE})),
}

# A model to which a test adds lines; the first of them is line 5.
MODEL = """\
models:
  - name: m
    provider: groq
    token: key
"""

# A value for each variable that holds a key, or that a key needs.
EVERY_KEY = {
    name: f"{name.lower()}-value"
    for preset in presets().values()
    for name in (*preset.env[:1], *preset.needs)
} | {"AZURE_OPENAI_ENDPOINT": "https://resource-value.openai.azure.com/"}


@attrs.frozen
class Folder:
    """`faults` and `warnings` are lines, without the folder's own path."""

    path: Path
    dialects: Mapping[str, Dialect] = DIALECTS

    def write(self, text: str, name: str = NAME) -> Path:
        file = self.path / name
        file.write_text(text, "utf-8")
        file.chmod(0o600)
        return file

    def load(
        self,
        text: str,
        environ: Mapping[str, str] = TOKEN,
        *,
        overrides: Overrides | None = None,
        env_file: Path | None = None,
        env_files: tuple[Path, ...] = (),
    ) -> Settings:
        return load(
            self.write(text),
            environ=environ,
            dialects=self.dialects,
            env_file=env_file,
            env_files=env_files,
            overrides=overrides or Overrides(),
        )

    def model(self, text: str, environ: Mapping[str, str] = TOKEN) -> Model:
        """The first model."""
        return self.load(text, environ).models[0]

    def warnings(self, text: str, environ: Mapping[str, str] = TOKEN) -> list[str]:
        return self._lines("\n".join(map(str, self.load(text, environ).warnings)))

    def faults(
        self,
        text: str,
        environ: Mapping[str, str] = TOKEN,
        *,
        overrides: Overrides | None = None,
        env_file: Path | None = None,
        env_files: tuple[Path, ...] = (),
    ) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            self.load(
                text,
                environ,
                overrides=overrides,
                env_file=env_file,
                env_files=env_files,
            )
        return self._lines(str(caught.value))

    def _lines(self, text: str) -> list[str]:
        return text.replace(f"{self.path}/", "").splitlines()

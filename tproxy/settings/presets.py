"""What is known of providers: facts from `tproxy/providers/presets.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

import attrs

from tproxy.settings import structure, tree
from tproxy.settings.report import Report
from tproxy.settings.schema import Capability, Count

ECHO = "echo"


@attrs.frozen
class PresetModel:
    """A model to start with. `size` is its category."""

    name: str
    size: str
    context_tokens: Count | None = None
    max_output_tokens: Count | None = None
    capabilities: tuple[Capability, ...] | None = None


@attrs.frozen
class Limits:
    """Of an account at its free tier."""

    requests_per_minute: Count | None = None
    requests_per_hour: Count | None = None
    requests_per_day: Count | None = None
    resets: str | None = None


@attrs.frozen
class Preset:
    """A company. For one that is not known, all but the title is a default.

    `root` is what a URL of a host alone lacks before `/chat/completions`. `key_header`
    is where a key goes that is not a bearer token. `author_slug` says that the names of
    its models always hold a slash.
    """

    title: str
    word: str = ""
    also: tuple[str, ...] = ()
    url: str | None = None
    own_url: str | None = None
    bases: tuple[str, ...] = ()
    root: str = "/v1"
    dialect: str = "openai"
    image_dialect: str | None = None
    key_header: str | None = None
    keyless: bool = False
    author_slug: bool = False
    env: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    limits: Limits = Limits()
    models: tuple[PresetModel, ...] = ()
    note: str | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """All the words that name this provider."""
        return (self.word, *self.also)


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by their words, synonyms included."""
    report = Report("presets.yaml")
    found = tree.read(_text(), report, None)
    sections = found.root if found is not None else None
    known: dict[str, Preset] = {}
    for word, section in sections.items() if isinstance(sections, dict) else ():
        preset = structure.read(section, Preset, (word,), report)
        if preset is not None:
            preset = attrs.evolve(preset, word=word)
            known |= dict.fromkeys(preset.words, preset)
    report.settle()
    return MappingProxyType(known)


def preset(word: str) -> Preset:
    """The preset of a company; without facts if it is not a known one."""
    known = presets().get(word.lower())
    return Preset(title=word, word=word) if known is None else known


def _text() -> str:
    folder = resources.files("tproxy") / "providers"
    return (folder / "presets.yaml").read_text("utf-8")

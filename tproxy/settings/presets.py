"""What is known of providers: facts from `tproxy/providers/presets.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

import attrs

from tproxy.core.model import Kind
from tproxy.settings import structure, tree
from tproxy.settings.facts import Limits, Meter, PresetModel, Quota
from tproxy.settings.report import Report
from tproxy.settings.schema import Kind as KindWord

ECHO = "echo"
OPENAI = "openai"  # the dialect


@attrs.frozen
class Preset:
    """A company. For one that is not known, all but the title is a default.

    `dialect` is its own, `image_dialect` that of its image models where only these
    have one; `native` are the kinds that are asked in it where nothing else is said.
    `root` is what a URL of a host alone lacks before `/chat/completions`. `key_header`
    is where a key goes that is not a bearer token, `auth_url` where one is exchanged
    for tokens, both in its own dialect. `author_slug` says that the names of its models
    always hold a slash. `takes` are keys of a provider's entry that variables fill.
    """

    title: str
    word: str = ""
    also: tuple[str, ...] = ()
    url: str | None = None
    own_url: str | None = None
    bases: tuple[str, ...] = ()
    root: str = "/v1"
    dialect: str = OPENAI
    image_dialect: str | None = None
    native: tuple[KindWord, ...] = ()
    key_header: str | None = None
    auth_url: str | None = None
    keyless: bool = False
    author_slug: bool = False
    env: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    takes: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    limits: Limits = Limits()
    quota: Quota = Quota()
    meters: tuple[Meter, ...] = ()
    models: tuple[PresetModel, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """All the words that name this provider."""
        return (self.word, *self.also)

    def own(self, kind: Kind) -> str:
        """The dialect of its own in which it makes `kind`."""
        return (kind is Kind.IMAGE and self.image_dialect) or self.dialect

    def usual(self, kind: Kind) -> str:
        """The dialect in which it is asked for `kind` where nothing else is said."""
        native = self.url is None or kind.value in self.native
        return self.own(kind) if native else OPENAI

    def usual_url(self, kind: Kind, dialect: str | None) -> str | None:
        """Where it is asked for `kind`, in `dialect` if one is named."""
        spoken = dialect or self.usual(kind)
        if spoken == OPENAI:
            return self.url
        return self.own_url if spoken == self.own(kind) else None


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


def speaker(dialect: str, preset: Preset) -> Preset:
    """Whose dialect it is: that of `preset`, or else of a known company."""
    known = (preset, *presets().values())
    owners = (each for each in known if dialect in (each.dialect, each.image_dialect))
    return next(owners, Preset(title=dialect))


def _text() -> str:
    folder = resources.files("tproxy") / "providers"
    return (folder / "presets.yaml").read_text("utf-8")

"""Names to models: a model's own name, an alias, a category, or none at all."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

import attrs

from tproxy.core.errors import ModelNotFound
from tproxy.core.model import Kind, Model
from tproxy.core.selection import Candidate, Selection

DEFAULT_CATEGORY = "SMALL"  # for a client that names nothing
_NEAR = 3  # names suggested for one that does not exist
_LONGEST = 200  # characters of it looked at


@attrs.frozen
class Asked:
    """What a name stands for. `how` says it in words; `fallbacks` come after `models`.

    Only a category has several models, or a kind where no name is needed. A named model
    has fallbacks only where the operator declared them: nobody quietly gets another
    model.
    """

    how: str
    models: tuple[Model, ...]
    fallbacks: tuple[Model, ...] = ()
    # The choice itself, where there is nobody to prefer.
    alone: Selection | None = attrs.field(init=False, eq=False, repr=False)

    @alone.default
    def _without_others(self) -> Selection | None:
        if len(self.models) != 1 or self.fallbacks:
            return None
        return Selection((Candidate(self.models[0]),))

    @property
    def named(self) -> bool:
        return self.how in ("name", "alias")


@attrs.frozen
class Catalog:
    """All configured models, by every name a client may use."""

    models: tuple[Model, ...]
    _named: Mapping[str, Asked] = attrs.field(repr=False)

    @classmethod
    def of(
        cls, models: Iterable[Model], fallbacks: Mapping[str, tuple[str, ...]]
    ) -> Catalog:
        models = tuple(models)
        named: dict[str, Asked] = {}
        for model in models:
            if model.category is not None:
                before = named.get(model.category, Asked("category", ())).models
                named[model.category] = Asked("category", (*before, model))
        for model in models:
            named[model.name] = Asked("name", (model,))
            for alias in model.aliases:
                named[alias] = Asked("alias", (model,))
        chains = {
            named[name].models[0]: _chain(named[name].models[0], names, named)
            for name, names in fallbacks.items()
        }
        for name, asked in named.items():
            if asked.named and asked.models[0] in chains:
                named[name] = attrs.evolve(asked, fallbacks=chains[asked.models[0]])
        return cls(models, named)

    @property
    def categories(self) -> Mapping[str, tuple[Model, ...]]:
        return {n: a.models for n, a in self._named.items() if a.how == "category"}

    def find(self, name: str | None, kind: Kind = Kind.CHAT) -> Asked:
        """What the client asks for; without a name, the default category.

        Who wants an image and names no model gets one of any that draws, of the default
        category first. Not so with vectors: those of two models cannot be compared.

        Raises:
            ModelNotFound: with names that are near.
        """
        if name is None and kind is Kind.IMAGE:
            able = tuple(model for model in self.models if model.kind is kind)
            usual = tuple(m for m in able if m.category == DEFAULT_CATEGORY)
            if able:
                return Asked("image model", usual or able)
        asked = self._named.get(DEFAULT_CATEGORY if name is None else name)
        if asked is not None:
            return asked
        if name is None:
            raise ModelNotFound(
                message="The request names no model, and no model here is in the "
                f"category {DEFAULT_CATEGORY}, which stands in for that.",
                param="model",
            )
        near = self._near(name[:_LONGEST])
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise ModelNotFound(
            message=f"The model `{_shown(name)}` does not exist here.{hint} "
            "GET /v1/models lists all.",
            param="model",
        )

    def _near(self, name: str) -> list[str]:
        """Names meant, perhaps: this one behind a prefix, or one spelt like it."""
        folded = {known.casefold(): known for known in self._named}
        said = name.casefold()
        behind = [folded[known] for known in folded if known.endswith(f"/{said}")]
        alike = difflib.get_close_matches(said, folded, n=_NEAR, cutoff=0.6)
        near = dict.fromkeys([*behind, *(folded[known] for known in alike)])
        return list(near)[:_NEAR]


def _chain(
    model: Model, names: Iterable[str], named: Mapping[str, Asked]
) -> tuple[Model, ...]:
    """The models behind `names`, each once, without `model` itself."""
    found = (after for name in names for after in named[name].models)
    return tuple(dict.fromkeys(after for after in found if after is not model))


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in name[:100])

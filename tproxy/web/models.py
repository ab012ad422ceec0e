"""`GET /models` and `GET /models/{id}`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from tproxy.core import openai
from tproxy.core.errors import ModelNotAllowed
from tproxy.core.model import Client, Model
from tproxy.web.base import BaseHandler


class _Listing(BaseHandler):
    """Models, aliases and categories, as far as the client may call them."""

    async def entries(self, client: Client) -> list[Mapping[str, object]]:
        catalog = self.snapshot.catalog
        free = await self._free(catalog.models, client)
        entries = [
            self._entry(name, [model], model.provider, free)
            for model in catalog.models
            for name in (model.name, *model.aliases)
            if client.may_call(model.name, *model.aliases)
        ]
        for category, members in catalog.categories.items():
            callable_ = [
                m for m in members if client.may_call(category, m.name, *m.aliases)
            ]
            if callable_:
                entries.append(self._entry(category, callable_, "tproxy", free))
        return entries

    async def _free(self, models: Sequence[Model], client: Client) -> frozenset[str]:
        """Names of those that could take a request now."""
        wants = [(model.budgets, client.least) for model in models]
        budgets = dict.fromkeys(each for model in models for each in model.budgets)
        await self.context.quotas.snapshot(tuple(budgets))  # which the waits go by
        waits = await self.context.quotas.waits(wants)
        states = await self.context.breakers.states([m.name for m in models])
        return frozenset(
            model.name
            for model, wait, state in zip(models, waits, states, strict=True)
            if model.obstacle is None and wait <= 0 and state.resting_for <= 0
        )

    def _entry(
        self, name: str, models: Sequence[Model], owner: str, free: frozenset[str]
    ) -> Mapping[str, object]:
        """A category shows the widest window among those that can answer now."""
        able = [m for m in models if m.name in free]
        windows = [m.context_tokens for m in able or models]
        known = [window for window in windows if window is not None]
        return {
            "id": name,
            "object": "model",
            "created": self.snapshot.created,
            "owned_by": owner,
            "context_window": max(known, default=None),
            "available": bool(able),
        }

    def say(self, body: bytes) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(body)


class ModelsHandler(_Listing):
    """All of them."""

    async def get(self) -> None:
        if self.client is not None:
            self.say(openai.models(await self.entries(self.client)))

    head = get


class ModelHandler(_Listing):
    """One of them. Ids hold slashes, escaped or not."""

    async def get(self, name: str) -> None:
        if self.client is None:
            return
        self.snapshot.catalog.find(name)
        for entry in await self.entries(self.client):
            if entry["id"] == name:
                self.say(json.dumps(entry).encode())
                return
        raise ModelNotAllowed(message=f"{name} is not for this client.", param="model")

    head = get

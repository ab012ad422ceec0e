"""Drops the candidates that cannot take a request, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tproxy.core.model import Client, Kind, Model
from tproxy.core.request import Request
from tproxy.core.selection import Candidate, Exclusion, Selection, Strategy, Why

_CALLED = {Kind.CHAT: "a chat", Kind.IMAGE: "an image", Kind.EMBEDDING: "an embedding"}


def select(
    request: Request,
    client: Client,
    candidates: Iterable[Candidate],
    strategy: Strategy,
    *,
    called: str,
) -> Selection:
    """Rank those who can take `request`; say of the others why not.

    `called` is the name the client used; an allow-list may hold that, or a name of the
    model itself. Where it is "", they were not called by any, and their category counts
    as a name. Of a category only the models of the right kind are looked at, if it
    has any. Where all that could take it rest after failures, the one whose rest ends
    first is asked all the same: a guess beats a refusal.
    """
    candidates = list(candidates)
    if len(candidates) == 1:  # nobody to compare it with: asked though it may rest
        exclusion = _passed_over(request, client, candidates[0], called)
        if exclusion is None:
            return Selection(tuple(candidates))
        return Selection((), (exclusion,))
    apt = [c for c in candidates if c.model.kind is request.kind] or candidates
    fit: list[Candidate] = []
    excluded: list[Exclusion] = []
    resting: list[Candidate] = []
    for candidate in apt:
        exclusion = _passed_over(request, client, candidate, called)
        if exclusion is not None:
            excluded.append(exclusion)
        elif candidate.resting_for > 0:
            resting.append(candidate)
        else:
            fit.append(candidate)
    if not fit and resting:
        fit = [min(resting, key=lambda candidate: candidate.resting_for)]
        resting.remove(fit[0])
    excluded.extend(
        Exclusion(c.model, Why.RESTING, "", wait=c.resting_for) for c in resting
    )
    return Selection(strategy.rank(request, fit), tuple(excluded))


def unfit(
    request: Request, client: Client, model: Model, called: str
) -> Exclusion | None:
    """Why `model` cannot take `request` at any moment, if it cannot; as `select`."""
    if not client.may_call_all:
        called = called or model.category or ""
        if not client.may_call(called, model.name, *model.aliases):
            return Exclusion(model, Why.NOT_ALLOWED, "")
    if model.kind is not request.kind:
        return Exclusion(model, Why.OTHER_KIND, f"not {_CALLED[request.kind]} model")
    if model.obstacle is not None:
        return Exclusion(model, Why.UNSUPPORTED, model.obstacle)
    if not request.needs <= model.capabilities:
        missing = request.needs - model.capabilities
        names = ", ".join(sorted(capability.value for capability in missing))
        return Exclusion(model, Why.INCAPABLE, f"needs {names}")
    if too_long := _too_long(request, model):
        return Exclusion(model, Why.TOO_LONG, too_long)
    return None


def _passed_over(
    request: Request, client: Client, candidate: Candidate, called: str
) -> Exclusion | None:
    exclusion = unfit(request, client, candidate.model, called)
    if exclusion is not None:
        return exclusion
    if 0 < candidate.free_in < math.inf:  # which limit it never fits, admission tells
        wait = max(candidate.free_in, candidate.resting_for)
        return Exclusion(candidate.model, Why.QUOTA, "", wait=wait)
    return None


def _too_long(request: Request, model: Model) -> str:
    most = model.max_request_length
    if most is not None and request.text_bytes > most:
        return f"{request.text_bytes} bytes of text, at most {most}"
    wanted = request.output_tokens or 0
    if model.max_output_tokens is not None and wanted > model.max_output_tokens:
        return f"{wanted} output tokens asked, at most {model.max_output_tokens}"
    window = model.context_tokens
    if window is not None and request.prompt_tokens + wanted > window:
        return f"about {request.prompt_tokens} + {wanted} tokens, at most {window}"
    return ""

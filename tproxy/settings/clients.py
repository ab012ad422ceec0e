"""Who may call: AUTH_TOKEN and `clients:`. Only digests of tokens go on from here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256

from tproxy.core.budget import Budget
from tproxy.core.model import Client, Priority
from tproxy.settings import budgets, schema
from tproxy.settings.environment import Environment
from tproxy.settings.pools import Pools
from tproxy.settings.report import Report, Where, printable

AUTH_TOKEN = "AUTH_TOKEN"
DEFAULT = "default"  # the client of AUTH_TOKEN
_SHORTEST = 8

_SENDABLE = re.compile(r"[!-~]+").fullmatch
_DIGEST = re.compile(r"[0-9a-fA-F]{64}").fullmatch
_UNSENDABLE = "a client cannot send it: only visible ASCII characters, without spaces"
_WEAK = f"shorter than {_SHORTEST} characters: it can be guessed"


def resolve(
    said: Mapping[int, schema.Client],
    pools: Pools,
    environment: Environment,
    report: Report,
    *,
    declared: bool,
) -> tuple[Client, ...]:
    """All clients. `declared`: the file lists some, usable or not."""
    token = _auth_token(environment, report, required=not declared)
    clients = [] if token is None else [Client(DEFAULT, (token,))]
    names: dict[str, str] = {DEFAULT: f"{AUTH_TOKEN}'s client"} if token else {}
    tokens: dict[bytes, str] = {token: AUTH_TOKEN} if token else {}
    for index, client in said.items():
        where: Where = ("clients", index)
        _check_name(client.name, names, where, report)
        names.setdefault(client.name, f"clients[{index}]")
        taken = _budgets(client, pools, where, report)
        digest, place = _digest(client, where, report)
        if digest is None:
            continue
        if digest in tokens:
            report.fault((*where, place), f"the same token as {tokens[digest]}")
        tokens.setdefault(digest, f"clients[{index}]")
        if not (client.models or client.operator):
            hint = "leave the key out for all models"
            report.fault((*where, "models"), "allows no model at all", hint)
        priority = Priority(client.priority)
        clients.append(
            Client(
                *(client.name, (digest,), client.models, taken, priority),
                operator=client.operator,
            )
        )
    return tuple(clients)


def check_patterns(
    said: Mapping[int, schema.Client], names: Iterable[str], report: Report
) -> None:
    """Warn of patterns that allow nothing."""
    known = tuple(names)
    for index, client in said.items():
        for number, pattern in enumerate(client.models):
            if not Client("", (), (pattern,)).may_call(*known):
                where = ("clients", index, "models", number)
                report.warn(where, f"no model has a name like '{pattern}'")


def _auth_token(
    environment: Environment, report: Report, *, required: bool
) -> bytes | None:
    token = environment.values.get(AUTH_TOKEN, "")
    if not token:
        if required:
            state = "empty" if AUTH_TOKEN in environment.values else "not set"
            hint = "the token that clients send; or give clients: an entry"
            report.fault_elsewhere(environment.fault(AUTH_TOKEN, state, hint))
        return None
    if not _SENDABLE(token):
        report.fault_elsewhere(environment.fault(AUTH_TOKEN, _UNSENDABLE))
        return None
    if len(token) < _SHORTEST:
        report.warn_elsewhere(environment.fault(AUTH_TOKEN, _WEAK))
    return sha256(token.encode()).digest()


def _budgets(
    client: schema.Client, pools: Pools, where: Where, report: Report
) -> tuple[Budget, ...]:
    own = budgets.personal(f"client/{client.name}", client)
    limited = own.limits or own.max_concurrent
    return (*((own,) if limited else ()), *pools.of(client, where, report))


def _check_name(
    name: str, names: Mapping[str, str], where: Where, report: Report
) -> None:
    if not name.strip() or not name.isprintable():
        report.fault((*where, "name"), "a name needs visible characters")
    elif name in names:
        problem = f"'{printable(name)}' is already the name of {names[name]}"
        report.fault((*where, "name"), problem)


def _digest(
    client: schema.Client, where: Where, report: Report
) -> tuple[bytes | None, str]:
    token, hexadecimal = client.token, client.token_sha256
    if token is not None and hexadecimal is not None:
        report.fault((*where, "token_sha256"), "token is given as well: one is enough")
    elif hexadecimal is not None:
        if _DIGEST(hexadecimal):
            return bytes.fromhex(hexadecimal), "token_sha256"
        hint = "printf %s TOKEN | sha256sum"
        report.fault((*where, "token_sha256"), "not 64 hexadecimal digits", hint)
    elif not token:
        problem = "'token' is missing" if token is None else "an empty token"
        report.fault((*where, "token"), problem, "or token_sha256")
    elif not _SENDABLE(token):
        report.fault((*where, "token"), _UNSENDABLE)
    else:
        if len(token) < _SHORTEST:
            report.warn((*where, "token"), _WEAK)
        return sha256(token.encode()).digest(), "token"
    return None, ""

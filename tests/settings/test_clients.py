from hashlib import sha256

import pytest

from tests.settings.configuring import MODEL, TOKEN, Folder
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.model import Client, Priority
from tproxy.core.windows import DAY, Kind, Window

WEAK = "shorter than 8 characters: it can be guessed"


def digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def test_auth_token_is_the_client_default(folder: Folder) -> None:
    assert folder.load(MODEL).clients == (
        Client("default", (digest("a-client-token"),)),
    )


def test_clients_beside_auth_token(folder: Folder) -> None:
    text = f"""\
clients:
  - name: team-a
    token: ${{TEAM}}
    models: [m, "gr*"]
  - name: team-b
    token_sha256: {digest("other-token").hex().upper()}
"""

    assert folder.load(MODEL + text, TOKEN | {"TEAM": "team-token"}).clients == (
        Client("default", (digest("a-client-token"),)),
        Client("team-a", (digest("team-token"),), ("m", "gr*")),
        Client("team-b", (digest("other-token"),)),
    )


def test_clients_instead_of_auth_token(folder: Folder) -> None:
    text = MODEL + "clients: [{name: default, token: long-enough}]"

    assert folder.load(text, {}).clients == (
        Client("default", (digest("long-enough"),)),
    )


@pytest.mark.parametrize("priority", list(Priority))
def test_who_gets_the_last_of_a_quota(folder: Folder, priority: Priority) -> None:
    text = f"{MODEL}clients: [{{name: a, token: long-enough, priority: %s}}]"

    default, client = folder.load(text % priority.value).clients

    assert default.priority is Priority.NORMAL
    assert client.priority is priority


def test_an_operator_need_not_call_anything(folder: Folder) -> None:
    said = "{name: a, token: long-enough, operator: true, models: []}"

    default, operator = folder.load(f"{MODEL}clients: [{said}]").clients

    assert (default.operator, operator.operator) == (False, True)
    assert not operator.may_call("m", "SMALL")


def test_what_a_client_may_take(folder: Folder) -> None:
    text = f"""\
{MODEL}pools: {{p: {{windows: [{{per: day, requests: 9}}]}}}}
clients:
  - {{name: a, token: long-enough, pool: p}}
  - {{name: b b, token: longer-than-that, max_concurrent: 3}}
  - {{name: c, token: long-and-long, tokens_per_day: 5, pool: [p], max_concurrent: 1}}
"""
    pool = Budget("pool/p", (Limit(Unit.REQUESTS, 9, Window(DAY, Kind.CALENDAR)),))
    tokens = Limit(Unit.TOKENS, 5, Window(DAY, Kind.CALENDAR))

    assert [client.budgets for client in folder.load(text).clients] == [
        (),
        (pool,),
        (Budget("client/b b", max_concurrent=3),),
        (Budget("client/c", (tokens,), 1), pool),
    ]


@pytest.mark.parametrize(
    ("environ", "state"), [({}, "not set"), ({"AUTH_TOKEN": ""}, "empty")]
)
def test_somebody_has_to_be_able_to_call(
    folder: Folder, environ: dict[str, str], state: str
) -> None:
    hint = "the token that clients send; or give clients: an entry"

    assert folder.faults(MODEL, environ) == [
        f"environment: AUTH_TOKEN: {state} ({hint})"
    ]


def test_weak_tokens_are_warned_of(folder: Folder) -> None:
    text = MODEL + "clients: [{name: a, token: secret}]"

    assert folder.warnings(text, {"AUTH_TOKEN": "1234567"}) == [
        f"proxy.yaml:5: {WEAK} @ clients[0].token",
        f"environment: AUTH_TOKEN: {WEAK}",
    ]


@pytest.mark.parametrize(
    ("client", "fault"),
    [
        (
            "{name: default, token: long-enough}",
            "'default' is already the name of AUTH_TOKEN's client @ clients[0].name",
        ),
        (
            "{name: ' ', token: long-enough}",
            "a name needs visible characters @ clients[0].name",
        ),
        (
            "{name: a, token: a-client-token}",
            "the same token as AUTH_TOKEN @ clients[0].token",
        ),
        (
            "{name: a, token: 'nicht für Köpfe'}",
            (
                "a client cannot send it: only visible ASCII characters, without spaces"
                " @ clients[0].token"
            ),
        ),
        (
            "{name: a}",
            "'token' is missing @ clients[0].token (or token_sha256)",
        ),
        (
            "{name: a, token: ''}",
            "an empty token @ clients[0].token (or token_sha256)",
        ),
        (
            "{name: a, token_sha256: abc}",
            (
                "not 64 hexadecimal digits @ clients[0].token_sha256"
                " (printf %s TOKEN | sha256sum)"
            ),
        ),
        (
            "{name: a, token: long-enough, token_sha256: abc}",
            "token is given as well: one is enough @ clients[0].token_sha256",
        ),
        (
            "{name: a, token: long-enough, models: []}",
            (
                "allows no model at all @ clients[0].models"
                " (leave the key out for all models)"
            ),
        ),
    ],
)
def test_mistakes(folder: Folder, client: str, fault: str) -> None:
    assert folder.faults(f"{MODEL}clients: [{client}]") == [f"proxy.yaml:5: {fault}"]


def test_names_and_tokens_are_told_apart(folder: Folder) -> None:
    text = f"""\
{MODEL}clients:
  - name: a
    token: the-same-token
  - name: a
    token_sha256: {digest("the-same-token").hex()}
"""

    assert folder.faults(text) == [
        "proxy.yaml:8: 'a' is already the name of clients[0] @ clients[1].name",
        "proxy.yaml:9: the same token as clients[0] @ clients[1].token_sha256",
    ]


def test_patterns_that_match_nothing_are_warned_of(folder: Folder) -> None:
    text = MODEL + (
        "    model_size: BIG\n    aliases: [x/y]\n"
        "clients: [{name: a, token: long-enough, models: [BIG, 'x/*', m, 'mm*', S]}]"
    )

    assert folder.warnings(text) == [
        "proxy.yaml:7: no model has a name like 'mm*' @ clients[0].models[3]",
        "proxy.yaml:7: no model has a name like 'S' @ clients[0].models[4]",
    ]

"""Who may call which route, by which method, under which spelling."""

from __future__ import annotations

import json

import pytest

from tests.serving import (
    TOKEN,
    chat,
    client,
    model,
    request,
    run,
    send,
    serving,
    settings,
)
from tests.values import per
from tproxy.core.windows import MINUTE
from tproxy.web.routes import ROUTES

PUBLIC = {"/ping", "/healthz", "/readyz"}
ASKED = ["/chat/completions", "/images/generations", "/image", "/embeddings"]
LOOKED_AT = ["/models", "/models/echo/small", "/status", "/metrics"]
EVERY_ROUTE = [*ASKED, *LOOKED_AT, *sorted(PUBLIC)]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def test_the_table_holds_the_routes_tested_here() -> None:
    assert {*ROUTES, "/models/echo/small"} == {*EVERY_ROUTE}


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("path", EVERY_ROUTE)
def test_every_route_but_the_public_ones_asks_for_a_token(
    path: str, prefix: str
) -> None:
    async def test() -> None:
        async with serving() as (proxy, recorder):
            for method in METHODS:
                for slash in ("", "/"):
                    raw = request(method, f"{prefix}{path}{slash}", headers=())
                    if method == "HEAD":
                        continue  # the same, without a body to read
                    reply = await send(proxy.port, raw)
                    if path in PUBLIC and method == "GET":
                        assert (reply.status, reply.body) == (200, b"OK")
                    elif path in PUBLIC:
                        assert reply.status == 405
                    else:
                        assert reply.status == 401
                        assert reply.headers["www-authenticate"] == "Bearer"
                        assert reply.error["code"] == "invalid_api_key"
                        assert reply.error["type"] == "invalid_request_error"
                        said = str(reply.error["message"])
                        assert said.startswith("Incorrect API key provided")
            assert not any(event.attempts for event in recorder.requests)

    run(test)


@pytest.mark.parametrize(
    "header",
    [
        "Authorization: Bearer wrong",
        "Authorization: Bearer ",
        "Authorization: Bearer",
        f"Authorization: Basic {TOKEN}",
        f"Authorization: {TOKEN}",
        f"Authorization: Bearer {TOKEN}x",
        f"Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}",
        f"Authorization: Bearer {TOKEN}, Bearer other",
        "Authorization: Bearer t\xf6ken",
        f"Authorization: Bearer {'k' * 20_000}",
        f"X-Api-Key: {TOKEN}",
    ],
)
def test_only_one_right_bearer_token_opens(header: str) -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            reply = await send(proxy.port, request("GET", "/models", headers=(header,)))

        assert reply.status == 401
        assert reply.error["code"] == "invalid_api_key"
        assert TOKEN not in reply.body.decode()

    run(test)


def test_the_scheme_may_be_written_in_any_case() -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            header = f"authorization: bearer {TOKEN}"
            reply = await send(proxy.port, request("GET", "/models", headers=(header,)))

        assert reply.status == 200

    run(test)


@pytest.mark.parametrize(
    "path",
    ["/", "/v2/models", "/v1/v1/models", "//v1/models", "/v1/chat", "/v1/Models", "/x"],
)
def test_an_unknown_route_is_404_in_the_envelope_once_the_token_is_right(
    path: str,
) -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            known = await send(proxy.port, request("GET", path))
            unknown = await send(proxy.port, request("GET", path, headers=()))

        assert (known.status, known.error["code"]) == (404, "not_found")
        assert unknown.status == 401

    run(test)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/responses", True),
        ("/v1/completions", True),
        ("/v1/messages", True),
        ("/v1/chat/completions/chat/completions", True),
        ("/openai/deployments/small/chat/completions?api-version=2024-10-21", True),
        ("/v1/moderations", False),
        ("/v1/audio/speech", False),
    ],
)
def test_a_client_of_another_api_is_told_where_chats_are(path: str, told: bool) -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            reply = await send(proxy.port, request("POST", path, b"{}"))

        assert (reply.status, reply.error["code"]) == (404, "not_found")
        assert ("/v1/chat/completions." in str(reply.error["message"])) is told

    run(test)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST, OPTIONS"),
        ("DELETE", "/v1/chat/completions", "POST, OPTIONS"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
        ("PUT", "/ping", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_405_and_says_which_are_right(
    method: str, path: str, allowed: str
) -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            reply = await send(proxy.port, request(method, path))

        assert reply.status == 405
        assert reply.headers["allow"] == allowed
        assert reply.error["code"] == "method_not_allowed"

    run(test)


def test_a_model_is_found_by_its_id_escaped_or_not() -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            plain = await send(proxy.port, request("GET", "/v1/models/echo/small"))
            escaped = await send(proxy.port, request("GET", "/v1/models/echo%2Fsmall"))
            missing = await send(proxy.port, request("GET", "/v1/models/echo/smal"))

        assert plain.status == 200
        assert plain.body == escaped.body
        assert (missing.status, missing.error["code"]) == (404, "model_not_found")
        assert "echo/small" in str(missing.error["message"])

    run(test)


def test_a_preflight_is_answered_for_listed_origins_only() -> None:
    async def ask(port: int, origin: str, method: str = "OPTIONS") -> dict[str, str]:
        headers = (
            f"Origin: {origin}",
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Headers: authorization, content-type",
        )
        raw = request(method, "/v1/chat/completions", headers=headers)
        return (await send(port, raw)).headers

    async def test() -> None:
        page = "https://page.example"
        async with serving(settings(cors_origins=(page,))) as (proxy, _):
            ours = await ask(proxy.port, page)
            others = await ask(proxy.port, "https://other.example")
            refused = await ask(proxy.port, page, "POST")

        allow = "access-control-allow-origin"
        assert ours[allow] == page
        assert ours["access-control-allow-headers"] == "authorization, content-type"
        assert allow not in others
        assert refused[allow] == page  # or the page could not read the 401

    run(test)


def test_a_request_id_is_the_clients_if_it_is_sane() -> None:
    async def test() -> None:
        async with serving() as (proxy, recorder):
            seen = []
            for said in ("trace-1.2:3", "with space", "x" * 200, "<script>"):
                headers = (f"X-Request-Id: {said}",)
                reply = await send(proxy.port, request("GET", "/ping", headers=headers))
                seen.append(reply.headers["x-request-id"])

        assert seen[0] == "trace-1.2:3"
        assert all(made.startswith("req_") for made in seen[1:])
        assert len({*seen}) == 4
        assert [event.request_id for event in recorder.requests] == seen

    run(test)


def test_a_client_sees_only_what_it_may_call() -> None:
    async def test() -> None:
        models = (
            model("echo/small"),
            model("other/big", category="BIG", aliases=("b",)),
        )
        narrow = client("narrow", "narrow-token", ("SMALL", "other/*"))
        served = settings(*models, clients=(client(), narrow))
        async with serving(served) as (proxy, _):
            headers = ("Authorization: Bearer narrow-token",)
            listed = await send(proxy.port, request("GET", "/models", headers=headers))
            all_of = await send(proxy.port, request("GET", "/models"))
            one = request("GET", "/models/echo/small", headers=headers)
            forbidden = await send(proxy.port, one)

        def ids(body: bytes) -> list[str]:
            return [entry["id"] for entry in json.loads(body)["data"]]

        assert ids(all_of.body) == ["echo/small", "other/big", "b", "SMALL", "BIG"]
        assert ids(listed.body) == ["other/big", "b", "SMALL", "BIG"]
        assert (forbidden.status, forbidden.error["code"]) == (403, "model_not_allowed")

    run(test)


def test_a_model_whose_quota_is_spent_is_listed_as_unavailable() -> None:
    async def test() -> None:
        small = model(limits=(per(MINUTE, 1),))
        async with serving(settings(small)) as (proxy, _):
            before = await send(proxy.port, request("GET", "/models/SMALL"))
            await send(proxy.port, chat())
            after = await send(proxy.port, request("GET", "/models/SMALL"))

        assert json.loads(before.body)["available"] is True
        assert json.loads(after.body)["available"] is False

    run(test)

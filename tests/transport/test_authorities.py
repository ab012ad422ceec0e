"""Whom we take for an authority is the same on every Python."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from tests.transport.scripted import DATA, OK, always, provider, run, server_tls
from tests.transport.test_tls import broken_by, get
from tproxy.core import failures
from tproxy.core.model import Tls
from tproxy.transport.pooled import PooledTransport

LAX = DATA / "lax-ca.pem"  # no key usage, constraints not critical; its leaf has no ids


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contexts as Python 3.13 has them."""
    made = ssl.create_default_context

    def create(**given: Any) -> ssl.SSLContext:
        context = made(**given)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", create)


def lax() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "lax-localhost.pem")
    return context


def fetched(loop: str, context: ssl.SSLContext, tls: Tls) -> bytes:
    async def main() -> bytes:
        async with provider(always(OK), tls=context, host="localhost") as there:
            transport = PooledTransport()
            try:
                return await get(transport, there.url, tls)
            finally:
                transport.close()

    return run(loop, main())


@pytest.mark.usefixtures("strict")
def test_an_authority_that_is_named_may_be_carelessly_made(loop: str) -> None:
    assert fetched(loop, lax(), Tls(ca_file=str(LAX))) == b"ok"


@pytest.mark.usefixtures("strict")
def test_one_of_the_system_may_not_where_python_says_so(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(LAX))

    assert broken_by(loop, lax(), Tls()) is failures.TLS


def test_a_certificate_can_be_trusted_without_its_authority(loop: str) -> None:
    itself = Tls(ca_file=str(DATA / "localhost.pem"))

    assert fetched(loop, server_tls(), itself) == b"ok"

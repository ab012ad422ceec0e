from __future__ import annotations

import pytest
from tornado.httputil import HTTPConnection, HTTPHeaders, RequestStartLine

from tproxy.server.peer import Peer
from tproxy.web.loopback import from_here
from tproxy.web.request import Request


class Connection(HTTPConnection):
    def __init__(self, address: str) -> None:
        self.context = Peer(None, address, "http")


def asked(
    address: str, host: str = "localhost:8080", version: str = "HTTP/1.1"
) -> Request:
    line = RequestStartLine("GET", "/status", version)
    return Request(line, HTTPHeaders({"Host": host}), Connection(address), None)


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.1", False),
        ("192.0.2.1", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("", False),
    ],
)
def test_an_address_is_of_this_machine_or_not(address: str, here: bool) -> None:
    assert from_here(asked(address)) is here


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("127.0.0.1:8080", True),
        ("[::1]", True),
        ("localhost.evil.test", False),
        ("evil.test", False),
        ("user@evil.test", False),
        ("192.0.2.1:8080", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_a_name_bound_to_this_machine_is_not_its_own(host: str, here: bool) -> None:
    assert from_here(asked("127.0.0.1", host)) is here


def test_nginx_that_was_told_nothing_does_not_pass_for_this_machine() -> None:
    """It speaks HTTP/1.0 to us and names us as `proxy_pass` does."""
    assert not from_here(asked("127.0.0.1", "127.0.0.1:8080", "HTTP/1.0"))

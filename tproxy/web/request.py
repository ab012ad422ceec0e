"""Tornado's request, without what no route here reads.

What this module rests on in Tornado 6.6: `HTTPServerRequest` reads the query into
arguments and copies them, 10 µs a request. Its other attributes are as set below, but
for times, arguments and files, which are not there. The server has checked target and
Host already.
"""

from __future__ import annotations

from typing import Any

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPServerRequest,
    RequestStartLine,
)

from tproxy.core.model import Client
from tproxy.web.context import Snapshot

_NONE = ("",)


class Request(HTTPServerRequest):
    """A request whose query and form are never read.

    `fields` are its headers' values, by names in their usual case. `clients` are for
    its handler, to keep whose they are: our server has the same ones for the same
    headers, as long as the client says no others.
    """

    body = b""  # is handed to the handler as it arrives

    def __init__(
        self,
        start_line: RequestStartLine,
        headers: HTTPHeaders,
        connection: HTTPConnection,
        server_connection: object,
    ) -> None:
        self.method, self.uri, self.version = start_line
        self.headers = headers
        self.fields: dict[str, list[str]] = headers._as_list
        self.clients: dict[Snapshot, Client] = getattr(headers, "noted", {})
        connected: Any = connection  # has a context, untyped
        context = connected.context
        self.remote_ip = context.remote_ip
        self.protocol = context.protocol
        self.host = self.host_name = self.fields.get("Host", _NONE)[0]
        self.connection = connection
        self.server_connection = server_connection
        self.path, _, self.query = (self.uri or "").partition("?")

"""Tornado's request, without what no route here reads.

What this module rests on in Tornado 6.6: `HTTPServerRequest` reads the query into
arguments and copies them, 10 µs a request; its other attributes are as set below. The
server has checked target and Host already.
"""

from __future__ import annotations

import time

from tornado.httputil import (
    HTTPConnection,
    HTTPFile,
    HTTPHeaders,
    HTTPServerRequest,
    RequestStartLine,
)

_NONE = ("",)


class Request(HTTPServerRequest):
    """A request whose query and form are never read.

    `fields` are its headers' values, by names in their usual case.
    """

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
        self.body = b""
        context = getattr(connection, "context", None)
        self.remote_ip = getattr(context, "remote_ip", None)
        self.protocol = getattr(context, "protocol", "http")
        self.host = self.host_name = self.fields.get("Host", _NONE)[0]
        self.files: dict[str, list[HTTPFile]] = {}
        self.connection = connection
        self.server_connection = server_connection
        self._start_time = time.time()
        self._finish_time = None
        self.path, _, self.query = (self.uri or "").partition("?")
        self.arguments: dict[str, list[bytes]] = {}
        self.query_arguments = self.arguments
        self.body_arguments = self.arguments

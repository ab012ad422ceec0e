"""Where and how the server listens: `server:`, PORT and the flags."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import NamedTuple

import attrs

from tproxy.core.errors import Fault
from tproxy.settings import schema
from tproxy.settings.environment import Environment, Unparsable, port
from tproxy.settings.files import check_present
from tproxy.settings.report import Report, printable
from tproxy.settings.settings import Overrides, ServerSettings

_FLAGS = "command line"
_MOST_WORKERS = 256
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?").fullmatch
_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^\s/?#@]+").fullmatch
_FORM = "HOST:PORT, :PORT for all interfaces, [::1]:PORT, or unix:PATH"


def resolve(
    said: schema.Server,
    environment: Environment,
    overrides: Overrides,
    backend: str,
    folder: Path,
    report: Report,
) -> ServerSettings:
    """`backend`: of the state, which several workers have to share."""
    host, number, path = _address(said, environment, overrides, report)
    workers = _workers(said, overrides, backend, report)
    for index, origin in enumerate(said.cors_origins):
        if not _ORIGIN(origin):
            where = ("server", "cors_origins", index)
            report.fault(where, "not an origin", "such as https://app.example, or *")
    tls = said.tls
    if tls is not None:
        check_present(tls.cert, folder, ("server", "tls", "cert"), report)
        check_present(tls.key, folder, ("server", "tls", "key"), report)
    return ServerSettings(
        host,
        number,
        str(folder / path) if path is not None else None,
        max_request_bytes=said.max_request_bytes,
        max_in_flight=said.max_in_flight,
        drain_seconds=said.drain_seconds,
        cors_origins=said.cors_origins,
        tls_cert=str(folder / tls.cert) if tls is not None else None,
        tls_key=str(folder / tls.key) if tls is not None else None,
        fetch_images=said.fetch_images,
        workers=workers,
    )


def _workers(
    said: schema.Server, overrides: Overrides, backend: str, report: Report
) -> int:
    """The flag; else what the file says."""
    flag = overrides.workers
    workers = said.workers if flag is None else flag
    problem, hint = "", ""
    if not 1 <= workers <= _MOST_WORKERS:
        problem = f"has to be 1 to {_MOST_WORKERS}"
    elif workers > 1 and backend == "memory":
        problem = "several workers cannot count in memory, which they do not share"
        hint = "state.backend: sqlite, or redis"
    if problem and flag is None:
        report.fault(("server", "workers"), problem, hint)
    elif problem:
        report.fault_elsewhere(Fault(_FLAGS, 0, f"--workers: {problem}", "", hint))
    return workers


def _address(
    said: schema.Server, environment: Environment, overrides: Overrides, report: Report
) -> Address:
    """The flag; else the file's address, at the port that PORT names."""
    try:
        address = parse(said.addr)
    except Unparsable as error:
        report.fault(("server", "addr"), error.problem, error.hint)
        address = Address("", 0)
    number = environment.read("PORT", port, address.port, report)
    if overrides.addr is None:
        return address._replace(port=number)
    try:
        return parse(overrides.addr)
    except Unparsable as error:
        problem = f"--addr: {error.problem}"
        report.fault_elsewhere(Fault(_FLAGS, 0, problem, "", error.hint))
        return address


class Address(NamedTuple):
    """Host and port; the host is empty for all interfaces. Or a Unix socket's path."""

    host: str
    port: int
    path: str | None = None


def parse(addr: str) -> Address:
    """Read `HOST:PORT` or `unix:PATH`.

    Raises:
        Unparsable: anything else.
    """
    if addr.startswith("unix:"):
        path = addr.removeprefix("unix:")
        if not path or "\0" in path:
            raise Unparsable("not an address to listen on", _FORM)
        return Address("", 0, path)
    host, colon, number = addr.rpartition(":")
    if not colon or "/" in addr:
        raise Unparsable("not an address to listen on", _FORM)
    try:
        listening = port(number)
    except Unparsable as error:
        problem = f"'{printable(number)}' {error.problem}"
        raise attrs.evolve(error, problem=problem) from None
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if _is_ipv6(host):
            return Address(host, listening)
    elif not host or _HOST(host):
        return Address(host, listening)
    raise Unparsable("not an address to listen on", _FORM)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True

"""A name that does not resolve, without a question to the network."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.faults.fault import NOWHERE


@pytest.fixture(autouse=True)
def _unresolved(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host in (NOWHERE, NOWHERE.encode()):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

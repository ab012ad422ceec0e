"""How a command reaches a proxy that runs here: PORT and AUTH_TOKEN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from tproxy.core.secret import Secret
from tproxy.settings import environment
from tproxy.settings.clients import AUTH_TOKEN
from tproxy.settings.environment import ENV_FILES
from tproxy.settings.report import Report

_PORT = 8080


@attrs.frozen
class Nearby:
    """Its URL, and the token to show it; empty if there is none."""

    url: str
    token: Secret


def nearby(
    environ: Mapping[str, str],
    env_file: Path | None = None,
    env_files: Sequence[Path] = ENV_FILES,
) -> Nearby:
    """Where a proxy with these variables listens, unless flags or its file say more.

    Raises:
        ConfigError: PORT is none, or the env file cannot be read.
    """
    report = Report("environment")
    variables = environment.read(environ, env_file, env_files, report)
    port = variables.read("PORT", environment.port, _PORT, report)
    report.settle()
    token = Secret(variables.values.get(AUTH_TOKEN, ""))
    return Nearby(f"http://127.0.0.1:{port}", token)

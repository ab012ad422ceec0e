"""The only reader of configuration files."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from tproxy.core.errors import Fault
from tproxy.settings import (
    accounts,
    clients,
    document,
    environment,
    listening,
    models,
    pools,
    routes,
    shares,
    stores,
    tree,
)
from tproxy.settings.dialects import Dialects
from tproxy.settings.environment import ENV_FILES, Environment
from tproxy.settings.expansion import Expansion
from tproxy.settings.report import Report
from tproxy.settings.settings import Overrides, Settings
from tproxy.settings.tree import Tree

_NO_FLAGS = Overrides()
_MAX_FILE_BYTES = 8 << 20
_OTHERS = stat.S_IRGRP | stat.S_IROTH


def load(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    dialects: Dialects,
    env_file: Path | None = None,
    overrides: Overrides = _NO_FLAGS,
    echo_url: str | None = None,
    env_files: Sequence[Path] = ENV_FILES,
) -> Settings:
    """Read the configuration at `path`, with its references filled in, and check it.

    A flag wins over `environ`, that over the env file, that over the configuration.
    The env file is `env_file`, or the first of `env_files` that exists. `dialects` are
    those in which models can be asked. With an `echo_url` the models of the provider
    `echo` are asked there; without, they wait for `Settings.with_echo`.

    Raises:
        ConfigError: with every fault of file, environment and flags.
    """
    report = Report("command line" if path is None else str(path))
    variables = environment.read(environ, env_file, env_files, report)
    folder = Path() if path is None else path.parent
    text, exposed = _text(path, report)
    settings = resolve(
        text, folder, variables, overrides, dialects, report, exposed=exposed
    )
    return settings if echo_url is None else settings.with_echo(echo_url)


def resolve(
    text: str | None,
    folder: Path,
    variables: Environment,
    overrides: Overrides,
    dialects: Dialects,
    report: Report,
    *,
    exposed: bool = False,
) -> Settings:
    """The settings that `text` declares, as a file in `folder`.

    `exposed`: other users can read it. Without a text the rest is checked all the same.

    Raises:
        ConfigError: with every fault, those already in `report` too.
    """
    expansion = Expansion(variables.values, folder)
    found = None if text is None else tree.read(text, report, expansion)
    said = document.read(None if found is None else found.root, report)
    known = accounts.declared(said.providers, report)
    drawn = pools.resolve(said, known, report)
    resolved = models.resolve(said.models, known, drawn, expansion, dialects, report)
    names, categories = said.names, said.categories
    routing = routes.resolve(said.routing, resolved, names, categories, report)
    routes.check_strategy(said, resolved, routing, report)
    declared = said.declares_clients or found is None  # it may, for all we know
    callers = clients.resolve(said.clients, drawn, variables, report, declared=declared)
    clients.check_patterns(said.clients, names | categories, report)
    pools.check_prices(said, drawn, resolved, callers, report)
    resolved, callers = shares.attach(said.routing.shares, resolved, callers, report)
    server = listening.resolve(
        said.server, variables, overrides, said.state.backend, folder, report
    )
    state = stores.resolve(said.state, folder, report)
    retry = environment.retry_policy(variables, report)
    if found is not None and exposed:
        _warn_of_exposed(found, report)
    warnings = report.settle()
    return Settings(server, callers, resolved, routing, retry, warnings, state)


def _text(path: Path | None, report: Report) -> tuple[str | None, bool]:
    """The text of the file, and whether other users can read it."""
    if path is None:
        hint = "--config FILE; `tproxy up` serves without one"
        report.fault((), "no configuration file is named", hint)
        return None, False
    try:
        with path.open("rb") as file:
            exposed = bool(os.fstat(file.fileno()).st_mode & _OTHERS)
            content = file.read(_MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or "no such path"
        report.fault((), f"cannot be read: {why}")
        return None, False
    if len(content) > _MAX_FILE_BYTES:
        report.fault((), "too large for a configuration")
        return None, False
    try:
        return content.decode("utf-8"), exposed
    except UnicodeDecodeError as error:
        report.lines[()] = content.count(b"\n", 0, error.start) + 1
        report.fault((), "not UTF-8 text")
        return None, False


def _warn_of_exposed(found: Tree, report: Report) -> None:
    if any(where and where[-1] == "token" for where in found.written_out):
        problem = "holds tokens and can be read by other users"
        hint = f"chmod 600 {report.source}, or write ${{NAME}} for each"
        report.warn_elsewhere(Fault(report.source, 0, problem, "", hint))

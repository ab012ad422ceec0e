"""What can be served with no file at all: the keys that are in the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from tproxy.settings import environment, reader, starter
from tproxy.settings.clients import AUTH_TOKEN
from tproxy.settings.dialects import Dialects
from tproxy.settings.environment import ENV_FILES, Environment
from tproxy.settings.headers import unsendable
from tproxy.settings.report import Report
from tproxy.settings.settings import Discovery, Overrides
from tproxy.settings.starter import Found

_NO_FLAGS = Overrides()


def discover(
    *,
    environ: Mapping[str, str],
    dialects: Dialects,
    make_token: Callable[[], str],
    env_file: Path | None = None,
    overrides: Overrides = _NO_FLAGS,
    echo_url: str | None = None,
    env_files: Sequence[Path] = ENV_FILES,
) -> Discovery:
    """Settings for the providers whose keys are set, or for the echo provider.

    They are those of the file that `render_init` writes, but quotas are counted in
    memory. Where AUTH_TOKEN is not set, `make_token` makes the token that clients send.
    Environment, dialects, env files, flags and `echo_url` are as in `load`.

    Raises:
        ConfigError: with every fault of environment and flags.
    """
    report = Report("built-in presets")
    variables = environment.read(environ, env_file, env_files, report)
    found = _usable(starter.keys(variables.values, dialects), variables, report)
    token = None
    if not variables.values.get(AUTH_TOKEN):
        token = make_token()
        values = {**variables.values, AUTH_TOKEN: token}
        variables = attrs.evolve(variables, values=values)
    text = starter.write(found) + starter.IN_MEMORY
    settings = reader.resolve(text, Path(), variables, overrides, dialects, report)
    if echo_url is not None:
        settings = settings.with_echo(echo_url)
    words = tuple(key.preset.word for key in found.keys)
    return Discovery(settings, words, token, found.notes)


def _usable(found: Found, variables: Environment, report: Report) -> Found:
    """What was found, without keys that cannot be sent: these are faults."""
    keys = []
    for key in found.keys:
        problem, hint = unsendable(variables.values[key.variable])
        if problem:
            report.fault_elsewhere(variables.fault(key.variable, problem, hint))
        else:
            keys.append(key)
    return attrs.evolve(found, keys=tuple(keys))


def render_init(
    environ: Mapping[str, str],
    *,
    dialects: Dialects,
    env_file: Path | None = None,
    env_files: Sequence[Path] = ENV_FILES,
) -> str:
    """The configuration file of what `discover` finds; it names keys, and holds none.

    Raises:
        ConfigError: the env file cannot be read.
    """
    report = Report("built-in presets")
    variables = environment.read(environ, env_file, env_files, report)
    report.settle()
    return starter.write(starter.keys(variables.values, dialects))

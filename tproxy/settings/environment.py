"""Variables: the real environment, then an env file; and the settings they hold."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import attrs
from dotenv.parser import parse_stream

from tproxy.core.errors import Fault
from tproxy.core.model import RetryPolicy
from tproxy.settings.report import Report, printable

T = TypeVar("T")

ENV_FILES = (Path(".env"), Path("/config/.env"))

_SOURCE = "environment"
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0}
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:ms|s|m|h))+").fullmatch
_PART = re.compile(r"([0-9.]+)(ms|s|m|h)")
_WHOLE = re.compile(r"[0-9]{1,9}").fullmatch
_SHARE = re.compile(r"0|1|[01]?\.[0-9]{1,9}").fullmatch


@attrs.frozen
class Environment:
    """`values` by name; `places` says where those of an env file stand."""

    values: Mapping[str, str] = attrs.field(repr=False)
    places: Mapping[str, tuple[str, int]] = attrs.field(factory=dict)

    def fault(self, name: str, problem: str, hint: str = "") -> Fault:
        """A fault of the variable `name`, at its place."""
        source, line = self.places.get(name, (_SOURCE, 0))
        return Fault(source, line, f"{name}: {problem}", "", hint)

    def read(
        self, name: str, parse: Callable[[str], T], default: T, report: Report
    ) -> T:
        """The variable as `parse` understands it; a fault where it does not."""
        if name not in self.values:
            return default
        try:
            return parse(self.values[name])
        except Unparsable as error:
            said = f"'{printable(self.values[name])}' {error.problem}"
            report.fault_elsewhere(self.fault(name, said, error.hint))
            return default


@attrs.frozen
class Unparsable(Exception):
    """What a value is not, and what it should be."""

    problem: str
    hint: str = ""

    def __str__(self) -> str:
        return self.problem


def read(
    environ: Mapping[str, str],
    env_file: Path | None,
    search: Sequence[Path],
    report: Report,
) -> Environment:
    """The variables of `environ`, and below them those of the env file.

    That is `env_file`, which has to exist, or the first of `search` that does. Values
    are taken as written: no variable is filled in.
    """
    # Unlike Path.is_file, this is no error in a folder that may not be entered.
    found = env_file or next(filter(os.path.isfile, search), None)
    if found is None:
        return Environment(environ)
    try:
        text = found.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        why = (isinstance(error, OSError) and error.strerror) or "not UTF-8 text"
        report.fault_elsewhere(Fault(str(found), 0, f"cannot be read: {why}", ""))
        return Environment(environ)
    values, places = dict(environ), {}
    for name, value, line in _bindings(text, str(found), report):
        if name not in environ:
            values[name], places[name] = value, (str(found), line)
    return Environment(values, places)


def _bindings(text: str, source: str, report: Report) -> list[tuple[str, str, int]]:
    found = []
    for binding in parse_stream(io.StringIO(text)):
        skipped = len(binding.original.string) - len(binding.original.string.lstrip())
        line = binding.original.line + binding.original.string.count("\n", 0, skipped)
        if binding.error:
            report.fault_elsewhere(
                Fault(source, line, "not an assignment", "", "NAME=value")
            )
        elif binding.key is not None and binding.value is not None:
            found.append((binding.key, binding.value, line))
    return found


def retry_policy(environment: Environment, report: Report) -> RetryPolicy:
    """RETRY_MAX_RETRIES, RETRY_BASE_DELAY, RETRY_MAX_DELAY and RETRY_JITTER."""
    usual = RetryPolicy()
    return RetryPolicy(
        environment.read("RETRY_MAX_RETRIES", whole, usual.max_retries, report),
        environment.read("RETRY_BASE_DELAY", duration, usual.base_delay, report),
        environment.read("RETRY_MAX_DELAY", duration, usual.max_delay, report),
        environment.read("RETRY_JITTER", share, usual.jitter, report),
    )


def duration(text: str) -> float:
    """Seconds of `250ms`, `1s`, `1.5m` or `1m30s`.

    Raises:
        Unparsable: anything else; a number alone has no unit.
    """
    if not _DURATION(text):
        raise Unparsable("is not a duration", "such as 250ms, 1s or 2m")
    return sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))


def whole(text: str) -> int:
    if not _WHOLE(text):
        raise Unparsable("is not a whole number", "0 or more")
    return int(text)


def share(text: str) -> float:
    value = float(text) if _SHARE(text) else 2.0
    if value > 1:
        raise Unparsable("is not a share", "between 0 and 1, such as 0.1")
    return value


def port(text: str) -> int:
    if not _WHOLE(text) or int(text) > 65_535:
        raise Unparsable("is not a port", "1 to 65535, or 0 for any free one")
    return int(text)

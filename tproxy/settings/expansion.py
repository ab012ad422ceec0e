"""`${NAME}` and `${file:PATH}` in the strings of a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import attrs

from tproxy.settings.report import near, printable

_REFERENCE = re.compile(r"\$(\$\{)|\$\{([^{}]*)(\})?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_FILE = "file:"
_MAX_FILE_BYTES = 1 << 20


@attrs.frozen
class Unexpanded(Exception):
    """References that lead nowhere, all of one string."""

    problem: str
    hint: str = ""

    def __str__(self) -> str:
        return self.problem


@attrs.frozen
class Expansion:
    """Fills references from variables and files; `$${` is a plain `${`.

    Relative paths start at `folder`. What is filled in is not looked at again.
    """

    environ: Mapping[str, str] = attrs.field(repr=False)
    folder: Path

    def expand(self, text: str) -> str:
        """`text` with its references filled in.

        Raises:
            Unexpanded: naming every variable and file that is missing.
        """
        missing: list[Unexpanded] = []

        def fill(found: re.Match[str]) -> str:
            plain, name, end = found.groups()
            if plain:
                return "${"
            try:
                return self._value(name, closed=end is not None)
            except Unexpanded as error:
                missing.append(error)
                return found.group()

        filled = _REFERENCE.sub(fill, text)
        if missing:
            problems = dict.fromkeys(error.problem for error in missing)
            hint = missing[0].hint if len(problems) == 1 else ""
            raise Unexpanded("; ".join(problems), hint)
        return filled

    def _value(self, name: str, *, closed: bool) -> str:
        if not closed:
            raise Unexpanded("'${' is not closed", "a plain '${' is written '$${'")
        if name.startswith(_FILE):
            return self._content(name.removeprefix(_FILE).strip())
        if not _NAME(name):
            raise Unexpanded(
                f"{_quoted(name)} cannot be the name of a variable",
                "${NAME} or ${file:PATH}; a plain '${' is written '$${'",
            )
        if name not in self.environ:
            hint = near(name, self.environ)
            raise Unexpanded(f"environment variable {_quoted(name)} is not set", hint)
        return self.environ[name]

    def _content(self, name: str) -> str:
        try:
            with (self.folder / name).open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
            if len(content) > _MAX_FILE_BYTES:
                raise Unexpanded(f"file {_quoted(name)} is longer than 1 MiB")
            return content.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise Unexpanded(f"file {_quoted(name)} is not UTF-8 text") from None
        except (OSError, ValueError) as error:
            why = (isinstance(error, OSError) and error.strerror) or "no such path"
            raise Unexpanded(f"file {_quoted(name)} cannot be read: {why}") from None


def _quoted(name: str) -> str:
    return f"'{printable(name)}'"

"""Why a text is no YAML, in words for whoever wrote it.

The parser says where it gave up and what it had hoped for. What is wrong is mostly in
how that line stands to the ones before it, so we look there. No words quote more of the
text than a key: it holds secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import yaml

Place = tuple[int, int, str]  # line and column, both from 1, and the problem

_NO_COLON = "no ': ' follows this key"

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_QUOTED_BY_PARSER = re.compile(r"'[^']{2,}'")
_ITEM = re.compile(r" *-(?= |$)")
_KEY = re.compile(r"( *(?:- +)*)[^\s#'\"{\[&*!|>%@`-][^:#]*:(?= |$)")
_NO_SPACE = re.compile(r" *(?:- +)*([A-Za-z_]\w*):(?=[^\s/])")


def forbidden_character(text: str) -> Place | None:
    """The first character that YAML does not allow, if there is one."""
    found = _FORBIDDEN.search(text)
    if found is None:
        return None
    before = _BREAK.split(text[: found.start()])
    code = f"U+{ord(found.group()):04X}"
    return len(before), len(before[-1]) + 1, f"the character {code} is not allowed"


def explain(text: str, error: yaml.YAMLError) -> Place:
    """Say where and in which way `text`, refused with `error`, is wrong."""
    lines = _BREAK.split(text)
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return 1, 1, "unreadable"
    line, column = min(mark.line, len(lines) - 1), mark.column
    words = error.problem or ""
    otherwise = line + 1, column + 1, _QUOTED_BY_PARSER.sub("'…'", words)
    return next(_explanations(lines, line, column, error), otherwise)


def _explanations(
    lines: Sequence[str], line: int, column: int, error: yaml.MarkedYAMLError
) -> Iterator[Place]:
    """What may be said of it, the most telling first."""
    context, words = error.context or "", error.problem or ""
    opened = error.context_mark
    at = (line + 1, column + 1)
    if words.startswith("found undefined alias"):
        yield *at, "nothing is anchored by the name after '*'; text needs quotes here"
    elif words.startswith("but found another document"):
        yield *at, "a second document begins here; a configuration is one"
    elif "unknown escape" in words:
        yield *at, "\\ begins an escape in double quotes; write \\\\, or single quotes"
    elif "quoted scalar" in context and opened is not None:
        problem = "the quotation mark opened here is not closed"
        yield opened.line + 1, opened.column + 1, problem
    elif "tab" in words or _character(lines[line], column) == "\t":
        yield *at, "a tab, where only spaces may stand"
    elif "cannot start any token" in words:
        begins = _character(lines[line], column)
        yield *at, f"a value that begins with '{begins}' needs quotes"
    elif context.endswith(("flow sequence", "flow mapping")) and opened is not None:
        bracket = "{" if context.endswith("mapping") else "["
        opening = f"the '{bracket}' of line {opened.line + 1}"
        yield *at, f"a ',' or the closing bracket of {opening} is missing"
    else:
        yield from _missing_space(lines, line)
        yield from _indentation(lines, line, column)
        if "mapping values" in words and not _KEY.match(lines[line][:column]):
            yield from _no_colon(lines, line)
        yield from _punctuation(lines[line], at, error)


def _missing_space(lines: Sequence[str], line: int) -> Iterator[Place]:
    """`key:value` is text; the parser stumbles there, or at the line after it."""
    for number in (line, _before(lines, line)):
        found = None if number is None else _NO_SPACE.match(lines[number])
        if found is not None and number is not None:
            problem = f"a space is missing after '{found.group(1)}:'"
            yield number + 1, found.end() + 1, problem


def _indentation(lines: Sequence[str], line: int, column: int) -> Iterator[Place]:
    """The line stands deeper or less deep than the one it should stand beside."""
    text = lines[line]
    indent = _indent(text)
    what, pattern = ("list item", _ITEM) if _ITEM.match(text) else ("key", _KEY)
    if text[indent:column].strip() and _KEY.match(text[:column]):
        return  # the line itself was fine up to a value
    number = _before(lines, line)
    while number is not None:
        found = pattern.match(lines[number])
        if found is not None:
            other = _indent(lines[number]) if what == "list item" else found.end(1)
            if other != indent:
                problem = f"this {what} is indented by {_spaces(indent)}"
                yield line + 1, indent + 1, f"{problem}, the one before it by {other}"
            return
        number = _before(lines, number)


def _no_colon(lines: Sequence[str], line: int) -> Iterator[Place]:
    """The line before this key is a key as well, but for its colon."""
    number = _before(lines, line)
    if number is not None and ":" not in lines[number]:
        yield number + 1, _indent(lines[number]) + 1, _NO_COLON


def _punctuation(
    text: str, at: tuple[int, int], error: yaml.MarkedYAMLError
) -> Iterator[Place]:
    words, opened = error.problem or "", error.context_mark
    if "mapping values" in words:
        yield *at, "a second ': ' in one line; a value that holds one needs quotes"
    elif "could not find expected ':'" in words and opened is not None:
        yield opened.line + 1, opened.column + 1, _NO_COLON
    elif text[: at[1] - 1].rstrip()[-1:] in ("'", '"'):
        yield *at, "text after a closing quotation mark"


def _before(lines: Sequence[str], line: int) -> int | None:
    """The last line before `line` that is neither blank nor a comment."""
    for number in range(line - 1, -1, -1):
        if lines[number].strip() and not lines[number].lstrip().startswith("#"):
            return number
    return None


def _character(text: str, column: int) -> str:
    return text[column : column + 1]


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def _spaces(count: int) -> str:
    return f"{count} space" if count == 1 else f"{count} spaces"

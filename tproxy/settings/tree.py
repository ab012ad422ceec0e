"""YAML text as plain values, with a line for every place.

Numbers and words are read as YAML 1.2 has them where 1.1 sets traps: `010`, `12:30` and
`2024-05-13` stay text. A key may stand only once; `<<` merges as in 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs
import yaml

from tproxy.settings.expansion import Expansion, Unexpanded
from tproxy.settings.report import Report, Where, printable
from tproxy.settings.syntax import explain, forbidden_character

_Loader: type[yaml.SafeLoader | yaml.CSafeLoader]
_Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

# The parser's own stack has no bounds: checked before it recurses.
_MAX_DEPTH = 24
_MAX_PLACES = 50_000  # aliases may repeat a part many times over

_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]{0,999})").fullmatch
_BOOLS = dict.fromkeys(("yes", "true", "on"), True)
_BOOLS |= dict.fromkeys(("no", "false", "off"), False)
_OTHER_PLAIN = ("bool", "int", "float", "timestamp", "value")
_FLOAT = re.compile(r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+]?[0-9]{1,9})?").fullmatch


class _TooLarge(Exception):
    """The tree has more places than a configuration can need."""


@attrs.frozen
class _Unreadable(Exception):
    """The text is no YAML, or none that a configuration would be."""

    line: int
    problem: str


@attrs.frozen
class Tree:
    """`written_out` are the strings that hold no reference: they stand in the file."""

    root: object = attrs.field(repr=False)
    written_out: frozenset[Where]


def read(text: str, report: Report, expansion: Expansion | None) -> Tree | None:
    """Read `text`, and put the lines of its places into `report`.

    Faults are reported; None where the text is no YAML at all. Without `expansion`
    references stay as they stand.
    """
    text = text.removeprefix("\ufeff")
    try:
        node = _compose(text)
    except _Unreadable as error:
        report.lines[()] = error.line
        report.fault((), error.problem)
        return None
    walk = _Walk(report, expansion)
    try:
        report.lines[()] = 1
        root = None if node is None else walk.value(node, ())
    except _TooLarge:
        report.fault((), "too large, once its aliases are followed")
        return None
    return Tree(root, frozenset(walk.written_out))


def _compose(text: str) -> yaml.Node | None:
    place = forbidden_character(text)
    try:
        if place is None:
            _check_depth(text)
            return yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        place = explain(text, error)
    line, column, problem = place
    raise _Unreadable(line, f"not valid YAML at column {column}: {problem}")


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise _Unreadable(line, "nested too deeply for a configuration")


@attrs.define
class _Walk:
    report: Report
    expansion: Expansion | None
    written_out: set[Where] = attrs.field(factory=set, init=False)
    _inside: list[yaml.Node] = attrs.field(factory=list, init=False)
    _places: int = attrs.field(default=0, init=False)

    def value(self, node: yaml.Node, where: Where) -> object:
        """The value of `node`; None stands for one that is missing or unusable."""
        self._places += 1
        if self._places > _MAX_PLACES:
            raise _TooLarge
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, where)
        if any(node is outer for outer in self._inside):
            self.report.fault(where, "refers to a part that it stands in itself")
            return None
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            self._unknown_tag(node, where)
        self._inside.append(node)
        try:
            return self._collection(node, where)
        finally:
            self._inside.pop()

    def _collection(self, node: yaml.Node, where: Where) -> object:
        if isinstance(node, yaml.SequenceNode):
            return [self._at(item, item, (*where, i)) for i, item in _items(node)]
        return (
            self._mapping(node, where) if isinstance(node, yaml.MappingNode) else None
        )

    def _at(self, mark: yaml.Node, node: yaml.Node, where: Where) -> object:
        self.report.lines[where] = mark.start_mark.line + 1
        return self.value(node, where)

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                values |= self._merged(value, where)
        own: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.report.fault((*where, "?"), "a key has to be text")
            elif name in own:
                problem = f"'{printable(name)}' is given twice, first in line"
                self.report.lines[(*where, name)] = line
                self.report.fault((*where, name), f"{problem} {own[name]}")
            elif key.tag != _TAG + "merge":
                own[name] = line
                values[name] = self._at(key, value, (*where, name))
        return values

    def _merged(self, node: yaml.Node, where: Where) -> dict[str, object]:
        parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
        values: dict[str, object] = {}
        for part in reversed(parts):  # the first one wins
            if isinstance(part, yaml.MappingNode):
                found = self.value(part, where)
                values |= found if isinstance(found, dict) else {}
            else:
                self.report.fault((*where, "<<"), "can merge mappings only")
        return values

    def _scalar(self, node: yaml.ScalarNode, where: Where) -> object:
        tag, text = node.tag.removeprefix(_TAG), node.value
        if tag == "null":
            self.report.fault(where, "no value", "leave the key out or give it one")
            return None
        if tag == "bool" and text.lower() in _BOOLS:
            return _BOOLS[text.lower()]
        if tag == "int" and _INT(text):
            return int(text.replace("_", ""))
        if tag == "float" and _FLOAT(text):
            return float(text.replace("_", ""))
        if not node.style and tag in _OTHER_PLAIN:
            return text
        if tag != "str":
            self._unknown_tag(node, where)
            return None
        return self._expanded(text, where)

    def _expanded(self, text: str, where: Where) -> str:
        if self.expansion is None or "${" not in text:
            self.written_out.add(where)
            return text
        self.written_out.discard(where)
        try:
            return self.expansion.expand(text)
        except Unexpanded as error:
            self.report.fault(where, error.problem, error.hint)
            return text

    def _unknown_tag(self, node: yaml.Node, where: Where) -> None:
        tag = printable(node.tag.replace(_TAG, "!!"))
        self.report.fault(where, f"the tag {tag!r} has no meaning here")


def _items(node: yaml.SequenceNode) -> Iterator[tuple[int, yaml.Node]]:
    yield from enumerate(node.value)

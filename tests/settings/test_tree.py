"""YAML to values: what is read how, and where it stands."""

from pathlib import Path

import pytest

from tproxy.core.errors import ConfigError
from tproxy.settings import tree
from tproxy.settings.expansion import Expansion
from tproxy.settings.report import Report, Where


def read(text: str, **environ: str) -> tuple[object, Report]:
    report = Report("f")
    found = tree.read(text, report, Expansion(environ, Path()))
    return (None if found is None else found.root), report


def value(text: str) -> object:
    root, report = read(f"key: {text}")
    assert report.settle() == ()
    assert isinstance(root, dict)
    return root["key"]


def faults(text: str) -> list[str]:
    _, report = read(text)
    with pytest.raises(ConfigError) as caught:
        report.settle()
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc", "abc"),
        ("'20'", "20"),
        ('"20"', "20"),
        ("20", 20),
        ("-20", -20),
        ("1_000", 1000),
        ("1.5", 1.5),
        ("yes", True),
        ("off", False),
        ("[a, [1]]", ["a", [1]]),
        ("{}", {}),
        ("!!str 20", "20"),
        # traps of YAML 1.1
        ("010", "010"),
        ("0x10", "0x10"),
        ("12:30", "12:30"),
        ("2024-05-13", "2024-05-13"),
        (".inf", ".inf"),
        ("=", "="),
        ("1" * 5_000, "1" * 5_000),
    ],
)
def test_values(text: str, expected: object) -> None:
    found = value(text)

    assert found == expected
    assert type(found) is type(expected)


def test_keys_are_text_whatever_they_look_like() -> None:
    assert read("{1: a, on: b, ~: c}")[0] == {"1": "a", "on": "b", "~": "c"}


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ((), 1),
        (("a",), 2),
        (("b", 0), 4),
        (("b", 1), 5),
        (("b", 1, "c"), 5),
        (("b", 1, "d"), 6),
        (("b", 1, "d", "e"), 7),
        (("b", 1, "missing"), 5),
        (("missing",), 1),
    ],
)
def test_every_place_has_a_line(where: Where, line: int) -> None:
    text = "# comment\na: 1\nb:\n  - x\n  - c: y\n    d:\n      e: 1\n"

    assert read(text)[1].line(where) == line


def test_merged_keys() -> None:
    text = """\
base: &base {a: 1, b: {c: 2}}
more: &more {a: 7, d: 8}
one:
  <<: *base
  a: 3
two:
  <<: [*base, *more]
"""
    root, report = read(text)

    assert isinstance(root, dict)
    assert root["one"] == {"a": 3, "b": {"c": 2}}
    assert root["two"] == {"a": 1, "b": {"c": 2}, "d": 8}
    assert report.line(("one", "a")) == 5
    assert report.line(("one", "b")) == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: 2\na: 3", "f:3: 'a' is given twice, first in line 1 @ a"),
        ("a: {b: 1, 'b': 2}", "f:1: 'b' is given twice, first in line 1 @ a.b"),
        ("a: ~", "f:1: no value @ a (leave the key out or give it one)"),
        ("a: [1,\n null]", "f:2: no value @ a[1] (leave the key out or give it one)"),
        ("a: !x 1", "f:1: the tag '!x' has no meaning here @ a"),
        ("a: !x [1]", "f:1: the tag '!x' has no meaning here @ a"),
        ("a: !!binary aGk=", "f:1: the tag '!!binary' has no meaning here @ a"),
        ("a: !!set {b: c}", "f:1: the tag '!!set' has no meaning here @ a"),
        ("a: &x [*x]", "f:1: refers to a part that it stands in itself @ a[0]"),
        ("a:\n  <<: 1", "f:1: can merge mappings only @ a.<<"),
        ("{[a]: b}", 'f:1: a key has to be text @ ["?"]'),
        ("a: ${NO}", "f:1: environment variable 'NO' is not set @ a"),
    ],
)
def test_mistakes(text: str, fault: str) -> None:
    assert faults(text) == [fault.replace("a.<<", 'a["<<"]')]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500 + "]" * 500,
        "[" * 100_000,
        "- " * 100_000,
        "\n".join(" " * depth + "a:" for depth in range(500)),
    ],
)
def test_absurd_depth_is_a_fault_and_no_crash(text: str) -> None:
    (fault,) = faults(text)

    assert fault.endswith(": nested too deeply for a configuration")


@pytest.mark.parametrize("item", ["[X, X]", "{a: X, b: X}", "{<<: [X, X]}"])
def test_aliases_that_explode_are_a_fault(item: str) -> None:
    text = "x0: &x0 {a: 1}\n" + "".join(
        f"x{i + 1}: &x{i + 1} {item.replace('X', f'*x{i} ')}\n" for i in range(22)
    )

    assert faults(text) == ["f:1: too large, once its aliases are followed"]


def test_strings_without_references_are_known() -> None:
    found = tree.read(
        "{a: x, b: '${A}', c: [y]}", Report("f"), Expansion({"A": "1"}, Path())
    )

    assert found is not None
    assert found.written_out == {("a",), ("c", 0)}

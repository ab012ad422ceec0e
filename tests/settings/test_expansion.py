from pathlib import Path

import pytest

from tproxy.settings.expansion import Expansion, Unexpanded

ENVIRON = {"A": "1", "B_2": "two", "EMPTY": "", "LOOKS": "${A}"}


@pytest.fixture
def expansion(tmp_path: Path) -> Expansion:
    (tmp_path / "secret").write_text("  in a file\n\n", "utf-8")
    return Expansion(ENVIRON, tmp_path)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("x${A}y${B_2}z", "x1ytwoz"),
        ("${EMPTY}", ""),
        ("${LOOKS}", "${A}"),
        ("$${A}", "${A}"),
        ("$A $$ {A} $", "$A $$ {A} $"),
        ("${file:secret}", "in a file"),
        ("a ${file: secret } b", "a in a file b"),
    ],
)
def test_references_are_filled_in(
    expansion: Expansion, text: str, expanded: str
) -> None:
    assert expansion.expand(text) == expanded


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("${C}", "environment variable 'C' is not set", ""),
        ("${B2}", "environment variable 'B2' is not set", "did you mean 'B_2'?"),
        (
            "${C}${D}${C}",
            "environment variable 'C' is not set; environment variable 'D' is not set",
            "",
        ),
        (
            "${C}${file:none}",
            (
                "environment variable 'C' is not set;"
                " file 'none' cannot be read: No such file or directory"
            ),
            "",
        ),
        ("${A", "'${' is not closed", "a plain '${' is written '$${'"),
        (
            "${}",
            "'' cannot be the name of a variable",
            "${NAME} or ${file:PATH}; a plain '${' is written '$${'",
        ),
        (
            "${A:-x}",
            "'A:-x' cannot be the name of a variable",
            "${NAME} or ${file:PATH}; a plain '${' is written '$${'",
        ),
        ("${file:}", "file '' cannot be read: Is a directory", ""),
        ("${file:\0}", "file '�' cannot be read: no such path", ""),
    ],
)
def test_references_that_lead_nowhere(
    expansion: Expansion, text: str, problem: str, hint: str
) -> None:
    with pytest.raises(Unexpanded) as caught:
        expansion.expand(text)

    assert (caught.value.problem, caught.value.hint) == (problem, hint)
    assert str(caught.value) == problem


def test_files_may_stand_anywhere(expansion: Expansion, tmp_path: Path) -> None:
    assert expansion.expand(f"${{file:{tmp_path}/secret}}") == "in a file"


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"\xff", "is not UTF-8 text"), (b"x" * (1 << 20) + b"x", "is longer than 1 MiB")],
)
def test_files_that_hold_no_secret(
    expansion: Expansion, tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "f").write_bytes(content)

    with pytest.raises(Unexpanded, match=problem):
        expansion.expand("${file:f}")


def test_the_environment_is_kept_out_of_sight(expansion: Expansion) -> None:
    assert "two" not in repr(expansion)

"""Texts that are no YAML, and what is said of them."""

import pytest

from tests.settings.configuring import Folder

LIST = "models:\n  - name: a\n"


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        (
            f"{LIST}   - name: b\n",
            3,
            4,
            "this list item is indented by 3 spaces, the one before it by 2",
        ),
        (
            f"{LIST}    url: x\n\n # why\n - name: b\n",
            6,
            2,
            "this list item is indented by 1 space, the one before it by 2",
        ),
        (
            f"{LIST}    - name: b\n",
            3,
            5,
            "this list item is indented by 4 spaces, the one before it by 2",
        ),
        (
            f"{LIST}   provider: b\n",
            3,
            4,
            "this key is indented by 3 spaces, the one before it by 4",
        ),
        (
            f"{LIST}      provider: b\n",
            3,
            7,
            "this key is indented by 6 spaces, the one before it by 4",
        ),
        (
            "server:\n  addr: x\n workers: 2\n",
            3,
            2,
            "this key is indented by 1 space, the one before it by 2",
        ),
        ("models:\n\t- name: x\n", 2, 1, "a tab, where only spaces may stand"),
        (f"{LIST}\t  url: x\n", 3, 1, "a tab, where only spaces may stand"),
        (
            f"{LIST}    url:x\n    b: y\n",
            3,
            9,
            "a space is missing after 'url:'",
        ),
        (
            "models:\n  - name:a\n    b: c\n",
            2,
            10,
            "a space is missing after 'name:'",
        ),
        ("server\nmodels: []\n", 1, 1, "no ': ' follows this key"),
        (
            "a: b: c\n",
            1,
            5,
            "a second ': ' in one line; a value that holds one needs quotes",
        ),
        ("a: 'b\nc: d\n", 1, 4, "the quotation mark opened here is not closed"),
        ('a: "b" c\n', 1, 8, "text after a closing quotation mark"),
        (
            'a: "\\q"\n',
            1,
            5,
            "\\ begins an escape in double quotes; write \\\\, or single quotes",
        ),
        ("a: @b\n", 1, 4, "a value that begins with '@' needs quotes"),
        ("a: `b`\n", 1, 4, "a value that begins with '`' needs quotes"),
        ("a: %b\n", 1, 4, "a value that begins with '%' needs quotes"),
        (
            "a: *b\n",
            1,
            4,
            "nothing is anchored by the name after '*'; text needs quotes here",
        ),
        (
            "a: [b, c\nd: e\n",
            2,
            2,
            "a ',' or the closing bracket of the '[' of line 1 is missing",
        ),
        (
            "a: {b: c\nd: e\n",
            2,
            2,
            "a ',' or the closing bracket of the '{' of line 1 is missing",
        ),
        (
            "a: 1\n---\nb: 2\n",
            2,
            1,
            "a second document begins here; a configuration is one",
        ),
        ("a: }\n", 1, 4, "did not find expected node content"),
        ("a: b\nc: d\x07\n", 2, 5, "the character U+0007 is not allowed"),
        (
            "a: \ufffe\n",
            1,
            4,
            "the character U+FFFE is not allowed",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(
    folder: Folder, text: str, line: int, column: int, words: str
) -> None:
    assert folder.faults(text) == [
        f"proxy.yaml:{line}: not valid YAML at column {column}: {words}"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "token: *sk-secret",
        "token: @sk-secret",
        "token: a: sk-secret",
        "token:sk-secret",
        "token: 'sk-secret",
        "token: 'a' sk-secret",
        "token: [sk-secret",
        "sk-secret",
        'token: "\\sk-secret"',
        "token: !sk-secret!x y",
        "&sk-secret token: &sk-secret x",
    ],
)
def test_no_secret_of_a_broken_file_is_shown(folder: Folder, line: str) -> None:
    (fault,) = folder.faults(f"models:\n  - name: a\n    {line}\n    provider: x\n")

    assert "secret" not in fault

"""Mistakes, each with the whole line that tells of it. Most of them are in `data/`."""

from pathlib import Path

import pytest

from tests.settings.configuring import MODEL, Folder

DATA = Path(__file__).parent / "data"


def table(name: str) -> list[tuple[str, list[str]]]:
    """Pairs of a line and its faults; blank lines and comments between them."""
    blocks = (DATA / f"{name}.txt").read_text("utf-8").split("\n\n")[1:]
    pairs = [block.splitlines() for block in blocks]
    return [(line, [fault.strip() for fault in faults]) for line, *faults in pairs]


@pytest.mark.parametrize(("line", "faults"), table("mistakes_in_a_model"))
def test_in_a_model(folder: Folder, line: str, faults: list[str]) -> None:
    text = f"{MODEL}    {line}\n"

    assert folder.faults(text) == [f"proxy.yaml:5: {fault}" for fault in faults]


@pytest.mark.parametrize(("line", "faults"), table("mistakes_in_a_file"))
def test_in_a_file(folder: Folder, line: str, faults: list[str]) -> None:
    text = f"{MODEL}{line}\n"

    assert folder.faults(text) == [f"proxy.yaml:5: {fault}" for fault in faults]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["1: no model is declared @ models (models: needs an entry)"]),
        ("models: []", ["1: no model is declared @ models (models: needs an entry)"]),
        ("- name: m", ["1: expected a mapping with the key 'models'"]),
        (
            "\nmodels:\n",
            ["2: no value @ models (leave the key out or give it one)"],
        ),
        (
            "models: {}",
            ["1: expected a list, each entry beginning with '- ' @ models"],
        ),
        ("models:\n  - groq", ["2: expected a mapping, got text @ models[0]"]),
        (
            "models:\n  - priority: 1",
            [
                "2: 'name' is missing @ models[0].name",
                "2: 'provider' is missing @ models[0].provider",
            ],
        ),
        (
            "models: [{name: groq/, provider: groq, token: k}]",
            [
                (
                    "1: nothing is left of the name without its provider"
                    " @ models[0].name (or give an upstream_name)"
                )
            ],
        ),
        (
            "models: [{name: m, provider: a b, token: k, url: 'https://h.example'}]",
            [
                (
                    "1: only visible ASCII characters, without spaces, can be used here"
                    " @ models[0].provider"
                )
            ],
        ),
        (
            "? [a, b]\n: c\n",
            [
                '1: a key has to be text @ ["?"]',
                "1: no model is declared @ models (models: needs an entry)",
            ],
        ),
    ],
)
def test_whole_files(folder: Folder, text: str, faults: list[str]) -> None:
    assert folder.faults(text) == [f"proxy.yaml:{fault}" for fault in faults]

"""`resume` and `prefill`: whose streams are gone on with, and who goes on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.settings.configuring import MODEL, TOKEN, Folder
from tproxy.core.model import ALL_CAPABILITIES, Capability, Prefill
from tproxy.providers import dialect


def test_neither_is_assumed(folder: Folder) -> None:
    model = folder.model(MODEL)

    assert (model.resume, model.prefill) == (False, None)
    assert Capability.PREFILL not in model.capabilities


@pytest.mark.parametrize("way", Prefill)
def test_to_go_on_is_a_capability(folder: Folder, way: Prefill) -> None:
    all_ = folder.model(f"{MODEL}    resume: true\n    prefill: {way.value}\n")
    few = folder.model(f"{MODEL}    capabilities: []\n    prefill: {way.value}\n")

    assert (all_.resume, all_.prefill) == (True, way)
    assert all_.capabilities == ALL_CAPABILITIES | {Capability.PREFILL}
    assert few.capabilities == {Capability.PREFILL}


def test_it_is_declared_by_saying_how(folder: Folder) -> None:
    text = f"{MODEL}    capabilities: [prefill]\n    prefill: prefx\n"

    assert folder.faults(text) == [
        (
            "proxy.yaml:5: unknown word 'prefill' @ models[0].capabilities[0]"
            " (known: tools, vision, json_schema, reasoning)"
        ),
        (
            "proxy.yaml:6: unknown word 'prefx' @ models[0].prefill"
            " (did you mean 'prefix'?)"
        ),
    ]


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        (
            "provider: anthropic, prefill: prefix",
            (
                "the dialect anthropic cannot say 'prefix' @ models[0].prefill"
                " (of these, it can: message)"
            ),
        ),
        (
            "provider: google, prefill: message",
            (
                "the dialect gemini cannot say 'message' @ models[0].prefill"
                " (of these, it can: none)"
            ),
        ),
        (
            "provider: openai, kind: embedding, prefill: message",
            "only chats are gone on with @ models[0].prefill",
        ),
    ],
)
def test_not_everybody_can_be_told(folder: Folder, rest: str, problem: str) -> None:
    text = f"models:\n  - {{name: m, token: k, {rest}}}\n"

    assert folder.faults(text) == [f"proxy.yaml:2: {problem}"]


def test_to_resume_with_nobody_is_warned_of(folder: Folder) -> None:
    text = f"{MODEL}    resume: true\n"

    assert folder.warnings(text) == [
        (
            "proxy.yaml:5: no model here could go on: none declares 'prefill'"
            " @ models[0].resume"
        )
    ]
    assert folder.warnings(f"{text}    prefill: message\n") == []


def test_what_each_dialect_can_say() -> None:
    assert dialect("openai").prefills == set(Prefill)
    assert dialect("anthropic").prefills == {Prefill.MESSAGE}
    assert dialect("ollama").prefills == {Prefill.MESSAGE}
    assert dialect("gemini").prefills == set()


def test_the_example_of_the_page(folder: Folder) -> None:
    page = (Path(__file__).parents[2] / "docs" / "resuming.md").read_text("utf-8")
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)

    settings = folder.load(example, TOKEN | {"GROQ_API_KEY": "key"})

    assert settings.warnings == ()
    assert [(model.resume, model.prefill) for model in settings.models] == [
        (True, Prefill.MESSAGE),
        (False, Prefill.CONTINUE_FINAL_MESSAGE),
    ]
    ways = re.findall(r"^\| `(\w+)`", page, re.MULTILINE)[1:]
    assert ways == [way.value for way in Prefill]

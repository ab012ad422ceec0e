"""`normalise`: of a provider and its models."""

from __future__ import annotations

import pytest

from tests.settings.configuring import MODEL, Folder


def test_nobody_does_unless_told_to(folder: Folder) -> None:
    assert folder.model(MODEL).normalise is False
    assert folder.model(f"{MODEL}    normalise: true\n").normalise is True


@pytest.mark.parametrize("own", [True, False])
def test_a_models_own_word_wins(folder: Folder, own: bool) -> None:
    provider = f"providers: {{groq: {{normalise: {str(not own).lower()}}}}}\n"

    assert folder.model(f"{provider}{MODEL}").normalise is not own
    said = f"    normalise: {str(own).lower()}\n"
    assert folder.model(f"{provider}{MODEL}{said}").normalise is own


def test_dialects_that_are_translated_take_it(folder: Folder) -> None:
    text = "models:\n  - {name: m, token: k, provider: anthropic, normalise: true}\n"

    assert folder.warnings(text) == []


def test_a_model_of_images_is_warned_of(folder: Folder) -> None:
    rest = "token: k, provider: openai, kind: image, normalise: true"

    assert folder.warnings(f"models:\n  - {{name: m, {rest}}}\n") == [
        "proxy.yaml:2: it is of no use for images @ models[0].normalise"
    ]

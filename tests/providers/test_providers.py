from pathlib import Path

import pytest

from tproxy.providers import dialect, dialects, openai

HERE = Path(openai.__file__).parent


def test_the_folder_is_the_registry() -> None:
    files = sorted(HERE.glob("*.py")) + sorted(HERE.glob("*/__init__.py"))
    modules = {
        (file.parent if file.stem == "__init__" else file).stem
        for file in files
        if "\nDIALECT" in file.read_text("utf-8")
    }

    assert dialects() == modules
    assert dialect("openai") is openai.DIALECT


def test_a_module_that_is_no_dialect_is_none() -> None:
    with pytest.raises(LookupError):
        dialect("complaint")


def test_a_dialect_that_nobody_has_is_none() -> None:
    with pytest.raises(LookupError):
        dialect("klingon")


def test_images_take_a_request_each_where_nobody_can_be_asked_for_several() -> None:
    singly = {name for name in dialects() if dialect(name).draws_singly}

    assert singly == {"cloudflare", "gigachat", "huggingface"}

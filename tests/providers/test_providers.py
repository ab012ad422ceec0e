import pytest

from tproxy.providers import dialect, dialects, openai


def test_the_folder_is_the_registry() -> None:
    assert dialects() == {"openai"}
    assert dialect("openai") is openai.DIALECT


def test_a_module_that_is_no_dialect_is_none() -> None:
    with pytest.raises(LookupError):
        dialect("complaint")

import pytest

from tproxy.core.errors import ConfigError, Fault
from tproxy.settings.report import Report, Where, near, printable, spell


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ((), ""),
        (("models", 0, "name"), "models[0].name"),
        (("providers", "my-groq"), "providers.my-groq"),
        (("routing", "fallbacks", "a/b", 1), 'routing.fallbacks["a/b"][1]'),
        (("a\nb",), '["a�b"]'),
    ],
)
def test_places_are_spelled(where: Where, path: str) -> None:
    assert spell(where) == path


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("gorq", "did you mean 'groq'?"),
        ("GROQ", "did you mean 'groq'?"),
        ("big", "did you mean 'BIG'?"),
        ("wibble", ""),
        ("x" * 100_000, ""),
    ],
)
def test_near_words(word: str, hint: str) -> None:
    assert near(word, ["groq", "BIG", "openai"]) == hint


def test_what_is_shown_stays_on_its_line_and_short() -> None:
    assert printable("a\r\n\x1b[0mb") == "a���[0mb"
    assert printable("x" * 101) == "x" * 100 + "…"


def test_faults_come_in_the_order_of_the_file_then_those_of_other_sources() -> None:
    report = Report("f", {(): 1, ("a",): 9, ("b",): 2})
    report.fault_elsewhere(Fault("environment", 0, "E", ""))
    report.fault(("a",), "A")
    report.fault(("b",), "B")
    report.fault_elsewhere(Fault(".env", 3, "V3", ""))
    report.fault_elsewhere(Fault(".env", 2, "V2", ""))

    with pytest.raises(ConfigError) as caught:
        report.settle()

    told = [fault.problem for fault in caught.value.faults]
    assert told == ["B", "A", "V2", "V3", "E"]


def test_only_the_first_fault_of_a_place_is_kept() -> None:
    report = Report("f", {(): 1})
    report.fault(("a",), "first")
    report.fault(("a",), "second")

    with pytest.raises(ConfigError) as caught:
        report.settle()

    assert str(caught.value) == "f:1: first @ a"


def test_what_is_at_fault_covers_what_it_holds_and_stands_in() -> None:
    report = Report("f")
    report.fault(("a", 1), "problem")

    assert report.at_fault(("a",))
    assert report.at_fault(("a", 1, "b"))
    assert not report.at_fault(("a", 0))


def test_warnings_alone_are_no_error_and_are_told_once() -> None:
    report = Report("f", {(): 1, ("a",): 5})
    report.warn(("a",), "later")
    report.warn(("a",), "later")
    report.warn((), "first")

    assert [str(each) for each in report.settle()] == ["f:1: first", "f:5: later @ a"]

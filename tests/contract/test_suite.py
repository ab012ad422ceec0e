# ruff: noqa: E501 - code to be broken, a line each
"""The contract itself: what it lets pass, and what it finds."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from tests.values import KEY
from tproxy.contract import recording, requests, tampering
from tproxy.contract.suite import DialectContract
from tproxy.core.model import Model, Upstream
from tproxy.core.secret import Secret

EXAMPLE = Path(__file__).parents[1] / "plugin" / "example"
SOURCE = (EXAMPLE / "tproxy_example.py").read_text("utf-8")
ARGUMENTS = {"answer": "chat", "stream": "chat-stream", "refusal": "error"}
TABLES: dict[str, list[tuple[object, ...]]] = {
    "worthless": [(body,) for body in tampering.WORTHLESS.values()],
    "asked": [(asked,) for asked in requests.ASKED.values()],
    "wish": [(name,) for name in requests.WISHES],
}


def contract(source: str, failing: Mapping[str, str] | None = None) -> DialectContract:
    """The example's, with another dialect."""
    module = ModuleType("sabotaged")
    exec(compile(source, "sabotaged", "exec"), vars(module))  # noqa: S102 - our own
    expected = failing or {}
    upstream = Upstream("https://example.test/v1", "example", Secret(KEY))

    class Sabotaged(DialectContract):
        failing = expected
        dialect = module.DIALECT
        model = Model("example/m", "example", "m", upstream)
        recordings = EXAMPLE / "recordings"

    return Sabotaged()


def failures(tested: DialectContract) -> Iterator[str]:
    """Run it all; what is raised."""
    for name in dir(tested):
        if not name.startswith("test_"):
            continue
        test = getattr(tested, name)
        cases: list[tuple[object, ...]] = [()]
        for argument in inspect.signature(test).parameters:
            kind = ARGUMENTS.get(argument)
            found = recording.read(tested.recordings)
            cases = [(r,) for r in found if r.kind == kind]
            cases = TABLES.get(argument, cases)
        for case in cases:
            try:
                test(*case)
            except Exception as error:  # noqa: BLE001 - to be looked at
                yield f"{name}: {type(error).__name__}: {error}"


def test_the_example_keeps_it() -> None:
    assert [*failures(contract(SOURCE))] == []


@pytest.mark.parametrize(
    ("code", "sabotage", "found"),
    [
        ("if not text and finish", "if False and finish", "says nothing"),
        ("if not self.begun:", "if False:", "stream: has no choice"),
        ("isinstance(part, Text)", "part", "has lost "),
        ('("temperature",)', '("temperature", "seed")', "request.seed: is lost"),
        ("wishes.unsaid(chat, _SPOKEN, model)", "()", "request.n: is lost"),
        ('("Content-Type", "application/json")', '("X-Key", model.upstream.token.reveal())', "hold the key"),
        ('"/generate",\n', '"/generate?key=" + model.upstream.token.reveal(),\n', "request.url: holds the key"),
        ("text = _text(said, self._model)\n        self._finish", "text = _text(said, self._model)\n        _FINISH[str(len(_FINISH))] = text + '!'\n        self._finish", "keeps "),
        ('"end": "stop"', '"end": "end"', "finish_reason: is not 'stop' or"),
        ("(ValueError, RecursionError)", "ValueError", "RecursionError"),
        ("type(c) is int and c >= 0", "type(c) is int", "is no whole number"),
        ("if not isinstance(text, str)", "if text is None", "is no string"),
        ("if not isinstance(said, dict)", "if False", "AttributeError"),
        ('"an unknown reason to stop"', "str(said)", "quotes the answer"),
        ("begun: bool = attrs.field(default=False", "begun: bool = attrs.field(default=True", "has begun with nothing"),
        ("if self._finish is None:\n            raise", "if False:\n            raise", "has no finish reason"),
        ('raise failed(failures.MALFORMED, self._model, "an event after the last")', "pass", "after the finish reason"),
        ("read(head.status, head.headers", "read(500, head.headers", "a 429: is taken for server"),
        ("read(head.status, head.headers", "read(head.status, {}", "nobody hears it"),
        ("complaint.read(head.status, head.headers, body, model)", "failed(failures.AUTH, model, body.decode('latin-1'))", "quotes the key"),
        ('id=id if isinstance(id, str) else ""', "id=id", "AttributeError"),
        ("return self._chunks.end(self._tokens)", 'return b""', "does not end with [DONE]"),
        ("return self._chunks.end(self._tokens)", "return self._chunks.end(Tokens(1, 1))", "usage: is counted as another"),
    ],
)  # fmt: skip
def test_a_dialect_that_breaks_it_is_found(
    code: str, sabotage: str, found: str
) -> None:
    assert SOURCE.count(code) == 1

    raised = failures(contract(SOURCE.replace(code, sabotage)))

    assert any(found in line for line in raised)


def test_a_recording_may_be_a_failure_of_a_kind() -> None:
    strict = SOURCE.replace('if not text and finish == "stop"', "if not text")

    assert [*failures(contract(strict, {"limit": "empty"}))] == []
    for failing in ({"limit": "malformed"}, {"text": "empty"}, {}):
        assert any("limit: " in line for line in failures(contract(strict, failing)))

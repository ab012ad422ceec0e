"""The contract of a dialect, as a class of tests for pytest:

    class TestMine(DialectContract):
        dialect = DIALECT
        model = Model(...)
        recordings = Path(__file__).parent / "recordings"

Each recording goes through the dialect as it is, cut up, cut short and tampered with.
Chance is seeded by the recording, so that a run is like the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from tproxy.contract import endless, openai, outcome, recording, requests, tampering
from tproxy.contract.making import check_making
from tproxy.contract.outcome import Outcome
from tproxy.contract.recording import Recording
from tproxy.contract.refusals import check_row, check_words
from tproxy.contract.requests import Asked
from tproxy.contract.shape import require
from tproxy.core.model import Model
from tproxy.core.upstream import Dialect, UpstreamHead

_GAPS = re.compile(rb"\r?\n\r?\n").finditer  # between events
_LINE_ENDS = re.compile(rb"\n").finditer  # where there are none
_SHORT = 4_000  # bytes, of a stream that is cut at every place
_LONG = 30_000  # bytes; a longer stream is tampered with by chance alone
_JSON = UpstreamHead(200, {"content-type": "application/json"})
_EVENTS = UpstreamHead(200, {"content-type": "text/event-stream"})


class DialectContract:
    """What to test, and with how much patience.

    `relays`: the provider speaks OpenAI's dialect, and its bytes are handed on as they
    are, whatever they hold. `failing` names recordings, by the beginning of their ids,
    that are failures though their status is 2xx, or other ones than their status says;
    and the row of `core.failures` that each of them is. `by_nature` are fields that
    need no words, because the provider is so. `rounds` is how often each recording is
    tampered with.
    """

    dialect: ClassVar[Dialect]
    model: ClassVar[Model]
    recordings: ClassVar[Path]
    relays: ClassVar[bool] = False
    failing: ClassVar[Mapping[str, str]] = {}
    by_nature: ClassVar[AbstractSet[str]] = frozenset()
    rounds: ClassVar[int] = 60

    def pytest_generate_tests(self, metafunc: Any) -> None:
        kinds = {"answer": "chat", "stream": "chat-stream", "refusal": "error"}
        for argument, kind in kinds.items():
            if argument in metafunc.fixturenames:
                found = [r for r in recording.read(self.recordings) if r.kind == kind]
                metafunc.parametrize(argument, found, ids=[r.id for r in found])
        tables: Mapping[str, Mapping[str, object]] = {
            "worthless": tampering.WORTHLESS,
            "asked": requests.ASKED,
            "wish": dict(zip(requests.WISHES, requests.WISHES, strict=True)),
        }
        for argument, table in tables.items():
            if argument in metafunc.fixturenames:
                metafunc.parametrize(argument, table.values(), ids=list(table))

    def test_each_kind_of_answer_is_recorded(self) -> None:
        kinds = {found.kind for found in recording.read(self.recordings)}

        missing = set(recording.KINDS) - kinds
        require(not missing, str(self.recordings), f"no recording of {missing}")

    def test_a_request_is_said_whole_or_refused(self, asked: Asked) -> None:
        for stream in (False, True):
            requests.check_said(self.dialect, asked, self.model, stream=stream)

    def test_a_wish_is_said_or_named_or_refused(self, wish: str) -> None:
        if wish not in self.by_nature:
            requests.check_wish(self.dialect, wish, self.model)

    def test_an_answer_is_one_of_openai(self, answer: Recording) -> None:
        read = self._answered(answer.head, answer.body)

        if self._fails(answer, read):
            return
        if self.relays:
            require(read.output == answer.body, answer.id, "is changed on the way")
            return
        said = openai.check_completion(read.output)
        require(said["model"] == self.model.name, "completion.model", "is not ours")
        _check_counted(read, said.get("usage"))

    def test_an_answer_that_breaks_off_is_none(self, answer: Recording) -> None:
        body = answer.body.rstrip()

        for end in (len(body) - 1, len(body) // 2, 1):
            read = self._answered(answer.head, body[:end])
            require(read.failure, answer.id, f"is an answer after {end} bytes")

    def test_a_tampered_answer_is_an_answer_or_a_failure(
        self, answer: Recording
    ) -> None:
        chance, key = answer.chance(), self._key

        bodies = tampering.answers(answer.body, chance, self.rounds, key)
        for body in (*tampering.lacking(answer.body), *bodies):
            read = self._answered(answer.head, body)
            if read.failure is None and not self.relays:
                openai.check_completion(read.output, wild=True)
            check_words(read, answer.body, self.model)

    def test_a_stream_is_one_of_openai(self, stream: Recording) -> None:
        for usage in (True, False):
            read = self._fed(stream.head, [stream.body], usage=usage)

            if self._fails(stream, read):
                if not self.relays:
                    openai.check_broken_stream(read.output)
                return
            require(read.begun, stream.id, "has not begun at its end")
            if self.relays:
                require(read.output == stream.body, stream.id, "is changed on the way")
                return
            told = openai.check_stream(
                read.output, usage=usage and read.usage is not None
            )
            if usage:
                _check_counted(read, told.usage)

    def test_a_stream_is_the_same_wherever_it_is_cut(self, stream: Recording) -> None:
        raw, chance = stream.body, stream.chance()
        expected = self._fed(stream.head, [raw])
        cuts = [[*range(1, len(raw))]]
        if len(raw) <= _SHORT:
            cuts += [[place] for place in range(1, len(raw))]
        for count in (1, 2, 5, 20, 100):
            cuts.append(sorted(chance.randrange(len(raw)) for _ in range(count)))

        for places in cuts:
            read = self._fed(stream.head, _cut(raw, places))
            alike = read == expected
            require(alike, stream.id, f"is another one, cut at {places[:5]}")

    def test_a_stream_that_breaks_off_is_no_clean_end(self, stream: Recording) -> None:
        """Its end is a failure, unless all was said by then; no word is another one."""
        raw, chance = stream.body, stream.chance()
        whole = self._fed(stream.head, [raw])
        gaps = [*_GAPS(raw)] or [*_LINE_ENDS(raw)]
        ends = [place for gap in gaps for place in gap.span()][:-1]
        ends += [chance.randrange(len(raw)) for _ in range(20)]

        for end in ends:
            read = self._fed(stream.head, [raw[:end]])
            path = f"{stream.id}, its first {end} bytes"
            if read.failure is None:
                said = self._said(read), self._said(whole)
                require(said[0] == said[1], path, "end well, and not all is said")
            else:
                require(whole.output.startswith(read.output), path, "are other words")
                ended = read.output.endswith(openai.DONE)
                require(not ended or self.relays, path, "fail after an end")

    def test_a_stream_begins_with_content(self, stream: Recording) -> None:
        """And until then nothing is handed on that could not be taken back."""
        if self.relays:
            return
        chat = outcome.asked(stream=True)
        reader = self.dialect.chat.stream_reader(stream.head, chat, self.model)
        output = b""
        for start in range(0, len(stream.body), 16):
            output += reader.feed(stream.body[start : start + 16])
            if reader.begun:
                break
        if reader.begun:
            told = openai.check_broken_stream(output.removesuffix(openai.DONE))
            begun = any(
                (c.text, c.reasoning, c.refusal, c.calls, c.finish)
                != ("", "", "", [], "")
                for c in told.choices
            )
            require(begun, stream.id, "has begun, and says nothing")

    def test_a_long_stream_takes_no_more_memory(self) -> None:
        streams = [
            r for r in recording.read(self.recordings) if r.kind == "chat-stream"
        ]
        for stream in sorted(streams, key=lambda found: len(found.body)):
            found = endless.repeatable(self.dialect, stream, self.model)
            if found is not None:
                endless.check_memory(self.dialect, stream, self.model, *found)
                return
        require(False, str(self.recordings), "no stream with a text that could go on")

    def test_a_tampered_stream_is_a_stream_or_a_failure(
        self, stream: Recording
    ) -> None:
        chance, key = stream.chance(), self._key

        bodies = [*tampering.streams(stream.body, chance, self.rounds, key)]
        if len(stream.body) < _LONG:
            bodies += tampering.lacking(stream.body)
        for body in bodies:
            read = self._fed(stream.head, [body])
            if not self.relays:
                if read.failure is None:
                    openai.check_stream(read.output, wild=True)
                else:
                    openai.check_broken_stream(read.output, wild=True)
            check_words(read, stream.body, self.model)

    def test_a_refusal_means_what_its_status_says(self, refusal: Recording) -> None:
        read = self._refused(refusal.head, refusal.body)

        if not self._fails(refusal, read):
            check_row(read, refusal.head)
        check_words(read, refusal.body, self.model)

    def test_a_tampered_refusal_is_one(self, refusal: Recording) -> None:
        chance, key = refusal.chance(), self._key

        for body in tampering.answers(refusal.body, chance, self.rounds, key):
            check_words(self._refused(refusal.head, body), b"", self.model)
        for body in tampering.quoting(refusal.body, key):
            for status in (400, 401, 422, 500):
                head = UpstreamHead(status, refusal.head.headers)
                check_words(self._refused(head, body), b"", self.model)

    def test_what_is_worthless_is_a_failure(self, worthless: bytes) -> None:
        read = self._answered(_JSON, worthless)
        require(read.failure, "answer", "is none, and passes for one")

        for body in (worthless, b"data: " + worthless + b"\n\n"):
            for head in (_EVENTS, _JSON):
                read = self._fed(head, [body])
                require(read.failure, "stream", "is none, and passes for one")
                require(not read.begun, "stream", "has begun with nothing")

        for status in (300, 400, 401, 402, 403, 404, 408, 418, 429, 451, 500, 503, 599):
            read = self._refused(UpstreamHead(status, {}), worthless)
            check_words(read, b"", self.model)

    def test_what_is_worthless_makes_nothing(self, worthless: bytes) -> None:
        check_making(self.dialect, worthless, self.model)

    @property
    def _key(self) -> str:
        return self.model.upstream.token.reveal()

    def _answered(self, head: UpstreamHead, body: bytes) -> Outcome:
        return outcome.answered(self.dialect, head, body, self.model)

    def _fed(
        self, head: UpstreamHead, reads: Iterable[bytes], *, usage: bool = True
    ) -> Outcome:
        return outcome.fed(self.dialect, head, reads, self.model, usage=usage)

    def _refused(self, head: UpstreamHead, body: bytes) -> Outcome:
        return outcome.refused(self.dialect, head, body, self.model)

    def _fails(self, found: Recording, read: Outcome) -> bool:
        """Whether a recording fails that may; raises where it is not as expected."""
        rows = [row for stem, row in self.failing.items() if found.id.startswith(stem)]
        if rows:
            require(read.verdict == rows[0], found.id, f"is {read.verdict or 'well'}")
            return True
        if found.breaks:
            require(read.failure, found.id, "holds an error, and ends well")
            return True
        well = read.failure is None or found.kind == "error"
        require(well, found.id, f"fails: {read.failure and read.failure.detail}")
        return False

    def _said(self, read: Outcome) -> object:
        """All that a stream says, but for its usage."""
        if self.relays:
            return b'"finish_reason":"' in read.output.replace(b" ", b"")
        return openai.check_stream(read.output, wild=True).choices


def _cut(raw: bytes, places: list[int]) -> list[bytes]:
    return [raw[start:end] for start, end in pairwise([0, *places, len(raw)])]


def _check_counted(read: Outcome, told: Mapping[str, object] | None) -> None:
    """What is counted against quotas is what the client is told."""
    if read.usage is None or told is None:
        require(told is None, "usage", "is told, and not counted")
        return
    counted = (read.usage.prompt, read.usage.completion)
    same = counted == (told["prompt_tokens"], told["completion_tokens"])
    require(same, "usage", "is counted as another one than is told")

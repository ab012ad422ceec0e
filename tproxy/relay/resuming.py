"""An answer of plain text that breaks off goes on with another model, if one can."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Self

import attrs

from tproxy.core import tokens
from tproxy.core.chat import ChatRequest
from tproxy.core.continuation import Before, Continuation, may_be_resumed
from tproxy.core.delivered import Delivered
from tproxy.core.errors import ProxyError
from tproxy.core.state import Clock
from tproxy.core.upstream import Usage
from tproxy.relay.answer import Answer, Out
from tproxy.relay.search import Search
from tproxy.relay.speech import Speech

MOST = 2  # times that one answer is resumed
_NOTHING = Usage(0, 0)

Find = Callable[[Search], Awaitable[Answer]]


def resumable(answer: Answer, search: Search, find: Find, clock: Clock) -> Answer:
    """`answer`, with a body that goes on where it breaks; as it is if it may not.

    `find` begins the answer that is searched for. All searches together may take what
    this one has left of its time, which stands still while somebody speaks.
    """
    chat, speech = search.request, answer.begun.body
    if not isinstance(chat, ChatRequest) or isinstance(chat, Continuation):
        return answer
    if not isinstance(speech, Speech) or not may_be_resumed(chat, answer.model):
        return answer
    left = search.deadline - clock.steady()
    resuming = Resuming(search, chat, find, clock, left, answer, speech)
    begun = attrs.evolve(answer.begun, body=resuming)
    return attrs.evolve(answer, begun=begun, asking=resuming)


@attrs.define(eq=False)
class Resuming:
    """The events of one answer, whoever gives them; `end` lets go of who spoke last.

    What the first model says goes through as it is. The answer stays its own, to the
    client and in the log, which names the others in its reason and its attempts.
    """

    _search: Search
    _chat: ChatRequest
    _find: Find
    _clock: Clock
    _left: float  # seconds for all searches to come
    _answer: Answer
    _speech: Speech
    _delivered: Delivered = attrs.field(factory=Delivered, init=False)
    _before: Before = attrs.field(factory=Before, init=False)  # the part at hand

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        gap = b""
        while True:
            speech = self._speech
            data = await anext(speech)
            if speech.broken is None:
                self._delivered.take(data)
                return gap + data
            gap = speech.gap
            onward = speech.broken.failure.onward and not speech.finished
            if not (onward and await self._go_on()):
                return data  # the error event

    async def pour(self, out: Out) -> None:
        async for data in self:
            await out(data)

    async def end(self) -> None:
        await self._answer.end()
        trail, self._before, before = self._search.trail, Before(), self._before
        if before.spent != _NOTHING:
            trail.usage = before.spent.and_also(trail.usage or _NOTHING)

    async def _go_on(self) -> bool:
        """Find a model that does; False where none can."""
        trail = self._search.trail
        chat = self._rest()
        if chat is None or len(chat.before.resumed) == MOST:
            return False
        model, reason, broken = trail.model, trail.reason, trail.broken
        # What it took so far stays known, even if the client leaves meanwhile.
        self._before, trail.usage, trail.broken = chat.before, None, None
        await self._answer.end()
        try:
            answer = await self._found(chat)
        except ProxyError:
            trail.broken = broken
            return False
        name = answer.model.name
        trail.model, trail.reason = model, f"{reason}; resumed by {name}"
        trail.resumed += 1
        self._before = chat.before.resumed_by(name)
        self._answer, self._speech = answer, _speech(answer)
        return True

    def _rest(self) -> Continuation | None:
        """The request for what is missing; None where nobody could answer it."""
        text, usage = self._delivered.text, self._search.trail.usage
        if text is None:
            return None
        before = self._before
        if usage is None:  # it broke before it was told
            said = text[len(before.text) :]
            size = self._chat.text_bytes + len(before.text.encode())
            prompt = tokens.estimate(size, self._chat.media)
            usage = Usage(prompt, tokens.estimate(len(said.encode())))
            before = attrs.evolve(before, estimated=True)
        before = attrs.evolve(
            before,
            text=text,
            head=self._delivered.head,
            spent=before.spent.and_also(usage),
        )
        return Continuation.of(self._chat, before)

    async def _found(self, chat: Continuation) -> Answer:
        before, began = self._search, self._clock.steady()
        linking = before.linking
        search = Search(
            chat,
            before.client,
            before.trail,
            before.asked,
            began + self._left,
            linking=linking and attrs.evolve(linking, chat=chat),
        )
        try:
            return await self._find(search)
        except BaseException:
            if search.fare is not None:
                await search.fare.end()
            raise
        finally:
            self._left -= self._clock.steady() - began


def _speech(answer: Answer) -> Speech:
    speech = answer.begun.body
    if not isinstance(speech, Speech):
        raise TypeError("an answer to a stream that is none")
    return speech

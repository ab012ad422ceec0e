"""A chat whose answer broke off, as it is put to the model that goes on with it.

The text that was delivered becomes the last message, an assistant's; `Prefill` has the
ways to say that this turn is not over. Sources: Anthropic, "Prefill Claude's response";
Groq, "Assistant Message Prefilling"; DeepSeek, "Chat Prefix Completion"; Mistral, "Chat
Completion", `prefix`; vLLM, "Chat API", `continue_final_message`.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from tproxy.core import tokens, wishes
from tproxy.core.chat import ChatRequest
from tproxy.core.document import Document
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Capability, Model, Prefill
from tproxy.core.upstream import Usage

# Any other field may bind the answer to a form, or ask for more than a text. A `seed`
# does: who sends one wants the same text again, which two models will not say.
_HARMLESS = frozenset(
    """
    temperature top_p top_k min_p presence_penalty frequency_penalty repetition_penalty
    logit_bias stop user metadata store service_tier safety_identifier prompt_cache_key
    """.split()  # noqa: SIM905 - they read better as words
)
_BOUNDS = ("max_tokens", "max_completion_tokens")
_MOST_BLANK = 64  # characters; a model that says more of them is lost


@attrs.frozen
class Before:
    """An answer so far: the `text` delivered, the `head` of its chunks, what it took.

    `spent` is what providers reported, `estimated` if one broke off before it did.
    `resumed` tells who has gone on already, and after how many characters.
    """

    text: str = attrs.field(default="", repr=False)
    head: Mapping[str, object] = attrs.field(factory=dict, repr=False)
    spent: Usage = Usage(0, 0)
    estimated: bool = False
    resumed: tuple[Mapping[str, object], ...] = ()

    def resumed_by(self, name: str) -> Before:
        """The same, and from here the model `name` went on."""
        this = {"model": name, "at": len(self.text)}
        return attrs.evolve(self, resumed=(*self.resumed, this))


@attrs.frozen(kw_only=True)
class Continuation(ChatRequest):
    """The rest is wanted: `told` is said to the model, `blank` after it is delivered.

    White space at the end is not told: Anthropic refuses it, and chat templates drop it
    without a word, upon which it would come twice.
    """

    before: Before
    told: str = attrs.field(repr=False)
    blank: str = attrs.field(repr=False)

    @classmethod
    def of(cls, chat: ChatRequest, before: Before) -> Continuation | None:
        """None where nobody can go on from there."""
        text = before.text
        told = text.rstrip()
        blank = text[len(told) :]
        if not told or len(blank) > _MOST_BLANK or _is_within_stop(text, chat):
            return None
        size = len(told.encode())
        document, most = chat.document, chat.output_tokens
        for name in _BOUNDS:
            said = document.values.get(name)
            if isinstance(said, int):
                document = document.having(name, _less(said, size))
        return cls(
            document=document,
            model=chat.model,
            stream=True,
            needs=chat.needs | {Capability.PREFILL},
            text_bytes=chat.text_bytes + size,
            media=chat.media,
            output_tokens=most if most is None else _less(most, size),
            id=chat.id,
            created=chat.created,
            before=before,
            told=told,
            blank=blank,
        )

    def told_to(self, model: Model) -> Continuation:
        """In the words that `model` understands."""
        message: dict[str, object] = {"role": "assistant", "content": self.told}
        if model.prefill in (Prefill.PREFIX, Prefill.ECHOED_PREFIX):
            message["prefix"] = True
        document = _with_last(self.document, message)
        if model.prefill is Prefill.CONTINUE_FINAL_MESSAGE:
            document = document.having("continue_final_message", True)
            document = document.having("add_generation_prompt", False)
        return attrs.evolve(self, document=document)


def may_be_resumed(chat: ChatRequest, model: Model) -> bool:
    """Whether all that `chat` wants of `model` is one plain text."""
    messages = chat.document.values["messages"]
    last = messages[-1] if isinstance(messages, list) else None
    if isinstance(last, dict) and last.get("role") == "assistant":
        return False
    try:
        return not wishes.unsaid(chat, _HARMLESS, model)
    except UpstreamFailed:
        return False


def _with_last(document: Document, message: Mapping[str, object]) -> Document:
    messages = document.values["messages"]
    said = messages if isinstance(messages, list) else []
    return document.having("messages", [*said, message])


def _less(most: int, size: int) -> int:
    """What is left of a bound on tokens after a text of so many bytes; at least 1."""
    return max(most - tokens.estimate(size), 1)


def _is_within_stop(text: str, chat: ChatRequest) -> bool:
    """Whether `text` ends with a part of a stop sequence, of which nobody knows now."""
    said = chat.document.values.get("stop")
    stops = said if isinstance(said, list) else [said]
    return any(
        text.endswith(stop[:length])
        for stop in stops
        if isinstance(stop, str)
        for length in range(1, len(stop))
    )

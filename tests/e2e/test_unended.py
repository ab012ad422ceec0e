"""A stream that ends without `[DONE]`, as some providers' do, by what it said last."""

from __future__ import annotations

import asyncio

import openai
import pytest
from openai import OpenAI

from tests.dialect import event
from tests.e2e.stage import at, staged
from tests.faults.script import chunked
from tests.faults.upstream import scripted
from tests.serving import TOKEN, run

SAID = [event("Once"), event(" upon")]


@pytest.mark.parametrize("whole", [True, False])
def test_it_is_whole_with_a_finish_reason_and_broken_without(whole: bool) -> None:
    """OpenAI's library takes either end as an end: only an error tells them apart."""
    says = [*SAID, event(finish="stop")] if whole else SAID

    def read(url: str) -> tuple[str, str | None]:
        text = ""
        with OpenAI(base_url=url, api_key=TOKEN, max_retries=0) as client:
            try:
                for chunk in client.chat.completions.create(
                    model="SMALL",
                    messages=[{"role": "user", "content": "Hello"}],
                    stream=True,
                ):
                    text += chunk.choices[0].delta.content or ""
            except openai.APIError as error:
                return text, error.code
        return text, None

    async def test() -> None:
        async with (
            scripted(chunked(says)) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
        ):
            reply = await stage.ask(stream=True)
            text, error = await asyncio.to_thread(read, stage.proxy.url)

        assert text == "Once upon"
        assert error == (None if whole else "upstream_error")
        assert (reply.body == b"".join(says)) is whole  # verbatim, nothing added
        assert b"[DONE]" not in reply.body
        outcomes = [line.attempts[0].outcome for line in stage.recorder.requests]
        assert outcomes == ["answered" if whole else "early_end"] * 2

    run(test)

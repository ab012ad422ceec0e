"""Hints that a dialect has no words for are left out, and told."""

from __future__ import annotations

from tests.e2e.talking import USER, Talk, talking

STRANGE = {"a\r\nSet-Cookie: b": 1, "m\u00fcde": 2, "x" * 100: 3}


def test_what_was_left_out_is_named_in_a_header() -> None:
    async def test(talk: Talk) -> None:
        answer = await talk.client.chat.completions.with_raw_response.create(
            model=talk.model.name,
            messages=[{"role": "user", "content": str(USER["content"])}],
            seed=5,
            extra_body=STRANGE,
        )

        named = answer.headers["x-tproxy-dropped"].split(", ")
        assert sorted(named) == ["?", "?", "?", "seed"]
        assert "set-cookie" not in answer.headers

    talking("anthropic", test)

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.values import chat
from tproxy.core import document, message
from tproxy.core.links import Link, embedded, links

CAT = "https://pictures.test/cat.png"
DOG = "HTTP://pictures.test/dog.png"
DATA = "data:image/png;base64,AAAA"


def picture(url: object) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def test_links_are_found_with_their_places() -> None:
    asked = chat(
        [
            {"type": "text", "text": CAT},
            picture(CAT),
            picture(DATA),
            {"type": "image_url", "image_url": DOG},
            {"type": "input_image", "image_url": CAT},
            {"type": "file", "file": {"file_id": CAT}},
        ]
    )

    assert links(asked) == (
        Link("messages[0].content[1].image_url", CAT),
        Link("messages[0].content[3].image_url", DOG),
        Link("messages[0].content[4].image_url", CAT),
    )


@pytest.mark.parametrize(
    "content", ["Hello", None, [], [picture(None)], [picture("file:///etc/passwd")]]
)
def test_a_chat_may_have_no_links(content: object) -> None:
    asked = chat(content)

    assert links(asked) == ()
    assert embedded(asked, {}).document.values == asked.document.values


def test_embedded_pictures_stand_where_the_links_stood_and_all_else_stays() -> None:
    said = [
        {"type": "text", "text": "What?"},
        picture(CAT),
        {"type": "image_url", "image_url": DOG},
        picture("https://elsewhere.test/"),
    ]
    asked = chat(said, temperature=0.5, model="m")

    got = embedded(asked, {CAT: DATA, DOG: f"{DATA}BB"})

    parts = message.read(got.document.values["messages"])[0].parts
    assert parts == (
        message.Text("What?"),
        message.Media("image/png", "AAAA"),
        message.Media("image/png", "AAAABB"),
        message.Link("https://elsewhere.test/"),
    )
    expected: dict[str, Any] = json.loads(asked.document.text)
    expected["messages"][0]["content"][1]["image_url"]["url"] = DATA
    expected["messages"][0]["content"][2]["image_url"] = f"{DATA}BB"
    assert json.loads(got.document.text) == expected == got.document.values
    assert links(asked), "the client's own request is as it was"


@given(st.dictionaries(st.text(), st.text() | st.integers(), min_size=1), st.data())
def test_a_document_with_another_value_is_as_if_it_had_been_sent(
    values: dict[str, object], data: st.DataObject
) -> None:
    before = document.parse(json.dumps(values).encode())
    key = data.draw(st.sampled_from(sorted(values)))

    after = before.having(key, ["new", {"x": 1}])

    assert after == document.parse(after.text.encode())
    assert after.values == {**values, key: ["new", {"x": 1}]}

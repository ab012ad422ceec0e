from __future__ import annotations

import base64
import json
import random
from contextlib import suppress
from pathlib import Path

import attrs
import pytest
from tornado.httputil import parse_body_arguments

from tests.core.test_pictures import PNG
from tests.providers.cloudflare import BASE, MODEL
from tests.providers.walking import ok, sent, walk
from tests.values import image
from tproxy.contract import tampering
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.image import ImageRequest
from tproxy.core.model import Model
from tproxy.core.upstream import ImageReply, Received, UpstreamHead, UpstreamRequest
from tproxy.providers.cloudflare import DIALECT

RECORDINGS = Path(__file__).parents[2] / "recordings" / "cloudflare"
JPEG = b"\xff\xd8\xff\xe0" + bytes(100)


def named(name: str) -> Model:
    return attrs.evolve(MODEL, upstream_name=name)


def received(body: bytes, kind: str = "image/png") -> Received:
    return ok(body, **{"content-type": kind})


def wrapped(picture: bytes) -> Received:
    said = {"result": {"image": base64.b64encode(picture).decode()}, "success": True}
    return received(json.dumps(said).encode(), "application/json")


def drawn(
    asked: ImageRequest, model: Model, *answers: Received
) -> tuple[list[UpstreamRequest], ImageReply]:
    assert DIALECT.images is not None
    return walk(DIALECT.images.draw(asked, model), *answers)


def form(request: UpstreamRequest) -> dict[str, str]:
    [kind] = [value for name, value in request.headers if name == "Content-Type"]
    fields: dict[str, list[bytes]] = {}
    parse_body_arguments(kind, request.body, fields, {})
    return {name: b"".join(values).decode() for name, values in fields.items()}


def recordings() -> list[Path]:
    paths = sorted(RECORDINGS.glob("*.json"))
    return [p for p in paths if json.loads(p.read_text("utf-8"))["kind"] == "image"]


@pytest.mark.parametrize("path", recordings(), ids=lambda path: path.stem)
def test_recorded_pictures_are_asked_for_and_read(path: Path) -> None:
    said = json.loads(path.read_text("utf-8"))
    fields = said["request"]["body"]["multipart"]
    size = f"{fields['width']}x{fields['height']}"
    # An empty prompt is taken there, and refused here.
    asked = image(prompt=fields["prompt"] or "-", size=size, seed=int(fields["seed"]))
    answer = said["response"]
    head = UpstreamHead(answer["status"], answer["headers"])

    [request], reply = drawn(
        asked, named(said["model"]), Received(head, answer["body"].encode())
    )

    assert form(request) == {**fields, "prompt": fields["prompt"] or "-"}
    assert request.url == f"{BASE}/{said['model']}"
    assert [picture.kind for picture in reply.pictures] == ["image/jpeg"]


def test_a_form_holds_whatever_the_prompt_is() -> None:
    prompt = 'tproxy-form\r\n--tproxy-form--\r\n"кот"'

    [request], _ = drawn(image(prompt=prompt), named("@cf/x/flux-2-dev"), received(PNG))

    assert form(request) == {"prompt": prompt}


def test_other_models_are_asked_in_json_and_answer_with_bytes() -> None:
    asked = image(size="512x768", negative_prompt="dogs", num_steps=4, quality="hd")
    name = "@cf/lykon/dreamshaper-8-lcm"

    [request], reply = drawn(asked, named(name), received(JPEG))

    assert sent(request) == {
        "prompt": "A cat",
        "width": 512,
        "height": 768,
        "negative_prompt": "dogs",
        "num_steps": 4,
    }
    assert request.dropped == ("quality",)
    [picture] = reply.pictures
    assert (picture.kind, picture.data) == ("image/jpeg", JPEG)  # its true type


def test_flux_1_has_one_size() -> None:
    name = "@cf/black-forest-labs/flux-1-schnell"

    [request], _ = drawn(image(size="512x512"), named(name), wrapped(JPEG))

    assert sent(request) == {"prompt": "A cat"}
    assert request.dropped == ("size",)


def test_several_pictures_are_asked_for_one_by_one() -> None:
    asked = image(n=3, seed=7)

    requests, reply = drawn(
        asked, named("@cf/x/sd"), received(PNG), wrapped(JPEG), received(PNG)
    )

    assert [sent(request)["seed"] for request in requests] == [7, 8, 9]
    assert [p.kind for p in reply.pictures] == ["image/png", "image/jpeg", "image/png"]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (received(b""), failures.EMPTY),
        (received(PNG[:20]), failures.EMPTY),
        (received(b"\x00" * 100), failures.MALFORMED),
        (received(b"<html>", "text/html"), failures.MALFORMED),
        (received(b"", "application/json"), failures.EMPTY),
        (received(b"{}", "application/json"), failures.EMPTY),
        (received(b'{"result": {}}', "application/json"), failures.EMPTY),
        (received(b'{"result": {"image": 1}}', "application/json"), failures.MALFORMED),
        (received(b'{"result": {"image": "-"}}', ""), failures.MALFORMED),
        (wrapped(b""), failures.EMPTY),
        (wrapped(PNG[:20]), failures.EMPTY),
        (
            received(
                b'{"success": false, "errors": [{"code": 3030, "message": "NSFW"}]}',
                "application/json",
            ),
            failures.FILTERED,
        ),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_a_failure(answer: Received, failure: Failure) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        drawn(image(), named("@cf/x/sd"), answer)

    assert caught.value.failure is failure


def test_no_answer_is_a_surprise() -> None:
    good = wrapped(PNG).body
    for body in tampering.answers(good, random.Random(7), 500, "key"):
        with suppress(UpstreamFailed):
            _, reply = drawn(image(), named("@cf/x/sd"), received(body, ""))
            assert reply.pictures[0].kind == "image/png"

"""Whether what a client gets is what OpenAI's own API would send, rule by rule.

Each function takes the bytes and returns what they hold, or raises `Violation`, whose
message begins with the path of what is wrong.

A provider may send what its own model has botched: arguments that are no JSON, a call
and another reason to finish, counts that contradict each other. Nobody can translate
that into something better, so `wild` leaves these out.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import struct
from collections.abc import Mapping
from typing import Any

import attrs

from tproxy.contract import objects
from tproxy.contract.shape import Violation, require
from tproxy.contract.spoken import Spoken
from tproxy.core import pictures

DONE = b"data: [DONE]\n\n"
_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,", re.ASCII).match


@attrs.frozen
class Stream:
    """What a stream said, choice by choice; `usage` is None where it had none."""

    choices: tuple[Spoken, ...]
    usage: Mapping[str, object] | None


def check_completion(body: bytes, *, wild: bool = False) -> dict[str, Any]:
    """Check a whole answer; return it."""
    said = _object(body)
    objects.COMPLETION(said, "completion")
    for place, choice in enumerate(said["choices"]):
        path = f"completion.choices[{place}]"
        require(choice["index"] == place, f"{path}.index", "is out of turn")
        message = choice["message"]
        spoken = Spoken.of_message(message, choice["finish_reason"])
        spoken.check(f"{path}.message", wild=wild)
    if "usage" in said and not wild:
        _check_usage(said["usage"], "completion.usage")
    return said


def check_stream(
    data: bytes, *, usage: bool | None = None, wild: bool = False
) -> Stream:
    """Check a stream that ended well; return what it said.

    `usage` says whether the client asked for it; None where nobody knows.
    """
    require(data.endswith(DONE), "stream", "does not end with [DONE]")
    stream = check_broken_stream(data[: -len(DONE)], wild=wild)
    require(stream.choices, "stream", "has no choice")
    for place, spoken in enumerate(stream.choices):
        path = f"stream.choices[{place}]"
        require(spoken.finish, path, "has no finish reason")
        spoken.check(path, wild=wild)
    if usage is not None:
        told = stream.usage is not None
        require(told <= usage, "stream", "tells a usage that nobody asked for")
        require(told >= usage or wild, "stream", "does not tell its usage")
    return stream


def check_broken_stream(data: bytes, *, wild: bool = False) -> Stream:
    """Check what came of a stream before it broke off: whole chunks, and no end.

    Where a usage is asked for, each chunk names it: null in all but the last.
    """
    choices: list[Spoken] = []
    first: Mapping[str, object] | None = None
    usage: Mapping[str, object] | None = None
    for number, said in enumerate(_events(data)):
        path = f"chunk {number}"
        require(usage is None, path, "comes after the usage")
        objects.CHUNK(said, path)
        first = first or said
        for name in ("id", "created", "model"):
            require(said[name] == first[name], f"{path}.{name}", "changes on the way")
        alike = ("usage" in said) == ("usage" in first)
        require(alike, f"{path}.usage", "is in some chunks, and not in others")
        for place, choice in enumerate(said["choices"]):
            _hear(choices, choice, f"{path}.choices[{place}]")
        usage = said.get("usage")
        if usage is not None:
            if not wild:
                _check_usage(usage, f"{path}.usage")
            require(not said["choices"], path, "has a usage and choices")
            finished = all(spoken.finish for spoken in choices)
            require(finished, path, "has a usage before the last finish reason")
        else:
            require(said["choices"], path, "has neither choices nor usage")
    return Stream(tuple(choices), usage)


def check_error(body: bytes) -> dict[str, Any]:
    """Check the body of an error; return what is in the envelope."""
    said = _object(body)
    objects.ERROR(said, "body")
    inner: dict[str, Any] = said["error"]
    return inner


def check_images(body: bytes) -> list[bytes | str]:
    """Check images made; return their bytes, or URLs where those were sent."""
    said = _object(body)
    objects.IMAGES(said, "images")
    made: list[bytes | str] = []
    for place, one in enumerate(said["data"]):
        path = f"images.data[{place}]"
        exactly = ("url" in one) != ("b64_json" in one)
        require(exactly, path, "has not exactly one of url and b64_json")
        if "url" in one:
            made.append(_linked(one["url"], f"{path}.url"))
        else:
            made.append(_picture(one["b64_json"], f"{path}.b64_json"))
    return made


def check_embeddings(body: bytes) -> list[tuple[float, ...]]:
    """Check embeddings; return the vectors, read from Base64 where that was sent."""
    said = _object(body)
    objects.EMBEDDINGS(said, "embeddings")
    vectors = []
    for place, one in enumerate(said["data"]):
        path = f"embeddings.data[{place}]"
        require(one["index"] == place, f"{path}.index", "is out of turn")
        vectors.append(_vector(one["embedding"], f"{path}.embedding"))
        alike = len(vectors[-1]) == len(vectors[0])
        require(alike, f"{path}.embedding", "is of another length than the first")
    usage = said["usage"]
    fits = usage["total_tokens"] == usage["prompt_tokens"]
    require(fits, "embeddings.usage", "does not add up")
    return vectors


def _hear(choices: list[Spoken], choice: Mapping[str, Any], path: str) -> None:
    """Take one choice of a chunk."""
    index = choice["index"]
    require(index <= len(choices), f"{path}.index", "leaves one out")
    if index == len(choices):
        choices.append(Spoken())
    spoken = choices[index]
    spoken.take(choice["delta"], f"{path}.delta")
    if choice["finish_reason"] is not None:
        spoken.finish = choice["finish_reason"]


def _events(data: bytes) -> list[dict[str, Any]]:
    """The values of a stream's events, each one line and a blank one."""
    require(not data or data.endswith(b"\n\n"), "stream", "ends within an event")
    said = []
    for number, event in enumerate(data.split(b"\n\n")[:-1]):
        path = f"chunk {number}"
        plain = event.startswith(b"data: ") and b"\n" not in event
        require(plain and b"\r" not in event, path, "is not one line of data")
        require(event != b"data: [DONE]", path, "is [DONE], and not at the end")
        said.append(_object(event[6:], path))
    return said


def _check_usage(usage: Mapping[str, Any], path: str) -> None:
    """What is cached is part of the prompt, and thoughts are part of the answer."""
    total = usage["prompt_tokens"] + usage["completion_tokens"]
    require(usage["total_tokens"] == total, f"{path}.total_tokens", "does not add up")
    for part, name in (("prompt", "cached_tokens"), ("completion", "reasoning_tokens")):
        details = usage.get(f"{part}_tokens_details") or {}
        within = details.get(name, 0) <= usage[f"{part}_tokens"]
        require(
            within, f"{path}.{part}_tokens_details.{name}", "is more than the whole"
        )


def _object(body: bytes, path: str = "body") -> dict[str, Any]:
    try:
        said = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Violation(f"{path}: is no JSON ({type(error).__name__})") from None
    if not isinstance(said, dict):
        raise Violation(f"{path}: is no object")
    return said


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _linked(url: str, path: str) -> bytes | str:
    """What a URL leads to: with `data:` it is the picture itself."""
    embedded = _DATA_URL(url)
    if embedded is not None:
        return _picture(url[embedded.end() :], path)
    require(url.startswith(("https://", "http://")), path, "is no URL")
    return url


def _picture(text: str, path: str) -> bytes:
    data = _base64(text, path)
    require(pictures.sniff(data), path, "is no picture")
    return data


def _base64(text: str, path: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Violation(f"{path}: is no Base64") from None


def _vector(said: str | list[float], path: str) -> tuple[float, ...]:
    if isinstance(said, list):
        return tuple(said)
    data = _base64(said, path)
    require(data and len(data) % 4 == 0, path, "is no row of 32-bit floats")
    vector = struct.unpack(f"<{len(data) // 4}f", data)
    require(all(map(math.isfinite, vector)), path, "holds a number that is none")
    return vector

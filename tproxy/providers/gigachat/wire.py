"""JSON from GigaChat, whose members may be of any type until they are looked at."""

from __future__ import annotations

from tproxy.core.model import Model
from tproxy.providers import complaint
from tproxy.providers.said import Object, malformed
from tproxy.providers.said import opened as json_object

_ANSWERS = {"choices", "messages", "data"}


def opened(data: bytes, model: Model) -> Object:
    """The object in a body, or in the data of an event.

    Raises:
        UpstreamFailed: it is an error; `EMPTY` or `MALFORMED`, where there is none.
    """
    said = json_object(data, model)
    if said.get("error") or ("message" in said and not _ANSWERS & said.keys()):
        raise complaint.read(None, {}, data, model)
    return said


def objects(said: object, what: str, model: Model) -> list[Object]:
    """A list of objects; none where it is missing."""
    if said is None:
        return []
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        raise malformed(model, f"{what} of the wrong type")
    return said


def string(said: object, what: str, model: Model) -> str:
    """Text; "" where it is missing."""
    if said is None:
        return ""
    if not isinstance(said, str):
        raise malformed(model, f"{what} of the wrong type")
    return said

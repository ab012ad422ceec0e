"""Tornado's HTTPHeaders, built from what the parser has checked already.

What this module rests on in Tornado 6.6: an `HTTPHeaders` is two dictionaries,
`_as_list` from normalised names to values and `_combined_cache`, which is filled as
names are looked up. `HTTPHeaders.add` matches each name and value against regular
expressions, 2 µs a header; `head` has matched the same grammar (RFC 9110, 5.5 and
5.6.2) against the whole head at once, so nothing is let in that `add` would refuse.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload

from tornado.httputil import HTTPHeaders

T = TypeVar("T")

_MOST_NAMES = 1_024


class _Names(dict[bytes, str]):
    """Names as received to names as Tornado spells them: "Content-Type"."""

    def __missing__(self, received: bytes) -> str:
        name = "-".join(
            word.capitalize() for word in received.decode("ascii").split("-")
        )
        if len(self) >= _MOST_NAMES:  # clients choose them: keep no list of all
            self.clear()
        self[received] = name
        return name


NAMES = _Names()


class ReceivedHeaders(HTTPHeaders):
    """The headers of a request. Equal in all to what `HTTPHeaders.parse` returns.

    `noted` is for their reader, to keep what follows from them whatever their
    Content-Length: it is there again when the client says them again.
    """

    __slots__ = ("noted",)

    def __init__(
        self, fields: dict[str, list[str]], noted: dict[Any, Any] | None = None
    ) -> None:
        self._as_list = fields
        self._combined_cache = {}
        self.noted = {} if noted is None else noted

    def having(self, name: str, value: str) -> ReceivedHeaders:
        """These with one other value; to change the one leaves the other as it is."""
        fields = self._as_list.copy()  # but of lists that are the same: see `add`
        fields[name] = [value]
        return ReceivedHeaders(fields, self.noted)

    def add(self, name: str, value: str, *, _chars_are_bytes: bool = True) -> None:
        """As HTTPHeaders', to lists that are nobody else's."""
        for each, said in self._as_list.items():
            self._as_list[each] = said[:]
        super().add(name, value, _chars_are_bytes=_chars_are_bytes)

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str) -> str: ...
    @overload
    def get(self, name: str, /, default: T) -> str | T: ...
    def get(self, name: str, /, default: object = None) -> object:
        """As Mapping's, which raises and catches a KeyError for each absent name."""
        values = self.get_list(name)
        if not values:
            return default
        return values[0] if len(values) == 1 else ",".join(values)

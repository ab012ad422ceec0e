"""Where a model goes on from the words of another: what of its text is new.

A model that is told to go on says what comes next. Of some providers the answer begins
with the words it was told to go on from. Which of the two is declared; it could not be
guessed, for a song may begin with the same line twice.
"""

from __future__ import annotations

import attrs

OPENING = 32  # characters; an answer that shares so many with the first begins again


@attrs.define
class Seam:
    """Holds the text of a model back until it is clear that it goes on, and from where.

    The model was `told` to go on from these words. `blank` is white space that the
    client has after them and the model was not told, so that it has to say it again. If
    it `echoes`, it has to say `told` again, too; if not, it must not open as `told`
    does: for `OPENING` characters, or all of them. Once it is `torn`, the model did
    anything else, and nothing comes out any more.
    """

    _told: str
    _blank: str
    _echoes: bool
    torn: bool = attrs.field(default=False, init=False)
    _echoed: int = attrs.field(default=0, init=False)  # characters
    _held: str = attrs.field(default="", init=False)
    _joined: bool = attrs.field(default=False, init=False)

    def feed(self, text: str) -> str:
        """Take what the model says; return what of it the client does not have."""
        if self._joined:
            return text
        if self._echoes and not self.torn:
            text = self._unechoed(text)
        self._held += text
        held, opening = self._held, "" if self._echoes else self._told[:OPENING]
        together = min(len(held), len(self._blank))
        repeats = opening != "" and held.startswith(opening)
        if repeats or held[:together] != self._blank[:together]:
            self.torn = True
        if self.torn or len(held) < len(self._blank) or opening.startswith(held):
            return ""
        self._joined = True
        return held[len(self._blank) :]

    def close(self) -> None:
        """The model has ended. It may have had nothing to add."""
        if not self._joined:
            cut = self._echoes and self._echoed < len(self._told)
            self.torn = self.torn or cut or not self._blank.startswith(self._held)

    def _unechoed(self, text: str) -> str:
        echo = text[: len(self._told) - self._echoed]
        self.torn = not self._told.startswith(echo, self._echoed)
        self._echoed += len(echo)
        return text[len(echo) :]

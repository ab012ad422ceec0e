"""The way into a connection: read, or leave what is sent in the network."""

from __future__ import annotations

import asyncio

import attrs


@attrs.define(eq=False)
class Inflow:
    """Reads from one transport, or not."""

    _transport: asyncio.Transport
    held: bool = attrs.field(default=False, init=False)

    def hold(self) -> None:
        if not (self.held or self._transport.is_closing()):
            self.held = True
            self._transport.pause_reading()

    def release(self) -> None:
        if self.held:
            self.held = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

"""The board in Redis or Valkey, for any number of hosts. Needs `tproxy[redis]`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import attrs
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as TookTooLong

from tproxy.core.state import Clock
from tproxy.state.board import BoardLost, Note
from tproxy.state.patience import Silence, within

_CALL_SECONDS = 0.05
_CONNECTIONS = 4  # there is never much to say
_STUCK = 1.0  # seconds; redis-py's own limit, which knows of no busy loop
_NOTES = "{tproxy}:1:notes"
_TAKEN = "{tproxy}:1:taken:"

_LUA = (resources.files("tproxy.state") / "board.lua").read_text("utf-8")
_SHA = hashlib.sha1(_LUA.encode(), usedforsecurity=False).hexdigest()

_encode = json.JSONEncoder(separators=(",", ":")).encode


@attrs.define(eq=False)
class RedisBoard:
    """`state.board.Board`. `time`, in tests, is what the server takes for its clock.

    Names are taken for requests, which do not wait for a server that is silent.
    """

    _redis: Redis
    _patience: float = _CALL_SECONDS
    _time: Clock | None = None
    _silence: Silence = attrs.field(factory=Silence)
    _taken: dict[str, str] = attrs.field(factory=dict, init=False)

    @classmethod
    def at(
        cls,
        url: str,
        patience: float = _CALL_SECONDS,
        time: Clock | None = None,
        silence: Silence | None = None,
    ) -> RedisBoard:
        """Raises ValueError where that is no URL of a Redis server."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_STUCK,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=_STUCK,
            socket_timeout=_STUCK,
            protocol=2,
            decode_responses=True,
        )
        redis = Redis(connection_pool=pool)
        return cls(redis, patience, time, silence or Silence())

    async def post(self, name: str, said: str | None) -> None:
        await self._ask("post", name, said=said)

    async def notes(self) -> Mapping[str, Note]:
        told = await self._ask("notes")
        try:
            return {
                name: Note(said, float(ago))
                for name, said, ago in zip(
                    told[::3], told[1::3], told[2::3], strict=True
                )
            }
        except ValueError as error:
            raise BoardLost(f"its answer makes no sense: {error!r}") from error

    async def take(self, name: str, seconds: float) -> float:
        if self._silence.on:
            raise BoardLost("it is silent")
        told = await self._ask("take", name, seconds=seconds)
        try:
            wait = min(max(float(told[0]), 0.0), seconds)
            if not wait:
                self._taken[name] = told[1]
        except (ValueError, LookupError) as error:
            raise BoardLost(f"its answer makes no sense: {error!r}") from error
        return wait

    async def give_back(self, name: str) -> None:
        at = self._taken.pop(name, None)
        if at is not None and not self._silence.on:
            await self._ask("give_back", name, at=at)

    async def close(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def _ask(self, what: str, name: str = "", **more: object) -> list[str]:
        said = {key: value for key, value in more.items() if value is not None}
        if self._time is not None:
            said["now"] = self._time.steady()
        text = _encode({"what": what, "name": name, **said})
        try:
            async with within(self._patience):
                told = await self._run(_NOTES, _TAKEN + name, text)
        except (NotConnected, TookTooLong, OSError, TimeoutError) as error:
            self._silence.on = True
            raise BoardLost(str(error) or type(error).__name__) from error
        except RedisError as error:
            raise BoardLost(str(error)) from error
        self._silence.on = False
        if not isinstance(told, list):
            raise BoardLost("its answer makes no sense")
        return [str(each) for each in told]

    async def _run(self, *said: str) -> Any:
        try:
            return await self._redis.evalsha(_SHA, 2, *said)
        except NoScriptError:  # new, or a server that was restarted or flushed
            return await self._redis.eval(_LUA, 2, *said)

"""The ways out: signed to the provider, or bare to wherever a provider points."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import attrs

from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import KeyHeader, Model
from tproxy.core.upstream import (
    Broken,
    ProviderAdapter,
    Signer,
    Transport,
    UpstreamReply,
    UpstreamRequest,
)
from tproxy.relay.reading import error_body


@attrs.frozen
class Doors:
    """`transport` leads to the provider, signed by `signer`; `outside` elsewhere.

    `outside` is asked whatever a provider names, so it is for it to be careful.
    """

    signer: Signer
    transport: Transport
    outside: Transport

    def signed(
        self, request: UpstreamRequest, model: Model, left: float
    ) -> Coroutine[Any, Any, UpstreamRequest]:
        """The request with its credential, which may take `left` seconds to get.

        Raises:
            Broken: it took longer.
            UpstreamFailed: there is none to be had.
        """
        if isinstance(model.upstream.auth, KeyHeader):  # is at hand; needs no timer
            return self.signer.sign(request, model.upstream)
        return self._signed_in_time(request, model, left)

    async def _signed_in_time(
        self, request: UpstreamRequest, model: Model, left: float
    ) -> UpstreamRequest:
        try:
            async with asyncio.timeout(left):
                return await self.signer.sign(request, model.upstream)
        except TimeoutError:
            raise Broken(failures.TIMED_OUT, "no token in time") from None
        except UpstreamFailed as error:
            message = f"{model.name}: {error.message}"
            raise attrs.evolve(error, model=model.name, message=message) from None

    async def refusal(
        self,
        reply: UpstreamReply,
        request: UpstreamRequest,
        adapter: ProviderAdapter,
        model: Model,
    ) -> UpstreamFailed:
        """What a reply means that is no 2xx.

        Where a token has died since it was made that is `EXPIRED`, and the next try
        gets another.
        """
        body = await error_body(reply, model.upstream.patience)
        error = adapter.parse_error(reply.head, body, model)
        if error.failure is failures.AUTH and self.signer.refused(
            request, model.upstream
        ):
            return UpstreamFailed.of(model.name, failures.EXPIRED, error.detail)
        return error

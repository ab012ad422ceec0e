"""Tokens that are asked for with a client's credentials, and renewed in time."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Hashable

import attrs

from tproxy.auth import grant
from tproxy.auth.grant import Grant, failed
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import ClientCredentials, Patience, Upstream
from tproxy.core.secret import Secret
from tproxy.core.state import Clock
from tproxy.core.upstream import Broken, Transport, UpstreamHead, UpstreamRequest

_EARLY = 60.0  # seconds before its end that a token is renewed; a short one, a tenth
_AGAIN = 10.0  # seconds until a renewal is tried again, while the old token lives
_LONGEST = 65_536  # bytes of an answer


@attrs.frozen
class Token:
    """`renew_at` and `dead_at` are by the steady clock."""

    text: Secret
    renew_at: float
    dead_at: float


@attrs.frozen
class Signed(UpstreamRequest):
    """A request with its token; `fresh` if the token was made while it waited."""

    token: Secret = Secret("")
    fresh: bool = False


@attrs.define(eq=False)
class _Account:
    """What is known of one credential. `scope` is the one that it turned out to have.

    The renewal is a task of its own, so that nobody who waits for it can harm it by
    leaving; it never fails, but returns why there is no token.
    """

    token: Token | None = None
    scope: str | None = None
    renewal: asyncio.Task[Token | UpstreamFailed] | None = None

    def is_idle(self, now: float) -> bool:
        dead = self.token is None or now >= self.token.dead_at
        return dead and self.renewal is None


@attrs.define(eq=False, repr=False)  # an account's key holds a proxy's password
class OAuth:
    """The `core.upstream.Signer` of providers with `ClientCredentials`.

    Tokens are kept by credential, authorization server and the way to it. Requests that
    need a new one at the same time wait for the same one.
    """

    _transport: Transport
    _clock: Clock
    _new_uuid: Callable[[], uuid.UUID] = uuid.uuid4
    _accounts: dict[Hashable, _Account] = attrs.field(factory=dict, init=False)

    async def sign(
        self, request: UpstreamRequest, upstream: Upstream
    ) -> UpstreamRequest:
        at = upstream.auth
        if not (upstream.token and request.ours and isinstance(at, ClientCredentials)):
            return request
        account = self._account(upstream)
        before = token = account.token
        if token is None or self._clock.steady() >= token.renew_at:
            token = await self._renewed(account, at, upstream)
        return Signed(
            method=request.method,
            url=request.url,
            headers=(
                *request.headers,
                ("Authorization", f"Bearer {token.text.reveal()}"),
            ),
            body=request.body,
            dropped=request.dropped,
            token=token.text,
            fresh=before is None or before.text != token.text,
        )

    def refused(self, request: UpstreamRequest, upstream: Upstream) -> bool:
        if not isinstance(request, Signed):
            return False
        account = self._account(upstream)
        if account.token is not None and account.token.text == request.token:
            account.token = None
        return not request.fresh

    def _account(self, upstream: Upstream) -> _Account:
        key = (upstream.auth, upstream.token, upstream.tls, upstream.reach.proxy)
        account = self._accounts.get(key)
        if account is None:
            now = self._clock.steady()
            for old in [k for k, a in self._accounts.items() if a.is_idle(now)]:
                del self._accounts[old]  # a reload may have changed all of them
            account = self._accounts[key] = _Account()
        return account

    async def _renewed(
        self, account: _Account, at: ClientCredentials, upstream: Upstream
    ) -> Token:
        if account.renewal is None:
            renewal = self._renew(account, at, upstream)
            account.renewal = asyncio.get_running_loop().create_task(renewal)
        outcome = await asyncio.shield(account.renewal)
        if isinstance(outcome, Token):
            return outcome
        raise attrs.evolve(outcome)  # each waiter's own, traceback and all

    async def _renew(
        self, account: _Account, at: ClientCredentials, upstream: Upstream
    ) -> Token | UpstreamFailed:
        started = self._clock.steady()
        try:
            granted = await self._granted(account, at, upstream)
        except UpstreamFailed as failure:
            old, now = account.token, self._clock.steady()
            if old is None or now >= old.dead_at:
                return failure
            account.token = attrs.evolve(old, renew_at=now + _AGAIN)
        else:
            dead_at = started + granted.seconds
            early = min(_EARLY, granted.seconds / 10)
            account.token = Token(granted.token, dead_at - early, dead_at)
        finally:
            account.renewal = None
        return account.token

    async def _granted(
        self, account: _Account, at: ClientCredentials, upstream: Upstream
    ) -> Grant:
        """Ask for a token; where nobody named its scope, for each that there is.

        Raises:
            UpstreamFailed: there is none to be had.
        """
        named, account.scope = at.scope or account.scope, None
        scopes = list(grant.SCOPES) if named is None else [named]
        while True:
            scope = scopes.pop(0)
            head, body = await self._asked(at, scope, upstream)
            if not (scopes and grant.refuses_scope(head, body)):
                break
        granted = grant.read(head, body, self._clock.wall())
        account.scope = scope
        return granted

    async def _asked(
        self, at: ClientCredentials, scope: str, upstream: Upstream
    ) -> tuple[UpstreamHead, bytes]:
        id = str(self._new_uuid())
        request = grant.request(at.auth_url, scope, upstream.token, id)
        usual = upstream.patience
        whole = usual.connect + usual.first_byte
        patience = Patience(usual.connect, usual.first_byte, usual.silence, whole)
        body = bytearray()
        try:
            async with self._transport.open(request, upstream, patience) as reply:
                while data := await reply.read():
                    body += data
                    if len(body) > _LONGEST:
                        raise failed(failures.MALFORMED, "token: an endless answer")
                return reply.head, bytes(body)
        except Broken as broken:
            raise failed(broken.failure, f"token: {broken.detail}") from broken

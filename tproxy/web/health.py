"""`GET /ping`, `/healthz` and `/readyz`: for load balancers, without a token."""

from __future__ import annotations

from tproxy.web.base import BaseHandler


class PingHandler(BaseHandler):
    """Alive. Kept as the origin had it: the two letters "OK"."""

    public = True

    def get(self) -> None:
        self.say(200, "OK")

    head = get

    def say(self, status: int, word: str) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(word)


class ReadyHandler(PingHandler):
    """Whether new work is welcome: not while starting, not while draining."""

    def get(self) -> None:
        if self.context.draining:
            self.say(503, "draining")
        elif not self.context.ready:
            self.say(503, "starting")
        else:
            self.say(200, "OK")

    head = get

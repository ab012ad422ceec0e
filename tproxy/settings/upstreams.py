"""Where and how one model is asked: its own keys, its provider's, then the preset's."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeVar

import attrs

from tproxy.core.model import (
    ClientCredentials,
    KeyHeader,
    Kind,
    Limits,
    Patience,
    Reach,
    Tls,
    Upstream,
)
from tproxy.core.secret import Secret
from tproxy.settings import dialects, endpoint, schema
from tproxy.settings.accounts import Account
from tproxy.settings.dialects import Dialects
from tproxy.settings.endpoint import Endpoint, UnusableUrl
from tproxy.settings.expansion import Expansion, Unexpanded
from tproxy.settings.files import check_present
from tproxy.settings.headers import header_problem, unsendable
from tproxy.settings.presets import OPENAI, presets, speaker
from tproxy.settings.report import Report, Where, near, printable
from tproxy.settings.settings import ECHO_URL

T = TypeVar("T")

_KEYS = {"authorization", "api-key", "x-api-key", "x-goog-api-key"}


@attrs.frozen
class Asking:
    """One model as written, with what its provider adds.

    `words` are all that name a provider here; `expansion` is for presets; `dialects`
    are those there are.
    """

    said: schema.Model
    where: Where
    account: Account
    words: Collection[str]
    expansion: Expansion
    dialects: Dialects
    report: Report

    def inherited(
        self, key: str, pick: Callable[[schema.Access], T | None]
    ) -> tuple[T | None, Where]:
        """The model's own value, else its provider's; and where that stands."""
        own = pick(self.said)
        if own is None and self.account.where:
            return pick(self.account.said), (*self.account.where, *key.split("."))
        return own, (*self.where, *key.split("."))

    def endpoint(self) -> Endpoint | None:
        """Where it is asked, once checked; None, with a fault, where that cannot be."""
        said, preset = self.said, self.account.preset
        dialect, place = self.inherited("dialect", lambda access: access.dialect)
        if dialect is not None and self.report.at_fault(place):
            return None
        kind = Kind(said.kind) if said.kind else None
        url, place = self.inherited("url", lambda access: access.url)
        if url is None:
            place = (*self.where, "provider")
            url = self._preset_url(kind or Kind.CHAT, dialect)
        if url is None:
            return None
        if url == ECHO_URL and url == preset.url:
            return Endpoint(url, OPENAI, kind or Kind.CHAT)
        if not self._usable(url, place):
            return None
        own = said.url is not None
        return endpoint.derive(
            url,
            preset,
            dialect=dialect,
            kind=kind,
            shared=not own,
            unsized=own and not (said.model_size or said.max_request_length),
        )

    def upstream(self, at: Endpoint) -> Upstream:
        """How it is asked there."""
        headers, token = self._headers(), self._token()[0] or ""
        names = {name.lower() for name, _ in headers}
        if not (token or names & _KEYS or self._needs_no_key(at)):
            self._warn_of_no_token()
        auth = self._auth(at)
        if token:
            self._check_beside(auth)
        return Upstream(
            url=at.url,
            dialect=at.dialect,
            token=Secret(token),
            headers=headers,
            patience=self._patience(),
            tls=self._tls(),
            reach=self._reach(),
            auth=auth,
        )

    def _auth(self, at: Endpoint) -> KeyHeader | ClientCredentials:
        """How the key is shown: exchanged for a token, in a header, or as a bearer."""
        home = speaker(at.dialect, self.account.preset)
        auth_url, _ = self._auth_url()
        scope, place = self.inherited("scope", lambda access: access.scope)
        if auth_url is not None or home.auth_url is not None:
            return ClientCredentials(auth_url or home.auth_url or "", scope)
        if scope is not None:
            self.report.warn(place, "it is of no use here", "it goes with an auth_url")
        company = self.account.preset
        if company.auth_url and endpoint.same_host(at.url, company.own_url or ""):
            place = self.inherited("url", lambda access: access.url)[1]
            problem = f"in OpenAI's dialect {company.title}'s key is not exchanged"
            self.report.warn(place, problem, f"dialect: {company.dialect} does")
        return KeyHeader(home.key_header, "") if home.key_header else KeyHeader()

    def _check_beside(self, auth: KeyHeader | ClientCredentials) -> None:
        """The header that will hold the key is not given as well."""
        ours = auth if isinstance(auth, KeyHeader) else KeyHeader()
        for access, where in self._sources():
            for name in access.headers:
                if name.lower() == ours.name.lower():
                    problem = "the token is sent in this header already"
                    self.report.fault((*where, "headers", name), problem)

    def check(self) -> None:
        """Report what cannot be sent, or read, whatever the URL."""
        token, place = self._token()
        problem, hint = unsendable(token or "")
        if problem:
            self.report.fault(place, problem, hint)
        auth_url, beside = self._auth_url()
        if auth_url is not None:
            self._usable(auth_url, beside)
        for access, where in self._sources():
            if access.dialect is not None:
                place = (*where, "dialect")
                dialects.check(access.dialect, self.dialects, place, self.report)
            for name, value in access.headers.items():
                problem = header_problem(name, value)
                if problem:
                    self.report.fault((*where, "headers", name), problem)
        self._check_http()

    def _check_http(self) -> None:
        ca_file, place = self._http(lambda http: http.ca_file, "ca_file")
        pair, beside = self._http(lambda http: http.client_cert, "client_cert")
        proxy, at = self._http(lambda http: http.proxy, "proxy")
        if proxy is not None and not endpoint.is_proxy(proxy):
            self.report.fault(at, "not a proxy", "http://user:password@host:port")
        if ca_file is not None:
            self._check_file(ca_file, place)
        if pair is not None:
            self._check_file(pair.cert, (*beside, "cert"))
            self._check_file(pair.key, (*beside, "key"))

    def check_unused(self) -> None:
        """Report what is wrong with a provider that no model has."""
        self.check()
        url, place = self.inherited("url", lambda access: access.url)
        if url is not None:
            self._usable(url, place)

    def _usable(self, url: str, place: Where) -> bool:
        insecure, _ = self.inherited("insecure_http", lambda a: a.insecure_http)
        try:
            endpoint.check(url, insecure_http=insecure or False)
        except UnusableUrl as error:
            self.report.fault(place, error.problem, error.hint)
            return False
        return True

    def _preset_url(self, kind: Kind, dialect: str | None) -> str | None:
        preset, place = self.account.preset, (*self.where, "provider")
        if self._lost_its_url():
            return None
        url = preset.usual_url(kind, dialect)
        if url is not None:
            try:
                return self.expansion.expand(url)
            except Unexpanded as error:
                problem = f"{preset.title}'s URL: {error.problem}"
                self.report.fault(place, problem, "or give a url")
        elif preset.url or preset.own_url:
            problem = f"no url, and none of {preset.title}'s in that dialect is known"
            self.report.fault(place, problem)
        elif preset.word in presets():
            problem = f"no url, and {preset.title} has none that is the same for all"
            self.report.fault(place, problem)
        else:
            problem = f"no url, and '{printable(preset.word)}' is no known provider"
            self.report.fault(place, problem, near(preset.word, self.words))
        return None

    def _lost_its_url(self) -> bool:
        """It had a URL, or a provider with one, that is a fault already."""
        places: tuple[Where, ...] = (
            (*self.where, "url"),
            ("providers", self.said.provider),
        )
        return any(self.report.at_fault(place) for place in places)

    def _token(self) -> tuple[str | None, Where]:
        return self.inherited("token", lambda access: access.token)

    def _auth_url(self) -> tuple[str | None, Where]:
        return self.inherited("auth_url", lambda access: access.auth_url)

    def _needs_no_key(self, at: Endpoint) -> bool:
        return self.account.preset.keyless or endpoint.is_near(at.url)

    def _warn_of_no_token(self) -> None:
        token, place = self._token()
        state = "missing" if token is None else "empty"
        self.report.warn(place, f"the token is {state}; most providers want one")

    def _sources(self) -> tuple[tuple[schema.Access, Where], ...]:
        return (self.account.said, self.account.where), (self.said, self.where)

    def _headers(self) -> tuple[tuple[str, str], ...]:
        """The provider's, then the model's; the same name, in any case, once."""
        merged: dict[str, tuple[str, str]] = {}
        for access, _ in self._sources():
            merged |= {name.lower(): (name, v) for name, v in access.headers.items()}
        return tuple(merged.values())

    def _patience(self) -> Patience:
        usual = Patience()
        whole, _ = self._http(lambda http: http.timeout_seconds)
        connect, _ = self._http(lambda http: http.connect_timeout_seconds)
        first, _ = self._http(lambda http: http.first_byte_timeout_seconds)
        return Patience(
            connect=connect or usual.connect,
            first_byte=first or usual.first_byte,
            silence=whole or usual.silence,
            whole=whole or usual.whole,
        )

    def _reach(self) -> Reach:
        usual = Limits()
        idle, _ = self._http(lambda http: http.max_idle_conns)
        idle_there, _ = self._http(lambda http: http.max_idle_conns_per_host)
        most, _ = self._http(lambda http: http.max_conns_per_host)
        seconds, _ = self._http(lambda http: http.idle_conn_timeout_seconds)
        limits = Limits(
            max_idle_conns=idle or usual.max_idle_conns,
            max_idle_conns_per_host=idle_there or usual.max_idle_conns_per_host,
            max_conns_per_host=most or usual.max_conns_per_host,
            idle_conn_timeout_seconds=seconds or usual.idle_conn_timeout_seconds,
        )
        return Reach(limits, self._http(lambda http: http.proxy)[0])

    def _tls(self) -> Tls:
        ca_file, _ = self._http(lambda http: http.ca_file)
        pair, _ = self._http(lambda http: http.client_cert)
        folder = self.expansion.folder
        return Tls(
            str(folder / ca_file) if ca_file is not None else None,
            str(folder / pair.cert) if pair is not None else None,
            str(folder / pair.key) if pair is not None else None,
        )

    def _check_file(self, name: str, where: Where) -> None:
        check_present(name, self.expansion.folder, where, self.report)

    def _http(
        self, pick: Callable[[schema.HttpClient], T | None], key: str = ""
    ) -> tuple[T | None, Where]:
        return self.inherited(
            f"http_client_config.{key}", lambda access: pick(access.http_client_config)
        )

"""TLS settings as contexts, each read once."""

from __future__ import annotations

import ssl

import attrs

from tproxy.core import failures
from tproxy.core.model import Tls
from tproxy.core.upstream import Broken


@attrs.define(eq=False)
class Contexts:
    """Client contexts: TLS 1.2 and up, host names checked, HTTP/1.1 by ALPN."""

    _read: dict[Tls, ssl.SSLContext] = attrs.field(factory=dict, init=False)

    def of(self, tls: Tls) -> ssl.SSLContext:
        """The context for these settings.

        Raises:
            Broken: a file cannot be read or is no certificate.
        """
        context = self._read.get(tls)
        if context is None:
            try:
                context = _context(tls)
            except OSError as error:  # ssl.SSLError is one
                raise Broken(failures.TLS, f"certificates: {error}") from error
            self._read[tls] = context
        return context


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_file)
    if tls.ca_file is not None:
        # Whatever the Python: 3.13 accepts any certificate named, but insists on forms
        # of RFC 5280 that many a company's authority lacks.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # as in TLS 1.3: it would hold up writes
    context.set_alpn_protocols(["http/1.1"])
    if tls.client_cert is not None:
        context.load_cert_chain(tls.client_cert, tls.client_key)
    return context

"""A certificate that was renewed is shown from the next reload on."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import attrs

from tests.serving import run, serving, settings

HERE = Path(__file__).parent
FIRST = (HERE / "data" / "localhost.pem").read_text()
_OTHER = HERE / "transport" / "data"
NEXT = (_OTHER / "localhost.pem").read_text() + (_OTHER / "localhost.key").read_text()


def shown_by(text: str) -> bytes:
    begin, end = ssl.PEM_HEADER, ssl.PEM_FOOTER
    return ssl.PEM_cert_to_DER_cert(text[text.index(begin) : text.index(end)] + end)


def test_a_reload_shows_what_is_in_the_files_by_now(tmp_path: Path) -> None:
    pair = tmp_path / "pair.pem"
    pair.write_text(FIRST)
    plain = settings()
    server = attrs.evolve(plain.server, tls_cert=str(pair), tls_key=str(pair))
    served = attrs.evolve(plain, server=server)

    async def shown(port: int) -> bytes:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        der: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return der

    async def test() -> None:
        async with serving(served) as (proxy, recorder):
            assert await shown(proxy.port) == shown_by(FIRST)

            pair.write_text(NEXT[: NEXT.index("PRIVATE KEY")])  # half written
            proxy.reload(served)
            [notice] = recorder.notices
            assert (notice.level, "certificate" in notice.message) == ("error", True)
            assert await shown(proxy.port) == shown_by(FIRST)

            pair.write_text(NEXT)
            proxy.reload(served)
            assert await shown(proxy.port) == shown_by(NEXT)
            assert len(recorder.notices) == 1

    run(test)

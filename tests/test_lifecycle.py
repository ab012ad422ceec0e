"""Start, reload, drain and end of the real daemon."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path

import pytest

from tests.daemon import result, running
from tests.dialect import event
from tests.faults.stepped import END, SteppedUpstream, stepped
from tests.serving import TOKEN, chat, chunks, read_reply, request, run, send

CANARY_KEY = "sk-canary-0123456789abcdef"
CANARY_PROMPT = "the prompt of a canary"


def configuration(
    upstream: SteppedUpstream, *, drain_seconds: float = 30, extra: str = ""
) -> str:
    return f"""
server:
  drain_seconds: {drain_seconds}
models:
  - name: local/stepped
    provider: local
    url: {upstream.url}
    token: ${{CANARY}}
    model_size: SMALL
    requests_per_day: 2
{extra}"""


async def begun(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream whose head has arrived."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = [{"role": "user", "content": CANARY_PROMPT}]
    writer.write(chat(stream=True, messages=said))
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


def test_a_drain_refuses_new_work_and_lets_a_stream_end(tmp_path: Path) -> None:
    async def test() -> None:
        async with stepped() as upstream:
            (tmp_path / "c.yaml").write_text(configuration(upstream))
            async with running(
                "--config", "c.yaml", cwd=tmp_path, environ={"CANARY": CANARY_KEY}
            ) as daemon:
                upstream.steps.put_nowait(event("one"))
                reader, writer = await begun(daemon.port)
                kept = await asyncio.open_connection("127.0.0.1", daemon.port)
                kept[1].write(request("GET", "/readyz"))
                assert (await read_reply(kept[0])).status == 200

                daemon.tell(signal.SIGTERM)
                await daemon.logged("draining")
                kept[1].write(request("GET", "/readyz"))
                assert (await read_reply(kept[0])).status == 503
                with socket.socket() as new:
                    assert new.connect_ex(("127.0.0.1", daemon.port)) != 0
                upstream.steps.put_nowait(event(" two") + END)
                upstream.steps.put_nowait(None)
                body = b"".join([chunk async for chunk in chunks(reader)])

                assert body == event("one") + event(" two") + END
                writer.close()
                kept[1].close()
                assert await daemon.ended() == 0
                log = json.dumps(daemon.lines)
                assert CANARY_KEY not in log
                assert CANARY_PROMPT not in log
                assert TOKEN not in log
            [asked] = upstream.asked
            assert asked.headers["authorization"] == f"Bearer {CANARY_KEY}"

    run(test)


def test_what_outlasts_the_drain_is_told_so(tmp_path: Path) -> None:
    async def test() -> None:
        async with stepped() as upstream:
            text = configuration(upstream, drain_seconds=0.1)
            (tmp_path / "c.yaml").write_text(text)
            async with running(
                "--config", "c.yaml", cwd=tmp_path, environ={"CANARY": CANARY_KEY}
            ) as daemon:
                upstream.steps.put_nowait(event("one"))
                reader, writer = await begun(daemon.port)
                daemon.tell(signal.SIGTERM)
                body = b"".join([chunk async for chunk in chunks(reader)])
                assert await reader.read() == b""  # and the connection ends

                assert body.startswith(event("one"))
                last = json.loads(body.removeprefix(event("one"))[len(b"data: ") :])
                assert last["error"]["code"] == "draining"
                assert b"[DONE]" not in body
                writer.close()
                assert await daemon.ended() == 0
            await upstream.left.wait()

    run(test)


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with stepped() as upstream:
            (tmp_path / "c.yaml").write_text(configuration(upstream))
            async with running(
                "--config", "c.yaml", cwd=tmp_path, environ={"CANARY": CANARY_KEY}
            ) as daemon:
                upstream.steps.put_nowait(event("one"))
                _, writer = await begun(daemon.port)
                daemon.tell(signal.SIGINT)
                await daemon.logged("draining")
                daemon.tell(signal.SIGTERM)

                assert await daemon.ended() == 0
                writer.close()
            await upstream.left.wait()

    run(test)


def test_a_reload_keeps_counters_and_running_streams(tmp_path: Path) -> None:
    async def test() -> None:
        async with stepped() as upstream:
            file = tmp_path / "c.yaml"
            file.write_text(configuration(upstream))
            async with running(
                "--config", "c.yaml", cwd=tmp_path, environ={"CANARY": CANARY_KEY}
            ) as daemon:
                upstream.steps.put_nowait(event("one"))
                reader, writer = await begun(daemon.port)

                file.write_text("models: [{name: broken, per_hour: 1}]")
                daemon.tell(signal.SIGHUP)
                await daemon.logged(
                    "the new configuration is refused, the old one stays"
                )
                assert any("per_hour" in str(line["message"]) for line in daemon.lines)

                extra = "    aliases: [other-name]\n"
                file.write_text(configuration(upstream, extra=extra))
                daemon.tell(signal.SIGHUP)
                await daemon.logged("reloaded")
                listed = await send(daemon.port, request("GET", "/models/other-name"))
                assert listed.status == 200

                upstream.steps.put_nowait(END)
                upstream.steps.put_nowait(None)
                body = b"".join([chunk async for chunk in chunks(reader)])
                assert body == event("one") + END
                writer.close()

                for step in (event("again"), END, None):
                    upstream.steps.put_nowait(step)
                second = await send(daemon.port, chat(model="other-name", stream=True))
                third = await send(daemon.port, chat(model="other-name", stream=True))
                assert second.status == 200
                assert second.headers["x-ratelimit-remaining-requests"] == "0"
                assert (third.status, third.error["code"]) == (429, "quota_exhausted")
                daemon.tell(signal.SIGTERM)
                assert await daemon.ended() == 0

    run(test)


def test_a_faulty_configuration_never_opens_a_socket(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "c.yaml").write_text(
            "models:\n  - nmae: a\n    url: 5\nserve: {}\n"
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        code, out, err = await result(
            "-config", "c.yaml", "-addr", f"127.0.0.1:{port}", cwd=tmp_path
        )

        assert (code, out) == (2, "")
        assert "c.yaml:2: " in err
        assert "did you mean 'name'?" in err
        assert "c.yaml:4: " in err
        assert "faults." in err

    run(test)


def test_an_address_that_is_taken_is_said_plainly(tmp_path: Path) -> None:
    async def test() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            code, _, err = await result("up", "--addr", address, cwd=tmp_path)

        assert code == 1
        assert f"cannot listen on {address}" in err
        assert "Traceback" not in err

    run(test)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_it_serves_with_uvloop_and_without(loop: str, tmp_path: Path) -> None:
    async def test() -> None:
        if loop == "asyncio":  # found before the real one
            (tmp_path / "uvloop.py").write_text("raise ImportError")
        async with running("up", cwd=tmp_path) as daemon:
            assert daemon.lines[-1]["loop"] == loop
            reply = await send(daemon.port, chat(stream=True))
            assert reply.body.endswith(b"data: [DONE]\n\n")
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0

    run(test)


def test_a_client_that_leaves_takes_the_exchange_with_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with stepped() as upstream:
            (tmp_path / "c.yaml").write_text(configuration(upstream))
            async with running(
                "--config", "c.yaml", cwd=tmp_path, environ={"CANARY": CANARY_KEY}
            ) as daemon:
                upstream.steps.put_nowait(event("one"))
                _, writer = await begun(daemon.port)
                writer.transport.abort()

                await upstream.left.wait()
                line = await daemon.logged("request")
                assert line["left"] is True

    run(test)

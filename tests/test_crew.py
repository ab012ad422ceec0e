"""The real daemon in several processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from tests.daemon import Daemon, result, running, spawn
from tests.serving import Reply, chat, chunks, read_reply, request, run, send
from tests.test_lifecycle import CANARY_KEY, begun, configuration
from tests.upstream import END, event, stepped

ECHO = "models: [{name: echo/a, provider: echo, model_size: SMALL}]\n"
CERTIFICATE = Path(__file__).parent / "data" / "localhost.pem"
CRASHED = "a worker crashed, another follows"
SERVE = ("--config", "c.yaml", "--workers", "2")


def workers(daemon: Daemon) -> list[int]:
    """The process ids of those there are."""
    pid = daemon.process.pid
    return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


@attrs.define(eq=False)
class Kept:
    """A kept connection, and the worker at its other end: the start of its ids."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    worker: str = ""

    async def ask(self, raw: bytes) -> Reply:
        self.writer.write(raw)
        reply = await read_reply(self.reader)
        self.worker = reply.headers["x-request-id"][: len("req_0123456789ab")]
        return reply


@asynccontextmanager
async def one_to_each(port: int, count: int = 2) -> AsyncIterator[list[Kept]]:
    """A connection to each of the workers."""
    opened: list[Kept] = []
    try:
        while len({kept.worker for kept in opened}) < count:
            opened.append(Kept(*await asyncio.open_connection("127.0.0.1", port)))
            await opened[-1].ask(request("GET", "/ping"))
        yield [*{kept.worker: kept for kept in opened}.values()]
    finally:
        for kept in opened:
            kept.writer.close()


@asynccontextmanager
async def load(port: int) -> AsyncIterator[list[int]]:
    """Requests on kept and on new connections all along; the statuses answered."""
    statuses: list[int] = []

    async def on_new() -> None:
        while True:
            statuses.append((await send(port, chat())).status)

    async def on_kept(kept: Kept) -> None:
        while True:
            statuses.append((await kept.ask(chat())).status)

    async with one_to_each(port) as both:
        asking = [on_new(), *map(on_kept, both)]
        tasks = [asyncio.create_task(each) for each in asking]
        try:
            yield statuses
            seen = len(statuses)
            while len(statuses) < seen + 20:  # and it goes on after all that
                await send(port, request("GET", "/ping"))
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in ended)


def test_two_serve_one_port_and_log_as_one(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "c.yaml").write_text(ECHO + "server: {workers: 2}\n")
        async with running("--config", "c.yaml", cwd=tmp_path) as daemon:
            assert daemon.lines[-1]["workers"] == len(workers(daemon)) == 2
            async with one_to_each(daemon.port) as both:
                ids = [
                    (await kept.ask(chat())).headers["x-request-id"]
                    for kept in both
                    for _ in range(5)
                ]
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0

            assert len(set(ids)) == 10
            said = [line["message"] for line in daemon.lines]
            logged = {str(x.get("request_id")) for x in daemon.lines}
            assert set(ids) <= logged
            assert (said[0], said[-1]) == ("serving", "stopped")
            for word in ("serving", "draining", "stopped"):
                assert said.count(word) == 1

    run(test, seconds=30)


def test_they_count_together(tmp_path: Path) -> None:
    async def test() -> None:
        limit = "model_size: SMALL, requests_per_day: 5"
        (tmp_path / "c.yaml").write_text(ECHO.replace("model_size: SMALL", limit))
        async with running(*SERVE, cwd=tmp_path) as daemon:
            async with one_to_each(daemon.port) as both:
                asked = [await kept.ask(chat()) for _ in range(5) for kept in both]

            statuses = [reply.status for reply in asked]
            assert statuses == [200] * 5 + [429] * 5
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0

    run(test, seconds=30)


def test_without_a_store_there_is_no_start(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "c.yaml").write_text(ECHO + "state: {path: c.yaml}\n")
        code, out, err = await result(*SERVE, "--addr", "127.0.0.1:0", cwd=tmp_path)

        assert (code, out) == (1, "")
        assert '"cause": "' in err
        assert "c.yaml: " in err.partition('"cause": "')[2]
        assert "no worker could start" in err
        assert "Traceback" not in err

    run(test, seconds=30)


def test_a_killed_worker_takes_nobody_elses_request_with_it(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "c.yaml").write_text(ECHO)
        async with running(*SERVE, cwd=tmp_path) as daemon:
            async with one_to_each(daemon.port) as (one, other):
                killed = workers(daemon)[0]
                os.kill(killed, signal.SIGKILL)
                # Those that are dealt to it wait for its follower.
                asked = [send(daemon.port, chat()) for _ in range(40)]
                replies = await asyncio.gather(*asked)

                assert {reply.status for reply in replies} == {200}
                assert (await daemon.logged(CRASHED))["pid"] == killed
                ends = await asyncio.gather(
                    one.ask(chat()), other.ask(chat()), return_exceptions=True
                )
                alive = [end for end in ends if isinstance(end, Reply)]
                assert [reply.status for reply in alive] == [200]
                assert len(workers(daemon)) == 2
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0

    run(test, seconds=30)


def test_a_reload_reaches_all_and_disturbs_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        file = tmp_path / "c.yaml"
        file.write_text(ECHO)
        async with running(*SERVE, cwd=tmp_path) as daemon:
            async with one_to_each(daemon.port) as both:
                named = request("GET", "/models/another-name")
                async with load(daemon.port) as statuses:
                    file.write_text("models: [{name: broken, per_hour: 1}]")
                    daemon.tell(signal.SIGHUP)
                    await daemon.logged(
                        "the new configuration is refused, the old one stays"
                    )
                    assert {(await kept.ask(named)).status for kept in both} == {404}

                    name = "name: echo/a, aliases: [another-name]"
                    file.write_text(ECHO.replace("name: echo/a", name))
                    daemon.tell(signal.SIGHUP)
                    await daemon.logged("reloaded")
                    assert {(await kept.ask(named)).status for kept in both} == {200}
                assert set(statuses) == {200}

                for pid in workers(daemon):  # and those that follow know it as well
                    os.kill(pid, signal.SIGKILL)
                assert (await send(daemon.port, named)).status == 200
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0
            said = [str(line["message"]) for line in daemon.lines]
            assert len([word for word in said if "refused" in word]) == 1
            assert len([word for word in said if "per_hour" in word]) == 1
            assert said.count("reloaded") == 1

    run(test, seconds=30)


def test_what_only_a_restart_changes_is_told_once(tmp_path: Path) -> None:
    async def test() -> None:
        file = tmp_path / "c.yaml"
        file.write_text(ECHO + "server: {workers: 2}\n")
        async with running("--config", "c.yaml", cwd=tmp_path) as daemon:
            file.write_text(ECHO + "server: {workers: 3}\n")
            daemon.tell(signal.SIGHUP)
            await daemon.logged("reloaded")

            assert len(workers(daemon)) == 2
            (warning,) = (x for x in daemon.lines if x["level"] == "warning")
            assert "server.workers" in str(warning["message"])
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0

    run(test, seconds=30)


def test_all_drain_as_one(tmp_path: Path) -> None:
    async def test() -> None:
        async with stepped() as upstream:
            (tmp_path / "c.yaml").write_text(configuration(upstream))
            environ = {"CANARY": CANARY_KEY}
            async with (
                running(
                    *SERVE,
                    cwd=tmp_path,
                    environ=environ,
                ) as daemon,
                one_to_each(daemon.port) as both,
            ):
                ready = request("GET", "/readyz")
                assert {(await kept.ask(ready)).status for kept in both} == {200}
                upstream.steps.put_nowait(event("one"))
                reader, writer = await begun(daemon.port)

                daemon.tell(signal.SIGTERM)
                await daemon.logged("draining")
                for kept in both:
                    while (status := (await kept.ask(ready)).status) == 200:
                        pass  # the word is on its way
                    assert status == 503
                with socket.socket() as new:
                    assert new.connect_ex(("127.0.0.1", daemon.port)) != 0
                upstream.steps.put_nowait(event(" two") + END)
                upstream.steps.put_nowait(None)
                body = b"".join([chunk async for chunk in chunks(reader)])

                assert body == event("one") + event(" two") + END
                writer.close()
                assert await daemon.ended() == 0

    run(test, seconds=30)


def test_a_second_signal_ends_all_at_once(tmp_path: Path) -> None:
    async def test() -> None:
        async with stepped() as upstream:
            (tmp_path / "c.yaml").write_text(configuration(upstream))
            environ = {"CANARY": CANARY_KEY}
            async with running(*SERVE, cwd=tmp_path, environ=environ) as daemon:
                upstream.steps.put_nowait(event("one"))
                _, writer = await begun(daemon.port)
                daemon.tell(signal.SIGTERM)
                await daemon.logged("draining")
                daemon.tell(signal.SIGTERM)

                assert await daemon.ended() == 0
                writer.close()
            await upstream.left.wait()

    run(test, seconds=30)


def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "c.yaml").write_text(ECHO)
        async with running(*SERVE, cwd=tmp_path) as daemon:
            daemon.tell(signal.SIGKILL)
            await daemon.ended()  # of standard error, which the last of them closes

            with socket.socket() as new:
                assert new.connect_ex(("127.0.0.1", daemon.port)) != 0

    run(test, seconds=30)


def test_a_port_that_workers_share_is_taken_all_the_same(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "c.yaml").write_text(ECHO)
        async with running(*SERVE, cwd=tmp_path) as daemon:
            address = f"127.0.0.1:{daemon.port}"
            for count in ("1", "2"):
                second = (*SERVE[:-1], count, "--addr", address)
                code, _, err = await result(*second, cwd=tmp_path)

                assert code == 1
                assert f"cannot listen on {address}" in err

    run(test, seconds=30)


def test_a_unix_socket_is_shared_and_taken_away_in_the_end(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "proxy.sock"
        (tmp_path / "c.yaml").write_text(ECHO)
        arguments = (*SERVE, "--addr", f"unix:{path}")
        daemon = Daemon(await spawn(*arguments, cwd=tmp_path))
        try:
            line = await daemon.logged("serving")
            assert line["url"] == f"unix:{path}"
            for _ in range(10):
                reader, writer = await asyncio.open_unix_connection(str(path))
                writer.write(chat())
                assert (await read_reply(reader)).status == 200
                writer.close()
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0
            assert not path.exists()
        finally:
            if daemon.process.returncode is None:
                daemon.process.kill()
            await daemon.process.communicate()

    run(test, seconds=30)


def test_a_tls_session_begun_with_one_goes_on_with_the_other(tmp_path: Path) -> None:
    def resumed(port: int) -> list[bool]:
        trust = ssl.create_default_context(cafile=CERTIFICATE)
        session = None
        seen = []
        for _ in range(12):
            with (
                socket.create_connection(("127.0.0.1", port)) as plain,
                trust.wrap_socket(
                    plain, server_hostname="localhost", session=session
                ) as secure,
            ):
                seen.append(bool(secure.session_reused))
                secure.sendall(request("GET", "/ping", headers=()))
                assert b"200 OK" in secure.recv(4_096)
                session = secure.session
        return seen

    async def test() -> None:
        tls = f"tls: {{cert: {CERTIFICATE}, key: {CERTIFICATE}}}"
        (tmp_path / "c.yaml").write_text(f"{ECHO}server: {{workers: 2, {tls}}}\n")
        async with running("--config", "c.yaml", cwd=tmp_path) as daemon:
            assert str(daemon.lines[-1]["url"]).startswith("https:")
            first, *later = await asyncio.to_thread(resumed, daemon.port)

            assert not first
            assert all(later)

    run(test, seconds=30)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_each_kind_of_loop_works_in_workers(loop: str, tmp_path: Path) -> None:
    async def test() -> None:
        if loop == "asyncio":  # found before the real one
            (tmp_path / "uvloop.py").write_text("raise ImportError")
        (tmp_path / "c.yaml").write_text(ECHO)
        async with running(*SERVE, cwd=tmp_path) as daemon:
            assert daemon.lines[-1]["loop"] == loop
            async with one_to_each(daemon.port) as both:
                for kept in both:
                    assert (await kept.ask(chat())).status == 200
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0

    run(test, seconds=30)

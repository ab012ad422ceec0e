"""What a daemon of several processes is told by signals: reload, drain, end."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from tests.crew import ECHO, SERVE, load, one_to_each, workers
from tests.daemon import running
from tests.dialect import event
from tests.faults.stepped import END, stepped
from tests.serving import chunks, request, run, send
from tests.test_lifecycle import CANARY_KEY, begun, configuration


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

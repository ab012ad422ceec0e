"""The commands as typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.daemon import result, running
from tests.serving import TOKEN, chat, run, send
from tproxy import __version__
from tproxy.cli import main


@pytest.mark.parametrize("flag", ["--version", "-version"])
def test_version_names_python_and_tornado(
    flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([flag])

    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert re.fullmatch(
        rf"tproxy {re.escape(__version__)}, Python 3\.\d+\.\d+, Tornado 6\.\d+\S*\n",
        said,
    )


def test_serving_without_a_file_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2
    assert "tproxy up" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["check -config c.yaml", "-config c.yaml check"])
def test_a_flag_may_stand_before_a_command(
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(words.split()) == 2
    assert "c.yaml" in capsys.readouterr().err


def test_check_tells_good_from_bad(tmp_path: Path) -> None:
    async def test() -> None:
        good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
        good.write_text("models: [{name: echo/a, provider: echo, model_size: BIG}]\n")
        bad.write_text("models: [{name: echo/a, provider: echo, priorty: 2}]\n")

        code, out, _ = await result("check", "--config", "good.yaml", cwd=tmp_path)
        assert (code, out) == (0, "good.yaml: good; 1 model.\n")

        image = "{name: openai/i, provider: openai, kind: image, token: k}"
        good.write_text(f"models: [{{name: a, provider: echo}}, {image}]\n")
        good.chmod(0o600)
        code, out, _ = await result("check", "--config", "good.yaml", cwd=tmp_path)
        assert (code, out) == (0, "good.yaml: good; 2 models, 1 image.\n")

        code, out, err = await result("check", "-config", "bad.yaml", cwd=tmp_path)
        assert (code, out) == (2, "")
        assert "did you mean 'priority'?" in err

    run(test)


def test_what_init_writes_serves(tmp_path: Path) -> None:
    async def test() -> None:
        code, out, _ = await result("init", cwd=tmp_path)
        assert code == 0
        (tmp_path / "tproxy.yaml").write_text(out)

        async with running("--config", "tproxy.yaml", cwd=tmp_path) as daemon:
            reply = await send(daemon.port, chat())
            assert reply.status == 200
            assert b"Hello" in reply.body

    run(test)


def test_up_serves_echo_and_prints_a_curl_line_that_works(tmp_path: Path) -> None:
    async def test() -> None:
        async with running("up", cwd=tmp_path, environ={"AUTH_TOKEN": ""}) as daemon:
            out = daemon.process.stdout
            assert out is not None
            said = (await out.readuntil(b"Ctrl-C")).decode()
            found = re.search(r"Authorization: Bearer (\S+)\"", said)
            body = re.search(r"-d '(.*)'", said)
            assert found is not None
            assert body is not None
            assert f"http://127.0.0.1:{daemon.port}/v1" in said

            whole = chat(body[1].encode()).replace(TOKEN.encode(), found[1].encode())
            reply = await send(daemon.port, whole)
            assert reply.status == 200
            assert reply.body.endswith(b"data: [DONE]\n\n")

            denied = await send(daemon.port, chat())
            assert denied.status == 401

    run(test)


def test_up_serves_a_provider_in_its_own_dialect(tmp_path: Path) -> None:
    async def test() -> None:
        environ = {"ANTHROPIC_API_KEY": "sk-ant-canary"}
        async with running("up", cwd=tmp_path, environ=environ) as daemon:
            out = daemon.process.stdout
            assert out is not None
            said = (await out.readuntil(b"Ctrl-C")).decode()

            assert re.search(r"providers +anthropic\n", said)
            assert re.search(r"models +SMALL, BIG, anthropic/", said)
            assert "note" not in said
            assert "sk-ant" not in said

    run(test)


def test_up_uses_the_keys_it_finds(tmp_path: Path) -> None:
    async def test() -> None:
        environ = {"GROQ_API_KEY": "gsk_canary_canary"}
        async with running("up", cwd=tmp_path, environ=environ) as daemon:
            out = daemon.process.stdout
            assert out is not None
            said = (await out.readuntil(b"Ctrl-C")).decode()

            assert re.search(r"providers +groq", said)
            assert "the value of AUTH_TOKEN" in said
            assert "gsk_canary" not in said
            assert "gsk_canary" not in json.dumps(daemon.lines)

    run(test)

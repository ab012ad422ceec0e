"""A dialect in a package of its own: installed, configured, and asked."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from pathlib import Path

import openai
import pytest
from openai import AsyncOpenAI

from tests.daemon import result, running
from tests.serving import TOKEN, run
from tests.simulators.simulator import Asked, Said, instead, simulating

HERE = Path(__file__).parent
EXAMPLE = HERE / "example"
GUIDE = HERE.parents[1] / "docs" / "plugins.md"
KEY = "the-examples-key-0123456789"
MODEL = "example/parrot-1"
SLOW = Said.json({"message": "Too fast."}, status=429, headers={"Retry-After": "7"})


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package in it, as an installer leaves it."""
    source = tmp_path_factory.mktemp("source") / "example"
    target = tmp_path_factory.mktemp("target")
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-index")
    alone = ("--no-deps", "--no-build-isolation", "--disable-pip-version-check")

    async def install() -> None:
        installing = await asyncio.create_subprocess_exec(
            *pip, *alone, "--target", str(target), str(source)
        )
        assert await installing.wait() == 0

    run(install, seconds=120.0)
    return target


def answer(asked: Asked) -> Said:
    if asked.headers.get("authorization") != f"Bearer {KEY}":
        return Said.json({"message": "no such key"}, status=401)
    assert (asked.method, asked.path) == ("POST", "/v1/generate")
    words = [*asked.json["turns"][-1]["text"].split(), "!"]
    end = {"stop": "end", "tokens": {"in": 5, "out": len(words)}}
    if asked.json["stream"]:
        return Said.events(*({"text": word} for word in words), end)
    return Said.json({"id": "g-1", "text": " ".join(words), **end})


def configured(folder: Path, url: str, dialect: str = "example") -> None:
    (folder / "tproxy.yaml").write_text(f"""
models:
  - name: {MODEL}
    provider: example
    dialect: {dialect}
    url: {url}/v1
    token: {KEY}
    model_size: SMALL
""")


def test_the_proxy_speaks_an_installed_dialect(installed: Path, tmp_path: Path) -> None:
    async def test() -> None:
        async with simulating(answer) as simulator:
            configured(tmp_path, simulator.url)
            environ = {"PYTHONPATH": str(installed), "RETRY_MAX_RETRIES": "0"}
            flags = ("--config", "tproxy.yaml")
            async with running(*flags, cwd=tmp_path, environ=environ) as daemon:
                base = f"http://127.0.0.1:{daemon.port}/v1"
                async with AsyncOpenAI(
                    base_url=base, api_key=TOKEN, max_retries=0
                ) as client:
                    await talk(client)
                    with pytest.raises(openai.BadRequestError) as refused:
                        await show_a_picture(client)
                    simulator.fail(instead(SLOW))
                    with pytest.raises(openai.RateLimitError) as caught:
                        await talk(client)

        assert caught.value.response.headers["retry-after"] == "7"
        assert refused.value.param == "messages[0].content[0]"
        assert simulator.requests[0].json == {
            "model": "parrot-1",
            "turns": [{"role": "user", "text": "Polly wants a cracker"}],
            "stream": False,
        }

    run(test, seconds=30.0)


async def talk(client: AsyncOpenAI) -> None:
    said = "Polly wants a cracker"
    whole = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": said}]
    )
    assert whole.choices[0].message.content == "Polly wants a cracker !"
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert whole.usage.total_tokens == 10
    assert whole.model == MODEL

    stream = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": said}], stream=True
    )
    words = [c.choices[0].delta.content async for c in stream if c.choices]
    assert words == ["Polly", "wants", "a", "cracker", "!", None]


async def show_a_picture(client: AsyncOpenAI) -> None:
    url = "data:image/png;base64,iVBORw0KGgo="
    await client.chat.completions.create(
        model=MODEL,
        messages=[
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": url}}],
            }
        ],
    )


def test_a_broken_plugin_stops_the_start_by_its_name(tmp_path: Path) -> None:
    info = tmp_path / "site" / "tproxy_sad-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: tproxy-sad\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tproxy.dialects]\nsad = sad:DIALECT\n")
    environ = {"PYTHONPATH": str(info.parent)}

    configured(tmp_path, "http://127.0.0.1:9", dialect="sad")

    async def test() -> None:
        flags = ("check", "--config", "tproxy.yaml")
        code, _, err = await result(*flags, cwd=tmp_path, environ=environ)

        assert code == 2
        assert err.startswith("plug-in sad: tproxy-sad cannot be loaded: Module")
        assert "Traceback" not in err

    run(test, seconds=30.0)


def test_what_is_not_installed_is_an_unknown_word(tmp_path: Path) -> None:
    configured(tmp_path, "http://127.0.0.1:9")

    async def test() -> None:
        code, _, err = await result("check", "--config", "tproxy.yaml", cwd=tmp_path)

        assert code == 2
        assert "unknown word 'example' @ models[0].dialect" in err

    run(test, seconds=30.0)


@pytest.mark.parametrize(
    "name", ["pyproject.toml", "tproxy_example.py", "test_contract.py"]
)
def test_the_guide_shows_this_very_package(name: str) -> None:
    shown = re.findall(
        rf"^`{re.escape(name)}`:\n\n```\w*\n(.*?)^```$",
        GUIDE.read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )

    assert shown == [(EXAMPLE / name).read_text("utf-8")]


def test_the_guide_shows_one_of_its_recordings() -> None:
    recording = (EXAMPLE / "recordings" / "text.json").read_text("utf-8")

    assert recording in GUIDE.read_text("utf-8")

"""The origin's own example files."""

from pathlib import Path

import pytest

from tests.settings.configuring import DIALECTS, TOKEN
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.errors import ConfigError
from tproxy.core.meters import Meter, Metered
from tproxy.core.model import (
    ALL_CAPABILITIES,
    ClientCredentials,
    Kind,
    Model,
    Patience,
    Upstream,
)
from tproxy.core.secret import Secret
from tproxy.core.windows import DAY, HOUR, MINUTE, Window
from tproxy.core.windows import Kind as WindowKind
from tproxy.settings import Settings, load

DATA = Path(__file__).parent / "data"


HF = "https://api-inference.huggingface.co/models"
TOGETHER = "https://api.together.xyz/v1"
CLOUDFLARE = "https://api.cloudflare.com/client/v4/accounts/acc/ai/run"
FLUX = "@cf/black-forest-labs/flux-1-schnell"
IMAGES = f"""\
models:
  - name: huggingface/FLUX.1-dev
    provider: huggingface
    priority: 1
    requests_per_minute: 5
    requests_per_hour: 50
    requests_per_day: 500
    url: "{HF}/black-forest-labs/FLUX.1-dev"
    token: "HF_TOKEN"

  - name: together/FLUX.1-schnell-Free
    provider: together
    url: "{TOGETHER}/images/generations"
    token: "together_token"

  - name: cloudflare/flux-1-schnell
    provider: cloudflare
    url: "{CLOUDFLARE}/{FLUX}"
    token: "cloudflare_token"
"""


def origin(folder: Path) -> Settings:
    file = folder / "origin.yaml"
    file.write_bytes((DATA / "origin.yaml").read_bytes())
    file.chmod(0o600)
    return load(file, dialects=DIALECTS, environ=TOKEN, env_files=())


def limits(minute: int, hour: int, day: int) -> tuple[Limit, ...]:
    return (
        Limit(Unit.REQUESTS, minute, Window(MINUTE)),
        Limit(Unit.REQUESTS, hour, Window(HOUR)),
        Limit(Unit.REQUESTS, day, Window(DAY, WindowKind.CALENDAR)),
    )


def test_the_valid_file_loads_unchanged(tmp_path: Path) -> None:
    settings = origin(tmp_path)

    own = Budget("model/groq/llama-3.2-90b-vision-preview", limits(10, 100, 3500))
    daily = Meter(
        Unit.REQUESTS,
        Window(DAY, WindowKind.CALENDAR),
        "x-ratelimit-remaining-requests",
        "x-ratelimit-limit-requests",
        "x-ratelimit-reset-requests",
    )
    assert settings.models[2] == Model(
        "groq/llama-3.2-90b-vision-preview",
        "groq",
        "llama-3.2-90b-vision-preview",
        Upstream(
            "https://api.groq.com/openai/v1/chat/completions",
            "openai",
            Secret("groq_token"),
            patience=Patience(),
        ),
        category="BIG",
        priority=1,
        max_request_length=128_000,
        capabilities=ALL_CAPABILITIES,
        budgets=(own,),
        meters=(Metered(own, (daily,)),),
    )
    assert [
        (m.provider, m.upstream_name, m.category, m.priority, m.obstacle is None)
        for m in settings.models
    ] == [
        ("gigachat", "GigaChat", "SMALL", 1, True),
        ("huggingface", "Mistral-Nemo-Instruct-2407", "SMALL", 2, True),
        ("groq", "llama-3.2-90b-vision-preview", "BIG", 1, True),
        ("openrouter", "deepseek/deepseek-chat:free", "BIG", 1, True),
        ("glama", "gemini-2.0-flash-thinking-exp-01-21", "SMALL", 1, True),
    ]
    assert [model.upstream.dialect for model in settings.models] == [
        "gigachat",
        *["openai"] * 4,
    ]


def test_gigachats_credentials_are_exchanged_at_its_public_host(tmp_path: Path) -> None:
    settings = origin(tmp_path)

    gigachat = settings.models[0].upstream
    assert gigachat.url == "https://gigachat.devices.sberbank.ru/api/v1"
    assert gigachat.token == Secret("clientID:clientSecret")
    assert gigachat.auth == ClientCredentials(
        "https://ngw.devices.sberbank.ru:9443/api/v2/oauth"
    )
    assert settings.warnings == ()


def test_image_models_are_those_with_a_url_and_neither_length_nor_size(
    tmp_path: Path,
) -> None:
    file = tmp_path / "images.yaml"
    file.write_text(IMAGES, "utf-8")
    file.chmod(0o600)

    settings = load(file, dialects=DIALECTS, environ=TOKEN, env_files=())

    assert [
        (m.kind, m.upstream.dialect, m.upstream.url, m.category, m.obstacle)
        for m in settings.models
    ] == [
        (Kind.IMAGE, "huggingface", f"{HF}/black-forest-labs/FLUX.1-dev", None, None),
        (Kind.IMAGE, "openai", f"{TOGETHER}/images/generations", None, None),
        (Kind.IMAGE, "cloudflare", f"{CLOUDFLARE}/{FLUX}", None, None),
    ]
    assert settings.models[0].budgets[0].limits == limits(5, 50, 500)
    assert settings.warnings == ()


def test_the_invalid_file_gets_one_precise_fault() -> None:
    file = DATA / "origin_invalid.yaml"

    with pytest.raises(ConfigError) as caught:
        load(file, dialects=DIALECTS, environ=TOKEN, env_files=())

    assert str(caught.value) == (
        f"{file}:49: not valid YAML at column 4: "
        "this list item is indented by 3 spaces, the one before it by 2"
    )


def test_the_invalid_file_loads_once_it_is_mended(tmp_path: Path) -> None:
    lines = (DATA / "origin_invalid.yaml").read_text("utf-8").split("\n")
    lines[48:64] = [line.removeprefix(" ") for line in lines[48:64]]
    file = tmp_path / "mended.yaml"
    file.write_text("\n".join(lines), "utf-8")
    file.chmod(0o600)

    settings = load(file, dialects=DIALECTS, environ=TOKEN, env_files=())

    assert {model.upstream.patience for model in settings.models} == {
        Patience(silence=30.0, whole=30.0)
    }
    assert settings.models[3].upstream_name == "deepseek/deepseek-chat:free"

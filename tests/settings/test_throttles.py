import pytest

from tests.settings.configuring import Folder
from tproxy.core.model import Throttle

TEXT = """\
providers:
  mine: {type: groq, token: k%s}
models:
  - {name: m, provider: mine%s}
  - {name: n, provider: mine}
"""


@pytest.mark.parametrize(
    ("provider", "model", "throttle"),
    [
        ("", "", None),
        (", min_interval: 1s", "", Throttle("provider/mine", 1.0)),
        (", min_interval: 250ms", "", Throttle("provider/mine", 0.25)),
        (", max_concurrent: 4", "", Throttle("provider/mine", max_concurrent=4)),
        (
            ", max_concurrent: 4, queue_seconds: 5",
            "",
            Throttle("provider/mine", max_concurrent=4, queue_seconds=5.0),
        ),
        (
            ", max_concurrent: 4, queue_seconds: 0",
            "",
            Throttle("provider/mine", max_concurrent=4, queue_seconds=0.0),
        ),
        ("", ", min_interval: 2s", Throttle("model/m", 2.0)),
        (
            ", min_interval: 1s, max_concurrent: 4",
            ", min_interval: 2s",
            Throttle("model/m", 2.0, 4),
        ),
        (", min_interval: 1s", ", token: its-own", Throttle("model/m", 1.0)),
        (", min_interval: 1s", ", headers: {X-A: b}", Throttle("provider/mine", 1.0)),
    ],
)
def test_a_throttle_is_of_a_credential(
    folder: Folder, provider: str, model: str, throttle: Throttle | None
) -> None:
    assert folder.model(TEXT % (provider, model)).throttle == throttle


def test_models_of_one_credential_share_a_throttle(folder: Folder) -> None:
    first, second = folder.load(TEXT % (", max_concurrent: 2", "")).models

    assert first.throttle == second.throttle is not None


def test_a_queue_for_nothing_is_warned_of_once(folder: Folder) -> None:
    assert folder.warnings(TEXT % (", queue_seconds: 5", "")) == [
        (
            "proxy.yaml:2: it is of no use here @ providers.mine.queue_seconds"
            " (it goes with min_interval or max_concurrent)"
        )
    ]


def test_a_model_of_a_provider_without_an_entry(folder: Folder) -> None:
    text = "models: [{name: m, provider: groq, token: k, min_interval: 1m}]\n"

    assert folder.model(text).throttle == Throttle("model/m", 60.0)

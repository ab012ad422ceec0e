import pytest

from tests.settings.configuring import MODEL, Folder
from tproxy.core.quota import Kind, Pool, Window


def test_windows_are_pools_of_the_model_then_of_its_provider(folder: Folder) -> None:
    text = """\
providers:
  mine:
    type: groq
    token: k
    requests_per_minute: 30
    requests_per_day: 1000
    resets: America/Los_Angeles
models:
  - name: a
    provider: mine
    requests_per_hour: 5
    requests_per_day: 7
  - name: b
    provider: mine
"""
    shared = Pool(
        "provider:mine",
        (
            Window(60, 30, Kind.ROLLING),
            Window(86_400, 1000, Kind.CALENDAR, "America/Los_Angeles"),
        ),
    )

    assert [model.pools for model in folder.load(text).models] == [
        (
            Pool(
                "model:a",
                (Window(3_600, 5, Kind.ROLLING), Window(86_400, 7, Kind.CALENDAR)),
            ),
            shared,
        ),
        (Pool("model:b", ()), shared),
    ]


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("america/los_angeles", "did you mean 'America/Los_Angeles'?"),
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
        ("Nowhere", "such as Europe/Berlin"),
        ("../etc/passwd", "such as Europe/Berlin"),
        ("", "such as Europe/Berlin"),
    ],
)
def test_zones_that_are_none(folder: Folder, zone: str, hint: str) -> None:
    text = f"{MODEL}    requests_per_day: 1\n    resets: '{zone}'\n"

    assert folder.faults(text) == [
        f"proxy.yaml:6: unknown zone '{zone}' @ models[0].resets ({hint})"
    ]

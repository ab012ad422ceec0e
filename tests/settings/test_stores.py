import sys

import pytest

from tests.settings.configuring import DIALECTS, MODEL, TOKEN, Folder
from tproxy.settings import Backend, StateSettings, discover


def test_quotas_are_counted_in_a_file_beside_the_configuration(folder: Folder) -> None:
    path = str(folder.path / "tproxy.db")

    assert folder.load(MODEL).state == StateSettings(Backend.SQLITE, path)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("path: counts.db", StateSettings(path="{}/counts.db")),
        ("path: /tmp/counts.db", StateSettings(path="/tmp/counts.db")),
        ("backend: memory", StateSettings(Backend.MEMORY, "{}/tproxy.db")),
        (
            "backend: redis, on_loss: strict",
            StateSettings(Backend.REDIS, "{}/tproxy.db", on_loss="strict"),
        ),
        (
            'backend: redis, url: "rediss://user:pass@host:7/1", on_loss: open',
            StateSettings(
                Backend.REDIS, "{}/tproxy.db", "rediss://user:pass@host:7/1", "open"
            ),
        ),
        (
            'backend: redis, url: "unix:///run/redis.sock"',
            StateSettings(Backend.REDIS, "{}/tproxy.db", "unix:///run/redis.sock"),
        ),
        # What another backend would need is not looked at.
        (
            "backend: memory, path: no/where, url: none",
            StateSettings(Backend.MEMORY, "{}/no/where", "none"),
        ),
    ],
)
def test_what_is_said_of_state(folder: Folder, said: str, state: StateSettings) -> None:
    found = folder.load(f"{MODEL}state: {{{said}}}\n").state

    path = state.path.format(folder.path)
    assert found == StateSettings(state.backend, path, state.url, state.on_loss)


def test_the_password_of_redis_is_not_shown(folder: Folder) -> None:
    url = "redis://:canary@host"
    settings = folder.load(f"{MODEL}state: {{backend: redis, url: '{url}'}}\n")

    assert settings.state.url == url
    assert "canary" not in repr(settings)


def test_redis_takes_a_client(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    text = MODEL + "state: {backend: redis}\n"

    assert folder.faults(text) == [
        (
            "proxy.yaml:5: Redis's client is not installed @ state.backend"
            " (pip install tproxy[redis])"
        )
    ]
    assert folder.load(MODEL).state.backend is Backend.SQLITE


def test_up_leaves_no_file_behind() -> None:
    found = discover(environ=TOKEN, dialects=DIALECTS, make_token=str, env_files=())

    assert found.settings.state.backend is Backend.MEMORY


@pytest.mark.parametrize("backend", ["sqlite", "redis", "memory"])
def test_workers_share_what_can_be_shared(folder: Folder, backend: str) -> None:
    text = f"{MODEL}state: {{backend: {backend}}}\nserver: {{workers: 2}}\n"

    if backend == "memory":
        assert [fault.split(" @ ")[1] for fault in folder.faults(text)] == [
            "server.workers (state.backend: sqlite, or redis)"
        ]
    else:
        assert folder.load(text).server.workers == 2

from pathlib import Path

import pytest

from tests.settings.configuring import DIALECTS, MODEL, TOKEN, Folder
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.errors import ConfigError
from tproxy.core.model import Price, Priority, Throttle
from tproxy.core.windows import DAY, MINUTE, Kind, Window
from tproxy.settings import Backend, Overrides, StateSettings, load

DATA = Path(__file__).parent / "data"
LA = "America/Los_Angeles"
LATER = "is part of the interface but not built yet in this version"


def mistakes(name: str) -> tuple[str, list[str]]:
    """A configuration of `data/`, and the lines that are said of it."""
    faults = (DATA / f"{name}.txt").read_text("utf-8").splitlines()
    return (DATA / f"{name}.yaml").read_text("utf-8"), faults


def test_every_fault_is_told_at_once_in_the_order_of_the_file(folder: Folder) -> None:
    text, faults = mistakes("all_at_once")
    environ = {"AUTH_TOKEN": "not for a header", "RETRY_JITTER": "lots"}

    assert folder.faults(text, environ, overrides=Overrides(addr="8080")) == faults


def test_what_follows_from_a_fault_is_no_fault_of_its_own(folder: Folder) -> None:
    text, faults = mistakes("consequences")

    assert folder.faults(text, {}) == faults


def interface(folder: Folder) -> str:
    for name in ("server.pem", "server.key", "russian-ca.pem", "c.pem", "k.pem"):
        folder.write("", name)
    return (DATA / "interface.yaml").read_text("utf-8")


KEYS = TOKEN | {"GROQ_API_KEY": "k", "TEAM_A_TOKEN": "team-token"}


def test_every_key_of_the_interface_is_built_or_said_not_to_be(folder: Folder) -> None:
    faults = folder.faults(interface(folder), KEYS)

    assert all(LATER in fault for fault in faults), faults
    assert [fault.split(" @ ")[1] for fault in faults] == [
        "cache.ttl_seconds",
        "cache.max_bytes",
        "cache.shared",
        "cache.warm",
    ]


def test_the_interface_means_what_it_says_of_quotas(folder: Folder) -> None:
    settings = folder.load(interface(folder).split("cache:")[0], KEYS)

    (model,), client = settings.models, settings.clients[1]
    assert model.budgets == (
        Budget(
            "model/groq/llama-3.3-70b-versatile",
            (
                Limit(Unit.REQUESTS, 30, Window(MINUTE)),
                Limit(Unit.REQUESTS, 1000, Window(DAY, Kind.CALENDAR)),
            ),
            share=0.7,
        ),
        Budget(
            "pool/gemini-project",
            (
                Limit(Unit.REQUESTS, 15, Window(MINUTE), kept=2),
                Limit(Unit.TOKENS, 1_000_000, Window(MINUTE), kept=100_000),
                Limit(Unit.REQUESTS, 1500, Window(DAY, Kind.CALENDAR, LA), kept=150),
            ),
            share=0.7,
        ),
    )
    assert model.throttle == Throttle("provider/groq", 1.0, 4, 20.0)
    assert model.price == Price(0.59, 0.3, 0.79)
    own = Budget("client/team-a", (Limit(Unit.REQUESTS, 60, Window(MINUTE)),), 8)
    assert (client.budgets, client.priority) == ((own,), Priority.HIGH)
    assert (settings.routing.wait_seconds, settings.routing.max_waiting) == (0.0, 1000)
    assert settings.state == StateSettings(
        Backend.SQLITE, str(folder.path / "tproxy.db"), "redis://127.0.0.1:6379/0"
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    file, environ = tmp_path / "none.yaml", {"PORT": "x"}

    with pytest.raises(ConfigError) as caught:
        load(file, dialects=DIALECTS, environ=environ, env_files=())

    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines() == [
        "none.yaml: cannot be read: No such file or directory",
        "environment: PORT: 'x' is not a port (1 to 65535, or 0 for any free one)",
    ]


def test_no_file_at_all() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, dialects=DIALECTS, environ=TOKEN, env_files=())

    assert str(caught.value) == (
        "command line: no configuration file is named"
        " (--config FILE; `tproxy up` serves without one)"
    )


def test_a_file_that_is_not_text(folder: Folder) -> None:
    file = folder.write("")
    file.write_bytes(b"models:\n  - name: \xff\n")

    with pytest.raises(ConfigError, match=r"yaml:2: not UTF-8 text$"):
        load(file, dialects=DIALECTS, environ=TOKEN, env_files=())


def test_a_byte_order_mark_and_windows_line_ends_are_fine(folder: Folder) -> None:
    text = "\ufeff" + MODEL.replace("\n", "\r\n")

    assert folder.model(text).name == "m"


@pytest.mark.parametrize(
    ("mode", "exposed"), [(0o640, True), (0o604, True), (0o600, False)]
)
def test_a_file_with_tokens_that_others_can_read(
    folder: Folder, mode: int, *, exposed: bool
) -> None:
    file = folder.write(MODEL)
    file.chmod(mode)

    settings = load(file, dialects=DIALECTS, environ=TOKEN, env_files=())

    warning = (
        f"{file}: holds tokens and can be read by other users"
        f" (chmod 600 {file}, or write ${{NAME}} for each)"
    )
    assert [str(each) for each in settings.warnings] == ([warning] if exposed else [])


def test_a_file_that_only_refers_to_tokens_may_be_read_by_all(folder: Folder) -> None:
    file = folder.write(MODEL.replace("token: key", "token: ${KEY}"))
    file.chmod(0o644)

    settings = load(file, dialects=DIALECTS, environ=TOKEN | {"KEY": "k"}, env_files=())

    assert settings.warnings == ()


def test_a_file_without_end(folder: Folder) -> None:
    file = folder.write("#" * (8 << 20) + "\n")

    with pytest.raises(ConfigError, match=r"yaml: too large for a configuration$"):
        load(file, dialects=DIALECTS, environ=TOKEN, env_files=())

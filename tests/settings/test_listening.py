import pytest

from tests.settings.configuring import MODEL, TOKEN, Folder
from tproxy.settings import Overrides, ServerSettings
from tproxy.settings.environment import Unparsable
from tproxy.settings.listening import parse

FORM = "(HOST:PORT, :PORT for all interfaces, [::1]:PORT, or unix:PATH)"


def test_the_defaults(folder: Folder) -> None:
    assert folder.load(MODEL).server == ServerSettings("127.0.0.1", 8080)


def test_all_that_can_be_said_of_the_server(folder: Folder) -> None:
    for name in ("cert.pem", "key.pem"):
        folder.write("", name)
    text = """\
server:
  addr: ":80"
  workers: 3
  max_request_bytes: 1000
  max_in_flight: 50
  drain_seconds: 0
  cors_origins: ["https://app.example", "*"]
  fetch_images: true
  tls: {cert: cert.pem, key: key.pem}
"""

    assert folder.load(MODEL + text).server == ServerSettings(
        "",
        80,
        max_request_bytes=1000,
        max_in_flight=50,
        drain_seconds=0.0,
        cors_origins=("https://app.example", "*"),
        fetch_images=True,
        workers=3,
        tls_cert=str(folder.path / "cert.pem"),
        tls_key=str(folder.path / "key.pem"),
    )


@pytest.mark.parametrize(
    ("addr", "place"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        (":8080", ("", 8080)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:8080", ("::1", 8080)),
        ("[::]:65535", ("::", 65535)),
    ],
)
def test_addresses(addr: str, place: tuple[str, int]) -> None:
    assert parse(addr)[:2] == place


@pytest.mark.parametrize(
    "addr",
    ["", "8080", "localhost", "::1:80", "[::g]:80", "http://x:80", "a b:80", "[]:80"],
)
def test_what_is_no_address(addr: str) -> None:
    with pytest.raises(Unparsable, match=r"^not an address to listen on$"):
        parse(addr)


def test_a_port_that_is_none(folder: Folder) -> None:
    assert folder.faults(MODEL + "server: {addr: 'x:99999'}") == [
        (
            "proxy.yaml:5: '99999' is not a port @ server.addr"
            " (1 to 65535, or 0 for any free one)"
        )
    ]


@pytest.mark.parametrize(
    ("addr", "path"),
    [("unix:/run/tproxy.sock", "/run/tproxy.sock"), ("unix:proxy", "{folder}/proxy")],
)
def test_a_unix_socket_is_beside_the_file_unless_its_path_is_whole(
    folder: Folder, addr: str, path: str
) -> None:
    server = folder.load(MODEL + f"server: {{addr: '{addr}'}}").server

    assert server.path == path.format(folder=folder.path)


def test_port_means_nothing_to_a_unix_socket(folder: Folder) -> None:
    text = MODEL + "server: {addr: 'unix:/run/proxy'}"

    server = folder.load(text, TOKEN | {"PORT": "81"}).server

    assert server.path == "/run/proxy"


def test_port_replaces_the_port_alone(folder: Folder) -> None:
    text = MODEL + "server: {addr: '[::1]:80'}"

    server = folder.load(text, TOKEN | {"PORT": "81"}).server

    assert (server.host, server.port) == ("::1", 81)


def test_the_flag_replaces_all(folder: Folder) -> None:
    flag = Overrides(addr=":9000", workers=1)

    server = folder.load(MODEL, TOKEN | {"PORT": "81"}, overrides=flag).server

    assert (server.host, server.port) == ("", 9000)


@pytest.mark.parametrize("backend", ["sqlite", "redis"])
def test_several_workers_share_a_store(folder: Folder, backend: str) -> None:
    text = MODEL + f"server: {{workers: 4}}\nstate: {{backend: {backend}}}\n"

    assert folder.load(text).server.workers == 4
    assert folder.load(text, overrides=Overrides(workers=2)).server.workers == 2


ALONE = "several workers cannot count in memory, which they do not share"
SHARED = "(state.backend: sqlite, or redis)"


def test_several_workers_cannot_count_in_memory(folder: Folder) -> None:
    text = MODEL + "server: {workers: 2}\nstate: {backend: memory}\n"

    assert folder.faults(text) == [f"proxy.yaml:5: {ALONE} @ server.workers {SHARED}"]
    assert folder.load(text, TOKEN, overrides=Overrides(workers=1)).server.workers == 1


def test_nor_can_those_of_the_flag(folder: Folder) -> None:
    text = MODEL + "state: {backend: memory}\n"

    faults = folder.faults(text, TOKEN, overrides=Overrides(workers=2))

    assert faults == [f"command line: --workers: {ALONE} {SHARED}"]


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (Overrides(addr="9000"), f"--addr: not an address to listen on {FORM}"),
        (Overrides(workers=0), "--workers: has to be 1 to 256"),
        (Overrides(workers=257), "--workers: has to be 1 to 256"),
    ],
)
def test_flags_that_cannot_be_served(
    folder: Folder, overrides: Overrides, fault: str
) -> None:
    faults = folder.faults(MODEL, TOKEN, overrides=overrides)

    assert faults == [f"command line: {fault}"]


def test_files_of_tls_that_are_not_there(folder: Folder) -> None:
    text = MODEL + "server:\n  tls:\n    cert: a.pem\n    key: b.pem\n"

    missing = "the file cannot be read: No such file or directory"
    assert folder.faults(text) == [
        f"proxy.yaml:7: {missing} @ server.tls.cert",
        f"proxy.yaml:8: {missing} @ server.tls.key",
    ]

from pathlib import Path

import pytest

from tproxy.core.errors import ConfigError
from tproxy.settings import nearby


def test_a_proxy_here_is_at_the_usual_port() -> None:
    here = nearby({}, env_files=())

    assert here.url == "http://127.0.0.1:8080"
    assert not here.token


def test_variables_say_where_it_is_and_what_it_wants(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("AUTH_TOKEN=from-the-file\nPORT=1\n")

    here = nearby({"PORT": "9090"}, file)

    assert here.url == "http://127.0.0.1:9090"
    assert here.token.reveal() == "from-the-file"
    assert "from-the-file" not in repr(here)


def test_a_port_that_is_none_is_a_fault() -> None:
    with pytest.raises(ConfigError, match="PORT: 'x' is not a port"):
        nearby({"PORT": "x"}, env_files=())

"""The bench of TLS is answered over TLS, by all that it compares."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import tls


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="reads what Linux tells of processes"
)
def test_each_is_asked_over_tls(tmp_path: Path) -> None:
    *_, both = tls.SETTINGS
    tls.certificate(tmp_path)
    requests, chunks, *_ = tls.SCENARIOS

    with tls.targets(tmp_path, both) as found:
        for target in found:
            counted = tls.load(target, requests, tmp_path, both, 0.01)
            assert counted["requests"] >= requests.connections
        counted = tls.load(found[-1], chunks, tmp_path, both, 0.01)
        assert counted["chunks"] == counted["requests"] * chunks.plan.chunks
        assert found[-1].name == "tproxy"

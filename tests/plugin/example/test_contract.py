"""The contract of tproxy's dialects, kept by this one."""

from pathlib import Path

from tproxy_example import DIALECT

from tproxy.contract.suite import DialectContract
from tproxy.core.model import Model, Upstream
from tproxy.core.secret import Secret


class TestExample(DialectContract):
    dialect = DIALECT
    recordings = Path(__file__).parent / "recordings"
    model = Model(
        name="example/parrot-1",
        provider="example",
        upstream_name="parrot-1",
        upstream=Upstream(
            "https://example.test/v1", "example", Secret("a-key-0123456789")
        ),
    )

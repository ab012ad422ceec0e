import asyncio

import pytest

from bench import quotas


def test_the_bench_of_quotas_has_a_line_for_each_store(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asyncio.run(quotas.bench(400))

    lines = capsys.readouterr().out.splitlines()
    names = [line.split("  ")[0].split(",")[0] for line in lines[1:]]
    assert names == ["memory"] * 6 + ["sqlite"] * 8 + ["redis"] * 2

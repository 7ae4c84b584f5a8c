import re
from collections.abc import Iterator
from pathlib import Path

import hxp_logging
import pytest
from hxp_logging import _default

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(autouse=True)
def elsewhere(fresh_default: _default.Default) -> Iterator[None]:
    yield
    fresh_default.logging.close()


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[-1])
def test_an_example_of_the_readme_runs(block: str, tmp_path: Path) -> None:
    exec(compile(block.replace("/tmp/hxp-readme", str(tmp_path)), "README.md", "exec"), {})


def test_every_name_that_is_offered_is_in_the_readme() -> None:
    known = {"Logger", "LoggingStatistics", "Flight", "baggage", "request_id", "trace_context", "OtlpOutput"}
    assert {name for name in hxp_logging.__all__ if name not in README} <= known

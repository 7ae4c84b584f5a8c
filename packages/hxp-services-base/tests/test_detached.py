"""The test kit's stack: started with the command, spoken to with the command, gone after the block."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hxp_services_base.orchestration import StackState
from hxp_services_base.testing import detached_stack
from hxp_testing.net import free_ports

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("plugin")
def test_a_stack_runs_for_the_time_of_a_block(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    (tmp_path / "hxp.yaml").write_text(f"services:\n  gateway: {{use: probe, port: {port}}}\n")
    (tmp_path / ".hxp").mkdir()
    (tmp_path / ".hxp" / "dev-key").write_text("hxp_key\n")
    with detached_stack(tmp_path) as stack:
        assert stack.url() == f"http://127.0.0.1:{port}"
        assert stack.pid("gateway") > 0
        assert stack.key == "hxp_key"
        with pytest.raises(AssertionError, match="hxp chat hi exited with 1"):
            stack.hxp("chat", "hi")
        assert stack.hxp("logs", "nope", check=False).returncode == 1
    assert StackState.read(tmp_path / ".hxp") is None

"""`hxp ps` tells what is so now: each service is asked, and an old state is called old."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from hxp_services_base.cli._app import build
from hxp_services_base.orchestration import NodeStatus, ProcessMark, StackState
from hxp_testing.upstream import BlackHole, Reply, ScriptedUpstream
from typer.testing import CliRunner

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio
READY, NOT_READY = Reply(200, {}, b"{}"), Reply(503, {}, b'{"reason": "journal: the disk is full"}')


def described(folder: Path, *nodes: NodeStatus) -> None:
    """A state file of a living supervisor."""
    mark = ProcessMark.of(os.getpid())
    StackState(name="s", supervisor=mark, services={node.name: node for node in nodes}).write(folder / ".hxp")


async def ps(*arguments: str) -> str:
    def run() -> str:
        done = CliRunner().invoke(build(), ["ps", *arguments], env={"COLUMNS": "250"})
        assert done.exit_code == 0, done.output
        return done.output

    return await anyio.to_thread.run_sync(run)


async def test_a_service_that_is_not_ready_is_shown_although_the_state_says_that_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D5: all three were ready for as long as the disk was full."""
    monkeypatch.chdir(tmp_path)
    async with (
        ScriptedUpstream(lambda _: NOT_READY) as ill,
        ScriptedUpstream(lambda _: READY) as well,
        ScriptedUpstream(lambda _: BlackHole()) as silent,
    ):
        described(
            tmp_path,
            NodeStatus("ill", state="ready", probe_url=ill.url),
            NodeStatus("known", state="degraded", reason="journal: the disk is full", probe_url=ill.url),
            NodeStatus("well", state="ready", probe_url=well.url),
            NodeStatus("back", state="failed", probe_url=well.url),
            NodeStatus("silent", state="ready", probe_url=silent.url),
            NodeStatus("odd", state="ready", probe_url="http://[x"),
            NodeStatus("new", state="starting"),
        )
        lines = {line.split()[0]: " ".join(line.split()) for line in (await ps()).splitlines()}
        services = json.loads(await ps("--json"))["services"]
    assert "/readyz fails (journal: the disk is full); the supervisor has it as ready" in lines["ill"]
    assert lines["ill"].startswith("ill not ready")
    assert lines["known"].endswith("journal: the disk is full")
    assert lines["well"].startswith("well ready")
    assert "it answers that it is ready" in lines["back"]
    assert "no answer to /readyz" in lines["silent"]
    assert services["well"]["readyz"] == "pass"
    assert services["ill"]["readyz"] == "/readyz fails (journal: the disk is full)"
    assert services["odd"]["readyz"].startswith("cannot be asked")
    assert services["new"]["readyz"] is None


async def test_a_state_that_nobody_confirms_is_called_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    described(tmp_path)
    assert "warning" not in await ps()
    os.utime(tmp_path / ".hxp" / "run" / "stack.json", (0, 0))
    assert "has not confirmed its state for" in await ps()
    document: dict[str, Any] = json.loads(await ps("--json"))
    assert document["age"] > 1e6


async def test_a_number_that_another_process_has_by_now_is_no_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    described(tmp_path, NodeStatus("a", state="ready", pid=os.getpid(), started=1))
    assert f"this is old: process {os.getpid()} has ended" in await ps()

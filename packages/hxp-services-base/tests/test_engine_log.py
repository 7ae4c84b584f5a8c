"""An engine's output: in a file that rotates, bounded in rate and memory; and its environment."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import pytest
from hxp_logging import Rotation
from hxp_services_base.engines import EngineProcess
from hxp_services_base.engines._engine_log import EngineLog
from hxp_services_base.engines._environment import engine_environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def messages(path: Path) -> list[str]:
    return [json.loads(line)["body"] for line in path.read_text().splitlines()]


def sizes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_size for file in folder.iterdir()}


def names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def test_lines_are_written_whole_and_long_ones_are_cut(tmp_path: Path) -> None:
    log = EngineLog(tmp_path / "engine.log")
    stream = asyncio.StreamReader()
    stream.feed_data(b"one\ntwo\n\n" + b"x" * 20_000 + b"\nlast \xff")
    stream.feed_eof()
    await log.pump(stream)
    log.close()
    said = messages(log.path)
    assert said[:2] == ["one", "two"]
    assert said[-1] == "last \N{REPLACEMENT CHARACTER}"
    assert max(map(len, said)) <= 4096
    assert "last words: two" not in log.last_words(1)
    assert "its last words: " in log.last_words()


async def test_a_flood_is_counted_and_not_written(tmp_path: Path) -> None:
    now = 0.0
    log = EngineLog(tmp_path / "engine.log", clock=lambda: now)
    for number in range(5000):
        log.write(b"line %d" % number)
    now = 1.0
    log.write(b"later")
    log.write(b"")
    log.close()
    said = messages(log.path)
    assert len(said) == 202
    assert said[-2:] == ["the engine said too much; lines were left out", "later"]
    assert json.loads(log.path.read_text().splitlines()[-2])["attributes"]["lines"] == 4800
    log.close()


async def test_the_file_rotates_and_the_oldest_goes(tmp_path: Path) -> None:
    now = 0.0
    rotation = Rotation(size=2000, keep=2, compress=False)
    log = EngineLog(tmp_path / "engine.log", rotation=rotation, clock=lambda: now)
    async with asyncio.timeout(20):
        while not any(name.endswith(".000004") for name in names(tmp_path)):
            now += 0.1
            log.write(b"x" * 100)
            await asyncio.sleep(0)
    log.close()
    assert 2 <= len([name for name in names(tmp_path) if not name.endswith(".lock")]) <= 4


async def test_an_engine_that_floods_its_output_is_neither_blocked_nor_kept_in_memory(tmp_path: Path) -> None:
    script = (
        "import sys\nprint('ready', flush=True)\n"
        "for _ in range(20000): sys.stderr.write('y' * 100 + '\\n'); sys.stdout.write('z' * 100 + '\\n')\n"
        "sys.stderr.write('the end\\n')"
    )
    process = EngineProcess([sys.executable, "-c", script], log=tmp_path / "engine.log")
    await process.start(seconds=20)
    assert await asyncio.wait_for(process.wait(), 20) == "ended with status 0"
    assert not process.has_crashed
    assert sum(sizes(tmp_path).values()) < 2_000_000


async def test_a_line_without_end_before_it_is_ready_does_no_harm(tmp_path: Path) -> None:
    script = "print('x' * 300000); print('y' * 300000, flush=True); print('ready', flush=True); input()"
    process = EngineProcess([sys.executable, "-c", script], log=tmp_path / "engine.log")
    await process.start(seconds=20)
    await process.end()


async def test_an_engine_that_cannot_log_runs_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    script = "import sys; print('ready', flush=True); sys.stderr.write('no\\n' * 20000); sys.exit(3)"
    process = EngineProcess([sys.executable, "-c", script], log=tmp_path / "file" / "engine.log")
    await process.start(seconds=20)
    assert await asyncio.wait_for(process.wait(), 20) == "ended with status 3"
    assert process.has_crashed


def test_the_child_gets_what_it_needs_and_no_secret() -> None:
    parent = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "CUDA_VISIBLE_DEVICES": "0",
        "OMP_NUM_THREADS": "1",
        "HXP_TOKEN": "s",
        "OPENAI_API_KEY": "s",
        "AWS_SECRET_ACCESS_KEY": "s",
        "LLAMA_API_KEY": "s",
        "HF_TOKEN": "s",
        "PYTHON_KEYRING_SECRET": "s",
        "DATABASE_URL": "postgres://u:p@h/d",
    }
    kept = {"PATH": "/bin", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "0", "OMP_NUM_THREADS": "1"}
    assert engine_environment(parent) == {**kept, "GGML_NO_BACKTRACE": "1"}


async def test_a_running_child_sees_none_of_its_parents_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HXP_STACK_TOKEN", "canary-secret")
    monkeypatch.setenv("DB_PASSWORD", "canary-secret")
    script = "import os; print(dict(os.environ), flush=True); print('ready', flush=True); input()"
    process = EngineProcess([sys.executable, "-c", script], log=tmp_path / "engine.log")
    await process.start(seconds=20)
    await process.end()
    said = (tmp_path / "engine.log").read_text()
    assert "PATH" in said
    assert "canary" not in said

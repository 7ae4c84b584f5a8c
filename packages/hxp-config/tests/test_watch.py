"""A change is noticed once it has come to rest, whatever replaces the file."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hxp_config import File, LiveConfig, ReloadReport, watch
from hxp_config._watch import Settling, appearance
from pydantic import BaseModel

pytestmark = pytest.mark.anyio


class Settings(BaseModel, frozen=True):
    a: int = 0


def test_a_change_counts_once_it_has_come_to_rest() -> None:
    settling = Settling(quiet=1.0, seen="old")
    assert not settling.ready(0.0, "old")
    assert not settling.ready(1.0, "half")
    assert settling.moving
    assert not settling.ready(1.9, "whole")
    assert not settling.ready(2.8, "whole")
    assert settling.ready(2.9, "whole")
    assert not settling.moving
    assert not settling.ready(9.0, "whole")


def test_a_change_that_is_taken_back_is_none() -> None:
    settling = Settling(quiet=1.0, seen="old")
    settling.ready(0.0, "new")
    assert not settling.ready(5.0, "old")
    assert not settling.moving


def test_a_file_looks_different_when_it_is_replaced_linked_elsewhere_or_gone(tmp_path: Path) -> None:
    file = tmp_path / "a"
    looks = [appearance([file])]
    file.write_text("1")
    looks.append(appearance([file]))
    other = tmp_path / "b"
    other.write_text("1")
    os.utime(other, ns=(file.stat().st_mtime_ns,) * 2)
    other.replace(file)
    looks.append(appearance([file]))
    file.unlink()
    file.symlink_to(file)
    looks.append(appearance([file]))
    assert len(set(looks)) == 4
    assert appearance([tmp_path]) != appearance([tmp_path / "a"])


class World:
    """Time that passes only when somebody waits; what happens in it is a script."""

    def __init__(self, script: dict[float, Callable[[], object]], end: float) -> None:
        self.now = 0.0
        self.script = dict(script)
        self.end = end
        self.over = asyncio.Event()

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in sorted(self.script):
            if moment <= self.now:
                self.script.pop(moment)()
        if self.now > self.end:
            self.over.set()
            await asyncio.Event().wait()


async def watched(live: LiveConfig[Settings], script: dict[float, Callable[[], object]], end: float = 5.0) -> None:
    world = World(script, end)
    task = asyncio.create_task(
        watch(live, interval=0.5, quiet=0.2, notices=False, clock=world.clock, sleep=world.sleep)
    )
    await world.over.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_half_written_file_is_waited_out(tmp_path: Path) -> None:
    """C4: what is there for a moment is never loaded."""
    path = tmp_path / "hxp.yaml"
    path.write_text("a: 1\n")
    reports: list[ReloadReport] = []
    live = LiveConfig(Settings, [File(path)], on_report=reports.append)
    await watched(live, {1.0: lambda: path.write_text("a: ["), 1.15: lambda: path.write_text("a: 2\n")})
    assert live.value.a == 2
    assert [report.error for report in reports] == [None]


async def test_the_swap_of_a_kubernetes_volume_is_seen(tmp_path: Path) -> None:
    """The file is a link to `..data/hxp.yaml`, and `..data` is swapped: the file itself is never touched."""
    for name, text in (("..1", "a: 1\n"), ("..2", "a: 2\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "hxp.yaml").write_text(text)
        os.utime(tmp_path / name / "hxp.yaml", ns=(0, 0))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "hxp.yaml").symlink_to("..data/hxp.yaml")
    live = LiveConfig(Settings, [File(tmp_path / "hxp.yaml")])

    def swap() -> None:
        (tmp_path / "..new").symlink_to("..2")
        (tmp_path / "..new").rename(tmp_path / "..data")

    await watched(live, {1.0: swap})
    assert live.value.a == 2


async def test_a_broken_file_is_told_once_and_its_repair_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "hxp.yaml"
    path.write_text("a: 1\n")
    reports: list[ReloadReport] = []
    live = LiveConfig(Settings, [File(path)], on_report=reports.append)
    await watched(live, {1.0: lambda: path.write_text("a: ["), 3.0: lambda: path.write_text("a: 3\n")}, end=9.0)
    assert [report.error is None for report in reports] == [False, True]
    assert live.value.a == 3


async def noticing(path: Path, change: Callable[[], Awaitable[object]]) -> int:
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(report: ReloadReport) -> None:
        loop.call_soon_threadsafe(changed.set)

    live = LiveConfig(Settings, [File(path)], on_report=told)
    # A look once an hour: what is seen before was noticed.
    task = asyncio.create_task(watch(live, interval=3600, quiet=0.01))
    try:
        async with asyncio.timeout(20):
            while not changed.is_set():
                await change()
                await asyncio.wait([asyncio.create_task(changed.wait())], timeout=0.2)
        return live.value.a
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_the_operating_systems_notices_wake_the_watcher(tmp_path: Path) -> None:
    path = tmp_path / "hxp.yaml"
    path.write_text("a: 1\n")

    async def change() -> None:
        path.write_text("a: 2\n")

    assert await noticing(path, change) == 2


async def test_without_watchfiles_it_looks_at_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "watchfiles", None)
    path = tmp_path / "hxp.yaml"
    path.write_text("a: 1\n")
    live = LiveConfig(Settings, [File(path)])
    world = World({1.0: lambda: path.write_text("a: 2\n")}, end=5.0)
    task = asyncio.create_task(watch(live, interval=0.5, quiet=0.2, clock=world.clock, sleep=world.sleep))
    await world.over.wait()
    task.cancel()
    await asyncio.wait([task])
    assert live.value.a == 2

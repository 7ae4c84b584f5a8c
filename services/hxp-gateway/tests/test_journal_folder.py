"""The journal's folder: odd entries prevent no start, and what somebody deletes costs that file alone."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hxp_gateway import Journal, _segment
from hxp_gateway._segment import segments_in
from hxp_schemas import UsageRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(name: str, status: Any = "unknown") -> UsageRecord:
    return UsageRecord(request_id=name, model="m", endpoint="/v1/x", status=status, started_at=NOW)


def ask(journal: Journal, name: str) -> None:
    journal.intend(record(name))
    journal.settle(record(name, "completed"))


def ship_all(journal: Journal) -> list[str]:
    found: list[str] = []
    while (batch := journal.batch(500)) is not None:
        found += [UsageRecord.model_validate_json(entry).request_id for entry in batch.records]
        journal.acknowledge(batch)
    return found


ODD: dict[str, Callable[[Path], object]] = {
    "a folder": lambda folder: (folder / "000000000005.jsonl").mkdir(),
    "a folder in the way of the next": lambda folder: (folder / "000000000001.jsonl").mkdir(),
    "a dangling link": lambda folder: (folder / "000000000005.jsonl").symlink_to("nowhere"),
    "a link to itself": lambda folder: (folder / "000000000001.jsonl").symlink_to("000000000001.jsonl"),
    "a pipe": lambda folder: os.mkfifo(folder / "000000000005.jsonl"),
    "the greatest number": lambda folder: (folder / "999999999999.jsonl").write_bytes(b""),
    "other digits": lambda folder: (folder / ("\u0660" * 12 + ".jsonl")).write_bytes(b""),
}


@pytest.mark.parametrize("entry", ODD)
def test_an_odd_entry_prevents_no_start_and_loses_nothing(tmp_path: Path, entry: str) -> None:
    ODD[entry](tmp_path)
    journal = Journal(tmp_path)
    ask(journal, "a")
    journal.close()
    heir = Journal(tmp_path)
    ask(heir, "b")
    assert ship_all(heir) == ["a", "b"]
    assert heir.problem is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind":"begin","shipped":[999999999,0],"backlog":0}',
        b'{"kind":"begin","shipped":[1,-7],"backlog":5}',
        b'{"kind":"begin","shipped":[1,99999999999999999999999],"backlog":5}',
        b'{"kind":"begin","shipped":[1,4000000],"backlog":5}',
        b'{"kind":"begin","shipped":[1,1e30],"backlog":0}',
        b'{"kind":"begin","shipped":[1,true],"backlog":-5}',
        b'{"kind":"shipped","position":[7,0],"backlog":0}',
        b'{"kind":"shipped","position":{"a":1},"backlog":0}',
        b'{"kind":"progress","request_id":"a","prompt_tokens":1e308,"completion_tokens":-1}',
    ],
)
def test_a_place_that_is_none_keeps_no_record_from_the_ledger(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "000000000001.jsonl").write_bytes(line + b"\n")
    journal = Journal(tmp_path)
    for number in range(5):
        ask(journal, f"r{number}")
    assert ship_all(journal) == [f"r{number}" for number in range(5)]
    assert journal.backlog >= 0


def test_a_file_of_zeros_takes_no_memory(tmp_path: Path) -> None:
    with (tmp_path / "000000000001.jsonl").open("wb") as file:
        file.truncate(64 * 1024 * 1024)  # as after a power cut
        file.seek(0, os.SEEK_END)
        file.write(b"\n")
    journal = Journal(tmp_path)
    ask(journal, "a")
    assert ship_all(journal) == ["a"]
    assert journal.unreadable >= 1


@pytest.mark.parametrize("which", ["first", "middle", "newest"])
def test_a_segment_that_somebody_deletes_costs_that_file_alone(tmp_path: Path, which: str) -> None:
    time = [0.0]
    journal = Journal(tmp_path, segment_bytes=2_000, clock=lambda: time[0])
    for number in range(40):
        ask(journal, f"r{number}")
    there = sorted(tmp_path.glob("0*.jsonl"))
    victim = {"first": there[0], "middle": there[len(there) // 2], "newest": there[-1]}[which]
    held = victim.read_bytes().count(b'{"kind":"settled"')
    victim.unlink()
    time[0] += 2.0
    for number in range(40, 45):
        ask(journal, f"r{number}")
    shipped = ship_all(journal)
    assert len(set(shipped)) == 45 - (0 if which == "newest" else held)  # an open file can still be read
    assert journal.lost == 1
    ask(journal, "later")
    assert ship_all(journal) == ["later"]


def test_a_folder_that_somebody_removes_is_made_anew_with_what_is_open(tmp_path: Path) -> None:
    time = [0.0]
    folder = tmp_path / "journal"
    journal = Journal(folder, clock=lambda: time[0])
    journal.intend(record("open"))
    ask(journal, "a")
    shutil.rmtree(folder)
    time[0] += 2.0
    journal.try_again()
    assert segments_in(folder)
    ask(journal, "b")
    assert ship_all(journal) == ["a", "b"]
    with pytest.raises(Exception, match="open in another process"):
        Journal(folder)  # it is locked again
    journal.close()
    heir = Journal(folder)
    assert (heir.recovered, ship_all(heir)) == (1, ["open"])


def test_a_disk_without_room_is_told_before_the_first_request_finds_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    assert journal.no_room() is None
    real = os.statvfs(tmp_path)

    class Full:
        f_bfree = f_bavail = 0
        f_frsize = real.f_frsize

    monkeypatch.setattr("hxp_gateway._journal.os.statvfs", lambda _path: Full)
    assert "is full" in str(journal.no_room())


def test_a_start_without_inodes_is_not_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def none_left(path: Any, flags: int, *mode: int, **options: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(28, "No space left on device")
        return real(path, flags, *mode, **options)

    monkeypatch.setattr("hxp_gateway._segment.os.open", none_left)
    journal = Journal(tmp_path)
    assert "No space left" in str(journal.problem)
    monkeypatch.undo()
    journal.try_again()
    assert journal.problem is None


def reading_fails(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    """Make a segment one that cannot be read."""
    real = _segment.whole_lines

    def lines(path: Path, **options: Any) -> Any:
        if path.name == name:
            raise OSError(code, os.strerror(code))
        return real(path, **options)

    monkeypatch.setattr("hxp_gateway._journal.whole_lines", lines)


def two_segments(folder: Path) -> list[str]:
    """Leave two segments with a record each, and one request under way."""
    journal = Journal(folder, segment_bytes=1)
    journal.intend(record("open"))
    ask(journal, "a")
    ask(journal, "b")
    journal.close()
    return sorted(path.name for path in folder.glob("0*.jsonl"))


def test_a_segment_that_was_just_begun_is_read_with_the_one_before_it(tmp_path: Path) -> None:
    names = two_segments(tmp_path)
    (tmp_path / f"{int(names[-1][:12]) + 1:012d}.jsonl").write_bytes(b"\n")  # killed before its head was written
    heir = Journal(tmp_path)
    assert (heir.recovered, heir.unreadable) == (1, 0)
    assert ship_all(heir) == ["a", "b", "open"]


def test_a_segment_that_cannot_be_read_is_put_aside_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = two_segments(tmp_path)
    with monkeypatch.context() as broken:
        reading_fails(broken, names[-1], 5)  # EIO
        heir = Journal(tmp_path)
    assert heir.lost == 1
    assert (tmp_path / names[-1]).with_suffix(".unreadable").exists()
    shipped = ship_all(heir)
    assert "a" in shipped
    ask(heir, "later")
    assert ship_all(heir) == ["later"]


def test_an_older_segment_that_cannot_be_read_keeps_nobody_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = two_segments(tmp_path)
    heir = Journal(tmp_path)
    reading_fails(monkeypatch, names[1], 5)
    assert len(ship_all(heir)) >= 2
    assert heir.lost == 1


def test_a_lack_that_may_pass_puts_nothing_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = two_segments(tmp_path)
    heir = Journal(tmp_path)
    for name in (names[0], max(path.name for path in tmp_path.glob("0*.jsonl"))):
        with monkeypatch.context() as lack:
            reading_fails(lack, name, 24)  # EMFILE
            with pytest.raises(OSError, match="Too many open files"):
                ship_all(heir)
    assert heir.lost == 0
    assert sorted(set(ship_all(heir))) == ["a", "b", "open"]


def test_a_segment_that_cannot_be_deleted_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_segments(tmp_path)
    heir = Journal(tmp_path)
    batch = heir.batch(500)
    assert batch is not None

    def refused(_path: Path, *, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as disk:
        disk.setattr("pathlib.Path.unlink", refused)
        disk.setattr(heir, "_append", lambda _line: None)
        heir.acknowledge(batch)
    assert "Read-only" in str(heir.problem)
    ask(heir, "later")
    assert ship_all(heir) == ["later"]
    assert (heir.problem, len(list(tmp_path.glob("0*.jsonl")))) == (None, 1)


def test_a_disk_that_takes_a_part_of_what_is_set_aside_keeps_the_record_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    real = os.write
    monkeypatch.setattr("hxp_gateway._journal.os.write", lambda descriptor, data: real(descriptor, data[:5]))
    with pytest.raises(OSError, match="a part of a record that is set aside"):
        journal.set_aside(b"{}", "odd")


def test_a_folder_that_cannot_be_looked_at_is_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    shutil.rmtree(tmp_path / "journal")
    assert "No such file" in str(journal.no_room())


def test_a_folder_that_cannot_be_made_anew_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder)
    ask(journal, "a")
    shutil.rmtree(folder)

    def full(*_arguments: Any) -> tuple[int, int]:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("hxp_gateway._journal.begin_segment", full)
        journal.try_again()
    journal.try_again()
    ask(journal, "b")
    assert ship_all(journal) == ["a", "b"]

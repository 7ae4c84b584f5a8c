"""The journal: on record before, settled once after, shipped until acknowledged, whatever happens between."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hxp_gateway import Journal, _segment
from hxp_gateway._journal import Batch, JournalClosedError, JournalLockedError
from hxp_schemas import UsageRecord
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def record(name: str, status: Any = "unknown", tokens: int = 0) -> UsageRecord:
    return UsageRecord(
        request_id=name, model="m", endpoint="/v1/x", status=status, started_at=NOW, completion_tokens=tokens
    )


def waiting(journal: Journal) -> list[tuple[str, str]]:
    batch = journal.batch(10_000)
    return [(entry.request_id, entry.status) for entry in entries(batch)]


def entries(batch: Batch | None) -> list[UsageRecord]:
    return [UsageRecord.model_validate_json(entry) for entry in (batch.records if batch else ())]


def ship(journal: Journal, size: int = 100) -> list[UsageRecord]:
    """Ship one batch, as a ledger that takes everything."""
    batch = journal.batch(size)
    if batch is None:
        return []
    journal.acknowledge(batch)
    return entries(batch)


def ask(journal: Journal, name: str, status: Any = "completed") -> None:
    journal.intend(record(name))
    journal.settle(record(name, status))


def segments(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("0*.jsonl"))


def test_a_settled_request_waits_for_the_ledger_and_then_is_gone(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.intend(record("a"))
    assert (journal.open, waiting(journal)) == (1, [])
    journal.settle(record("a", "completed", 3))
    assert (journal.open, journal.backlog, waiting(journal)) == (0, 1, [("a", "completed")])
    assert [entry.completion_tokens for entry in ship(journal)] == [3]
    assert (journal.backlog, waiting(journal)) == (0, [])
    journal.close()
    assert waiting(Journal(tmp_path)) == []


def test_a_request_is_settled_exactly_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(ValueError, match="'a' is not open in the journal"):
        journal.settle(record("a"))
    ask(journal, "a")
    with pytest.raises(ValueError, match="settled exactly once"):
        journal.settle(record("a", "failed"))


def test_a_killed_process_leaves_everything_to_the_next(tmp_path: Path) -> None:
    """P1."""
    dead = Journal(tmp_path)
    dead.intend(record("shipped"))
    dead.settle(record("shipped", "completed"))
    assert len(ship(dead)) == 1
    dead.intend(record("under-way"))
    dead.note_progress("under-way", 14, 32)
    dead.intend(record("settled"))
    dead.settle(record("settled", "completed", 5))
    dead.close()  # writes nothing, as a kill
    heir = Journal(tmp_path)
    assert (heir.recovered, heir.backlog) == (1, 2)
    assert sorted(waiting(heir)) == [("settled", "completed"), ("under-way", "unknown")]
    (orphan,) = (entry for entry in entries(heir.batch(9)) if entry.request_id == "under-way")
    assert orphan.finished_at is not None
    assert (orphan.prompt_tokens, orphan.completion_tokens, orphan.estimated) == (14, 32, True)


def test_a_line_torn_by_a_kill_in_the_middle_of_a_write_is_passed_over(tmp_path: Path) -> None:
    dead = Journal(tmp_path)
    dead.intend(record("whole"))
    dead.close()
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("ab") as opened:
        opened.write(b'{"kind":"intent","request_id":"to')
    assert waiting(Journal(tmp_path)) == [("whole", "unknown")]


def test_a_full_disk_refuses_the_request_and_keeps_the_next_line_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D1."""
    journal = Journal(tmp_path)
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[: len(data) // 2]))
    with pytest.raises(OSError, match="is the disk full"):
        journal.intend(record("torn"))
    assert "is the disk full" in str(journal.problem)
    monkeypatch.setattr(os, "write", real)
    journal.intend(record("whole"))
    assert (journal.open, journal.problem) == (1, None)
    journal.close()
    assert waiting(Journal(tmp_path)) == [("whole", "unknown")]


@pytest.mark.parametrize("can_take_back", [True, False])
@pytest.mark.parametrize("part", [1, 20, 150])
def test_a_torn_settlement_is_neither_shipped_nor_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int, *, can_take_back: bool
) -> None:
    """D1: a disk that takes a part of a line, and may not even let it be taken back."""
    journal = Journal(tmp_path)
    journal.intend(record("a"))
    real = os.write

    def refuse(_descriptor: int, _length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:part]))
        if not can_take_back:
            disk.setattr(os, "ftruncate", refuse)
        with pytest.raises(OSError, match="is the disk full"):
            journal.settle(record("a", "completed"))
    ask(journal, "b")
    assert waiting(journal) == [("a", "completed"), ("b", "completed")]
    assert (len(ship(journal)), journal.backlog) == (2, 0)
    journal.close()
    heir = Journal(tmp_path)
    assert (waiting(heir), heir.recovered) == ([], 0)


def test_batches_are_bounded_and_oldest_first(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=600)
    for number in range(5):
        ask(journal, f"r{number}")
    assert len(segments(tmp_path)) > 1
    assert [[entry.request_id for entry in ship(journal, 2)] for _ in range(4)] == [
        ["r0", "r1"],
        ["r2", "r3"],
        ["r4"],
        [],
    ]


def test_an_open_request_keeps_no_segment_alive(tmp_path: Path) -> None:
    """R8: the journal does not grow for ever."""
    journal = Journal(tmp_path, segment_bytes=1000)
    journal.intend(record("old"))
    for number in range(200):
        ask(journal, f"r{number}")
        ship(journal)
    assert len(segments(tmp_path)) <= 2
    assert segments(tmp_path)[0] > "000000000040.jsonl"
    journal.close()
    heir = Journal(tmp_path)
    assert (heir.recovered, waiting(heir)) == (1, [("old", "unknown")])


def test_an_intent_whose_line_fills_a_segment_is_not_dropped_with_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1)  # every line fills its segment
    for number in range(3):
        journal.intend(record(f"r{number}"))
    assert journal.open == 3
    journal.close()
    assert sorted(waiting(Journal(tmp_path))) == [(f"r{number}", "unknown") for number in range(3)]


# What lies in the folder of somebody else, or of an earlier version


def test_a_second_process_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(JournalLockedError, match="open in another process; each gateway needs an instance of its own"):
        Journal(tmp_path)
    ask(journal, "a")
    journal.close()
    assert waiting(Journal(tmp_path)) == [("a", "completed")]


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[1]",
        b'{"kind":3}',
        b'{"kind":"settled"}',
        b'{"kind":"intent","request_id":"x","status":"invented"}',
        b'{"kind":"shipped","position":["a"],"backlog":1}',
        b'{"kind":"progress","request_id":"a"}',
        b'{"kind":"begin","shipped":7}',
        b"\xff" * 10,
    ],
)
def test_a_line_that_cannot_be_read_prevents_no_start(tmp_path: Path, line: bytes) -> None:
    dead = Journal(tmp_path)
    dead.intend(record("a"))
    dead.close()
    (file,) = tmp_path.glob("*.jsonl")
    with file.open("ab") as opened:
        opened.write(line + b"\n")
    (tmp_path / "notes.jsonl").write_text("somebody's notes\n")
    (tmp_path / "000000000009.jsonl.bak").write_text("a copy\n")
    heir = Journal(tmp_path)
    assert waiting(heir)[0] == ("a", "unknown")
    assert heir.unreadable == 1
    assert (tmp_path / "notes.jsonl").read_text() == "somebody's notes\n"


def test_a_journal_of_any_length_is_taken_over_by_reading_its_newest_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D7: memory and time follow the size of a segment and not of the backlog."""
    dead = Journal(tmp_path, segment_bytes=20_000)
    dead.intend(record("open"))
    for number in range(2_000):
        ask(dead, f"r{number}")
    dead.close()
    assert len(segments(tmp_path)) > 20
    read: list[str] = []
    real = _segment.whole_lines

    def counted(path: Path, **options: Any) -> Any:
        read.append(path.name)
        return real(path, **options)

    monkeypatch.setattr("hxp_gateway._journal.whole_lines", counted)
    heir = Journal(tmp_path, segment_bytes=20_000)
    assert set(read) == {segments(tmp_path)[-2]}
    assert (heir.recovered, heir.backlog) == (1, 2_001)
    assert len(heir._open) + len(heir._unwritten) == 0
    shipped = [entry.request_id for _ in range(6) for entry in ship(heir, 500)]
    assert sorted(shipped) == sorted(["open", *(f"r{number}" for number in range(2_000))])
    assert (heir.backlog, len(segments(tmp_path))) == (0, 1)


# A disk that refuses, at each write


def faults(monkeypatch: pytest.MonkeyPatch, *, at: int) -> list[int]:
    """Make the Nth write or opening of a file fail, and count them."""
    seen: list[int] = []
    real_write, real_open = os.write, os.open

    def refuse() -> None:
        seen.append(1)
        if len(seen) == at:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write(descriptor: int, data: bytes) -> int:
        refuse()
        return real_write(descriptor, data)

    def open_file(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        refuse()
        return real_open(path, flags, mode, **options)

    monkeypatch.setattr("hxp_gateway._journal.os.write", write)
    monkeypatch.setattr("hxp_gateway._segment.os.open", open_file)
    return seen


@pytest.mark.parametrize("at", range(1, 40))
def test_a_disk_that_refuses_once_loses_nothing_that_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """D3: the Nth write fails, for every N."""
    journal = Journal(tmp_path, segment_bytes=600)
    faults(monkeypatch, at=at)
    taken: set[str] = set()
    shipped: list[str] = []
    for number in range(8):
        try:
            journal.intend(record(f"r{number}"))
        except OSError:
            continue
        taken.add(f"r{number}")
        journal.note_progress(f"r{number}", 1, 1)
        with contextlib.suppress(OSError):
            journal.settle(record(f"r{number}", "completed"))
        if number % 3 == 2:
            with contextlib.suppress(OSError):
                shipped += [entry.request_id for entry in ship(journal, 2)]
    journal.try_again()
    assert journal.problem is None
    monkeypatch.undo()
    journal.close()
    heir = Journal(tmp_path)
    statuses = dict(waiting(heir))
    assert taken - set(statuses) <= set(shipped)
    assert set(statuses) <= taken
    assert set(statuses.values()) <= {"completed"}


def test_the_descriptor_of_a_journal_is_its_own_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P10: a segment that cannot be begun closes nothing, so that no stranger's socket gets the lines."""
    journal = Journal(tmp_path, segment_bytes=1)
    before = journal._descriptor

    def none_left(*_arguments: Any, **_options: Any) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("hxp_gateway._segment.os.open", none_left)
    ask(journal, "a")
    assert journal._descriptor == before
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ask(journal, "b")
        ours.settimeout(0)
        with pytest.raises(BlockingIOError):
            ours.recv(1)
    monkeypatch.undo()
    assert [name for name, _ in waiting(journal)] == ["a", "b"]


def test_after_its_close_a_journal_writes_nowhere(tmp_path: Path) -> None:
    """P10."""
    journal = Journal(tmp_path)
    journal.intend(record("a"))
    journal.close()
    journal.close()
    ours, theirs = socket.socketpair()  # which get the numbers that were closed
    with ours, theirs:
        with pytest.raises(JournalClosedError):
            journal.settle(record("a", "completed"))
        journal.note_progress("a", 1, 1)
        journal.try_again()
        for end in (ours, theirs):
            end.settimeout(0)
            with pytest.raises(BlockingIOError):
                end.recv(1)


def test_a_start_on_a_disk_that_refuses_heals_when_it_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D5."""
    dead = Journal(tmp_path)
    dead.intend(record("orphan"))
    dead.close()

    real = os.open

    def full(path: Any, flags: int, *mode: int, **options: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, flags, *mode, **options)

    monkeypatch.setattr("hxp_gateway._segment.os.open", full)
    journal = Journal(tmp_path)
    assert "No space left" in str(journal.problem)
    with pytest.raises(OSError, match="No space left"):
        journal.intend(record("a"))
    monkeypatch.undo()
    journal.try_again()
    assert journal.problem is None
    ask(journal, "b")
    assert waiting(journal) == [("orphan", "unknown"), ("b", "completed")]


def test_what_the_disk_refused_is_shipped_from_memory_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.intend(record("a"))
    journal.intend(record("b"))

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hxp_gateway._journal.os.write", full)
    for name in "ab":
        with pytest.raises(OSError, match="No space left"):
            journal.settle(record(name, "completed"))
    assert journal.backlog == 2
    assert [entry.request_id for entry in ship(journal, 1)] == ["a"]
    batch = journal.batch(9)
    monkeypatch.undo()
    journal.try_again()  # the disk takes "b" while it is on its way
    assert batch is not None
    journal.acknowledge(batch)
    assert journal.backlog == 1
    assert [entry.request_id for entry in ship(journal)] == ["b"]  # once more, which the ledger counts once
    assert (journal.backlog, ship(journal)) == (0, [])


def test_records_set_aside_are_kept_with_their_reason_and_bounded(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.set_aside(b'{"a":1}\xff', "it is odd")
    (line,) = journal.quarantine.read_text().splitlines()
    kept = orjson.loads(line)
    assert (kept["reason"], kept["record"]) == ("it is odd", '{"a":1}\ufffd')
    assert journal.quarantine.stat().st_mode & 0o777 == 0o600
    with journal.quarantine.open("ab") as file:
        file.truncate(17 * 1024 * 1024)
    journal.set_aside(b"{}", "again")
    assert journal.quarantine.stat().st_size < 1000
    assert journal.quarantine.with_suffix(".jsonl.1").exists()
    journal.close()
    assert Journal(tmp_path).unreadable == 0


class JournalLife(RuleBasedStateMachine):
    """Requests, shipments and kills in any order, against a plain model of what must not be lost."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hxp-journal-"))
        self.journal = Journal(self.folder, segment_bytes=700)
        self.under_way: set[str] = set()
        self.settled: dict[str, str] = {}
        self.count = 0

    @rule()
    def ask(self) -> None:
        self.count += 1
        self.journal.intend(record(f"r{self.count}"))
        self.under_way.add(f"r{self.count}")

    @rule(data=st.data(), status=st.sampled_from(["completed", "failed", "cancelled"]))
    def settle(self, data: st.DataObject, status: str) -> None:
        if self.under_way:
            name = data.draw(st.sampled_from(sorted(self.under_way)))
            self.journal.settle(record(name, status))
            self.under_way.discard(name)
            self.settled[name] = status

    @rule(data=st.data(), tokens=st.integers(1, 99))
    def move_on(self, data: st.DataObject, tokens: int) -> None:
        if self.under_way:
            self.journal.note_progress(data.draw(st.sampled_from(sorted(self.under_way))), 1, tokens)

    @rule(size=st.integers(1, 3))
    def ship(self, size: int) -> None:
        for entry in ship(self.journal, size):
            assert self.settled.pop(entry.request_id) == entry.status

    @rule()
    def kill_and_start_again(self) -> None:
        self.journal.close()
        self.journal = Journal(self.folder, segment_bytes=700)
        assert self.journal.recovered == len(self.under_way)
        self.settled.update(dict.fromkeys(self.under_way, "unknown"))
        self.under_way.clear()

    @rule()
    def disk_refuses_a_new_segment(self) -> None:
        self.journal._segment_bytes = 10**9 if self.journal._segment_bytes == 700 else 700

    @invariant()
    def nothing_is_lost_and_nothing_doubled(self) -> None:
        if hasattr(self, "journal"):
            found = waiting(self.journal)
            assert len(found) == len(dict(found)) == self.journal.backlog
            assert dict(found) == self.settled
            assert self.journal.open == len(self.under_way)

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            shutil.rmtree(self.folder)


TestJournalLife = JournalLife.TestCase
TestJournalLife.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)

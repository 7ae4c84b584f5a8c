"""The journal: on record before, settled once after, shipped until acknowledged, whatever happens between."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hxp_gateway import Journal
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
    return [(entry.request_id, entry.status) for batch in journal.batches(100) for entry in batch]


def test_a_settled_request_waits_for_the_ledger_and_then_is_gone(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.intend(record("a"))
    assert (journal.open, waiting(journal)) == (1, [])
    journal.settle(record("a", "completed", 3))
    assert (journal.open, journal.backlog, waiting(journal)) == (0, 1, [("a", "completed")])
    journal.shipped([record("a")])
    assert (journal.backlog, waiting(journal)) == (0, [])
    journal.close()
    assert waiting(Journal(tmp_path)) == []


def test_a_request_is_settled_exactly_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(ValueError, match="'a' is not open in the journal"):
        journal.settle(record("a"))
    journal.intend(record("a"))
    journal.settle(record("a", "completed"))
    with pytest.raises(ValueError, match="settled exactly once"):
        journal.settle(record("a", "failed"))


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    """P1: nothing is closed here, as after kill -9."""
    dead = Journal(tmp_path)
    dead.intend(record("under-way"))
    dead.intend(record("settled"))
    dead.settle(record("settled", "completed", 5))
    dead.intend(record("shipped"))
    dead.settle(record("shipped", "completed"))
    dead.shipped([record("shipped")])
    heir = Journal(tmp_path)
    assert heir.recovered == 1
    assert sorted(waiting(heir)) == [("settled", "completed"), ("under-way", "unknown")]
    (orphan,) = (entry for batch in heir.batches(9) for entry in batch if entry.request_id == "under-way")
    assert orphan.finished_at is not None


def test_a_line_torn_by_a_kill_in_the_middle_of_a_write_is_passed_over(tmp_path: Path) -> None:
    dead = Journal(tmp_path)
    dead.intend(record("whole"))
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
    monkeypatch.setattr(os, "write", real)
    journal.intend(record("whole"))
    assert journal.open == 1
    assert waiting(Journal(tmp_path)) == [("whole", "unknown")]


def test_batches_are_bounded_and_oldest_first(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(5):
        journal.intend(record(f"r{number}"))
        journal.settle(record(f"r{number}", "completed"))
    assert [[entry.request_id for entry in batch] for batch in journal.batches(2)] == [
        ["r0", "r1"],
        ["r2", "r3"],
        ["r4"],
    ]


def test_segments_that_nobody_needs_are_deleted(tmp_path: Path) -> None:
    """R8: the journal does not grow for ever."""
    journal = Journal(tmp_path, segment_bytes=500)
    journal.intend(record("old"))
    for number in range(200):
        journal.intend(record(f"r{number}"))
        journal.settle(record(f"r{number}", "completed"))
        journal.shipped([record(f"r{number}")])
    kept = sorted(file.name for file in tmp_path.glob("*.jsonl"))
    assert kept[0] == "000000000001.jsonl"  # holds the request that is still under way
    journal.settle(record("old", "completed"))
    journal.shipped([record("old")])
    assert len(list(tmp_path.glob("*.jsonl"))) == 1


def test_an_intent_whose_line_fills_a_segment_is_not_dropped_with_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path, segment_bytes=1)  # every line fills its segment
    for number in range(3):
        journal.intend(record(f"r{number}"))
    assert journal.open == 3
    assert sorted(waiting(Journal(tmp_path))) == [(f"r{number}", "unknown") for number in range(3)]


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

    @rule(size=st.integers(1, 3))
    def ship(self, size: int) -> None:
        for batch in self.journal.batches(size):
            self.journal.shipped(batch)
            for entry in batch:
                assert self.settled.pop(entry.request_id) == entry.status
            break

    @rule()
    def kill_and_start_again(self) -> None:
        self.journal.close()
        self.journal = Journal(self.folder, segment_bytes=700)
        assert self.journal.recovered == len(self.under_way)
        self.settled.update(dict.fromkeys(self.under_way, "unknown"))
        self.under_way.clear()

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

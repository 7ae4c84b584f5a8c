"""The journal: what was asked is on record before it is passed on, and settled exactly once afterwards.

Lines of JSON, appended with one `write` each, so that a process killed at any moment leaves whole lines behind and at
most one torn one. Segments are numbered; one is deleted when everything in it is settled and the ledger has it. The
operating system keeps what was written when the process dies; a power cut may take the last moments, since no line
waits for the disk.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from hxp_schemas import UsageRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SEGMENT_BYTES = 4 * 1024 * 1024


@dataclass(slots=True)
class _Segment:
    """One file of the journal and what in it still concerns us."""

    path: Path
    open_intents: set[str] = field(default_factory=set)
    unshipped: set[str] = field(default_factory=set)

    @property
    def is_done(self) -> bool:
        return not self.open_intents and not self.unshipped


class Journal:
    """The gateway's own record of its requests.

    Args:
        folder: Where the segments lie.
        segment_bytes: Size after which a new segment begins.

    Example:
        ```python
        journal = Journal(folder)
        journal.intend(record_with_status_unknown)   # before the upstream is called
        journal.settle(record_as_it_ended)           # once, afterwards
        for batch in journal.batches(500):           # by the shipper
            ...
            journal.shipped(batch)
        ```
    """

    def __init__(self, folder: Path, *, segment_bytes: int = _SEGMENT_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segments: list[_Segment] = []
        self._where: dict[str, _Segment] = {}
        self._settled: dict[str, UsageRecord] = {}
        self._torn = False
        orphans = self._recover()
        self._begin_segment()
        for record in orphans:
            self._write("settled", record)
        self.recovered = len(orphans)
        """Requests of earlier processes that were under way and are now settled as they were intended: `unknown`."""

    def _recover(self) -> list[UsageRecord]:
        """Take over what earlier processes left; the records of the requests that were under way."""
        orphans: list[UsageRecord] = []
        for path in sorted(self._folder.glob("*.jsonl")):
            segment = _Segment(path)
            self._segments.append(segment)
            for line in _whole_lines(path):
                self._replay(segment, line)
        for segment in self._segments:
            for request_id in list(segment.open_intents):
                record = self._settled[request_id].model_copy(update={"finished_at": datetime.now(UTC)})
                self._settled[request_id] = record
                segment.open_intents.discard(request_id)
                segment.unshipped.add(request_id)
                orphans.append(record)
        self._drop_done()
        return orphans

    def _replay(self, segment: _Segment, line: dict[str, Any]) -> None:
        kind = line.pop("kind")
        if kind == "shipped":
            for request_id in line["ids"]:
                if (home := self._where.pop(request_id, None)) is not None:
                    home.unshipped.discard(request_id)
                    home.open_intents.discard(request_id)
                    self._settled.pop(request_id, None)
            return
        record = UsageRecord.model_validate(line)
        home = self._where.setdefault(record.request_id, segment)
        self._settled[record.request_id] = record
        if kind == "intent":
            home.open_intents.add(record.request_id)
        else:
            home.open_intents.discard(record.request_id)
            home.unshipped.add(record.request_id)

    def _begin_segment(self) -> None:
        last = int(self._segments[-1].path.stem) if self._segments else 0
        self._segments.append(_Segment(self._folder / f"{last + 1:012d}.jsonl"))
        self._file = os.open(self._segments[-1].path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = 0

    def intend(self, record: UsageRecord) -> None:
        """Put a request on record before it is passed on; `record` is what will be told if nothing else ever is.

        Raises:
            OSError: If the disk refuses; the request must then not be passed on.
        """
        segment = self._segments[-1]
        segment.open_intents.add(record.request_id)  # first: the write may close the segment, and drop it if it is done
        try:
            self._write("intent", record)
        except OSError:
            segment.open_intents.discard(record.request_id)
            raise
        self._where[record.request_id] = segment

    def settle(self, record: UsageRecord) -> None:
        """Put on record how a request ended.

        Raises:
            ValueError: If it is not open: it was never intended, or it is settled already.
        """
        segment = self._where.get(record.request_id)
        if segment is None or record.request_id not in segment.open_intents:
            raise ValueError(f"request {record.request_id!r} is not open in the journal; each is settled exactly once")
        segment.open_intents.discard(record.request_id)
        segment.unshipped.add(record.request_id)
        self._settled[record.request_id] = record
        self._write("settled", record)

    @property
    def open(self) -> int:
        """Requests under way."""
        return sum(len(segment.open_intents) for segment in self._segments)

    @property
    def backlog(self) -> int:
        """Settled requests that the ledger does not have yet."""
        return len(self._settled)

    def batches(self, size: int) -> Iterator[list[UsageRecord]]:
        """What the ledger does not have yet, oldest first, in lists of `size` at the most."""
        waiting = list(self._settled.values())
        for start in range(0, len(waiting), size):
            yield waiting[start : start + size]

    def shipped(self, records: Iterable[UsageRecord]) -> None:
        """The ledger has acknowledged `records`."""
        ids = [record.request_id for record in records]
        self._append(orjson.dumps({"kind": "shipped", "ids": ids}))
        for request_id in ids:
            self._settled.pop(request_id, None)
            if (segment := self._where.pop(request_id, None)) is not None:
                segment.unshipped.discard(request_id)
        self._drop_done()

    def _drop_done(self) -> None:
        """Delete the segments at the beginning that nobody needs any more; later ones may speak of earlier requests."""
        while len(self._segments) > 1 and self._segments[0].is_done:
            self._segments.pop(0).path.unlink(missing_ok=True)

    def _write(self, kind: str, record: UsageRecord) -> None:
        self._append(b'{"kind":"%b",%b' % (kind.encode(), record.model_dump_json(exclude_none=True).encode()[1:]))

    def _append(self, line: bytes) -> None:
        data = b"\n" + line + b"\n" if self._torn else line + b"\n"
        written = os.write(self._file, data)
        self._torn = written != len(data)
        if self._torn:  # a full disk takes a part; the next line begins by ending the torn one
            raise OSError(f"the journal took {written} of {len(data)} bytes; is the disk full?")
        self._size += len(data)
        if self._size > self._segment_bytes:
            os.close(self._file)
            self._begin_segment()
            self._drop_done()

    def close(self) -> None:
        """Close the file; nothing is lost by not calling it."""
        os.close(self._file)


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_bytes().split(b"\n"):
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # torn by a kill in the middle of a write: what it would have said was never acknowledged
        if isinstance(document, dict) and "kind" in document:
            yield document

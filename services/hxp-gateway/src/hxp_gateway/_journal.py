"""The journal: what was asked is on record before it is passed on, and settled exactly once afterwards.

Lines of JSON, appended with one `write` each, so that a process killed at any moment leaves whole lines behind and at
most one torn one. Segments are numbered. Each begins with what the earlier ones leave open, so a start reads the newest
one alone, and an old one is deleted as soon as the ledger has what it holds. Settled records stay on disk until they
are shipped: memory holds the requests under way, whatever the backlog. The operating system keeps what was written when
the process dies; a power cut may take the last moments, since no line waits for the disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
from hxp_schemas import UsageRecord
from pydantic import ValidationError

from ._segment import (
    SETTLED,
    Position,
    begin_segment,
    lines_of_deleted,
    read_line,
    segment_path,
    segments_in,
    whole_lines,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

_SEGMENT_BYTES = 4 * 1024 * 1024
_BATCH_BYTES = 1024 * 1024
_QUARANTINE_BYTES = 16 * 1024 * 1024
_LEAST_ROOM = 16 * 1024
_FOR_GOOD = frozenset({errno.ENOENT, errno.ELOOP, errno.EISDIR, errno.EACCES, errno.EIO})
_LOOK_AFTER = 1.0
"""Seconds between two looks whether the file is still in its folder."""
_RETRY_BYTES = 64 * 1024
"""Bytes to append before a segment that could not be begun is tried again."""


class JournalLockedError(RuntimeError):
    """Another process has this journal open."""


class JournalClosedError(OSError):
    """The journal is closed, so nothing can be put on record."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Settled records on their way to the ledger.

    Attributes:
        records: Each as a JSON object, oldest first.
        position: The place in the journal after the last of them.
        unwritten: The ids of those that the disk has not taken yet.
    """

    records: tuple[bytes, ...]
    position: Position
    unwritten: tuple[str, ...] = ()


class Journal:
    """The gateway's own record of its requests.

    Args:
        folder: Where the segments lie; one process at a time may have it open.
        segment_bytes: Size after which a new segment begins.
        clock: Monotonic seconds.

    Raises:
        JournalLockedError: If another process has the folder open.
        OSError: If the folder can be neither made nor read.

    Example:
        ```python
        journal = Journal(folder)
        journal.intend(record_with_status_unknown)     # before the upstream is called
        journal.note_progress(request_id, 14, 32)      # now and then, in a long answer
        journal.settle(record_as_it_ended)             # once, afterwards
        while batch := journal.batch(500):             # by the shipper
            ...
            journal.acknowledge(batch)
        ```
    """

    def __init__(
        self, folder: Path, *, segment_bytes: int = _SEGMENT_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._clock = clock
        self._next_look = clock()
        self._lock = _locked(folder)
        self._open: dict[str, UsageRecord] = {}
        self._progress: dict[str, tuple[int, int]] = {}  # of open requests: tokens of prompt and answer so far
        self._unwritten: dict[str, bytes] = {}
        self._descriptor: int | None = None
        self._size = self._head_size = 0
        self._next_attempt = 0
        self._torn = False
        self._last_shipped = Position(0, 0)
        self.backlog = 0
        """Settled requests that the ledger does not have yet."""
        self.unreadable = 0
        """Lines of earlier processes that could not be read and were passed over."""
        self.lost = 0
        """Segments that are gone or cannot be read; what can be is kept beside the others as `*.unreadable`."""
        self.problem: str | None = None
        """Why the disk refused the last write; None while all is well."""
        self._segments = segments_in(folder)
        self._recover()
        orphans = [self._as_it_stands(record) for record in self._open.values()]
        self.recovered = len(orphans)
        """Requests of earlier processes that were under way and are now settled as they were intended: `unknown`."""
        for record in orphans:
            ending = {"finished_at": datetime.now(UTC), "estimated": True}
            self._settle_quietly(record.model_copy(update=ending))

    # Starting

    def _recover(self) -> None:
        """Take over what earlier processes left: the newest segment with a head says all that is open."""
        start = len(self._segments) - 1
        while start > 0 and not self._has_head(self._segments[start]):
            start -= 1
        for number in self._segments[max(start, 0) :]:
            self._replay(number)
        try:
            self._begin_next(required=True)
        except OSError as error:
            self.problem = str(error)

    def _has_head(self, number: int) -> bool:
        path = segment_path(self._folder, number)
        try:
            kinds = ((read_line(line) or {}).get("kind") for line, _ in whole_lines(path))
            return next((True for kind in kinds if kind == "begin"), False)
        except OSError:
            return False  # noted when it is replayed

    def _replay(self, number: int) -> None:
        try:
            for line, place in whole_lines(segment_path(self._folder, number)):
                if line == b"\n":
                    continue
                document = read_line(line)
                try:
                    if document is None:
                        self.unreadable += 1
                    else:
                        self._replay_line(document.pop("kind"), document, Position(number, place))
                except (ValidationError, ValueError, TypeError, KeyError):
                    self.unreadable += 1
        except OSError as error:
            self._put_aside(number, error)

    def _replay_line(self, kind: str, line: dict[str, Any], after: Position) -> None:
        if kind == "intent":
            record = UsageRecord.model_validate(line)
            self._open[record.request_id] = record
        elif kind == "progress":
            self._progressed(str(line["request_id"]), _count(line["prompt_tokens"]), _count(line["completion_tokens"]))
        elif kind == "settled":
            self._open.pop(str(line["request_id"]), None)
            self._progress.pop(str(line["request_id"]), None)
            self.backlog += after > self._last_shipped
        elif kind == "begin":
            self._last_shipped, self.backlog = Position(*map(_count, line["shipped"])), _count(line["backlog"])
        elif kind == "shipped" and "position" in line:
            self._last_shipped, self.backlog = Position(*map(_count, line["position"])), _count(line["backlog"])

    # Requests

    def intend(self, record: UsageRecord) -> None:
        """Put a request on record before it is passed on; `record` is what will be told if nothing else ever is.

        Raises:
            OSError: If the disk refuses; the request must then not be passed on.
        """
        self._open[record.request_id] = record  # first: the write may begin a segment, whose head tells what is open
        try:
            self._append(_line(b"intent", record))
        except OSError:
            del self._open[record.request_id]
            raise

    def note_progress(self, request_id: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Put on record how far the answer to an open request has come, for a process that is killed before its end.

        A disk that refuses is noted in `problem`; the request goes on.
        """
        if not self._progressed(request_id, prompt_tokens, completion_tokens):
            return
        line = b'{"kind":"progress","request_id":%b,"prompt_tokens":%d,"completion_tokens":%d}'
        try:
            self._append(line % (orjson.dumps(request_id), prompt_tokens, completion_tokens))
        except OSError:
            return  # told by `problem`

    def _progressed(self, request_id: str, prompt_tokens: int, completion_tokens: int) -> bool:
        if request_id not in self._open:
            return False
        self._progress[request_id] = prompt_tokens, completion_tokens
        return True

    def _as_it_stands(self, record: UsageRecord) -> UsageRecord:
        """Return an open record with the progress that was noted."""
        progress = self._progress.get(record.request_id)
        if progress is None:
            return record
        prompt, completion = progress
        counts = {"prompt_tokens": prompt, "completion_tokens": completion, "estimated": True}
        return record.model_copy(update=counts)

    def settle(self, record: UsageRecord) -> None:
        """Put on record how a request ended.

        Raises:
            ValueError: If it is not open: it was never intended, or it is settled already.
            OSError: If the disk refuses; the record stays in memory, and is written or shipped from there.
        """
        if self._open.pop(record.request_id, None) is None:
            raise ValueError(f"request {record.request_id!r} is not open in the journal; each is settled exactly once")
        self._progress.pop(record.request_id, None)
        self.backlog += 1
        line = _line(b"settled", record)
        try:
            self._append(line)
        except OSError:
            self._unwritten[record.request_id] = line
            raise

    def _settle_quietly(self, record: UsageRecord) -> None:
        try:
            self.settle(record)
        except OSError:
            return  # told by `problem`, and kept in memory

    @property
    def open(self) -> int:
        """Requests under way."""
        return len(self._open)

    # Shipping

    def batch(self, size: int) -> Batch | None:
        """Return the oldest records that the ledger does not have yet; they stay until they are acknowledged.

        Raises:
            OSError: If the journal cannot be read.
        """
        records: list[bytes] = []
        position = self._first_unshipped()
        room = _BATCH_BYTES
        for number in [number for number in self._segments if number >= position.segment]:
            if number > position.segment:
                position = Position(number, 0)
            try:
                for line, place in self._lines_from(number, position.offset):
                    position = Position(number, place)
                    if line.startswith(SETTLED) and line.endswith(b"}\n"):  # else it is torn, and was written again
                        records.append(b"{" + line[len(SETTLED) : -1])
                        room -= len(line)
                    if len(records) >= size or room <= 0:
                        return Batch(tuple(records), position)
            except OSError as error:
                if number == self._segments[-1]:
                    self._begin_where_it_is_gone()
                    raise
                self._put_aside(number, error)
        unwritten = tuple(self._unwritten)[: size - len(records)]
        records += [b"{" + self._unwritten[request_id][len(SETTLED) :] for request_id in unwritten]
        if records:
            return Batch(tuple(records), position, unwritten)
        self._last_shipped = position
        self._drop_shipped()
        return None

    def _lines_from(self, number: int, offset: int) -> Iterator[tuple[bytes, int]]:
        limit = self._size if number == self._segments[-1] else None
        return whole_lines(segment_path(self._folder, number), start=offset, limit=limit)

    def _first_unshipped(self) -> Position:
        """Return the place that is shipped up to; where there is no such place, the beginning of what is left.

        To ship a record twice does no harm, and to pass one over loses it.
        """
        shipped = self._last_shipped
        later = [number for number in self._segments if number >= shipped.segment]
        if not later:
            return Position(self._segments[0], 0) if self._segments else shipped
        if later[0] != shipped.segment:
            return Position(later[0], 0)
        path = segment_path(self._folder, shipped.segment)
        return shipped if path.exists() and shipped.offset <= path.stat().st_size else Position(shipped.segment, 0)

    def _put_aside(self, number: int, error: OSError) -> None:
        """Leave out a segment that is gone or cannot be read, so that it keeps nobody from the others.

        Raises:
            OSError: `error`, where it may pass: no descriptor or no memory was left.
        """
        if error.errno not in _FOR_GOOD:
            raise error
        self.lost += 1
        if number in self._segments:
            self._segments.remove(number)
        path = segment_path(self._folder, number)
        with contextlib.suppress(OSError):
            path.rename(path.with_suffix(".unreadable"))

    def acknowledge(self, batch: Batch) -> None:
        """Take note that the ledger has a batch, or that its records are set aside; emptied segments are deleted."""
        # What the disk has taken in the meantime comes again with a later batch, and is counted there.
        written_meanwhile = sum(self._unwritten.pop(request_id, None) is None for request_id in batch.unwritten)
        self.backlog = max(0, self.backlog - len(batch.records) + written_meanwhile)
        self._last_shipped = batch.position
        self._drop_shipped()
        line = {"kind": "shipped", "position": [batch.position.segment, batch.position.offset], "backlog": self.backlog}
        try:
            self._append(orjson.dumps(line))
        except OSError:
            return  # told by `problem`; after a kill the batch is shipped again, which counts once

    def _drop_shipped(self) -> None:
        """Delete the segments before the place that is shipped up to; the newest one tells all that is still open."""
        for number in [number for number in self._segments[:-1] if number < self._last_shipped.segment]:
            try:
                segment_path(self._folder, number).unlink(missing_ok=True)
            except OSError as error:
                self.problem = str(error)
                return
            self._segments.remove(number)

    def set_aside(self, record: bytes, reason: str) -> None:
        """Keep a record that the ledger will never take, with the reason, in `quarantine` beside the segments.

        Raises:
            OSError: If the disk refuses; the record must then stay in the journal.
        """
        path = self.quarantine
        if path.exists() and path.stat().st_size > _QUARANTINE_BYTES:
            path.replace(path.with_suffix(".jsonl.1"))
        text = record.decode(errors="replace")
        line = orjson.dumps({"at": datetime.now(UTC), "reason": reason, "record": text})
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if os.write(descriptor, line + b"\n") != len(line) + 1:
                raise OSError("the disk took a part of a record that is set aside; is it full?")
        finally:
            os.close(descriptor)

    @property
    def quarantine(self) -> Path:
        """The file of the records that were set aside."""
        return self._folder / "quarantine.jsonl"

    # Writing

    def try_again(self) -> None:
        """Write what the disk refused once more, so that `problem` ends with its cause; cheap while all is well."""
        self._look_for_file()
        if self.problem is not None or self._unwritten or self._descriptor is None:
            try:
                self._append(b'{"kind":"note"}')
            except OSError:
                return  # told by `problem`

    def no_room(self) -> str | None:
        """Return why the next requests could not be put on record, before the first of them finds out."""
        try:
            disk = os.statvfs(self._folder)
        except OSError as error:
            return str(error)
        free = disk.f_bfree if os.geteuid() == 0 else disk.f_bavail
        if free * disk.f_frsize < _LEAST_ROOM:
            return f"the disk of {self._folder} is full"
        return None

    def _append(self, line: bytes) -> None:
        if self._lock < 0:
            raise JournalClosedError("the journal is closed")
        if self._clock() >= self._next_look:
            self._look_for_file()
        try:
            if self._descriptor is None:
                self._begin_next(required=True)
            while self._unwritten:
                request_id, kept = next(iter(self._unwritten.items()))
                self._write(kept)
                del self._unwritten[request_id]
            self._write(line)
        except OSError as error:
            self.problem = str(error)
            raise
        self.problem = None
        if self._size - self._head_size > self._segment_bytes and self._size >= self._next_attempt:
            self._begin_next()

    def _look_for_file(self) -> None:
        """See to it that what is written can be found: somebody may have deleted the file, or the whole folder."""
        self._next_look = self._clock() + _LOOK_AFTER
        if self._descriptor is not None and os.fstat(self._descriptor).st_nlink == 0:
            with contextlib.suppress(OSError):
                self._begin_where_it_is_gone()

    def _begin_where_it_is_gone(self) -> None:
        """Begin anew with what the deleted file still holds, which is readable as long as it is open.

        Raises:
            OSError: If the disk refuses.
        """
        if self._descriptor is None or os.fstat(self._descriptor).st_nlink:
            return
        number = self._segments[-1]
        offset = self._last_shipped.offset if self._last_shipped.segment == number else 0
        held = lines_of_deleted(self._descriptor, start=offset, limit=self._size)
        rescued = [line for line in held if line.startswith(SETTLED)]
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _locked(self._folder) if os.fstat(self._lock).st_nlink == 0 else None
        try:
            self._begin_next(required=True, rescued=rescued)
        except BaseException:
            if lock is not None:
                os.close(lock)
            raise
        if lock is not None:
            before, self._lock = self._lock, lock
            os.close(before)
        there = set(segments_in(self._folder))
        self.lost += sum(number not in there for number in self._segments)
        self._segments = [number for number in self._segments if number in there]

    def _write(self, line: bytes) -> None:
        assert self._descriptor is not None  # noqa: S101 - opened by _append()
        data = b"\n" + line + b"\n" if self._torn else line + b"\n"
        written = os.write(self._descriptor, data)
        if written == len(data):
            self._size += written
            self._torn = False
            return
        # A full disk takes a part, which is taken back; failing that, the next line begins by ending the torn one.
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self._size += written
            self._torn = self._torn or written > 0
        raise OSError(f"the journal took {written} of {len(data)} bytes; is the disk full?")

    def _begin_next(self, *, required: bool = False, rescued: Sequence[bytes] = ()) -> None:
        """Begin a segment with all that is open; until the disk has taken it whole, the present one goes on.

        Raises:
            OSError: If the disk refuses, and `required` is set.
        """
        number = self._segments[-1] + 1 if self._segments else 1
        # What is rescued comes from the last segment: only if all before it is shipped does shipping go on there.
        goes_on_here = bool(rescued) and self._last_shipped.segment >= number - 1
        shipped = Position(number, 0) if goes_on_here else self._last_shipped
        begin = {"kind": "begin", "shipped": [shipped.segment, shipped.offset], "backlog": self.backlog}
        lines = [_line(b"intent", self._as_it_stands(record)) for record in self._open.values()]
        head = b"".join([*rescued, *(line + b"\n" for line in (*lines, orjson.dumps(begin)))])
        try:
            number, descriptor = begin_segment(self._folder, number, head)
        except OSError:
            self._next_attempt = self._size + _RETRY_BYTES
            if required:
                raise
            return
        before, self._descriptor = self._descriptor, descriptor
        if goes_on_here:
            self._last_shipped = Position(number, 0)
        self._segments.append(number)
        self._size = self._head_size = len(head)
        self._next_attempt = 0
        self._torn = False
        if before is not None:
            os.close(before)

    def close(self) -> None:
        """Close the files and let another process open the folder; nothing is lost by not calling it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _count(value: object) -> int:
    """Return a number that a line of the journal may hold.

    Raises:
        ValueError: If it is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
        raise ValueError(f"{value!r} is no count")
    return value


def _line(kind: bytes, record: UsageRecord) -> bytes:
    return b'{"kind":"%b",%b' % (kind, record.model_dump_json(exclude_none=True).encode()[1:])


def _locked(folder: Path) -> int:
    """Lock a folder for this process, until the descriptor is closed or the process ends."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        message = f"the journal {str(folder)!r} is open in another process; each gateway needs an instance of its own"
        raise JournalLockedError(message) from None
    return descriptor

"""What all stream machines share: they take events, and can say at any time what the stream would be so far."""

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Self, TypeVar

from pydantic_core import ValidationError, from_json

from hxp_schemas._said import read_document
from hxp_schemas._wire import WireModel
from hxp_schemas.sse import SSEEvent

U = TypeVar("U", bound=WireModel)

Verdict = Literal["complete", "truncated", "illegal", "error"]
"""How a stream ended, or would end now."""

_DONE = ("[DONE]", b"[DONE]")
_MAX_REASON = 2_000


class StreamRule(StrEnum):
    """The rule that decided a verdict; stable, for programs."""

    ENDED = "ended"
    """Nothing is missing."""
    REPORTED = "reported"
    """The stream says itself that it failed."""
    UNFINISHED = "unfinished"
    """The end has not come."""
    USAGE_MISSING = "usage_missing"
    """Usage was asked for and has not come."""
    MALFORMED = "malformed"
    """An event is not what its protocol says it is."""
    ORDER = "order"
    """An event came where it must not."""
    SEQUENCE = "sequence"
    """Events are missing, came twice or changed places."""
    MISMATCH = "mismatch"
    """What is said to be whole is not the sum of its parts."""
    AFTER_END = "after_end"
    """Something came after the end."""


class StreamFinding(NamedTuple):
    """A verdict, why, and where.

    Attributes:
        event: Which event decided it, counted from 0; for a stream that stopped early, the one that is missing.
        offset: Where that event began, in bytes from the start of the stream, if whoever fed it said so.
    """

    verdict: Verdict
    rule: StreamRule
    reason: str = ""
    event: int | None = None
    offset: int | None = None

    def __str__(self) -> str:
        """Tell it in a sentence."""
        place = [f"event {self.event}"] if self.event is not None else []
        place += [f"byte {self.offset}"] if self.offset is not None else []
        return ": ".join(part for part in (self.verdict, self.reason) if part) + (
            f" ({', '.join(place)})" * bool(place)
        )


class StreamError(ValueError):
    """A stream that is not complete; `finding` says why and where."""

    def __init__(self, finding: StreamFinding) -> None:
        super().__init__(finding)
        self.finding = finding

    def __str__(self) -> str:
        return str(self.finding)


class BrokenRuleError(Exception):
    """What a machine raises to itself when an event breaks a rule."""

    def __init__(self, rule: StreamRule, reason: str, *, verdict: Verdict = "illegal") -> None:
        super().__init__(rule, reason, verdict)
        self.rule, self.reason, self.verdict = rule, reason[:_MAX_REASON], verdict

    @classmethod
    def reported(cls, document: object) -> Self:
        """Make the one for a stream that says itself that it failed, in a document of any dialect."""
        message = read_document(document).message or "the stream reported an error"
        return cls(StreamRule.REPORTED, message, verdict="error")


class StreamMachine(ABC):
    """Reads a stream event by event and says how it ended; nothing that is fed raises."""

    def __init__(self) -> None:
        self._events = 0
        self._offset: int | None = None
        self._broken: StreamFinding | None = None
        self._done = False
        self._ended = False
        self._usage: object = None

    @property
    def finding(self) -> StreamFinding:
        """What the stream would be if it stopped here, why and where."""
        if self._broken is not None:
            return self._broken
        try:
            self._judge(done=self._done)
        except BrokenRuleError as broken:
            return StreamFinding(broken.verdict, broken.rule, broken.reason, self._events)
        return StreamFinding("complete", StreamRule.ENDED)

    @property
    def verdict(self) -> Verdict:
        """What the stream would be if it stopped here."""
        return self.finding.verdict

    @property
    def reason(self) -> str:
        """Why the verdict is what it is, in words; empty when complete."""
        return self.finding.reason

    def feed(self, data: str | bytes, *, event: str | None = None, offset: int | None = None) -> None:
        """Take the data of the next event; once the stream is illegal or an error, nothing more is read.

        Args:
            data: JSON or `[DONE]`.
            event: The name of the event, where the protocol has names.
            offset: Where the event began, in bytes from the start of the stream.
        """
        if self._broken is not None:
            return
        try:
            self._take(data, event)
        except BrokenRuleError as broken:
            self._broken = StreamFinding(broken.verdict, broken.rule, broken.reason, self._events, offset)
        self._events += 1

    def read(self, event: SSEEvent) -> None:
        """Take an event as `SSEDecoder` returns it."""
        self.feed(event.data, event=event.event, offset=event.offset)

    def end(self) -> None:
        """Say that the transport has ended; data that still comes is illegal."""
        self._ended = True

    def require_complete(self) -> None:
        """Raise unless the stream is complete.

        Raises:
            StreamError: It is not; `finding` says why and where.
        """
        finding = self.finding
        if finding.verdict != "complete":
            raise StreamError(finding)

    def _take(self, data: str | bytes, event: str | None) -> None:
        if self._done or self._ended:
            raise BrokenRuleError(StreamRule.AFTER_END, "data after the end of the stream")
        if data in _DONE:
            self._done = True
            return
        try:
            chunk = from_json(data)
        except ValueError:
            if event == "error":
                raise BrokenRuleError.reported(None) from None
            raise BrokenRuleError(StreamRule.MALFORMED, "an event is not JSON") from None
        if event == "error":
            raise BrokenRuleError.reported(chunk)
        if not isinstance(chunk, dict):
            raise BrokenRuleError(StreamRule.MALFORMED, "a chunk is not an object")
        self._read(chunk, event)

    def _counted(self, model: type[U], *counts: str) -> U | None:
        """The usage that was reported last, if it is one and none of its counts is negative."""
        if self._usage is None:
            return None
        try:
            usage = model.model_validate(self._usage)
        except ValidationError:
            return None
        return usage if min(getattr(usage, name) for name in counts) >= 0 else None

    @abstractmethod
    def _read(self, chunk: dict[str, Any], event: str | None) -> None:
        """Take an event; raise `BrokenRuleError` where it breaks a rule."""

    @abstractmethod
    def _judge(self, *, done: bool) -> None:
        """Raise `BrokenRuleError` for what is missing; `done` says whether `[DONE]` has come."""

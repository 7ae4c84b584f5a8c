"""One request on record: intended, noted as it moves on, settled exactly once."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hxp_services_base import TokenCount

from ._document import estimate_prompt_tokens, estimate_text_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from hxp_schemas import ErrorInfo, UsageRecord
    from hxp_services_base import StreamTap
    from hxp_services_base.chassis import Exchange

    from ._journal import Journal

NOTE_TOKENS = 64
"""Tokens of a stream that a client may have beyond what the journal says of it, should the process be killed."""
NOTE_SECONDS = 1.0
"""Seconds after which a stream that has moved is noted, however few tokens came."""


class JournalEntry:
    """The record of one request, settled by whatever ends the request first.

    A completed answer is settled before its last byte is sent: what a client has whole is on record with its tokens.
    Where no engine has counted them, tokens are estimated and the record says so: one for each event of a stream, one
    for each four bytes of a prompt or of a whole answer.

    Args:
        intent: The record as it was intended.
        exchange: The request and its response.
        body: The request's body, for an estimate of its prompt.
        write: Puts the settled record into the journal.
        clock: Monotonic seconds.
    """

    __slots__ = (
        "_body",
        "_clock",
        "_exchange",
        "_intent",
        "_is_settled",
        "_noted_at",
        "_noted_tokens",
        "_prompt_estimate",
        "_write",
        "has_begun",
        "stream",
        "text_bytes",
        "tokens",
    )

    def __init__(
        self,
        intent: UsageRecord,
        exchange: Exchange,
        body: bytes,
        *,
        write: Callable[[UsageRecord], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._intent = intent
        self._exchange = exchange
        self._body = body
        self._write = write
        self._clock = clock
        self._is_settled = False
        self._noted_at = clock()
        self._noted_tokens = 0
        self._prompt_estimate: int | None = None
        self.tokens = TokenCount(0, 0, is_exact=False)
        """Tokens of a whole answer, as the engine says."""
        self.stream: StreamTap | None = None
        """A stream that is passed on, whose events say how many tokens there are."""
        self.text_bytes = 0
        """Bytes of text in a whole answer that no engine has counted."""
        self.has_begun = False
        """Whether the upstream has accepted the request."""

    def note(self, journal: Journal) -> None:
        """Put on record how far a stream has come, before its bytes are sent on; most calls have nothing to note."""
        tokens = 0 if self.stream is None else self.stream.content_events
        fresh = tokens - self._noted_tokens
        if fresh <= 0 or (fresh < NOTE_TOKENS and self._clock() - self._noted_at < NOTE_SECONDS):
            return
        self._noted_tokens = tokens
        self._noted_at = self._clock()
        journal.note_progress(self._intent.request_id, self._estimated_prompt(), tokens)

    def complete(self) -> None:
        """Settle with the whole answer."""
        self._settle("completed", http_status=200, error_code=None)

    def fail(self, info: ErrorInfo) -> None:
        """Settle with an error, which the client is told after this."""
        status = "truncated" if info.code == "stream_truncated" else "failed"
        self._settle(status, http_status=self._exchange.status or info.status, error_code=info.code)

    def cancel(self) -> None:
        """Settle for a client that left or reads no more, or for a chassis that cut the request."""
        self.has_begun = True  # a whole answer may be in the making, unseen
        code = self._exchange.cut.code if self._exchange.cut is not None else "client_left"
        self._settle("cancelled", http_status=self._exchange.status or None, error_code=code)

    def _estimated_prompt(self) -> int:
        if self._prompt_estimate is None:
            self._prompt_estimate = estimate_prompt_tokens(self._body)
        return self._prompt_estimate

    def _counted(self) -> tuple[int, int, bool]:
        """Return the tokens of prompt and answer, and whether they are an estimate."""
        tokens = self.tokens if self.stream is None else self.stream.tokens
        if tokens.is_exact:
            return tokens.prompt, tokens.completion, False
        if not self.has_begun:
            return 0, 0, False  # refused, or never sent: nothing was worked on
        completion = max(tokens.completion, estimate_text_tokens(self.text_bytes))
        return self._estimated_prompt(), completion, True

    def _settle(self, status: str, *, http_status: int | None, error_code: str | None) -> None:
        if self._is_settled:
            return
        self._is_settled = True
        prompt, completion, estimated = self._counted()
        ending = {
            "status": status,
            "http_status": http_status,
            "error_code": error_code,
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "estimated": estimated,
            "finished_at": datetime.now(UTC),
        }
        record = self._intent.model_copy(update=ending)
        fields = {name: ending[name] for name in ("prompt_tokens", "completion_tokens")}
        self._exchange.fields.update(usage_id=record.request_id, model=record.model, outcome=status, **fields)
        if estimated:
            self._exchange.fields["estimated"] = True
        self._write(record)

"""The end-of-stream contract of chat and completion streams, as a state machine.

A stream is complete when every choice has given its `finish_reason` and `[DONE]` has come. One that stops
early looks to most clients like a short answer; here it is told as what it is.
"""

from typing import Any, Literal

from pydantic import ValidationError
from pydantic_core import from_json

from ._response import read_error
from .openai._usage import CompletionUsage

__all__ = ["ChatStream", "Verdict"]

Verdict = Literal["complete", "truncated", "illegal", "error"]

_MAX_CHOICES = 128
_DONE = ("[DONE]", b"[DONE]")


class ChatStream:
    """Reads a stream payload by payload and says how it ended.

    Attributes:
        content_chunks: Chunks that carried something generated.
        finish_reasons: The `finish_reason` of each choice that has finished.

    Example:
        >>> stream = ChatStream()
        >>> stream.feed('{"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}')
        >>> stream.verdict, stream.reason
        ('truncated', 'the stream stopped before [DONE]')
        >>> stream.feed("[DONE]")
        >>> stream.verdict
        'complete'
    """

    def __init__(self) -> None:
        self.content_chunks = 0
        self.finish_reasons: dict[int, str] = {}
        self._seen: set[int] = set()
        self._usage: object = None
        self._error: str | None = None
        self._illegal: str | None = None
        self._done = False
        self._ended = False

    @property
    def verdict(self) -> Verdict:
        """What the stream would be if it stopped here."""
        return self._judge()[0]

    @property
    def reason(self) -> str:
        """Why the verdict is what it is, in words; empty when complete."""
        return self._judge()[1]

    @property
    def usage(self) -> CompletionUsage | None:
        """The last usage that the stream reported, if it is one."""
        if self._usage is None:
            return None
        try:
            usage = CompletionUsage.model_validate(self._usage)
        except ValidationError:
            return None
        return usage if min(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) >= 0 else None

    def feed(self, data: str | bytes) -> None:
        """Take the data of the next event; once the stream is illegal or an error, nothing more is read."""
        if self._illegal is not None or self._error is not None:
            return
        if self._done or self._ended:
            self._illegal = "data after the end of the stream"
        elif data in _DONE:
            self._done = True
        else:
            self._read(data)

    def end(self) -> None:
        """Say that the transport has ended; data that still comes is illegal."""
        self._ended = True

    def _judge(self) -> tuple[Verdict, str]:
        if self._error is not None:
            return "error", self._error
        if self._illegal is not None:
            return "illegal", self._illegal
        unfinished = sorted(self._seen - self.finish_reasons.keys())
        if not self._seen:
            return "truncated", "the stream has no choice"
        if unfinished:
            return "truncated", f"choice {unfinished[0]} has no finish_reason"
        if not self._done:
            return "truncated", "the stream stopped before [DONE]"
        return "complete", ""

    def _read(self, data: str | bytes) -> None:
        try:
            chunk = from_json(data)
        except ValueError:
            self._illegal = "an event is not JSON"
            return
        if not isinstance(chunk, dict):
            self._illegal = "a chunk is not an object"
        elif chunk.get("error") or chunk.get("object") == "error":  # the latter is vLLM's older form
            said = read_error(500, data if isinstance(data, bytes) else data.encode(), {})
            self._error = said.message or "the stream reported an error"
        elif not isinstance(choices := chunk.get("choices"), list):
            self._illegal = "a chunk has no list of choices"
        else:
            if chunk.get("usage") is not None:
                self._usage = chunk["usage"]
            fresh = [self._take(choice) for choice in choices]
            self.content_chunks += any(fresh)

    def _take(self, choice: Any) -> bool:
        """Read one choice of a chunk; return whether it carries something generated."""
        index = choice.get("index", 0) if isinstance(choice, dict) else None
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < _MAX_CHOICES:
            self._illegal = f"a choice is not an object with an index from 0 to {_MAX_CHOICES - 1}"
            return False
        self._seen.add(index)
        generated = _generated(choice)
        if generated and index in self.finish_reasons:
            self._illegal = f"choice {index} goes on after its finish_reason"
        finish_reason = choice.get("finish_reason")
        if isinstance(finish_reason, str):
            self.finish_reasons[index] = finish_reason
        return generated


def _generated(choice: dict[str, Any]) -> bool:
    delta = choice.get("delta")
    if isinstance(delta, dict):
        return any(value for name, value in delta.items() if name != "role")
    return bool(choice.get("text"))

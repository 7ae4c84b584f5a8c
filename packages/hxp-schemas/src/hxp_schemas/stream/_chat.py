"""The end-of-stream contract of chat and completion streams, as a state machine.

A stream is complete when every choice has given its `finish_reason` and `[DONE]` has come. One that stops
early looks to most clients like a short answer; here it is told as what it is.
"""

from typing import Any

from hxp_schemas.openai._usage import CompletionUsage

from ._index import is_index
from ._machine import BrokenRuleError, StreamMachine, StreamRule

_MAX_CHOICES = 128
_MAX_TOOL_CALLS = 1024
_FAILED = frozenset({"error", "abort"})
"""What OpenRouter and Mistral, and vLLM, say instead of a reason to finish."""


class ChatStream(StreamMachine):
    """Reads a chat or completion stream, payload by payload, and says how it ended.

    Args:
        expect_usage: Whether usage was asked for, so that a stream without it is truncated.

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

    def __init__(self, *, expect_usage: bool = False) -> None:
        super().__init__()
        self.content_chunks = 0
        self.finish_reasons: dict[int, str] = {}
        self._expect_usage = expect_usage
        self._seen: set[int] = set()
        self._calls: set[tuple[int, int]] = set()

    @property
    def usage(self) -> CompletionUsage | None:
        """The last usage that the stream reported, if it is one."""
        return self._counted(CompletionUsage, "prompt_tokens", "completion_tokens", "total_tokens")

    def _judge(self, *, done: bool) -> None:
        unfinished = sorted(self._seen - self.finish_reasons.keys())
        if not self._seen:
            raise _truncated("the stream has no choice")
        if unfinished:
            raise _truncated(f"choice {unfinished[0]} has no finish_reason")
        if not done:
            raise _truncated("the stream stopped before [DONE]")
        if self._expect_usage and self._usage is None:
            reason = "usage was asked for and has not come"
            raise BrokenRuleError(StreamRule.USAGE_MISSING, reason, verdict="truncated")

    def _read(self, chunk: dict[str, Any], event: str | None) -> None:  # noqa: ARG002 - events have no names here
        if chunk.get("error") or chunk.get("object") == "error":  # the second is vLLM's older form
            raise BrokenRuleError.reported(chunk)
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            raise BrokenRuleError(StreamRule.MALFORMED, "a chunk has no list of choices")
        fresh = [self._choice(choice) for choice in choices]
        if chunk.get("usage") is not None:
            self._usage = chunk["usage"]
        self.content_chunks += any(fresh)

    def _choice(self, choice: Any) -> bool:
        """Read one choice of a chunk; return whether it carries something generated."""
        index: object = choice.get("index", 0) if isinstance(choice, dict) else None
        if not is_index(index, _MAX_CHOICES):
            reason = f"a choice is not an object with an index from 0 to {_MAX_CHOICES - 1}"
            raise BrokenRuleError(StreamRule.MALFORMED, reason)
        if choice.get("error"):
            raise BrokenRuleError.reported(choice)
        self._seen.add(index)
        delta = choice.get("delta")
        generated = _generated(choice, delta)
        before = self.finish_reasons.get(index)
        if generated and before is not None:
            raise BrokenRuleError(StreamRule.ORDER, f"choice {index} goes on after its finish_reason")
        if isinstance(delta, dict) and isinstance(calls := delta.get("tool_calls"), list):
            for call in calls:
                self._call(index, call)
        finish_reason = choice.get("finish_reason")
        if isinstance(finish_reason, str):
            if finish_reason in _FAILED:
                reason = f"choice {index} ended with finish_reason {finish_reason!r}"
                raise BrokenRuleError(StreamRule.REPORTED, reason, verdict="error")
            if before not in {None, finish_reason}:
                raise BrokenRuleError(StreamRule.ORDER, f"choice {index} has two finish_reasons")
            self.finish_reasons[index] = finish_reason
        return generated

    def _call(self, choice: int, call: Any) -> None:
        """Hold the rule that a tool call begins with its name; the arguments follow."""
        index: object = call.get("index", 0) if isinstance(call, dict) else None
        if not is_index(index, _MAX_TOOL_CALLS):
            reason = f"a tool call is not an object with an index from 0 to {_MAX_TOOL_CALLS - 1}"
            raise BrokenRuleError(StreamRule.MALFORMED, reason)
        if (choice, index) in self._calls:
            return
        named = call.get("function") or call.get("custom")
        if not isinstance(named, dict) or not named.get("name"):
            raise BrokenRuleError(
                StreamRule.ORDER, f"tool call {index} of choice {choice} does not begin with its name"
            )
        self._calls.add((choice, index))


def _truncated(reason: str) -> BrokenRuleError:
    return BrokenRuleError(StreamRule.UNFINISHED, reason, verdict="truncated")


def _generated(choice: dict[str, Any], delta: object) -> bool:
    if isinstance(delta, dict):
        return any(value for name, value in delta.items() if name != "role")
    return bool(choice.get("text"))

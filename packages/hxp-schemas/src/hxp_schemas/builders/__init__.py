"""Builders for conversations, tool calls and errors: typed, and refusing what a server would refuse."""

from typing import TYPE_CHECKING

from hxp_schemas._lazy import lazy_exports

if TYPE_CHECKING:
    from ._conversation import Conversation
    from ._error import (
        context_length_exceeded,
        internal_error,
        invalid_api_key,
        invalid_value,
        missing_parameter,
        model_not_found,
        overloaded,
        permission_denied,
        rate_limited,
    )
    from ._part import audio_part, file_part, image_part, text_part
    from ._tool import answered_tool_call, call_arguments, function_tool, tool_call
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "_conversation": ("Conversation",),
            "_error": (
                "context_length_exceeded",
                "internal_error",
                "invalid_api_key",
                "invalid_value",
                "missing_parameter",
                "model_not_found",
                "overloaded",
                "permission_denied",
                "rate_limited",
            ),
            "_part": ("audio_part", "file_part", "image_part", "text_part"),
            "_tool": ("answered_tool_call", "call_arguments", "function_tool", "tool_call"),
        },
    )

__all__ = [
    "Conversation",
    "answered_tool_call",
    "audio_part",
    "call_arguments",
    "context_length_exceeded",
    "file_part",
    "function_tool",
    "image_part",
    "internal_error",
    "invalid_api_key",
    "invalid_value",
    "missing_parameter",
    "model_not_found",
    "overloaded",
    "permission_denied",
    "rate_limited",
    "text_part",
    "tool_call",
]

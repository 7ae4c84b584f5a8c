"""The protocols of streams as state machines, and the frames of a stream ready to send."""

from typing import TYPE_CHECKING

from hxp_schemas._lazy import lazy_exports

if TYPE_CHECKING:
    from ._chat import ChatStream
    from ._frame import ChatFrames, CompletionFrames
    from ._machine import StreamError, StreamFinding, StreamMachine, StreamRule, Verdict
    from ._responses import ResponseStream
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "_chat": ("ChatStream",),
            "_frame": ("ChatFrames", "CompletionFrames"),
            "_machine": ("StreamError", "StreamFinding", "StreamMachine", "StreamRule", "Verdict"),
            "_responses": ("ResponseStream",),
        },
    )

__all__ = [
    "ChatFrames",
    "ChatStream",
    "CompletionFrames",
    "ResponseStream",
    "StreamError",
    "StreamFinding",
    "StreamMachine",
    "StreamRule",
    "Verdict",
]

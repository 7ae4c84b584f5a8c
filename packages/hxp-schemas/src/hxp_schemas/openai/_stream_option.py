"""What a stream should carry besides the answer."""

from hxp_schemas._wire import WireModel


class ChatCompletionStreamOptionsParam(WireModel):
    """What a stream should carry besides the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None

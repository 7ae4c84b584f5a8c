"""The parts of what a user says."""

import base64
from typing import Literal

from hxp_schemas.openai._part import (
    ChatCompletionContentPartFileParam,
    ChatCompletionContentPartImageParam,
    ChatCompletionContentPartInputAudioParam,
    ChatCompletionContentPartTextParam,
    FileFile,
    ImageURL,
    InputAudio,
)


def text_part(text: str) -> ChatCompletionContentPartTextParam:
    """Make a part of text."""
    return ChatCompletionContentPartTextParam(type="text", text=text)


def image_part(
    image: str | bytes, *, media_type: str = "image/png", detail: Literal["auto", "low", "high"] | None = None
) -> ChatCompletionContentPartImageParam:
    """Make a part that shows an image.

    Args:
        image: Its URL, or the bytes of the image itself.
        media_type: What the bytes are.
        detail: How closely the model should look.

    Example:
        >>> image_part(b"PNG").image_url.url
        'data:image/png;base64,UE5H'
    """
    url = f"data:{media_type};base64,{_base64(image)}" if isinstance(image, bytes) else image
    looked = {} if detail is None else {"detail": detail}
    return ChatCompletionContentPartImageParam(type="image_url", image_url=ImageURL(url=url, **looked))


def audio_part(audio: bytes, audio_format: Literal["wav", "mp3"]) -> ChatCompletionContentPartInputAudioParam:
    """Make a part that plays a recording."""
    sound = InputAudio(data=_base64(audio), format=audio_format)
    return ChatCompletionContentPartInputAudioParam(type="input_audio", input_audio=sound)


def file_part(
    file: str | bytes, *, filename: str = "file.pdf", media_type: str = "application/pdf"
) -> ChatCompletionContentPartFileParam:
    """Make a part that hands over a file.

    Args:
        file: The id of a file that the server has, or the bytes of the file itself.
        filename: What the bytes are called.
        media_type: What the bytes are.
    """
    if isinstance(file, str):
        return ChatCompletionContentPartFileParam(type="file", file=FileFile(file_id=file))
    data = f"data:{media_type};base64,{_base64(file)}"
    return ChatCompletionContentPartFileParam(type="file", file=FileFile(filename=filename, file_data=data))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()

"""What a server answers to an embedding request."""

import base64
import sys
from array import array
from typing import Literal

from pydantic import Field

from hxp_schemas._open import OpenEnum
from hxp_schemas._wire import WireModel


class Embedding(WireModel):
    """One vector: numbers, or base64 of little-endian 32-bit floats if that was asked for.

    Example:
        >>> Embedding(index=0, embedding="AACAPwAAAEA=").vector()
        [1.0, 2.0]
    """

    object: OpenEnum[Literal["embedding"]] = "embedding"
    index: int = 0
    embedding: list[float] | str

    def vector(self) -> list[float]:
        """Return the numbers, whichever form they came in.

        Raises:
            ValueError: The text is not base64 of whole 32-bit floats.
        """
        if isinstance(self.embedding, list):
            return self.embedding
        numbers = array("f")
        numbers.frombytes(base64.b64decode(self.embedding, validate=True))
        if sys.byteorder == "big":  # pragma: no cover - no such machine here
            numbers.byteswap()
        return numbers.tolist()


class EmbeddingUsage(WireModel):
    """Tokens that an embedding request used."""

    prompt_tokens: int = 0
    total_tokens: int = 0


class CreateEmbeddingResponse(WireModel):
    """The answer to an embedding request."""

    object: OpenEnum[Literal["list"]] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage = Field(default_factory=EmbeddingUsage)

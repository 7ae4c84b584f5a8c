"""Embedding requests."""

from typing import Annotated, Literal

from pydantic import Field

from hxp_schemas._wire import WireModel

from ._bounds import FilledText, ModelName, TokenId, TokenIds, User

_Texts = Annotated[list[FilledText], Field(min_length=1, max_length=2048, fail_fast=True)]
_Tokens = Annotated[list[TokenId], Field(min_length=1, max_length=2048, fail_fast=True)]
_Inputs = Annotated[list[TokenIds], Field(min_length=1, max_length=2048, fail_fast=True)]


class EmbeddingRequest(WireModel):
    """`POST /v1/embeddings`: at most 2048 inputs, none empty; unknown fields are kept."""

    model: ModelName
    input: FilledText | _Texts | _Tokens | _Inputs
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    user: User | None = None

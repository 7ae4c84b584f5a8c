"""The limits of every number, text and list that a caller may send."""

from typing import Annotated

import pydantic
from pydantic import ConfigDict, Field, FiniteFloat

ModelName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]+$")]
ShortText = Annotated[str, Field(max_length=256)]
FilledText = Annotated[str, Field(min_length=1)]
TokenId = Annotated[int, Field(ge=0, lt=1 << 31)]
TokenIds = Annotated[list[TokenId], Field(min_length=1, max_length=1_048_576, fail_fast=True)]
Fanout = Annotated[int, Field(ge=1, le=16)]
OutputTokens = Annotated[int, Field(ge=1, le=1_048_576)]
TopLogprobs = Annotated[int, Field(ge=0, le=20)]
Seed = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]
Temperature = Annotated[FiniteFloat, Field(ge=0, le=2)]
Probability = Annotated[FiniteFloat, Field(ge=0, le=1)]
Penalty = Annotated[FiniteFloat, Field(ge=-2, le=2)]
Bias = Annotated[FiniteFloat, Field(ge=-100, le=100)]
LogitBias = Annotated[dict[str, Bias], Field(max_length=1024)]
Stop = ShortText | Annotated[list[ShortText], Field(max_length=4, fail_fast=True)]


class RequestModel(pydantic.BaseModel):
    """What every part of a request shares: no coercion, and unknown fields are kept."""

    model_config = ConfigDict(defer_build=True, extra="allow", strict=True, protected_namespaces=())

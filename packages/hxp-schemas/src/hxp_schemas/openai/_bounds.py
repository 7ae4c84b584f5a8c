"""The limits of every number, text and list that a caller may send."""

from typing import Annotated, Any

from pydantic import Field, FiniteFloat

ModelName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]+$")]
ShortText = Annotated[str, Field(max_length=256)]
Text = Annotated[str, Field(max_length=10_485_760)]
FilledText = Annotated[str, Field(min_length=1, max_length=10_485_760)]
Base64 = Annotated[str, Field(max_length=134_217_728)]
Identifier = Annotated[str, Field(min_length=1, max_length=256)]
Url = Annotated[str, Field(min_length=1, max_length=134_217_728)]
"""Also `data:` URLs, which hold whole images."""

User = Annotated[str, Field(max_length=512)]
FunctionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Description = Annotated[str, Field(max_length=16_384)]
JsonObject = Annotated[dict[str, Any], Field(max_length=4096)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]
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
LogitBias = Annotated[dict[ShortText, Bias], Field(max_length=1024)]
Stop = ShortText | Annotated[list[ShortText], Field(min_length=1, max_length=4, fail_fast=True)]

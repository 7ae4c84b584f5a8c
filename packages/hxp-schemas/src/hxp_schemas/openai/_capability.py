"""What a model can do, as a document: so that a client knows before it calls."""

from typing import Literal

from pydantic import Field

from hxp_schemas._error import ErrorInfo
from hxp_schemas._open import OpenEnum
from hxp_schemas._wire import WireModel

from ._chat import ChatCompletionRequest
from ._tool import ChatCompletionFunctionToolParam, ChatCompletionToolChoiceOptionParam

Modality = OpenEnum[Literal["text", "image", "audio", "video", "file"]]
_PART_MODALITY = {"image_url": "image", "input_audio": "audio", "file": "file"}


class ParameterRange(WireModel):
    """What values a sampling parameter may have; a limit that is absent is none."""

    minimum: float | None = None
    maximum: float | None = None
    default: float | None = None


class ToolCapabilities(WireModel):
    """What the model can do with tools.

    Attributes:
        types: The kinds of tools that it calls.
        choices: The kinds of `tool_choice` that it obeys; all of them where none is named.
        parallel: Whether one answer may hold several calls.
        strict: Whether arguments are held to their schema.
        maximum: Tools in one request.
    """

    types: list[OpenEnum[Literal["function", "custom"]]] = Field(default=[])
    choices: list[OpenEnum[Literal["none", "auto", "required", "named", "allowed_tools"]]] = Field(default=[])
    parallel: bool = False
    strict: bool = False
    maximum: int | None = None


class ModelLimits(WireModel):
    """The numbers that bound a request; `None` where nothing is known.

    Attributes:
        context_tokens: Tokens of prompt and answer together.
        output_tokens: Tokens of the answer.
        choices: Answers at once (`n`).
        stop_sequences: Texts in `stop`.
        top_logprobs: Alternatives per token.
        embedding_inputs: Texts in one embedding request.
        embedding_dimensions: Length of a vector.
    """

    context_tokens: int | None = None
    output_tokens: int | None = None
    choices: int | None = None
    stop_sequences: int | None = None
    top_logprobs: int | None = None
    embedding_inputs: int | None = None
    embedding_dimensions: int | None = None


class ModelCapabilities(WireModel):
    """What one model can do.

    Attributes:
        endpoints: Which of OpenAI's endpoints it answers.
        input_modalities: What it reads.
        output_modalities: What it writes.
        response_formats: Which `response_format` it obeys.
        reasoning_efforts: Which `reasoning_effort` it knows; empty if it does not think.
        sampling: The sampling parameters that it takes.

    Example:
        >>> card = ModelCapabilities(model="tiny", response_formats=["text"], sampling={"temperature": {"maximum": 1}})
        >>> ask = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "temperature": 1.5}
        >>> [error.message for error in card.refusals(ChatCompletionRequest.model_validate(ask))]
        ["'temperature' must be at most 1 for the model 'tiny'."]
    """

    object: OpenEnum[Literal["model.capabilities"]] = "model.capabilities"
    model: str
    endpoints: list[OpenEnum[Literal["chat.completions", "completions", "embeddings", "responses"]]] = Field(default=[])
    input_modalities: list[Modality] = Field(default=["text"])
    output_modalities: list[Modality] = Field(default=["text"])
    streaming: bool = True
    tools: ToolCapabilities | None = None
    response_formats: list[OpenEnum[Literal["text", "json_object", "json_schema"]]] = Field(default=["text"])
    reasoning_efforts: list[OpenEnum[Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]]] = Field(
        default=[]
    )
    sampling: dict[str, ParameterRange] = Field(default={})
    limits: ModelLimits | None = None

    def refusals(self, request: ChatCompletionRequest) -> list[ErrorInfo]:
        """Tell what of a request the model cannot do; empty if it can do all of it.

        What the document does not speak of is taken to be possible.
        """
        found = [
            *self._modalities(request),
            *self._sampling(request),
            *self._modes(request),
            *self._tools(request),
            *self._counts(request),
        ]
        return [_refusal(param, f"{rule} for the model {self.model!r}.") for param, rule in found]

    def _modalities(self, request: ChatCompletionRequest) -> list[tuple[str, str]]:
        return [
            (param := f"messages.{index}.content.{place}", f"{param!r} is {kind}, which is no input")
            for index, message in enumerate(request.messages)
            if isinstance(message.content, list)
            for place, part in enumerate(message.content)
            if (kind := _PART_MODALITY.get(part.type, "text")) not in self.input_modalities
        ]

    def _sampling(self, request: ChatCompletionRequest) -> list[tuple[str, str]]:
        found = []
        for name, limits in self.sampling.items():
            value = request.said(name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if limits.minimum is not None and value < limits.minimum:
                found.append((name, f"{name!r} must be at least {limits.minimum:g}"))
            if limits.maximum is not None and value > limits.maximum:
                found.append((name, f"{name!r} must be at most {limits.maximum:g}"))
        return found

    def _modes(self, request: ChatCompletionRequest) -> list[tuple[str, str]]:
        found = []
        if request.stream and not self.streaming:
            found.append(("stream", "'stream' is not possible"))
        wanted = request.response_format
        if wanted is not None and wanted.type not in self.response_formats:
            found.append(("response_format", f"'response_format' cannot be {wanted.type!r}"))
        effort = request.reasoning_effort
        if effort is not None and effort not in (self.reasoning_efforts or ["none"]):
            found.append(("reasoning_effort", f"'reasoning_effort' cannot be {effort!r}"))
        found += [
            ("modalities", f"'modalities' cannot hold {kind!r}")
            for kind in request.modalities or ()
            if kind not in self.output_modalities
        ]
        return found

    def _tools(self, request: ChatCompletionRequest) -> list[tuple[str, str]]:
        able = self.tools or ToolCapabilities()
        found = []
        for index, tool in enumerate(request.tools or ()):
            if tool.type not in able.types:
                found.append((f"tools.{index}", f"'tools.{index}' cannot be a {tool.type} tool"))
            elif isinstance(tool, ChatCompletionFunctionToolParam) and tool.function.strict and not able.strict:
                found.append((param := f"tools.{index}.function.strict", f"{param!r} is not possible"))
        choice = request.tool_choice
        if choice is not None and able.choices and (kind := _kind_of_choice(choice)) not in able.choices:
            found.append(("tool_choice", f"'tool_choice' cannot be {kind!r}"))
        return found

    def _counts(self, request: ChatCompletionRequest) -> list[tuple[str, str]]:
        limits = self.limits or ModelLimits()
        stop = request.stop
        counts = [
            ("n", request.n, limits.choices),
            ("max_tokens", request.max_tokens, limits.output_tokens),
            ("max_completion_tokens", request.max_completion_tokens, limits.output_tokens),
            ("top_logprobs", request.top_logprobs, limits.top_logprobs),
            ("stop", 1 if isinstance(stop, str) else len(stop or ()), limits.stop_sequences),
            ("tools", len(request.tools or ()), self.tools.maximum if self.tools else None),
        ]
        return [
            (name, f"{name!r} must be at most {limit}")
            for name, count, limit in counts
            if count is not None and limit is not None and count > limit
        ]


def _kind_of_choice(choice: ChatCompletionToolChoiceOptionParam) -> str:
    """Name it as `ToolCapabilities.choices` does."""
    if isinstance(choice, str):
        return choice
    return "allowed_tools" if choice.type == "allowed_tools" else "named"


def _refusal(param: str, message: str) -> ErrorInfo:
    return ErrorInfo(code="unsupported_value", message=message, status=400, param=param)

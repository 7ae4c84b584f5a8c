"""Tell where hxp-schemas and OpenAI's OpenAPI document differ, model by model; a report, not a gate.

    uv run python tools/openai_drift.py [--json] [DOCUMENT]

Without an argument the document is looked for in HXP_OPENAI_SPEC, then in ../shared/data/openai-openapi/openapi.yaml.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hxp_schemas import WireModel, known_values, openai

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT.parent / "shared" / "data" / "openai-openapi" / "openapi.yaml"
NAMES = {
    "ChatCompletion": "CreateChatCompletionResponse",
    "ChatCompletionAssistantMessageParam": "ChatCompletionRequestAssistantMessage",
    "ChatCompletionChunk": "CreateChatCompletionStreamResponse",
    "ChatCompletionContentPartFileParam": "ChatCompletionRequestMessageContentPartFile",
    "ChatCompletionContentPartImageParam": "ChatCompletionRequestMessageContentPartImage",
    "ChatCompletionContentPartInputAudioParam": "ChatCompletionRequestMessageContentPartAudio",
    "ChatCompletionContentPartRefusalParam": "ChatCompletionRequestMessageContentPartRefusal",
    "ChatCompletionContentPartTextParam": "ChatCompletionRequestMessageContentPartText",
    "ChatCompletionCustomToolParam": "CustomToolChatCompletions",
    "ChatCompletionDeveloperMessageParam": "ChatCompletionRequestDeveloperMessage",
    "ChatCompletionFunctionMessageParam": "ChatCompletionRequestFunctionMessage",
    "ChatCompletionFunctionToolParam": "ChatCompletionTool",
    "ChatCompletionMessage": "ChatCompletionResponseMessage",
    "ChatCompletionMessageCustomToolCall": "ChatCompletionMessageCustomToolCall",
    "ChatCompletionMessageFunctionToolCall": "ChatCompletionMessageToolCall",
    "ChatCompletionRequest": "CreateChatCompletionRequest",
    "ChatCompletionStreamOptionsParam": "ChatCompletionStreamOptions",
    "ChatCompletionSystemMessageParam": "ChatCompletionRequestSystemMessage",
    "ChatCompletionToolMessageParam": "ChatCompletionRequestToolMessage",
    "ChatCompletionUserMessageParam": "ChatCompletionRequestUserMessage",
    "ChoiceDelta": "ChatCompletionStreamResponseDelta",
    "ChoiceDeltaToolCall": "ChatCompletionMessageToolCallChunk",
    "Completion": "CreateCompletionResponse",
    "CompletionRequest": "CreateCompletionRequest",
    "EmbeddingRequest": "CreateEmbeddingRequest",
    "FunctionCallOutputParam": "FunctionCallOutputItemParam",
    "FunctionDefinition": "FunctionObject",
    "FunctionToolParam": "FunctionTool",
    "ModelDeleted": "DeleteModelResponse",
    "ModelList": "ListModelsResponse",
    "ReasoningParam": "Reasoning",
    "ResponseFileSearchToolCall": "FileSearchToolCall",
    "ResponseFormatJSONObject": "ResponseFormatJsonObject",
    "ResponseFormatJSONSchema": "ResponseFormatJsonSchema",
    "ResponseFunctionToolCall": "FunctionToolCall",
    "ResponseFunctionWebSearch": "WebSearchToolCall",
    "ResponseInputFileParam": "InputFileContent",
    "ResponseInputImageParam": "InputImageContent",
    "ResponseInputTextParam": "InputTextContent",
    "ResponseOutputMessage": "OutputMessage",
    "ResponseOutputRefusal": "RefusalContent",
    "ResponseOutputText": "OutputTextContent",
    "ResponseReasoningItem": "ReasoningItem",
    "ResponseReasoningText": "ReasoningTextContent",
    "ResponseRequest": "CreateResponse",
    "ResponseSummaryText": "SummaryTextContent",
    "ResponseTextConfigParam": "ResponseTextParam",
}
"""Our name of a model, and the document's where it differs."""

STRANGERS = frozenset({"Annotation", "InputAudio"})
"""Models of ours whose name means something else in the document."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How one model differs from its schema in the document.

    Attributes:
        model: Our name.
        schema: The document's.
        missing_fields: Fields that only the document has; they are kept when read, and untyped.
        further_fields: Fields that only our model has.
        missing_values: By field, values of enums that only the document has.
        further_values: By field, values of enums that only our model has.
    """

    model: str
    schema: str
    missing_fields: list[str] = field(default_factory=list)
    further_fields: list[str] = field(default_factory=list)
    missing_values: dict[str, list[str]] = field(default_factory=dict)
    further_values: dict[str, list[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is a difference."""
        return any((self.missing_fields, self.further_fields, self.missing_values, self.further_values))


def wire_models() -> dict[str, type[WireModel]]:
    """Collect the models of `hxp_schemas.openai` by name."""
    found = {name: getattr(openai, name) for name in openai.__all__}
    return {name: thing for name, thing in found.items() if isinstance(thing, type) and issubclass(thing, WireModel)}


def drifts(document: Mapping[str, Any], models: Mapping[str, type[WireModel]]) -> list[Drift]:
    """Compare each model that has a schema in the document with it."""
    schemas = document["components"]["schemas"]
    pairs = [(name, NAMES.get(name, name), model) for name, model in models.items() if name not in STRANGERS]
    return [_drift(name, schema, model, schemas) for name, schema, model in pairs if schema in schemas]


def _drift(name: str, schema: str, model: type[WireModel], schemas: Mapping[str, Any]) -> Drift:
    theirs = _properties(schemas[schema], schemas)
    ours = {info.alias or own: info.annotation for own, info in model.model_fields.items()}
    missing: dict[str, list[str]] = {}
    further: dict[str, list[str]] = {}
    for shared in ours.keys() & theirs.keys():
        known, named = set(known_values(ours[shared])), set(_values(theirs[shared], schemas))
        if known and named:
            missing |= {shared: sorted(named - known)} if named - known else {}
            further |= {shared: sorted(known - named)} if known - named else {}
    return Drift(
        name,
        schema,
        sorted(theirs.keys() - ours.keys()),
        sorted(ours.keys() - theirs.keys()),
        dict(sorted(missing.items())),
        dict(sorted(further.items())),
    )


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return schema


def _parts(schema: Mapping[str, Any], words: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for word in words:
        yield from schema.get(word, ())


def _properties(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Collect the fields of an object, also those of the parts that it is all of."""
    schema = _resolved(schema, schemas)
    found = dict(schema.get("properties", {}))
    for part in _parts(schema, ("allOf", "anyOf", "oneOf")):
        found |= _properties(part, schemas)
    return found


def _values(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    """Collect the texts that a field may be, not those of objects within it."""
    schema = _resolved(schema, schemas)
    yield from (value for value in schema.get("enum", ()) if isinstance(value, str))
    for part in _parts(schema, ("allOf", "anyOf", "oneOf")):
        yield from _values(part, schemas)
    if schema.get("type") == "array":
        yield from _values(schema.get("items", {}), schemas)


def text(found: Sequence[Drift]) -> str:
    """Write the report for people."""
    lines = [f"{len(found)} models compared, {sum(map(bool, found))} differ"]
    for drift in filter(None, found):
        lines.append(f"\n{drift.model} ({drift.schema})")
        for label, names in (("lacks", drift.missing_fields), ("has besides", drift.further_fields)):
            lines += [f"  {label}: {', '.join(names)}"] if names else []
        for label, values in (("lacks", drift.missing_values), ("has besides", drift.further_values)):
            lines += [f"  {name} {label}: {', '.join(named)}" for name, named in values.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a command; 2 if there is no document."""
    parser = argparse.ArgumentParser(description="Where hxp-schemas and OpenAI's OpenAPI document differ.")
    parser.add_argument("document", nargs="?", default=os.environ.get("HXP_OPENAI_SPEC", str(DOCUMENT)))
    parser.add_argument("--json", action="store_true", help="a JSON list, with the models that do not differ")
    options = parser.parse_args(arguments)
    path = Path(options.document)
    if not path.exists():
        print(f"no document at {path}; name one, or set HXP_OPENAI_SPEC", file=sys.stderr)
        return 2
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    found = drifts(document, wire_models())
    print(json.dumps([asdict(drift) for drift in found], indent=2) if options.json else text(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

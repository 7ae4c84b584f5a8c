# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "hxp-schemas",
#     "hxp-testing",
#     "msgspec==0.22.0",
#     "openai==3.54.0",
#     "orjson==3.13.0",
#     "pydantic==2.14.3",
# ]
#
# [tool.uv.sources]
# hxp-schemas = { path = "..", editable = true }
# hxp-testing = { path = "../../hxp-testing", editable = true }
# ///
"""Validating, reading, writing, framing and importing, against openai's types, msgspec and plain pydantic.

Run it with `uv run --python 3.11 packages/hxp-schemas/benchmarks/against_peers.py`.
"""

import gc
import json
from typing import Any

import msgspec
import orjson
import pydantic
from hxp_schemas import openai as ours
from hxp_schemas.stream import ChatFrames
from hxp_testing.benchmark import Suite, Table
from material import ANSWER, BASE, EVERY, FIRST, REQUEST, plain_twin
from openai._models import construct_type
from openai.types import chat as theirs
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming

suite = Suite("hxp-schemas against its peers")


def settle() -> None:
    """Keep thousands of classes of all candidates out of every later garbage collection."""
    gc.collect()
    gc.freeze()


class Function(msgspec.Struct):
    """A tool's function."""

    name: str
    parameters: dict[str, Any]


class Tool(msgspec.Struct):
    """A tool."""

    type: str
    function: Function


class Message(msgspec.Struct):
    """A message of any role."""

    role: str
    content: str | list[dict[str, Any]]


class FastRequest(msgspec.Struct):
    """A chat request as a msgspec user would write it: unknown fields are lost."""

    model: str
    messages: list[Message]
    temperature: float | None = None
    max_tokens: int | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None


class Delta(msgspec.Struct, omit_defaults=True):
    """What a chunk adds."""

    content: str


class ChunkChoice(msgspec.Struct):
    """A choice of a chunk."""

    index: int
    delta: Delta
    finish_reason: str | None


class FastChunk(msgspec.Struct):
    """A chunk as a msgspec user would write it."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChunkChoice]


@suite.table("validate a chat request of ten messages", reference="plain pydantic, the same fields")
def validate(table: Table) -> None:
    """Bytes to a model that refuses what is wrong."""
    plain = plain_twin().ChatCompletionRequest.model_validate_json
    wire = ours.ChatCompletionRequest.model_validate_json
    adapter = pydantic.TypeAdapter(CompletionCreateParamsNonStreaming)
    decoder = msgspec.json.Decoder(FastRequest)

    def openai_params() -> object:
        checked = adapter.validate_json(REQUEST)
        return list(checked["messages"]), list(checked["tools"])  # lazy until they are walked

    again = plain_twin("plain_twin_again").ChatCompletionRequest.model_validate_json
    for build in (wire, plain, again):
        build(REQUEST)
    settle()
    table.call("plain pydantic, the same fields", lambda: plain(REQUEST))
    table.call("plain pydantic, once more: the noise", lambda: again(REQUEST))
    table.call("hxp-schemas", lambda: wire(REQUEST))
    table.call("hxp-schemas, parse_request", lambda: ours.parse_request(ours.ChatCompletionRequest, REQUEST))
    table.call("openai's params in a TypeAdapter", openai_params)
    table.call("msgspec, unknown fields lost", lambda: decoder.decode(REQUEST))
    table.target("hxp-schemas", at_most=1.05)


@suite.table("read a chat answer", reference="plain pydantic, the same fields")
def read(table: Table) -> None:
    """Bytes of a server to typed attributes."""
    plain = plain_twin().ChatCompletion.model_validate_json
    again = plain_twin("plain_twin_again").ChatCompletion.model_validate_json
    for build in (plain, again, ours.ChatCompletion.model_validate_json, theirs.ChatCompletion.model_validate_json):
        build(ANSWER)
    settle()
    table.call("plain pydantic, the same fields", lambda: plain(ANSWER))
    table.call("plain pydantic, once more: the noise", lambda: again(ANSWER))
    table.call("hxp-schemas", lambda: ours.ChatCompletion.model_validate_json(ANSWER))
    table.call("openai, validated", lambda: theirs.ChatCompletion.model_validate_json(ANSWER))
    table.call(
        "openai, as its client does", lambda: construct_type(value=json.loads(ANSWER), type_=theirs.ChatCompletion)
    )
    table.target("hxp-schemas", at_most=1.05)


@suite.table("write a chat answer as it came", reference="openai")
def write(table: Table) -> None:
    """A model that was read, to bytes, absent and null kept apart."""
    mine = ours.ChatCompletion.model_validate_json(ANSWER)
    other = theirs.ChatCompletion.model_validate_json(ANSWER)
    table.call("hxp-schemas", mine.to_json)
    table.call("openai", lambda: other.to_json(indent=None).encode())
    table.call("openai, by pydantic itself", lambda: other.model_dump_json(exclude_unset=True).encode())


@suite.table("a token to its frame", reference="openai")
def frame(table: Table) -> None:
    """A piece of text to the bytes of an event."""
    frames = ChatFrames(id="chatcmpl-1", model="m", created=1)
    encoder = msgspec.json.Encoder()
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}

    def openai_chunk() -> bytes:
        choice = theirs.chat_completion_chunk.Choice(
            index=0, delta=theirs.chat_completion_chunk.ChoiceDelta(content=" hello"), finish_reason=None
        )
        chunk = theirs.ChatCompletionChunk(
            id="chatcmpl-1", object="chat.completion.chunk", created=1, model="m", choices=[choice]
        )
        return b"data: " + chunk.model_dump_json(exclude_unset=True).encode() + b"\n\n"

    def dict_and_orjson() -> bytes:
        choices = [{"index": 0, "delta": {"content": " hello"}, "finish_reason": None}]
        return b"data: " + orjson.dumps({**head, "choices": choices}) + b"\n\n"

    def struct() -> bytes:
        chunk = FastChunk("chatcmpl-1", "chat.completion.chunk", 1, "m", [ChunkChoice(0, Delta(" hello"), None)])
        return b"data: " + encoder.encode(chunk) + b"\n\n"

    made = (frames.token(" hello"), openai_chunk(), dict_and_orjson(), struct())
    assert all(json.loads(one[6:]) == json.loads(made[0][6:]) for one in made), "not the same job"
    table.call("hxp-schemas, ChatFrames.token", lambda: frames.token(" hello"))
    table.call("openai", openai_chunk)
    table.call("a dict and orjson", dict_and_orjson)
    table.call("msgspec", struct)
    table.target("hxp-schemas, ChatFrames.token", at_most=1 / 30)


@suite.table("import, CPU over an idle interpreter", reference="pydantic, a model, a use", baseline="idle", unit="ms")
def imports(table: Table) -> None:
    """What a process pays before it can do anything."""
    table.process("idle", "pass")
    table.process("pydantic, a model, a use", BASE)
    table.process("import hxp_schemas", "import hxp_schemas")
    table.process("hxp-schemas, first validated chat request", FIRST)
    table.process("hxp-schemas, every topic loaded", EVERY)
    table.process("import openai", "import openai")
    table.process("openai, its chat types", "from openai.types.chat import ChatCompletion")
    table.process("import msgspec", "import msgspec")
    table.target("import hxp_schemas", at_most=0.1)
    table.target("hxp-schemas, first validated chat request", at_most=1.4)
    table.target("hxp-schemas, every topic loaded", at_most=1.6)


if __name__ == "__main__":
    raise SystemExit(suite.main())

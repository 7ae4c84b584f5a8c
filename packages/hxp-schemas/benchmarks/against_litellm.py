# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "hxp-schemas",
#     "hxp-testing",
#     "litellm==1.106.2",
# ]
#
# [tool.uv.sources]
# hxp-schemas = { path = "..", editable = true }
# hxp-testing = { path = "../../hxp-testing", editable = true }
# ///
"""The same against litellm's types, which pin another major version of openai and so need an environment of their own.

Run it with `uv run --python 3.11 packages/hxp-schemas/benchmarks/against_litellm.py`.
"""

import gc
import json
import os

from hxp_schemas import openai as ours
from hxp_schemas.stream import ChatFrames
from hxp_testing.benchmark import Suite, Table

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or importing it waits for the network

from litellm.types.utils import Delta, ModelResponse, ModelResponseStream, StreamingChoices
from material import ANSWER

suite = Suite("hxp-schemas against litellm")


@suite.table("read a chat answer", reference="hxp-schemas")
def read(table: Table) -> None:
    """Bytes of a server to typed attributes."""
    ours.ChatCompletion.model_validate_json(ANSWER)
    gc.collect()
    gc.freeze()  # thousands of classes of all candidates stay out of every later collection
    table.call("hxp-schemas", lambda: ours.ChatCompletion.model_validate_json(ANSWER))
    table.call("litellm", lambda: ModelResponse(**json.loads(ANSWER)))


@suite.table("a token to its frame", reference="litellm")
def frame(table: Table) -> None:
    """A piece of text to the bytes of an event."""
    frames = ChatFrames(id="chatcmpl-1", model="m", created=1)

    def litellm_chunk() -> bytes:
        choice = StreamingChoices(index=0, delta=Delta(content=" hello"), finish_reason=None)
        chunk = ModelResponseStream(id="chatcmpl-1", created=1, model="m", choices=[choice])
        return b"data: " + chunk.model_dump_json(exclude_none=True, exclude_unset=True).encode() + b"\n\n"

    table.call("hxp-schemas, ChatFrames.token", lambda: frames.token(" hello"))
    table.call("litellm", litellm_chunk)


@suite.table(
    "import, CPU over an idle interpreter", reference="hxp-schemas, its chat types", baseline="idle", unit="ms"
)
def imports(table: Table) -> None:
    """What a process pays before it can do anything."""
    table.process("idle", "pass")
    table.process("hxp-schemas, its chat types", "from hxp_schemas.openai import ChatCompletion")
    table.process("litellm, its chat types", "from litellm.types.utils import ModelResponse")


if __name__ == "__main__":
    raise SystemExit(suite.main())

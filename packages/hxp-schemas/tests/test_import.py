"""What an import loads: a topic pays for itself and for nothing else."""

import json
import subprocess
import sys

import pytest

CODE = """
import json, sys
before = set(sys.modules)
{}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
WIRE = {"hxp_schemas", "hxp_schemas._lazy", "hxp_schemas._open", "hxp_schemas._wire", "hxp_schemas.openai"}
REQUEST = {f"hxp_schemas.openai.{name}" for name in ("_bounds", "_stream_option")}
CHAT_REQUEST = (
    WIRE
    | REQUEST
    | {f"hxp_schemas.openai.{name}" for name in ("_cache", "_chat", "_message", "_part", "_tool", "_union")}
)
PARSE = {"_error", "_error_code", "_response", "_said", "openai._parse"}
HEAVY = ("asyncio", "email.message", "http", "json", "logging", "ssl", "pydantic.type_adapter", "urllib.request")


def loaded(statement: str) -> set[str]:
    command = [sys.executable, "-c", CODE.format(statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1])) - {"json"}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("import hxp_schemas", {"hxp_schemas", "hxp_schemas._lazy"}),
        ("import hxp_schemas.openai", {"hxp_schemas", "hxp_schemas._lazy", "hxp_schemas.openai"}),
        ("from hxp_schemas import new_id", {"hxp_schemas", "hxp_schemas._lazy", "hxp_schemas._identity"}),
        ("from hxp_schemas.sse import encode", {"hxp_schemas", "hxp_schemas._lazy", "hxp_schemas.sse"}),
        ("from hxp_schemas.openai import ChatCompletionRequest", CHAT_REQUEST),
        (
            "from hxp_schemas.openai import ChatCompletionRequest, parse_request",
            CHAT_REQUEST | {f"hxp_schemas.{name}" for name in PARSE},
        ),
        (
            "from hxp_schemas.openai import EmbeddingRequest",
            WIRE | {f"hxp_schemas.openai.{n}" for n in ("_bounds", "_embedding")},
        ),
        ("from hxp_schemas.openai import ModelList", WIRE | {"hxp_schemas.openai._model"}),
        (
            "from hxp_schemas.openai import ChatCompletion",
            WIRE | {f"hxp_schemas.openai.{name}" for name in ("_chat_answer", "_logprob", "_usage")},
        ),
        (
            "from hxp_schemas.openai import Response",
            WIRE | {f"hxp_schemas.openai.{name}" for name in ("_response_answer", "_response_item")},
        ),
    ],
)
def test_a_topic_loads_its_own_modules(statement: str, expected: set[str]) -> None:
    assert {name for name in loaded(statement) if name.startswith("hxp_")} == expected


def test_no_topic_of_the_wire_loads_what_is_heavy() -> None:
    names = "builders, openai, sse, stream"
    every = f"from hxp_schemas import {names}\nfor m in ({names}):\n    for n in m.__all__: getattr(m, n)"
    pydantic = loaded(
        "import pydantic\nclass M(pydantic.BaseModel):\n    a: int\nM.model_validate_json('{{\"a\": 1}}')".format()
    )
    assert {name for name in loaded(every) - pydantic if name in HEAVY} == set()


def test_the_light_half_needs_no_pydantic() -> None:
    assert not {
        name for name in loaded("import hxp_schemas.sse, hxp_schemas; hxp_schemas.new_id('x')") if "pydantic" in name
    }

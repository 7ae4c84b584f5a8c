"""What is compared: a request, an answer, programs that import, and our models once more on plain pydantic."""

import importlib
import json
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import hxp_schemas

TALK = [
    {"role": "system", "content": "You are brief."},
    *({"role": role, "content": "word " * 40} for _ in range(4) for role in ("user", "assistant")),
    {"role": "user", "content": [{"type": "text", "text": "What is HXP?"}]},
]
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
REQUEST = json.dumps(
    {"model": "m", "messages": TALK, "temperature": 0.5, "max_tokens": 100, "tools": [TOOL], "tool_choice": "auto"}
).encode()
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "word " * 60, "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 2,
            "total_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
    }
).encode()
BASE = "import pydantic\nclass M(pydantic.BaseModel):\n    a: int\nM.model_validate_json(b'{\"a\": 1}')\n"
FIRST = """from hxp_schemas.openai import ChatCompletionRequest, parse_request
body = b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}'
parse_request(ChatCompletionRequest, body)
"""
EVERY = """import hxp_schemas
from types import ModuleType
def load(package):
    for name in package.__all__:
        thing = getattr(package, name)
        if isinstance(thing, ModuleType):
            load(thing)
load(hxp_schemas)
"""
PLAIN_WIRE = '''"""The same fields on plain pydantic."""
import pydantic
class Written:
    pass
class WireModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(
        defer_build=True, extra="allow", strict=True, protected_namespaces=(), serialize_by_alias=True
    )
class UnknownVariant(WireModel):
    type: str | None = None
'''


def write_twin(folder: Path, name: str) -> None:
    """Write our models once more, on plain pydantic: the same fields, nothing of ours in between."""
    twin = folder / name
    shutil.copytree(Path(hxp_schemas.__file__).parent, twin, ignore=shutil.ignore_patterns("__pycache__"))
    for file in twin.rglob("*.py"):
        file.write_text(file.read_text().replace("hxp_schemas", name))
    (twin / "_wire.py").write_text(PLAIN_WIRE)


def plain_twin(name: str = "plain_twin") -> ModuleType:
    """Load a twin into this process."""
    if f"{name}.openai" in sys.modules:
        return sys.modules[f"{name}.openai"]
    with tempfile.TemporaryDirectory() as folder:
        write_twin(Path(folder), name)
        sys.path.insert(0, folder)
        package = importlib.import_module(f"{name}.openai")
        for thing in package.__all__:  # the folder will be gone
            getattr(package, thing)
        sys.path.remove(folder)
    return package

"""The official openai client works unchanged, in its newest major version and in the one before."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tools.resolution import resolve_as_of

if TYPE_CHECKING:
    from hxp_services_base.testing import DetachedStack

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["openai>=3,<4", "openai>=2.25,<3"])
def seen(request: pytest.FixtureRequest, stack: DetachedStack) -> dict[str, Any]:
    """What the client saw, in an environment of its own."""
    script = Path(__file__).with_name("openai_client.py")
    command = ["uv", "run", "--no-project", "--isolated", "--exclude-newer", resolve_as_of()]
    command += ["--with", request.param, "python", str(script), f"{stack.url()}/v1", stack.key]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["version"].startswith(request.param[8])
    return found


def test_models_chat_and_stream_say_the_same(seen: dict[str, Any]) -> None:
    assert (seen["models"], seen["model"]) == (["hxp-tiny"], "hxp-tiny")
    assert "HXP" in seen["chat"]
    assert (seen["streamed"], seen["finish_reason"]) == (seen["chat"], "stop")
    assert seen["usage"]["completion_tokens"] > 5
    assert seen["stream_usage"]["completion_tokens"] == seen["usage"]["completion_tokens"]


def test_completions_and_embeddings_work(seen: dict[str, Any]) -> None:
    assert seen["completion"]
    assert seen["embeddings"][0] == seen["embeddings"][1] > 0


def test_a_json_schema_is_obeyed(seen: dict[str, Any]) -> None:
    assert sorted(seen["structured"]) == ["count", "name"]
    assert isinstance(seen["structured"]["count"], int)


@pytest.mark.parametrize(
    ("case", "kind", "status", "code", "param"),
    [
        ("authentication", "AuthenticationError", 401, "invalid_api_key", None),
        ("not_found", "NotFoundError", 404, "model_not_found", "model"),
        ("bad_number", "BadRequestError", 400, "invalid_value", "max_tokens"),
        ("bad_messages", "BadRequestError", 400, "invalid_value", "messages"),
        ("no_such_model", "NotFoundError", 404, "model_not_found", "model"),
        ("too_long", "BadRequestError", 400, "context_length_exceeded", "messages"),
    ],
)
def test_bad_input_raises_the_clients_own_error_classes(
    seen: dict[str, Any], case: str, kind: str, status: int, code: str, param: str | None
) -> None:
    error = seen["errors"][case]
    assert (error["class"], error["status"], error["code"], error["param"]) == (kind, status, code, param)
    assert error["request_id"]
    assert error["type"]

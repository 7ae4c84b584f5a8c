import json
from typing import Any

import pydantic
import pytest
from hxp_schemas.openai import (
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    CreateEmbeddingResponse,
    Embedding,
    ModelList,
)

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}}
BASE = {"id": "1", "created": 5, "model": "m", "x_new": {"deep": [1]}}


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (
            ChatCompletion,
            BASE
            | {
                "object": "chat.completion",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "odd"}],
                "usage": USAGE,
            },
        ),
        (
            ChatCompletionChunk,
            BASE | {"choices": [{"index": 0, "delta": {"content": "x", "reasoning": "y"}, "finish_reason": None}]},
        ),
        (ChatCompletionChunk, BASE | {"choices": [], "usage": USAGE}),
        (Completion, BASE | {"choices": [{"index": 0, "text": "x", "finish_reason": "stop"}]}),
        (
            CreateEmbeddingResponse,
            {"data": [{"index": 0, "embedding": [0.5]}], "model": "m", "usage": {"total_tokens": 1}},
        ),
        (CreateEmbeddingResponse, {"data": [{"index": 0, "embedding": "AAAA"}], "model": "m"}),
        (ModelList, {"object": "list", "data": [{"id": "m", "root": "r", "max_model_len": 7}]}),
    ],
)
def test_an_answer_loses_nothing_on_the_way_through(model: type[pydantic.BaseModel], body: dict[str, Any]) -> None:
    raw = json.dumps(body)
    assert json.loads(model.model_validate_json(raw).model_dump_json(exclude_unset=True)) == body


def test_an_answer_of_few_words_gets_its_defaults() -> None:
    chunk = ChatCompletionChunk.model_validate({"id": "1", "model": "m", "choices": [{}]})
    assert chunk.object == "chat.completion.chunk"
    assert chunk.choices[0].delta.content is None
    assert CreateEmbeddingResponse.model_validate({"data": [], "model": "m"}).usage.total_tokens == 0


def test_a_vector_is_read_in_either_form() -> None:
    assert Embedding(embedding=[0.5, 2]).vector() == [0.5, 2]
    assert Embedding(embedding="AAAAPwAAAEA=").vector() == [0.5, 2]


@pytest.mark.parametrize("text", ["AAAAP", "AAA=", "\u00e9"])
def test_what_is_no_vector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|padding|multiple|ASCII"):
        Embedding(embedding=text).vector()

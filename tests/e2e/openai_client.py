"""The official client against a running stack; run by the tests in environments with its versions 2 and 3.

It prints one JSON document: what was seen, for the test to judge.
"""

from __future__ import annotations

import json
import sys

import openai
from openai import OpenAI


def error_of(call: object, **arguments: object) -> dict[str, object]:
    """The class, status, code and param of the error that a call raises."""
    try:
        call(**arguments)  # type: ignore[operator]  # a method of the client
    except openai.APIStatusError as error:
        return {
            "class": type(error).__name__,
            "status": error.status_code,
            "code": error.code,
            "param": error.param,
            "type": error.type,
            "request_id": error.request_id,
        }
    return {"class": None}


def main(base_url: str, key: str) -> dict[str, object]:
    """Do everything that a client does."""
    client = OpenAI(base_url=base_url, api_key=key, max_retries=0)
    ask = [{"role": "user", "content": "What is HXP?"}]
    model = client.models.list().data[0].id
    chat = client.chat.completions.create(model=model, messages=ask, temperature=0)
    stream = client.chat.completions.create(
        model=model, messages=ask, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "count": {"type": "integer", "maximum": 99}},
        "required": ["name", "count"],
        "additionalProperties": False,
    }
    structured = client.chat.completions.create(
        model=model,
        messages=ask,
        max_tokens=200,
        response_format={"type": "json_schema", "json_schema": {"name": "thing", "schema": schema, "strict": True}},
    )
    create = client.chat.completions.create
    stranger = OpenAI(base_url=base_url, api_key="sk-wrong", max_retries=0)
    return {
        "version": openai.__version__,
        "models": [entry.id for entry in client.models.list().data],
        "model": client.models.retrieve(model).id,
        "chat": chat.choices[0].message.content,
        "finish_reason": chat.choices[0].finish_reason,
        "usage": chat.usage.model_dump() if chat.usage else None,
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        "stream_usage": chunks[-1].usage.model_dump() if chunks[-1].usage else None,
        "completion": client.completions.create(model=model, prompt="HXP", max_tokens=5).choices[0].text,
        "embeddings": [len(entry.embedding) for entry in client.embeddings.create(model=model, input=["a", "b"]).data],
        "structured": json.loads(structured.choices[0].message.content or ""),
        "errors": {
            "authentication": error_of(stranger.models.list),
            "not_found": error_of(create, model="nope", messages=ask),
            "bad_number": error_of(create, model=model, messages=ask, max_tokens=10**9),
            "bad_messages": error_of(create, model=model, messages=[]),
            "no_such_model": error_of(client.models.retrieve, model="nope"),
            "too_long": error_of(create, model=model, messages=[{"role": "user", "content": "word " * 3000}]),
        },
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:3])))

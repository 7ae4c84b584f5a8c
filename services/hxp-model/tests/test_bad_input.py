"""Whatever is sent to the real engine's service: the right status, our envelope, at once, and it serves on."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    import aiohttp
    from hxp_model import ModelService
    from hxp_services_base.testing import Running

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
EMBEDDINGS = "/v1/embeddings"
HELLO: dict[str, Any] = {"model": "random", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
PROMPT: dict[str, Any] = {"model": "random", "prompt": "hello", "max_tokens": 2}
INPUT: dict[str, Any] = {"model": "random", "input": "hello"}
JSON = {"Content-Type": "application/json"}


async def check_error(response: aiohttp.ClientResponse, status: int) -> dict[str, Any]:
    """The OpenAI envelope with all four fields, and the headers that go with it."""
    text = await response.text()
    assert response.status == status, text
    assert response.content_type == "application/json"
    assert response.headers["X-Request-ID"].startswith("req_")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    document = json.loads(text)
    assert set(document) == {"error"}
    error: dict[str, Any] = document["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["code"]
    assert "Traceback" not in text
    return error


async def refused(
    running: Running[ModelService], body: bytes | str, *, path: str = CHAT, status: int = 400
) -> dict[str, Any]:
    began = time.monotonic()
    async with running.client.post(path, data=io.BytesIO(_bytes(body)), headers=JSON) as response:
        error = await check_error(response, status)
    assert time.monotonic() - began < 1.0, body[:80]
    return error


def _bytes(body: bytes | str) -> bytes:
    return body if isinstance(body, bytes) else body.encode()


def with_fields(base: dict[str, Any], **fields: str) -> str:
    """`base` as JSON with the fields as they stand, also where no encoder would write them."""
    rest = {name: value for name, value in base.items() if name not in fields}
    return json.dumps(rest)[:-1] + "".join(f', "{name}": {text}' for name, text in fields.items()) + "}"


@pytest.fixture(autouse=True)
async def the_engine_is_unharmed(running: Running[ModelService]) -> Any:
    """Each test leaves the same engine process, and it answers."""
    before = running.service.running_engine.stats()
    yield
    after = running.service.running_engine.stats()
    assert (after.pid, after.restarts, after.is_up) == (before.pid, 0, True)
    async with running.client.post(CHAT, json=HELLO) as response:
        assert response.status == 200


NOT_JSON = [
    b"",
    b" ",
    b"{",
    b'{"model":',
    b'{"model":"random","messages":[{"role":"user","content":"he',
    b"nonsense",
    b"\xff\xfe",
    b'{"model":"\xff"}',
    json.dumps(HELLO).encode("utf-16"),
    json.dumps(HELLO).encode("utf-32-le"),
    b"\x00",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b"<chat/>",
]


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, EMBEDDINGS])
async def test_what_is_no_json_is_refused(running: Running[ModelService], path: str) -> None:
    """B1, B2, B4."""
    for body in NOT_JSON:
        assert (await refused(running, body, path=path))["code"] == "invalid_json", body[:40]


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS, EMBEDDINGS])
async def test_what_is_no_object_is_refused(running: Running[ModelService], path: str) -> None:
    """B1."""
    for body in ("null", "true", "7", '"x"', "[]", "[1]"):
        await refused(running, body, path=path)
    assert (await refused(running, "{}", path=path))["code"] == "missing_required_parameter"


async def test_text_that_cannot_be_encoded_is_refused_and_nul_is_not_fatal(running: Running[ModelService]) -> None:
    """B2."""
    for text in ('"\\ud800"', '"\\udc00 x"', '"a\\ud83dz"'):
        await refused(running, with_fields(HELLO, messages=f'[{{"role":"user","content":{text}}}]'))
        await refused(running, with_fields(PROMPT, prompt=text), path=COMPLETIONS)
        await refused(running, with_fields(INPUT, input=text), path=EMBEDDINGS)
        await refused(running, with_fields(HELLO, stop=text))
        await refused(running, with_fields(HELLO, model=text))
    body = {**HELLO, "messages": [{"role": "user", "content": "a\x00b"}]}
    async with running.client.post(CHAT, json=body) as response:
        assert response.status == 200
        json.loads(await response.text())


NO_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000, "-" + "9" * 5000, "1" * 30]
HUGE = ["1000000000", "1000000001", "-1", "9223372036854775808", "1e18", "1.5e9"]
NUMBERS = {
    CHAT: (
        HELLO,
        (
            "n",
            "best_of",
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "top_p",
            "top_logprobs",
            "prompt_logprobs",
            "top_k",
            "min_p",
            "repeat_penalty",
        ),
    ),
    COMPLETIONS: (
        PROMPT,
        ("n", "best_of", "max_tokens", "temperature", "top_p", "logprobs", "prompt_logprobs", "top_k", "min_p"),
    ),
    EMBEDDINGS: (INPUT, ("dimensions",)),
}
SIGNED = {CHAT: (HELLO, ("frequency_penalty", "presence_penalty")), COMPLETIONS: (PROMPT, ("presence_penalty",))}


@pytest.mark.parametrize("path", NUMBERS)
async def test_every_number_is_bounded(running: Running[ModelService], path: str) -> None:
    """B3, B7."""
    base, names = NUMBERS[path]
    for name in names:
        for number in (*NO_NUMBERS, *HUGE):
            await refused(running, with_fields(base, **{name: number}), path=path)
    signed, names = SIGNED.get(path, (base, ()))
    for name in names:
        for number in (*NO_NUMBERS, "3", "-3", "1000000000"):
            await refused(running, with_fields(signed, **{name: number}), path=path)


async def test_numbers_inside_of_other_fields_are_bounded_too(running: Running[ModelService]) -> None:
    """B3, B7."""
    for number in NO_NUMBERS:
        await refused(running, with_fields(HELLO, seed=number))
        await refused(running, with_fields(HELLO, unknown=number))
        await refused(running, with_fields(HELLO, logit_bias=f'{{"5": {number}}}'))
        await refused(running, with_fields(HELLO, response_format=f'{{"type": "json_object", "a": {number}}}'))
        await refused(running, with_fields(PROMPT, prompt=f"[{number}]"), path=COMPLETIONS)
        await refused(running, with_fields(INPUT, input=f"[{number}]"), path=EMBEDDINGS)


WRONG: dict[str, tuple[str, ...]] = {
    "model": ("null", "7", "[]", "{}", '""', '"' + "x" * 257 + '"'),
    "messages": ("null", "7", '"x"', "{}", "[]", "[null]", "[7]", "[[]]", "[{}]", '[{"role":"user"}]'),
    "stream": ("7", '"true"', "[]", "{}"),
    "stream_options": ("7", '"x"', "[]", '{"include_usage":7}'),
    "n": ('"1"', "1.5", "true", "[]", "{}", "0"),
    "max_tokens": ('"1"', "1.5", "true", "[]", "{}", "0"),
    "max_completion_tokens": ('"1"', "[]"),
    "temperature": ('"1"', "[]", "{}", "2.1", "-0.1"),
    "top_p": ('"1"', "[]", "1.1"),
    "frequency_penalty": ('"1"', "[]", "2.1"),
    "presence_penalty": ('"1"', "[]", "-2.1"),
    "logprobs": ("7", '"true"', "[]"),
    "top_logprobs": ('"1"', "21", "[]"),
    "logit_bias": ("7", "[]", '"x"', '{"1":"x"}', '{"1":101}'),
    "stop": ("7", "{}", "[7]", '["a","b","c","d","e"]', '"' + "x" * 257 + '"'),
    "seed": ('"1"', "1.5", "[]"),
    "tools": ("7", '"x"', "{}", "[7]", "[{}]", '[{"type":"banana"}]', '[{"type":"function"}]'),
    "tool_choice": ("7", "[]", '"banana"'),
    "response_format": ("7", '"x"', "[]", "{}", '{"type":7}', '{"type":"x"}', '{"type":"json_schema"}'),
    "user": ("7", "[]", '"' + "x" * 513 + '"'),
    "top_k": ('"1"', "true", "[]", "null"),
    "min_p": ('"1"', "true", "{}"),
}


async def test_a_wrong_type_in_any_field_is_refused_and_the_field_is_named(running: Running[ModelService]) -> None:
    """B5."""
    for name, values in WRONG.items():
        for value in values:
            error = await refused(running, with_fields(HELLO, **{name: value}))
            if value != '"banana"':  # this one only the engine knows
                assert (error["param"] or "").split(".")[0] == name, (name, value, error)


async def test_pictures_and_files_are_neither_read_nor_fetched(running: Running[ModelService]) -> None:
    """A13."""
    for url in ("http://127.0.0.1:1/x.png", "http://169.254.169.254/", "file:///etc/passwd", "data:image/png;base64,"):
        part = {"type": "image_url", "image_url": {"url": url}}
        body = {**HELLO, "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, part]}]}
        error = await refused(running, json.dumps(body))
        assert (error["param"], "text only" in error["message"]) == ("messages.0.content.1", True)


async def test_what_is_too_large_is_refused(running: Running[ModelService]) -> None:
    """R2."""
    assert (await refused(running, b" " * (4 * 1024 * 1024 + 1), status=413))["code"] == "request_too_large"
    long = {"model": "random", "input": ["x"] * 2049}
    assert (await refused(running, json.dumps(long), path=EMBEDDINGS))["param"] == "input"


async def test_forms_and_xml_are_refused(running: Running[ModelService]) -> None:
    """B6."""
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/xml", "text/plain"):
        for path in (CHAT, COMPLETIONS, EMBEDDINGS):
            headers = {"Content-Type": kind}
            async with running.client.post(path, data=b"model=random", headers=headers) as response:
                assert (await check_error(response, 415))["code"] == "unsupported_media_type"


async def test_an_unknown_model_is_not_found_and_not_reflected(running: Running[ModelService]) -> None:
    """B8, B10, B12."""
    for name in ("nothing", "<script>alert(1)</script>", "../../etc/passwd", "Random", "random ", "x" * 256, "%s%n"):
        for path, base in ((CHAT, HELLO), (COMPLETIONS, PROMPT), (EMBEDDINGS, INPUT)):
            async with running.client.post(path, json={**base, "model": name}) as response:
                error = await check_error(response, 404)
                assert (error["code"], error["param"]) == ("model_not_found", "model")
                assert all(name not in value for value in response.headers.values())
    for name in ("a\r\nX-Injected: 1", "a\nb", "\x1b[31m", "a\u2028b"):
        async with running.client.post(CHAT, json={**HELLO, "model": name}) as response:
            await check_error(response, 400)
            assert "X-Injected" not in response.headers
    for path in ("/v1/models/nothing", "/v1/models/..%2F..%2Fetc%2Fpasswd", "/v1/models/%0d%0aX-Injected:%201"):
        async with running.client.get(path) as response:
            await check_error(response, 404)
            assert "X-Injected" not in response.headers


async def test_a_wrong_method_or_path_is_told_as_such(running: Running[ModelService]) -> None:
    """B9."""
    for path, allowed in ((CHAT, "POST"), (COMPLETIONS, "POST"), (EMBEDDINGS, "POST"), ("/v1/models", "GET")):
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - {allowed}:
            async with running.client.request(method, path) as response:
                assert (await check_error(response, 405))["code"] == "method_not_allowed"
                assert response.headers["Allow"] == allowed
    for path in ("/v1", "/v1/", "/v1/chat", "/v1/chat/completions/", "/v1/nothing"):
        async with running.client.post(path, json=HELLO) as response:
            await check_error(response, 404)


def _schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "itself", {"$ref": "#"}
    yield "in a circle", {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
    either = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}
    yield "in two circles", {"$defs": {"a": either}, "$ref": "#/$defs/a"}
    yield "inside", {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    yield "elsewhere", {"$ref": "http://127.0.0.1:1/schema.json"}
    yield "a file", {"$ref": "file:///etc/passwd"}
    doubling = {
        f"d{n}": {"properties": {"a": {"$ref": f"#/$defs/d{n + 1}"}, "b": {"$ref": f"#/$defs/d{n + 1}"}}}
        for n in range(30)
    }
    yield "doubling", {"$defs": {**doubling, "d30": {"type": "string"}}, "$ref": "#/$defs/d0"}
    for pattern in (
        "^(a+)+$",
        "^(((a*)*)*)*$",
        "^(a|a)+$",
        "^a{2,1}$",
        "^a{1000000000}$",
        "^(a?b?c?d?){0,2000}$",
        "^((((",
        "^[z-a]$",
    ):
        yield pattern, {"type": "string", "pattern": pattern}
    yield "long", {"type": "string", "minLength": 10**9}
    yield "many", {"type": "array", "items": {"type": "string"}, "minItems": 10**9}
    yield "upside down", {"type": "string", "minLength": 2, "maxLength": 1}
    yield "enumerated", {"enum": [f"v{number}" for number in range(10_000)]}
    yield "wide", {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(5000)}}
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(150):
        deep = {"type": "object", "properties": {"a": deep}, "required": ["a"]}
    yield "deep", deep
    yield "no type", {"type": "banana"}


@pytest.mark.parametrize(("name", "schema"), list(_schemas()))
async def test_a_hostile_schema_costs_no_more_than_a_second(
    running: Running[ModelService], name: str, schema: dict[str, Any]
) -> None:
    """B11: in the format of the answer, and in the parameters of a tool that must be called."""
    wanted = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}
    tool = {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}], "tool_choice": "required"}
    for fields in (wanted, tool):
        began = time.monotonic()
        async with running.client.post(CHAT, json={**HELLO, **fields}) as response:
            assert response.status in {200, 400, 502}, await response.text()
            if response.status != 200:
                await check_error(response, response.status)
        assert time.monotonic() - began < 1.0


def _resident(pid: int) -> int:
    """Bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_three_hundred_bad_requests_leave_no_memory_behind(running: Running[ModelService]) -> None:
    """R8."""
    bodies: list[bytes | str] = [
        *NOT_JSON,
        *(with_fields(HELLO, **{name: value}) for name, values in WRONG.items() for value in values[:1]),
        with_fields(HELLO, n="1" * 5000),
        json.dumps({**HELLO, "messages": [{"role": "user", "content": "x" * 100_000}]}),
    ]

    async def storm(count: int) -> None:
        for number in range(count):
            await refused(running, bodies[number % len(bodies)])

    engine = running.service.running_engine.stats().pid or 0
    for _ in range(20):  # each of the engine's threads has memory of its own
        await refused(running, bodies[-1])
    await storm(len(bodies))
    before = _resident(os.getpid()), _resident(engine)
    await storm(300)
    growth = _resident(os.getpid()) - before[0], _resident(engine) - before[1]
    assert growth[0] < 16 * 2**20
    assert growth[1] < 16 * 2**20

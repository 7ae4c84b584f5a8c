"""From a request body to a model, or to a 400 that names the field.

The body is parsed and validated in one pass. What JSON allows and an encoder later chokes on (`NaN`, `1e999`,
integers beyond 64 bits) may hide in fields we do not know, so a cheap scan of the bytes looks for its traces;
only then is the body walked.
"""

from typing import Any, TypeVar

import pydantic
from pydantic_core import ErrorDetails, from_json

from hxp_schemas._error import ErrorInfo, ErrorInfoError

M = TypeVar("M", bound=pydantic.BaseModel)

_MAX_PARAM = 256
_MAX_MESSAGE = 500
_LOWEST, _HIGHEST = -(1 << 63), (1 << 64) - 1
_SHAPE = bytes.maketrans(b"123456789E", b"000000000e")
_SUSPECT = (b"0" * 19, b"0e000", b"0e+000", b"NaN", b"Infinity")


def parse_request(model_cls: type[M], body: bytes) -> M:
    """Read a request body.

    Args:
        model_cls: Such as `ChatCompletionRequest`.
        body: The body as it came.

    Raises:
        ErrorInfoError: The body is not such a request; nothing else is raised. `info` has status 400, the
            field in `param` and the code `invalid_json`, `missing_required_parameter` or `invalid_value`.

    Example:
        >>> from hxp_schemas.openai import EmbeddingRequest
        >>> parse_request(EmbeddingRequest, b'{"model": "m", "input": "Hi"}').input
        'Hi'
    """
    try:
        request = model_cls.model_validate_json(body)
    except pydantic.ValidationError as error:
        raise ErrorInfoError(_explain(error, body)) from None
    shape = body.translate(_SHAPE)
    if any(trace in shape for trace in _SUSPECT):
        _refuse_numbers(from_json(body))
    return request


def _explain(error: pydantic.ValidationError, body: bytes) -> ErrorInfo:
    details = error.errors(include_url=False, include_input=False)
    first = details[0]
    if first["type"] == "json_invalid":
        return _bad("invalid_json", f"The body is not valid JSON: {first['ctx']['error']}.", None)
    first, param = _telling(details, from_json(body))
    if not param:
        return _bad("invalid_value", "The body must be a JSON object.", None)
    if first["type"] in {"missing", "union_tag_not_found"}:
        return _bad("missing_required_parameter", f"Missing required parameter: {param!r}.", param)
    return _bad("invalid_value", f"Invalid value for {param!r}: {_rule(first)}.", param)


def _telling(details: list[ErrorDetails], data: object) -> tuple[ErrorDetails, str]:
    """Choose the first error; where members of a union failed together, the one that got furthest."""
    first, param = details[0], _param(details[0], data)
    if not param or not first["type"].endswith("_type"):
        return first, param
    found = [(error, _param(error, data)) for error in details]
    inside = [pair for pair in found if f"{pair[1]}.".startswith(f"{param}.")]
    return max(inside, key=lambda pair: (not pair[0]["type"].endswith("_type"), pair[1].count(".")))


def _rule(error: ErrorDetails) -> str:
    if error["type"] == "union_tag_invalid":  # pydantic's own message quotes the input
        return f"Input should be one of {error['ctx']['expected_tags']}"
    return error["msg"].rstrip(".")


def _param(error: ErrorDetails, data: Any) -> str:
    """Follow the location through the body, which leaves out what pydantic adds to name members of unions."""
    path: list[str] = []
    for step in error["loc"]:
        if step in data if isinstance(data, dict) else isinstance(data, list) and isinstance(step, int):
            data = data[step]
            path.append(str(step))
    if error["type"] == "missing":
        path.append(str(error["loc"][-1]))
    elif error["type"].startswith("union_tag_"):
        path.append(error["ctx"]["discriminator"].strip("'"))
    return ".".join(path)[:_MAX_PARAM]


def _refuse_numbers(body: object) -> None:
    """Look for numbers that no JSON encoder of ours can write again."""
    rest: list[tuple[str, object]] = [("", body)]
    while rest:
        path, value = rest.pop()
        if isinstance(value, dict):
            rest.extend((f"{path}.{name}", item) for name, item in value.items())
        elif isinstance(value, list):
            rest.extend((f"{path}.{index}", item) for index, item in enumerate(value))
        elif isinstance(value, float) and (value - value) != 0:
            raise ErrorInfoError(_number(path, "Input should be a finite number"))
        elif isinstance(value, int) and not _LOWEST <= value <= _HIGHEST:
            raise ErrorInfoError(_number(path, "Input should be an integer of at most 64 bits"))


def _number(path: str, rule: str) -> ErrorInfo:
    param = path.removeprefix(".")[:_MAX_PARAM]
    return _bad("invalid_value", f"Invalid value for {param!r}: {rule}.", param)


def _bad(code: str, message: str, param: str | None) -> ErrorInfo:
    return ErrorInfo(code=code, message=message[:_MAX_MESSAGE], status=400, param=param)

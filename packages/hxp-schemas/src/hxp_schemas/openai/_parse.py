"""From a request body to a model, or to a 400 that names the field.

The body is parsed and validated in one pass. What JSON allows and an encoder later chokes on (`NaN`, `1e999`,
integers beyond 64 bits) may hide in fields we do not know, so a cheap scan of the bytes looks for its traces;
only then is the body walked.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Self, TypeVar

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
    data = from_json(body)
    told = _telling([_Failure.of(detail, data) for detail in details])
    if not told.param:
        return _bad("invalid_value", "The body must be a JSON object.", None)
    if told.is_missing:
        return _bad("missing_required_parameter", f"Missing required parameter: {told.param!r}.", told.param)
    return _bad("invalid_value", f"Invalid value for {told.param!r}: {_rule(told.error)}.", told.param)


class _Failure(NamedTuple):
    """An error with its place in the body, which leaves out what pydantic adds to name the members of unions.

    Attributes:
        path: The steps through the body, as far as they are there.
        field: The field of the object at the end of the path that is meant, if it is not the object itself.
        is_missing: Whether that field is not there.
        is_other: Whether the value is of another kind than this member of a union has; another may take it.
    """

    error: ErrorDetails
    path: tuple[str, ...]
    field: tuple[str, ...]
    is_missing: bool
    is_other: bool

    @property
    def param(self) -> str:
        return ".".join((*self.path, *self.field))[:_MAX_PARAM]

    @classmethod
    def of(cls, error: ErrorDetails, data: Any) -> Self:
        kind, path = error["type"], []
        for step in error["loc"]:
            if step in data if isinstance(data, dict) else isinstance(data, list) and isinstance(step, int):
                data = data[step]
                path.append(str(step))
        is_nested = isinstance(data, dict | list)
        is_other = kind.endswith("_type") or (kind == "literal_error" and is_nested)
        if kind == "missing":
            return cls(error, tuple(path), (str(error["loc"][-1]),), is_missing=True, is_other=False)
        if kind.startswith("union_tag"):
            tag = error["ctx"]["discriminator"].strip("'")
            no_tag = is_nested and tag not in data
            return cls(error, tuple(path), (tag,), is_missing=no_tag, is_other=no_tag)
        return cls(error, tuple(path), (), is_missing=False, is_other=is_other)


def _telling(failures: list[_Failure]) -> _Failure:
    """Choose the first failure; where the members of a union failed together, the one that got furthest.

    A member whose constant `type` is not the one that came was not meant; what else it misses says nothing.
    """
    not_meant = [found.error["loc"][:-1] for found in failures if _is_wrong_type(found.error)]
    meant = [found for found in failures if not any(found.error["loc"][: len(loc)] == loc for loc in not_meant)]
    failures = meant or failures
    first = failures[0]
    if not first.is_other:
        return first
    inside = [failure for failure in failures if failure.path[: len(first.path)] == first.path]
    return max(inside, key=lambda found: (not found.is_other, len(found.path) + len(found.field), not found.is_missing))


def _is_wrong_type(error: ErrorDetails) -> bool:
    return error["type"] == "literal_error" and error["loc"][-1] == "type"


def _rule(error: ErrorDetails) -> str:
    if error["type"].startswith("union_tag"):  # pydantic's own message quotes the input
        return f"Input should be one of {error['ctx']['expected_tags']}"
    return error["msg"].rstrip(".")


def _refuse_numbers(body: Any) -> None:
    """Look for numbers that no JSON encoder of ours can write again; a path is only told where one is."""
    path: list[object] = []
    open_items = [_items(body)]
    while open_items:
        for name, value in open_items[-1]:
            kind = type(value)
            if kind is int and not _LOWEST <= value <= _HIGHEST:
                raise ErrorInfoError(_number([*path, name], "Input should be an integer of at most 64 bits"))
            if kind is float and (value - value) != 0:
                raise ErrorInfoError(_number([*path, name], "Input should be a finite number"))
            if kind is dict or kind is list:
                path.append(name)
                open_items.append(_items(value))
                break
        else:
            open_items.pop()
            del path[-1:]


def _items(value: Any) -> Iterator[tuple[object, Any]]:
    return iter(value.items() if isinstance(value, dict) else enumerate(value))


def _number(path: list[object], rule: str) -> ErrorInfo:
    param = ".".join(map(str, path))[:_MAX_PARAM]
    return _bad("invalid_value", f"Invalid value for {param!r}: {rule}.", param)


def _bad(code: str, message: str, param: str | None) -> ErrorInfo:
    return ErrorInfo(code=code, message=message[:_MAX_MESSAGE], status=400, param=param)

"""What an error document says, in any of the dialects, read without trusting a byte of it."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_MAX_TEXT = 2_000
_MAX_METADATA = 32
_MAX_RETRY_AFTER = 86_400.0
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")


class SaidError(NamedTuple):
    """The parts that an error document named; `None` where it did not."""

    message: str | None = None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    status: int | None = None
    retryable: bool | None = None
    retry_after: float | None = None
    request_id: str | None = None
    metadata: Mapping[str, str] = MappingProxyType({})


def read_document(document: object) -> SaidError:
    """Read a document that is already parsed; never raises, and everything is bounded."""
    if isinstance(document, list) and document:  # Gemini wraps its errors so
        document = document[0]
    found = _find(document)
    status = _status(found, document)
    code = found.get("code")
    if type(code) is int and abs(code) < 1 << 63:
        code = str(code)
    if code == str(status):  # which vLLM, llama.cpp and LiteLLM repeat here
        code = None
    retryable = found.get("retryable")
    return SaidError(
        message=_text(found.get("message"), _MAX_TEXT),
        type=_text(found.get("type"), 128),
        code=_text(code, 128),
        param=_text(found.get("param"), 256),
        status=status,
        retryable=retryable if isinstance(retryable, bool) else None,
        retry_after=clamped(found.get("retry_after")),
        request_id=safe_id(found.get("request_id")),
        metadata=_metadata(found.get("metadata")),
    )


def clamped(seconds: object) -> float | None:
    """A number of seconds to wait, between none and a day; `None` if it is no number."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if isinstance(seconds, float) and math.isnan(seconds):  # an integer may have more digits than a float can hold
        return None
    return float(min(max(seconds, 0.0), _MAX_RETRY_AFTER))


def safe_id(value: object) -> str | None:
    """A request id that is safe in a header and a log line."""
    return value if isinstance(value, str) and 0 < len(value) <= 128 and _SAFE.issuperset(value) else None


def _find(document: object) -> dict[str, Any]:
    """Bring every dialect to one set of names."""
    if not isinstance(document, dict):
        return {}
    error = document.get("error")
    if isinstance(error, dict):
        from ._rpc_status import read_status  # noqa: PLC0415 - most errors are in another dialect

        return {"request_id": document.get("request_id"), **(read_status(error) or error)}
    if isinstance(error, str):
        return {"type": document.get("error_type"), **document, "message": error}
    return _without_error(document)


def _without_error(document: dict[str, Any]) -> dict[str, Any]:
    """The dialects that name no `error`: vLLM's older one, Mistral's, RFC 9457 and FastAPI's lone `detail`."""
    detail, message = document.get("detail"), document.get("message")
    if isinstance(detail, dict):
        return _find({name: value for name, value in detail.items() if name != "detail"})
    if detail is not None:
        return _problem(document) if isinstance(detail, str) else _validation(document)
    if isinstance(message, dict):  # Mistral's, around FastAPI's
        return {**document, **_validation(message)}
    if isinstance(message, str):
        return document
    return _problem(document) if isinstance(document.get("title"), str) else {}


def _problem(document: dict[str, Any]) -> dict[str, Any]:
    """RFC 9457's fields, and ours."""
    known = ("code", "status", "retryable", "retry_after", "request_id", "metadata")
    return {
        "message": document.get("detail") or document.get("title"),
        "type": document.get("error_type"),
        "param": document.get("param", _pointed(document.get("errors"))),
        **{name: document.get(name) for name in known},
    }


def _pointed(errors: object) -> str | None:
    """The field that the first of a problem's errors points at, as RFC 6901 writes it."""
    first = errors[0] if isinstance(errors, list) and errors else None
    pointer = first.get("pointer") if isinstance(first, dict) else None
    if not isinstance(pointer, str):
        return None
    steps = pointer.removeprefix("#").removeprefix("/").split("/")
    return ".".join(step.replace("~1", "/").replace("~0", "~") for step in steps)


def _validation(document: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's list of validation errors; the first one is told."""
    detail = document.get("detail")
    first = detail[0] if isinstance(detail, list) and detail else None
    if not isinstance(first, dict):
        return {"message": None, "code": document.get("code")}
    place = first.get("loc")
    steps = [str(step) for step in place if isinstance(step, str | int)] if isinstance(place, list) else []
    param = ".".join(steps[1:] if steps[:1] == ["body"] else steps)
    return {"message": first.get("msg"), "param": param, "code": document.get("code")}


def _status(found: Mapping[str, Any], document: object) -> int | None:
    """The status that the document itself names: of a problem, of AIP-193, of vLLM's `code`, of LiteLLM's in a text."""
    error = document.get("error") if isinstance(document, dict) else None
    inside = error.get("code") if isinstance(error, dict) else None
    if isinstance(inside, str) and inside.isascii() and inside.isdigit() and len(inside) == 3:
        inside = int(inside)
    for status in (found.get("status"), inside, found.get("code")):
        if type(status) is int and 400 <= status <= 599:
            return status
    return None


def _text(value: object, limit: int) -> str | None:
    return value[:limit] if isinstance(value, str) and value else None


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    pairs = [(name, text[:_MAX_TEXT]) for name, text in value.items() if isinstance(text, str) and len(name) <= 128]
    return dict(pairs[:_MAX_METADATA])

"""What an error document says, in any of the dialects, read without trusting a byte of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MAX_TEXT = 2_000
_MAX_METADATA = 32
_MAX_RETRY_AFTER = 86_400.0
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")


@dataclass(frozen=True, slots=True)
class SaidError:
    """The parts that an error document named; `None` where it did not."""

    message: str | None = None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    status: int | None = None
    retryable: bool | None = None
    retry_after: float | None = None
    request_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


def read_document(document: object) -> SaidError:
    """Read a document that is already parsed; never raises, and everything is bounded."""
    found = _find(document)
    status = _status(found, document)
    code = found.get("code")
    if type(code) is int and abs(code) < 1 << 63:  # vLLM and llama.cpp repeat the status here
        code = None if code == status else str(code)
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
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or math.isnan(seconds):
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

        return read_status(error) or error
    if isinstance(error, str):
        return {**document, "message": error}
    if "detail" in document:
        return _problem(document) if isinstance(document["detail"], str) else _validation(document)
    return document if isinstance(document.get("message"), str) else {}


def _problem(document: dict[str, Any]) -> dict[str, Any]:
    """RFC 9457's fields, or FastAPI's lone `detail`."""
    known = ("code", "param", "status", "retryable", "retry_after", "request_id", "metadata")
    return {
        "message": document["detail"],
        "type": document.get("error_type"),
        **{name: document.get(name) for name in known},
    }


def _validation(document: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's list of validation errors; the first one is told."""
    detail = document["detail"]
    first = detail[0] if isinstance(detail, list) and detail else None
    if not isinstance(first, dict):
        return {"code": document.get("code")}
    place = first.get("loc")
    steps = [str(step) for step in place if isinstance(step, str | int)] if isinstance(place, list) else []
    param = ".".join(steps[1:] if steps[:1] == ["body"] else steps)
    return {"message": first.get("msg"), "param": param, "code": document.get("code")}


def _status(found: Mapping[str, Any], document: object) -> int | None:
    """The status that the document itself names: of a problem, of AIP-193, of vLLM's `code`."""
    error = document.get("error") if isinstance(document, dict) else None
    inside = error.get("code") if isinstance(error, dict) else None
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

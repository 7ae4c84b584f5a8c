"""What an upstream's failed response says, read without trusting a byte of it."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic_core import from_json

_MAX_BODY = 1 << 20
_MAX_TEXT = 2_000
_MAX_RETRY_AFTER = 86_400.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SaidError:
    """The parts that an error response named; `None` where it did not."""

    message: str | None = None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    retry_after: float | None = None
    request_id: str | None = None
    should_retry: bool | None = None


def read_error(status: int, body: bytes, headers: Mapping[str, str]) -> SaidError:
    """Read the body and headers of a failed response; never raises."""
    lower = {name.lower(): value for name, value in headers.items()}
    found = _find(_parse(body))
    code = found.get("code")
    if type(code) is int and abs(code) < 1 << 63:  # vLLM and llama.cpp repeat the status here
        code = None if code == status else str(code)
    request_id = lower.get("x-request-id", "")
    return SaidError(
        message=_text(found.get("message"), _MAX_TEXT),
        type=_text(found.get("type"), 128),
        code=_text(code, 128),
        param=_text(found.get("param"), 256),
        retry_after=_retry_after(lower),
        request_id=request_id if _REQUEST_ID.fullmatch(request_id) else None,
        should_retry={"true": True, "false": False}.get(lower.get("x-should-retry", "").strip().lower()),
    )


def _parse(body: bytes) -> object:
    if len(body) > _MAX_BODY:
        return None
    try:
        parsed: object = from_json(body)
    except ValueError:
        return None
    return parsed


def _find(body: object) -> dict[str, object]:
    if not isinstance(body, dict):
        return {}
    error = body.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(error, str):
        return {**body, "message": error}
    if "detail" in body:
        return {"message": _detail(body["detail"]), "code": body.get("code")}
    return body if isinstance(body.get("message"), str) else {}


def _detail(detail: object) -> object:
    """FastAPI's `detail` is a text, or a list of validation errors."""
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        return detail[0].get("msg")
    return detail


def _text(value: object, limit: int) -> str | None:
    return value[:limit] if isinstance(value, str) and value else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: `retry-after-ms`, or `Retry-After` as a number or a date (RFC 9110), clamped."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * scale
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return min(max(seconds, 0.0), _MAX_RETRY_AFTER)
    return _until(headers)


def _until(headers: Mapping[str, str]) -> float | None:
    """The date form, measured against the server's own `Date` where there is one: clocks differ."""
    try:
        when = parsedate_to_datetime(headers["retry-after"])
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        seconds = (when - now).total_seconds()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER)

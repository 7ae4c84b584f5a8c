"""What an upstream's failed response says, read without trusting a byte of it."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic_core import from_json

from ._said import SaidError, clamped, read_document, safe_id

_MAX_BODY = 1 << 20


def read_error(status: int, body: bytes, headers: Mapping[str, str]) -> SaidError:
    """Read the body and headers of a failed response; never raises. What the headers say goes first."""
    lower = {name.lower(): value for name, value in headers.items()}
    said = read_document(_parse(body))
    should_retry = {"true": True, "false": False}.get(lower.get("x-should-retry", "").strip().lower())
    waits = _retry_after(lower)
    return said._replace(
        code=None if said.code == str(status) else said.code,
        retryable=said.retryable if should_retry is None else should_retry,
        retry_after=said.retry_after if waits is None else waits,
        request_id=safe_id(lower.get("x-request-id")) or safe_id(lower.get("request-id")) or said.request_id,
    )


def _parse(body: bytes) -> object:
    if len(body) > _MAX_BODY:
        return None
    try:
        parsed: object = from_json(body.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return None
    return parsed


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: `retry-after-ms`, or `Retry-After` as a number or a date (RFC 9110), clamped."""
    for name, per_second in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers[name]) / per_second
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return clamped(seconds)
    return _until(headers) if "retry-after" in headers else None


def _until(headers: Mapping[str, str]) -> float | None:
    """The date form, measured against the server's own `Date` where there is one: clocks differ."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - costs a third of this package's import

    try:
        when = parsedate_to_datetime(headers["retry-after"])
        now = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
        seconds = (when - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return clamped(seconds)

"""Records for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hxp_schemas import UsageBatch, UsageRecord

__all__ = ["NOW", "batch", "usage"]

NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


def usage(number: int = 0, **fields: Any) -> UsageRecord:
    """Make a record of a completed request that started `number` seconds after `NOW`."""
    values: dict[str, Any] = {
        "request_id": f"req_{number:05}",
        "key_id": "key_a",
        "model": "hxp-tiny",
        "endpoint": "/v1/chat/completions",
        "status": "completed",
        "http_status": 200,
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "started_at": NOW + timedelta(seconds=number),
        "finished_at": NOW + timedelta(seconds=number + 1),
        "stream": True,
        "upstream": "tiny",
    }
    return UsageRecord.model_validate(values | fields)


def batch(*records: UsageRecord) -> UsageBatch:
    """Put records into a batch."""
    return UsageBatch(records=list(records))

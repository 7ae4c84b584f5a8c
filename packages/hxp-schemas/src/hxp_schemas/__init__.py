"""Typed, lossless, OpenAI-compatible contracts of an LLM server; pydantic and nothing else."""

from typing import TYPE_CHECKING

from ._lazy import lazy_exports

if TYPE_CHECKING:
    from . import openai, sse, stream
    from ._base import BaseModel, ServiceResponse
    from ._config import LoggingConfig, ServiceConfigSchema, StackConfig
    from ._error import ErrorInfo, ErrorInfoError, ErrorResponse, OpenAIError
    from ._health import HealthCheckResult, HealthReport, HealthStatus
    from ._identity import is_id, new_id
    from ._key import KeyRecord, KeySnapshot
    from ._usage import UsageBatch, UsageReceipt, UsageRecord
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "": ("openai", "sse", "stream"),
            "_base": ("BaseModel", "ServiceResponse"),
            "_config": ("LoggingConfig", "ServiceConfigSchema", "StackConfig"),
            "_error": ("ErrorInfo", "ErrorInfoError", "ErrorResponse", "OpenAIError"),
            "_health": ("HealthCheckResult", "HealthReport", "HealthStatus"),
            "_identity": ("is_id", "new_id"),
            "_key": ("KeyRecord", "KeySnapshot"),
            "_usage": ("UsageBatch", "UsageReceipt", "UsageRecord"),
        },
    )

__all__ = [
    "BaseModel",
    "ErrorInfo",
    "ErrorInfoError",
    "ErrorResponse",
    "HealthCheckResult",
    "HealthReport",
    "HealthStatus",
    "KeyRecord",
    "KeySnapshot",
    "LoggingConfig",
    "OpenAIError",
    "ServiceConfigSchema",
    "ServiceResponse",
    "StackConfig",
    "UsageBatch",
    "UsageReceipt",
    "UsageRecord",
    "is_id",
    "new_id",
    "openai",
    "sse",
    "stream",
]

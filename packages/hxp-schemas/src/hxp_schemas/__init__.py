"""Typed, lossless, OpenAI-compatible contracts of an LLM server; pydantic and nothing else."""

from typing import TYPE_CHECKING

from ._lazy import lazy_exports

if TYPE_CHECKING:
    from . import builders, deployment, factories, filtering, inputs, openai, pagination, sse, stream
    from ._api import APIRequest, APIResponse
    from ._audit import AuditEvent, DecisionRecord
    from ._auth import Permission, Principal, Scope, TokenClaims
    from ._base import BaseModel, ServiceResponse
    from ._budget import Budget, Lease
    from ._config import (
        AIModelServiceConfig,
        HttpConfig,
        InfrastructureServiceConfig,
        IntegrationServiceConfig,
        LoggingConfig,
        LogRotation,
        ServiceConfigSchema,
        StackConfig,
    )
    from ._distribution import Distribution
    from ._error import ErrorInfo, ErrorInfoError, ErrorResponse, OpenAIError
    from ._error_code import ERROR_CATALOGUE, ErrorCode, ErrorCodeInfo
    from ._health import HealthCheckResult, HealthReport, HealthStatus
    from ._identity import is_id, new_id
    from ._key import KeyRecord, KeySnapshot
    from ._mask import FieldMask, FieldMaskError
    from ._metric import MetricData, MetricKind, PerformanceMetrics
    from ._migration import Draft, Migrated, MigrationError, Migrations, Rewrite, migrates, migrations_of
    from ._open import UNSET, OpenEnum, Unset, known_values
    from ._secret import ApiKey, Secret
    from ._secret_reference import SecretReference
    from ._usage import UsageBatch, UsageReceipt, UsageRecord
    from ._version import APIVersion, APIVersions
    from ._wire import UnknownVariant, WireModel, Written
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "": ("builders", "deployment", "factories", "filtering", "inputs", "openai", "pagination", "sse", "stream"),
            "_api": ("APIRequest", "APIResponse"),
            "_audit": ("AuditEvent", "DecisionRecord"),
            "_auth": ("Permission", "Principal", "Scope", "TokenClaims"),
            "_base": ("BaseModel", "ServiceResponse"),
            "_budget": ("Budget", "Lease"),
            "_config": (
                "AIModelServiceConfig",
                "HttpConfig",
                "InfrastructureServiceConfig",
                "IntegrationServiceConfig",
                "LoggingConfig",
                "LogRotation",
                "ServiceConfigSchema",
                "StackConfig",
            ),
            "_distribution": ("Distribution",),
            "_error": ("ErrorInfo", "ErrorInfoError", "ErrorResponse", "OpenAIError"),
            "_error_code": ("ERROR_CATALOGUE", "ErrorCode", "ErrorCodeInfo"),
            "_health": ("HealthCheckResult", "HealthReport", "HealthStatus"),
            "_identity": ("is_id", "new_id"),
            "_key": ("KeyRecord", "KeySnapshot"),
            "_mask": ("FieldMask", "FieldMaskError"),
            "_metric": ("MetricData", "MetricKind", "PerformanceMetrics"),
            "_migration": ("Draft", "Migrated", "MigrationError", "Migrations", "Rewrite", "migrates", "migrations_of"),
            "_open": ("OpenEnum", "UNSET", "Unset", "known_values"),
            "_secret": ("ApiKey", "Secret"),
            "_secret_reference": ("SecretReference",),
            "_usage": ("UsageBatch", "UsageReceipt", "UsageRecord"),
            "_version": ("APIVersion", "APIVersions"),
            "_wire": ("UnknownVariant", "WireModel", "Written"),
        },
    )

__all__ = [
    "ERROR_CATALOGUE",
    "UNSET",
    "AIModelServiceConfig",
    "APIRequest",
    "APIResponse",
    "APIVersion",
    "APIVersions",
    "ApiKey",
    "AuditEvent",
    "BaseModel",
    "Budget",
    "DecisionRecord",
    "Distribution",
    "Draft",
    "ErrorCode",
    "ErrorCodeInfo",
    "ErrorInfo",
    "ErrorInfoError",
    "ErrorResponse",
    "FieldMask",
    "FieldMaskError",
    "HealthCheckResult",
    "HealthReport",
    "HealthStatus",
    "HttpConfig",
    "InfrastructureServiceConfig",
    "IntegrationServiceConfig",
    "KeyRecord",
    "KeySnapshot",
    "Lease",
    "LogRotation",
    "LoggingConfig",
    "MetricData",
    "MetricKind",
    "Migrated",
    "MigrationError",
    "Migrations",
    "OpenAIError",
    "OpenEnum",
    "PerformanceMetrics",
    "Permission",
    "Principal",
    "Rewrite",
    "Scope",
    "Secret",
    "SecretReference",
    "ServiceConfigSchema",
    "ServiceResponse",
    "StackConfig",
    "TokenClaims",
    "UnknownVariant",
    "Unset",
    "UsageBatch",
    "UsageReceipt",
    "UsageRecord",
    "WireModel",
    "Written",
    "builders",
    "deployment",
    "factories",
    "filtering",
    "inputs",
    "is_id",
    "known_values",
    "migrates",
    "migrations_of",
    "new_id",
    "openai",
    "pagination",
    "sse",
    "stream",
]

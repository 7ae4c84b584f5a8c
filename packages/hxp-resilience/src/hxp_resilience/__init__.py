"""One pipeline of retry, circuit breaker, timeout, limits and fallback that a call can trust its life to."""

from typing import TYPE_CHECKING

from ._lazy import lazy_exports

if TYPE_CHECKING:
    from ._adaptive import AdaptiveLimit, AdaptiveLimitStatistics
    from ._breaker import CircuitBreaker, CircuitBreakerStatistics, CircuitPermit
    from ._budget import RetryBudget, RetryBudgetOptions, RetryBudgetStatistics
    from ._bulkhead import Bulkhead, BulkheadOptions, BulkheadStatistics
    from ._circuit import CircuitBreakerOptions, CircuitState
    from ._deadline import Deadline, current_deadline
    from ._degradation import Degradation, DegradationOptions, DegradationStatistics
    from ._event import Event, Hook
    from ._fallback import Fallback, FallbackOptions, FallbackStatistics, Ladder, LadderStatistics
    from ._handling import handle_errors
    from ._hedge import Hedge, HedgeOptions, HedgeStatistics
    from ._limit import AdaptiveLimitOptions
    from ._logged import LoggingHook
    from ._measured import OpenTelemetryHook
    from ._pipeline import Pipeline
    from ._policy import Policy
    from ._rate import RateLimit, RateLimitOptions, RateLimitStatistics
    from ._recovery import Recovery, RecoveryOptions, RecoveryStatistics, Step
    from ._registry import Registry, RegistryStatistics
    from ._reporter import ErrorReport, ErrorReporter, ErrorReporterOptions
    from ._retry import Retry, RetryOptions, RetryStatistics
    from ._shared import SharedRateLimit, SharedRateLimitOptions, SharedRateLimitStatistics
    from ._stream import StreamGuard, StreamGuardOptions, StreamGuardStatistics
    from ._timeout import Timeout, TimeoutOptions, TimeoutStatistics, TotalTimeout
    from ._traits import Traits, current_traits
    from .errors import (
        AttemptTimeoutError,
        BudgetExceededError,
        BulkheadFullError,
        CircuitOpenError,
        DeadlineExceededError,
        RateLimitedError,
        ResilienceError,
        RetriesExhaustedError,
        StreamBrokenError,
    )
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "_adaptive": (
                "AdaptiveLimit",
                "AdaptiveLimitStatistics",
            ),
            "_breaker": (
                "CircuitBreaker",
                "CircuitBreakerStatistics",
                "CircuitPermit",
            ),
            "_budget": (
                "RetryBudget",
                "RetryBudgetOptions",
                "RetryBudgetStatistics",
            ),
            "_bulkhead": (
                "Bulkhead",
                "BulkheadOptions",
                "BulkheadStatistics",
            ),
            "_circuit": (
                "CircuitBreakerOptions",
                "CircuitState",
            ),
            "_deadline": (
                "Deadline",
                "current_deadline",
            ),
            "_degradation": (
                "Degradation",
                "DegradationOptions",
                "DegradationStatistics",
            ),
            "_event": (
                "Event",
                "Hook",
            ),
            "_fallback": (
                "Fallback",
                "FallbackOptions",
                "FallbackStatistics",
                "Ladder",
                "LadderStatistics",
            ),
            "_handling": ("handle_errors",),
            "_hedge": (
                "Hedge",
                "HedgeOptions",
                "HedgeStatistics",
            ),
            "_limit": ("AdaptiveLimitOptions",),
            "_logged": ("LoggingHook",),
            "_measured": ("OpenTelemetryHook",),
            "_pipeline": ("Pipeline",),
            "_policy": ("Policy",),
            "_rate": (
                "RateLimit",
                "RateLimitOptions",
                "RateLimitStatistics",
            ),
            "_recovery": (
                "Recovery",
                "RecoveryOptions",
                "RecoveryStatistics",
                "Step",
            ),
            "_registry": (
                "Registry",
                "RegistryStatistics",
            ),
            "_reporter": (
                "ErrorReport",
                "ErrorReporter",
                "ErrorReporterOptions",
            ),
            "_retry": (
                "Retry",
                "RetryOptions",
                "RetryStatistics",
            ),
            "_shared": (
                "SharedRateLimit",
                "SharedRateLimitOptions",
                "SharedRateLimitStatistics",
            ),
            "_stream": (
                "StreamGuard",
                "StreamGuardOptions",
                "StreamGuardStatistics",
            ),
            "_timeout": (
                "Timeout",
                "TimeoutOptions",
                "TimeoutStatistics",
                "TotalTimeout",
            ),
            "_traits": (
                "Traits",
                "current_traits",
            ),
            "errors": (
                "AttemptTimeoutError",
                "BudgetExceededError",
                "BulkheadFullError",
                "CircuitOpenError",
                "DeadlineExceededError",
                "RateLimitedError",
                "ResilienceError",
                "RetriesExhaustedError",
                "StreamBrokenError",
            ),
        },
    )

__all__ = [
    "AdaptiveLimit",
    "AdaptiveLimitOptions",
    "AdaptiveLimitStatistics",
    "AttemptTimeoutError",
    "BudgetExceededError",
    "Bulkhead",
    "BulkheadFullError",
    "BulkheadOptions",
    "BulkheadStatistics",
    "CircuitBreaker",
    "CircuitBreakerOptions",
    "CircuitBreakerStatistics",
    "CircuitOpenError",
    "CircuitPermit",
    "CircuitState",
    "Deadline",
    "DeadlineExceededError",
    "Degradation",
    "DegradationOptions",
    "DegradationStatistics",
    "ErrorReport",
    "ErrorReporter",
    "ErrorReporterOptions",
    "Event",
    "Fallback",
    "FallbackOptions",
    "FallbackStatistics",
    "Hedge",
    "HedgeOptions",
    "HedgeStatistics",
    "Hook",
    "Ladder",
    "LadderStatistics",
    "LoggingHook",
    "OpenTelemetryHook",
    "Pipeline",
    "Policy",
    "RateLimit",
    "RateLimitOptions",
    "RateLimitStatistics",
    "RateLimitedError",
    "Recovery",
    "RecoveryOptions",
    "RecoveryStatistics",
    "Registry",
    "RegistryStatistics",
    "ResilienceError",
    "RetriesExhaustedError",
    "Retry",
    "RetryBudget",
    "RetryBudgetOptions",
    "RetryBudgetStatistics",
    "RetryOptions",
    "RetryStatistics",
    "SharedRateLimit",
    "SharedRateLimitOptions",
    "SharedRateLimitStatistics",
    "Step",
    "StreamBrokenError",
    "StreamGuard",
    "StreamGuardOptions",
    "StreamGuardStatistics",
    "Timeout",
    "TimeoutOptions",
    "TimeoutStatistics",
    "TotalTimeout",
    "Traits",
    "current_deadline",
    "current_traits",
    "handle_errors",
]

"""One pipeline of retry, circuit breaker, timeout and bulkhead that a call can trust its life to."""

from typing import TYPE_CHECKING

from ._lazy import lazy_exports

if TYPE_CHECKING:
    from ._breaker import CircuitBreaker, CircuitBreakerStatistics, CircuitPermit
    from ._bulkhead import Bulkhead, BulkheadStatistics
    from ._circuit import CircuitBreakerOptions, CircuitState
    from ._deadline import Deadline, current_deadline
    from ._pipeline import Pipeline, Policy
    from ._retry import Retry
    from ._timeout import Timeout
    from .errors import (
        AttemptTimeoutError,
        BulkheadFullError,
        CircuitOpenError,
        DeadlineExceededError,
        ResilienceError,
        RetriesExhaustedError,
    )
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "_breaker": ("CircuitBreaker", "CircuitBreakerStatistics", "CircuitPermit"),
            "_bulkhead": ("Bulkhead", "BulkheadStatistics"),
            "_circuit": ("CircuitBreakerOptions", "CircuitState"),
            "_deadline": ("Deadline", "current_deadline"),
            "_pipeline": ("Pipeline", "Policy"),
            "_retry": ("Retry",),
            "_timeout": ("Timeout",),
            "errors": (
                "AttemptTimeoutError",
                "BulkheadFullError",
                "CircuitOpenError",
                "DeadlineExceededError",
                "ResilienceError",
                "RetriesExhaustedError",
            ),
        },
    )

__all__ = [
    "AttemptTimeoutError",
    "Bulkhead",
    "BulkheadFullError",
    "BulkheadStatistics",
    "CircuitBreaker",
    "CircuitBreakerOptions",
    "CircuitBreakerStatistics",
    "CircuitOpenError",
    "CircuitPermit",
    "CircuitState",
    "Deadline",
    "DeadlineExceededError",
    "Pipeline",
    "Policy",
    "ResilienceError",
    "RetriesExhaustedError",
    "Retry",
    "Timeout",
    "current_deadline",
]

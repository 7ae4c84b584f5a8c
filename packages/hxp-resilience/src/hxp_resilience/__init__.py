"""One pipeline of retry, circuit breaker, timeout and bulkhead that a call can trust its life to."""

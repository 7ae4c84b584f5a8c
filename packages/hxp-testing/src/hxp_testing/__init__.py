"""A loopback LLM server with faults, real PostgreSQL, manual clocks and honest benchmarks for testing services.

Each topic is a module of its own, so that a test loads only what it uses. The fixtures of `hxp_testing.plugin` come
by themselves.
"""

from typing import TYPE_CHECKING

from ._lazy import lazy_modules

if TYPE_CHECKING:
    from . import asgi, benchmark, clock, leaks, llm, net, plugin, upstream
else:
    __getattr__, __dir__ = lazy_modules(
        __name__, ["asgi", "benchmark", "clock", "leaks", "llm", "net", "plugin", "upstream"]
    )

__all__ = ["asgi", "benchmark", "clock", "leaks", "llm", "net", "plugin", "upstream"]

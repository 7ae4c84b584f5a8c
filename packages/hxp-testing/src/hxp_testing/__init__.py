"""A loopback LLM server with faults, real PostgreSQL, and manual clocks for testing services.

Each topic is a module of its own, so that a test loads only what it uses: `hxp_testing.asgi`,
`hxp_testing.clock`, `hxp_testing.leaks`, `hxp_testing.llm`, `hxp_testing.net` and `hxp_testing.upstream`. The
fixtures of `hxp_testing.plugin` come by themselves.
"""

__all__: list[str] = []

"""A loopback LLM server with faults, real PostgreSQL and Redis, and virtual clocks for testing services."""

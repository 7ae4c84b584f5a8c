"""Base classes, chassis, engines and orchestration for LLM services, and the hxp command."""

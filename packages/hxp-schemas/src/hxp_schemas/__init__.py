"""Typed, lossless, OpenAI-compatible contracts of an LLM server; pydantic and nothing else."""

"""API keys, usage and audit, on SQLite or PostgreSQL."""

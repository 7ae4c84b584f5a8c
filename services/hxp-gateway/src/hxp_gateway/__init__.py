"""OpenAI-compatible front door: keys, routing, a journal that loses nothing."""

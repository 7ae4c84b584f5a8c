"""Text that every database takes."""

from __future__ import annotations


def storable(text: str) -> str:
    """Replace what PostgreSQL refuses: NUL, and surrogates without their other half."""
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")

"""Where a value came from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Origin:
    """The place a value was written at.

    Attributes:
        source: Name of the source: a file name, an environment variable, `--set`, `defaults`.
        file: Path of the file, for sources that are files.
        line: Line in the file or text, counted from 1.
        column: Column in the line, counted from 1, in characters.
        raw: The value as it was written. Never part of `repr` or `str`, since it may be a secret.
        overridden: Places of the values that this one replaced, the latest first.
    """

    source: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    raw: str | None = field(default=None, repr=False)
    overridden: tuple[Origin, ...] = ()

    def __str__(self) -> str:
        name = self.file or self.source
        return name if self.line is None else f"{name}:{self.line}:{self.column}"

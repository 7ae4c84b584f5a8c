"""What can be wrong with a configuration.

The tree:

    ConfigError         everything that was wrong, as `errors`, in file order
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._origin import Origin


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing that is wrong.

    Attributes:
        path: Dotted path of the value; empty for the configuration as a whole.
        message: What is wrong; never shows the value itself.
        origin: Where it was written, or the nearest place above it.
        suggestion: A key that was probably meant.
    """

    path: str
    message: str
    origin: Origin | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        subject = f"{self.path}: " if self.path else ""
        place = f" at {self.origin}" if self.origin else ""
        question = f", did you mean {self.suggestion!r}?" if self.suggestion else ""
        return f"{subject}{self.message}{place}{question}"


class ConfigError(Exception):
    """The configuration cannot be used; `errors` names every problem at once.

    Attributes:
        errors: The problems, in the order of the sources and of the lines in them.
    """

    def __init__(self, errors: Sequence[ConfigProblem]) -> None:
        self.errors = tuple(errors)
        super().__init__(self.errors)

    def __str__(self) -> str:
        if len(self.errors) == 1:
            return str(self.errors[0])
        lines = "".join(f"\n  {problem}" for problem in self.errors)
        return f"{len(self.errors)} problems in the configuration:{lines}"

"""A user's program, checked by mypy and never run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hxp_config import (
    ConfigError,
    ConfigProblem,
    Defaults,
    Environment,
    Origin,
    Overrides,
    Snapshot,
    Source,
    YamlFile,
    YamlText,
    load,
)
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Settings(BaseModel):
    port: int = 8000


def use(path: Path) -> int:
    sources: list[Source] = [
        Defaults({"port": 1}),
        YamlFile(path, optional=True),
        YamlFile("hxp.yaml"),
        YamlText("port: 1", "text"),
        Environment("HXP", environ={"HXP__PORT": "1"}),
        Overrides(["port=1"], source="-c"),
    ]
    try:
        snapshot: Snapshot[Settings] = load(Settings, sources)
    except ConfigError as error:
        problems: tuple[ConfigProblem, ...] = error.errors
        suggestion: str | None = problems[0].suggestion
        return len(suggestion or "")
    origin: Origin = snapshot.origin("port")
    line: int | None = origin.line
    origins: Mapping[str, Origin] = snapshot.origins()
    text: str = snapshot.explain("port")
    return snapshot.value.port + (line or 0) + len(origins) + len(text)

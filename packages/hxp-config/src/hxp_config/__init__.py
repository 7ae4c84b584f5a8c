"""Layered configuration in which every value knows the file, line and column it came from."""

from ._errors import ConfigError, ConfigProblem
from ._load import load
from ._origin import Origin
from ._snapshot import Snapshot
from ._source import Defaults, Environment, Overrides, Source, YamlFile, YamlText

__all__ = [
    "ConfigError",
    "ConfigProblem",
    "Defaults",
    "Environment",
    "Origin",
    "Overrides",
    "Snapshot",
    "Source",
    "YamlFile",
    "YamlText",
    "load",
]

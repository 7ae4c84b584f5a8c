"""The shape of `hxp.yaml`."""

from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
"""A name that is safe in a path, a metric, a unit file and a host name."""

Level = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    BeforeValidator(lambda level: level.upper() if isinstance(level, str) else level),
]


class LoggingConfig(pydantic.BaseModel):
    """What the program says, and how."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    level: Level = "INFO"
    format: Literal["auto", "console", "json"] = "auto"


class ServiceConfigSchema(pydantic.BaseModel):
    """One service of a stack.

    Attributes:
        use: Name of the entry point of the group `hxp.services`.
        port: The service's own port; its probes answer on `port + 1000`.
        needs: Services that must be ready first.
        config: What the service itself is told; it validates that.
        replicas: One, until a runner can start several.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    use: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,127}$")
    host: str = Field(default="127.0.0.1", pattern=r"^[A-Za-z0-9.:_%-]{1,253}$")
    port: int = Field(ge=1, le=64535)
    needs: list[Name] = Field(default=[], max_length=64)
    config: dict[str, Any] = {}
    replicas: Literal[1] = 1


class StackConfig(pydantic.BaseModel):
    """The whole of `hxp.yaml`.

    Example:
        >>> StackConfig(services={"tiny": {"use": "hxp-model", "port": 11400}}).services["tiny"].host
        '127.0.0.1'
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    config_version: Literal[1] = 1
    profile: Name = "development"
    name: Name = "hxp"
    logging: LoggingConfig = Field(default_factory=LoggingConfig)
    services: dict[Name, ServiceConfigSchema] = Field(default={}, max_length=64)

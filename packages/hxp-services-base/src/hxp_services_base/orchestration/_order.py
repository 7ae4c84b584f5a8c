"""What a parent tells the child process that is to run a service, and what the child says back."""

from __future__ import annotations

from typing import Any

from hxp_schemas import HttpConfig, LoggingConfig
from pydantic import BaseModel, ConfigDict


class Order(BaseModel):
    """One line of JSON on the child's standard input; secrets travel here and never in arguments or environment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    use: str
    name: str
    instance: str
    host: str
    port: int
    state_dir: str
    refs: dict[str, str]
    token: str
    profile: str
    settings: dict[str, Any]
    secrets: list[str] = []
    logging: LoggingConfig
    log: str
    admin_host: str | None = None
    http: HttpConfig = HttpConfig()


class Report(BaseModel):
    """One line of JSON on the child's report pipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: str
    reason: str = ""
    url: str = ""
    probe_url: str = ""

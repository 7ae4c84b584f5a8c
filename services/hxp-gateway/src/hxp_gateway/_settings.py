"""What a gateway is told."""

from __future__ import annotations

from hxp_services_base import Settings
from pydantic import ConfigDict, Field, SecretStr, model_validator

from ._route import StreamUsage


class UpstreamSettings(Settings):
    """One place that answers requests: a service of the stack, or a URL."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="For logs, metrics and health.")
    service: str | None = Field(default=None, description="A service of this stack.")
    url: str | None = Field(default=None, pattern=r"^https?://", description="Or the base URL of any other server.")
    api_key: SecretStr | None = Field(default=None, description="What that server wants as a bearer token.")
    models: list[str] = Field(
        default=[], description="The models to route there; the upstream is asked for them unless given."
    )
    max_connections: int = Field(default=256, ge=1, le=100_000)
    connect_timeout: float = Field(default=2.0, gt=0, le=120)
    first_byte_timeout: float = Field(default=60.0, gt=0, le=3600)
    idle_timeout: float = Field(default=30.0, gt=0, le=3600)
    total_timeout: float = Field(default=600.0, gt=0, le=86_400)
    stream_usage: StreamUsage = Field(
        default=StreamUsage.AUTO, description="Whether streams are asked for their usage: auto, always or never."
    )

    @model_validator(mode="after")
    def _one_address(self) -> UpstreamSettings:
        if (self.service is None) == (self.url is None):
            raise ValueError(f"upstream {self.name!r} needs either 'service' or 'url'")
        return self


class GatewaySettings(Settings):
    """Where requests go and how much one may bring."""

    upstreams: list[UpstreamSettings] = Field(min_length=1, description="Where requests go.")
    ledger: str = Field(default="ledger", description="The service that keeps keys and usage.")
    max_body: int = Field(default=4 * 1024 * 1024, ge=1024, le=256 * 1024 * 1024, description="Bytes of a request.")
    key_refresh: float = Field(default=1.0, gt=0, le=60, description="Seconds after which a revoked key is dead.")
    keys_max_age: float = Field(
        default=300.0, gt=0, le=86_400, description="Seconds for which keys that the ledger has not confirmed are good."
    )
    keys_fail_open: bool = Field(default=False, description="Whether they stay good after that.")
    discovery_timeout: float = Field(
        default=3.0, gt=0, le=30, description="Seconds that a start waits for upstreams to list their models."
    )
    ship_interval: float = Field(default=0.5, gt=0, le=60, description="Seconds between two batches to the ledger.")

    @model_validator(mode="after")
    def _one_route_per_model(self) -> GatewaySettings:
        seen: dict[str, str] = {}
        for upstream in self.upstreams:
            for model in upstream.models:
                if model in seen:
                    raise ValueError(
                        f"model {model!r} is routed to {seen[model]!r} and to {upstream.name!r}; choose one"
                    )
                seen[model] = upstream.name
        return self

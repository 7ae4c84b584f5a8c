"""The shape of `hxp.yaml`, and what each environment forbids in it."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from ._secret_reference import SecretReference
from .deployment import Deployment, Environment, RestartBudget, Watch

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
"""A name that is safe in a path, a metric, a unit file and a host name."""

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}\*?$")]
"""An environment variable, or the beginning of several: `PGPASSWORD`, `VLLM_*`."""

Level = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    BeforeValidator(lambda level: level.upper() if isinstance(level, str) else level),
]
ServiceKind = Literal["ai-model", "infrastructure", "integration", "service"]
_SECRET_WORDS = (
    *("api_key", "apikey", "access_key", "secret_key", "private_key", "password", "passwd", "passphrase", "pwd"),
    *("pepper", "secret", "token", "credential", "credentials", "cookie", "authorization"),
)
_DEFAULT_SECRETS = frozenset({"", "admin", "changeme", "change-me", "default", "password", "secret", "test", "dev"})


class LogRotation(pydantic.BaseModel):
    """When a log file is put aside, and how much of what was put aside is kept.

    Attributes:
        size: Bytes after which a new file begins.
        every: A new file also begins at each UTC hour or day.
        keep: Files put aside that are kept, compressed.
        keep_days: Days after which a file put aside is removed.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    size: int = Field(default=20_000_000, ge=4096, le=1 << 40)
    every: Literal["hour", "day"] | None = None
    keep: int = Field(default=5, ge=0, le=10_000)
    keep_days: float | None = Field(default=None, gt=0, le=36_600)


class LoggingConfig(pydantic.BaseModel):
    """What the program says, how, and how much of it is kept."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    level: Level = "INFO"
    format: Literal["auto", "console", "json"] = "auto"
    rotation: LogRotation = Field(default_factory=LogRotation)


def _network(text: str) -> str:
    from ipaddress import ip_network  # noqa: PLC0415 - costs as much as ten models

    try:
        ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(f"{text!r} is no address and no network, such as 10.0.0.1 or 10.0.0.0/8") from error
    return text


class HttpConfig(pydantic.BaseModel):
    """Limits of the connections to one service, whoever makes them and before any key is read.

    Attributes:
        head_timeout: Seconds in which a request's line and headers must have arrived.
        keep_alive: Seconds after which an idle connection is closed.
        send_timeout: Seconds without progress after which a response whose client does not read is ended.
        max_connections: Connections at once; derived from the limit on file descriptors unless given.
        max_connections_per_address: Of those, from one address; a quarter of all unless given.
        proxies: Addresses or networks that the limit per address does not hold for; nor does it for loopback.

    Example:
        >>> HttpConfig(max_connections=200, proxies=["10.0.0.0/8"]).head_timeout
        10.0
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)

    head_timeout: float = Field(default=10.0, gt=0, le=300)
    keep_alive: float = Field(default=75.0, gt=0, le=3600)
    send_timeout: float = Field(default=30.0, gt=0, le=3600)
    max_connections: int | None = Field(default=None, ge=4, le=1_000_000)
    max_connections_per_address: int | None = Field(default=None, ge=1, le=1_000_000)
    proxies: list[Annotated[str, Field(max_length=64), AfterValidator(_network)]] = Field(default=[], max_length=64)


class ServiceConfigSchema(pydantic.BaseModel):
    """One service of a stack.

    Attributes:
        use: Name of the entry point of the group `hxp.services`.
        port: The service's own port; operations (`/metrics`, `/info`, verbose health) answer on `port + 1000`.
        admin_host: The address that operations bind; loopback unless given, whatever `host` says.
        http: Limits of its connections.
        needs: Services that must be ready first.
        config: What the service itself is told; it validates that.
        replicas: One, until a runner can start several.
        debug: Whether it logs at DEBUG, whatever the others do; refused in staging and production.
        restart: How often it is started again when it ends by itself.
        watch: When it counts as hung.
        environment: Variables of the caller's environment that it is given beside those that any program needs; a name
            that ends in `*` stands for all that begin so.
    """

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)
    kind: ClassVar[ServiceKind] = "service"

    use: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,127}$", examples=["hxp-model"])
    host: str = Field(default="127.0.0.1", pattern=r"^[A-Za-z0-9.:_%-]{1,253}$")
    port: int = Field(ge=1, le=64535)
    admin_host: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.:_%-]{1,253}$")
    http: HttpConfig = Field(default_factory=HttpConfig)
    needs: list[Name] = Field(default=[], max_length=64)
    config: dict[str, Any] = {}
    replicas: Literal[1] = 1
    debug: bool = False
    restart: RestartBudget = Field(default_factory=RestartBudget)
    watch: Watch = Field(default_factory=Watch)
    environment: list[VariableName] = Field(default=[], max_length=256)

    @property
    def is_public(self) -> bool:
        """Whether the service can be reached from other machines."""
        return not _is_loopback(self.host)

    def violations(self, environment: Environment) -> Iterator[tuple[str, str]]:
        """Find what an environment forbids.

        Yields:
            The path of a field, such as `config.api_key`, and a sentence that says why and what to do.
        """
        if self.debug and environment.forbids_debug:
            yield "debug", f"{environment} forbids debug: true; remove it"
        if environment.forbids_default_secrets:
            yield from _open_secrets(self.config, "config", environment)


class AIModelServiceConfig(ServiceConfigSchema):
    """A service that puts one model behind an engine.

    Attributes:
        model: A bundled model, a file, or a name that the engine resolves: `bundled:hxp-tiny`.
        engine: What generates.
        slots: Requests worked on at once.
        context: Tokens of prompt and answer in one request.

    Example:
        >>> AIModelServiceConfig(use="hxp-model", port=11400, model="bundled:hxp-tiny").slots
        4
    """

    kind: ClassVar[ServiceKind] = "ai-model"

    model: str = Field(min_length=1, max_length=1024)
    engine: str = Field(default="llamacpp", pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    slots: int = Field(default=4, ge=1, le=4096)
    context: int = Field(default=1024, ge=64, le=16_777_216)
    deployment: Deployment = Field(default_factory=Deployment)


class InfrastructureServiceConfig(ServiceConfigSchema):
    """A service that others lean on, with a store of its own.

    Attributes:
        store: Where it keeps its data; a reference where the address holds a password.
        backup_interval: Seconds between two backups; None for none.

    Example:
        >>> InfrastructureServiceConfig(use="hxp-ledger", port=11500, store="env:LEDGER_URL").store.scheme
        'env'
    """

    kind: ClassVar[ServiceKind] = "infrastructure"

    store: SecretReference | None = None
    backup_interval: float | None = Field(default=None, ge=1, le=366 * 86_400)
    deployment: Deployment = Field(default_factory=Deployment)


class IntegrationServiceConfig(ServiceConfigSchema):
    """A service that speaks to others, ours or not.

    Attributes:
        upstreams: Names of services of the stack, or base URLs.
        credentials: What each upstream wants to see, by its name.
        require_keys: Whether callers must show a key; a bind beyond loopback without it is refused.

    Example:
        >>> IntegrationServiceConfig(use="hxp-gateway", port=8000, upstreams=["tiny"]).kind
        'integration'
    """

    kind: ClassVar[ServiceKind] = "integration"

    upstreams: list[Annotated[str, Field(min_length=1, max_length=2048)]] = Field(min_length=1, max_length=1024)
    credentials: dict[Name, SecretReference] = Field(default={}, max_length=1024)
    require_keys: bool = True
    deployment: Deployment = Field(default_factory=Deployment)

    def violations(self, environment: Environment) -> Iterator[tuple[str, str]]:
        """Find what an environment forbids: what it forbids every service, and a door that is open to everybody."""
        yield from super().violations(environment)
        if self.is_public and not self.require_keys and environment.forbids_open_binds:
            yield "require_keys", f"host {self.host} is reachable from outside; require keys, or bind 127.0.0.1"


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

    @property
    def environment(self) -> Environment:
        """What the profile stands for."""
        return Environment.of(self.profile)

    def violations(self) -> list[tuple[str, str]]:
        """Find what the stack's environment forbids.

        Returns:
            The path of each offending field and a sentence that says why and what to do; empty if all is well.

        Example:
            >>> debugging = {"use": "hxp-model", "port": 11400, "debug": True}
            >>> StackConfig(profile="production", services={"tiny": debugging}).violations()
            [('services.tiny.debug', 'production forbids debug: true; remove it')]
        """
        found = []
        if self.logging.level == "DEBUG" and self.environment.forbids_debug:
            found.append(
                ("logging.level", f"{self.environment} forbids DEBUG for everything; set it per logger, for a time")
            )
        for name, service in self.services.items():
            found += [(f"services.{name}.{path}", why) for path, why in service.violations(self.environment)]
        return found


def _is_loopback(host: str) -> bool:
    from ipaddress import ip_address  # noqa: PLC0415 - costs as much as ten models

    if host == "localhost":
        return True
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _open_secrets(config: object, path: str, environment: Environment) -> Iterator[tuple[str, str]]:
    if isinstance(config, dict):
        for key, value in config.items():
            if isinstance(value, str) and _names_a_secret(key) and not SecretReference.is_reference(value):
                kind = "the default secret" if value.lower() in _DEFAULT_SECRETS else "a secret written out"
                yield f"{path}.{key}", f"{environment} forbids {kind}; write a reference such as env:NAME or file:/path"
            else:
                yield from _open_secrets(value, f"{path}.{key}", environment)
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from _open_secrets(value, f"{path}.{index}", environment)


def _names_a_secret(key: object) -> bool:
    """`api_key` and `db_password`, but not `max_tokens` or `token_limit`."""
    return isinstance(key, str) and key.lower().replace("-", "_").endswith(_SECRET_WORDS)

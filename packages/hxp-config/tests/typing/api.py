"""A user's program, checked by mypy and never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from hxp_config import (
    Change,
    ConfigError,
    ConfigProblem,
    ConfigSecret,
    Defaults,
    Difference,
    DotenvFile,
    Environment,
    File,
    LiveConfig,
    LiveState,
    Migration,
    Origin,
    Overrides,
    ParseCache,
    Reload,
    ReloadReport,
    SecretsDirectory,
    SecretStore,
    Snapshot,
    Source,
    Text,
    YamlFile,
    YamlText,
    difference,
    json_schema,
    load,
    migrate_file,
    settings_of,
    standard_sources,
    watch,
)
from hxp_schemas import migrations_of
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Service(BaseModel, frozen=True):
    port: Annotated[int, Reload.RESTART] = 8000


class Settings(BaseModel, frozen=True):
    service: Service = Service()
    token: ConfigSecret = ConfigSecret("x")


def use(path: Path) -> int:
    sources: list[Source] = [
        Defaults({"port": 1}),
        File(path, include="include", cache=ParseCache()),
        YamlFile(path, optional=True),
        YamlText("port: 1", "text"),
        Text("port = 1", "text", "toml"),
        DotenvFile(path),
        Environment("HXP", environ={"HXP__PORT": "1"}),
        SecretsDirectory(path),
        Overrides(["port=1"], source="-c"),
        *standard_sources(path, profile="production"),
    ]
    try:
        snapshot: Snapshot[Settings] = load(Settings, sources, secrets=SecretStore(), environ={})
    except ConfigError as error:
        problems: tuple[ConfigProblem, ...] = error.errors
        suggestion: str | None = problems[0].suggestion
        return len(suggestion or "")
    origin: Origin = snapshot.origin("port")
    line: int | None = origin.line
    origins: Mapping[str, Origin] = snapshot.origins()
    part: Snapshot[Service] = snapshot.section("service", Service)
    secret: str = snapshot.value.token.reveal()
    return part.value.port + (line or 0) + len(origins) + len(snapshot.explain("port")) + len(secret)


class Pool:
    """A component that takes part in reloads."""

    def prepare(self, old: Snapshot[Any], new: Snapshot[Any]) -> None: ...

    def commit(self, new: Snapshot[Any]) -> None: ...

    def abort(self) -> None: ...


async def live(sources: Sequence[Source]) -> int:
    config: LiveConfig[Settings] = LiveConfig(Settings, sources, migration=Migration(migrations_of(Settings)))

    def changed(change: Change) -> None:
        print(change.path, change.old, change.new)

    config.subscribe(Pool())
    leave = config.on_change("service.port", changed)
    report: ReloadReport = config.reload()
    state: LiveState = config.state()
    leave()
    await watch(config, interval=5)
    differences: list[Difference] = difference(config.snapshot, config.snapshot)
    return config.value.service.port + state.revision + len(report.differences) + len(differences)


def describe(path: Path) -> str:
    schema: dict[str, Any] = json_schema(Settings)
    migrate_file(path, Migration(migrations_of(Settings))).write()
    return f"{schema} {settings_of(Settings)[0].variable}"

"""From `hxp.yaml` to a stack: read in layers, validated with each service's own settings."""

from __future__ import annotations

import os
from importlib import resources
from typing import TYPE_CHECKING, Any

import hxp_config
from hxp_schemas import ServiceConfigSchema, StackConfig
from pydantic import BaseModel, Field, create_model

from ._registry import service_type
from ._stack import Node, Stack, StackError
from ._state_file import STATE_DIR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FILE = "hxp.yaml"
FILES = (FILE, "hxp.yml", "hxp.json", "hxp.toml")


def read_stack(
    directory: Path, *, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> tuple[Stack, hxp_config.Snapshot[StackConfig]]:
    """The stack that `directory` describes, and the configuration that says so.

    Args:
        directory: Where `hxp.yaml` lies; without one, the default stack of the package is meant.
        overrides: `"services.gateway.port=9000"`, …; they win over everything.
        environ: The environment; the process's own unless given.

    Raises:
        ConfigError: Every problem of the configuration, each with its place.
        StackError: If the services contradict each other, or one is not installed.
    """
    environ = os.environ if environ is None else environ
    sources = stack_sources(directory, overrides=overrides, environ=environ)
    snapshot = hxp_config.load(stack_model(sources), sources, secrets=hxp_config.SecretStore())
    return _stack(snapshot.value), snapshot


def stack_model(sources: Sequence[hxp_config.Source]) -> type[StackConfig]:
    """The model of a stack's configuration: `StackConfig`, with each service's `config` typed by that service.

    So the services' own keys get the same checks and the same places as all others.

    Args:
        sources: Which services there are.

    Raises:
        ConfigError: Every problem, if the outline has one.
        StackError: If there are no services, or one is not installed.
    """
    try:
        outline = hxp_config.load(StackConfig, sources).value
    except hxp_config.ConfigError as error:
        raise _with_those_of_services(error, sources) from error
    if not outline.services:
        raise StackError(
            f"the configuration has no services; add some to {FILE}, or remove it to run the default stack"
        )
    return _typed(outline.services)


class _Use(BaseModel, extra="ignore"):
    use: str


class _Uses(BaseModel, extra="ignore"):
    """As much of an outline as says which services there are."""

    services: dict[str, _Use]


def _with_those_of_services(
    error: hxp_config.ConfigError, sources: Sequence[hxp_config.Source]
) -> hxp_config.ConfigError:
    """Add what is wrong with the services' own settings, as far as an outline with problems still names them."""
    try:
        hxp_config.load(_typed(hxp_config.load(_Uses, sources).value.services), sources)
    except hxp_config.ConfigError as all_but_forbidden:
        told = all_but_forbidden.errors
        return hxp_config.ConfigError([*told, *(problem for problem in error.errors if problem not in told)])
    except StackError:
        return error
    return error


def stack_sources(
    directory: Path, *, overrides: Sequence[str] = (), environ: Mapping[str, str], profile: str | None = None
) -> list[hxp_config.Source]:
    """The sources of a stack's configuration, the weakest first: those that `hxp_config` has for every program.

    Args:
        directory: Where `hxp.yaml` lies; without one, the default stack stands in its place.
        overrides: Assignments from the command line.
        environ: The environment.
        profile: Which profile; else `HXP_PROFILE`, else what the configuration says.
    """
    sources = hxp_config.standard_sources(directory, overrides=overrides, environ=environ, profile=profile)
    if any((directory / name).exists() for name in FILES):
        return sources
    text = resources.files(__package__).joinpath("default.yaml").read_text()
    return [hxp_config.YamlText(text, "the default stack"), *sources]


class _Outlined(StackConfig):
    """What `_typed` builds on: the outline has been asked already what its environment forbids."""

    def violations(self) -> list[tuple[str, str]]:
        return []


def _typed(services: Mapping[str, ServiceConfigSchema | _Use]) -> type[StackConfig]:
    """`StackConfig` with each service's `config` typed by that service."""
    fields: dict[str, Any] = {}
    for index, (name, service) in enumerate(services.items()):
        settings = service_type(service.use).settings_type
        config = (settings, Field(default_factory=settings))
        typed = create_model(f"{name}Config", __base__=ServiceConfigSchema, config=config)
        # The name is an alias, so that a service may be called like a method of pydantic's.
        fields[f"service_{index}"] = (typed, Field(alias=name))
    section = create_model("Services", __config__={"extra": "forbid", "frozen": True}, **fields)
    return create_model("TypedStackConfig", __base__=_Outlined, services=(section, Field()))


def _stack(config: StackConfig) -> Stack:
    services: Any = config.services
    nodes = []
    for attribute, info in type(services).model_fields.items():
        service, name = getattr(services, attribute), str(info.alias)
        nodes.append(
            Node(
                name=name,
                use=service.use,
                make=service_type(service.use),  # the class itself: the stack reads its time limits
                settings=service.config,
                host=service.host,
                port=service.port,
                admin_host=service.admin_host,
                http=service.http,
                needs=tuple(service.needs),
                debug=service.debug,
                restart=service.restart,
                watch=service.watch,
                environment=tuple(service.environment),
            )
        )
    return Stack(
        config.name,
        tuple(nodes),
        state_dir=STATE_DIR,
        profile=config.profile,
        logging=config.logging,
    )

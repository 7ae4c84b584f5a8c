"""From `hxp.yaml` to a stack: read in layers, validated with each service's own settings."""

from __future__ import annotations

import os
from importlib import resources
from typing import TYPE_CHECKING, Any

import hxp_config
from hxp_schemas import ServiceConfigSchema, StackConfig
from pydantic import Field, create_model

from ._registry import service_type
from ._stack import Node, Stack, StackError
from ._state_file import STATE_DIR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FILE = "hxp.yaml"


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
    sources = _sources(directory, overrides=overrides, environ=environ)
    outline = hxp_config.load(StackConfig, sources)
    if not outline.value.services:
        raise StackError(
            f"the configuration has no services; add some to {FILE}, or remove it to run the default stack"
        )
    # A second pass with the services' own settings types: their keys get the same checks and the same places.
    snapshot = hxp_config.load(_typed(outline.value), sources)
    return _stack(snapshot.value), snapshot


def _sources(directory: Path, *, overrides: Sequence[str], environ: Mapping[str, str]) -> list[hxp_config.Source]:
    file = directory / FILE
    if file.exists():
        sources: list[hxp_config.Source] = [hxp_config.YamlFile(file)]
    else:
        text = resources.files(__package__).joinpath("default.yaml").read_text()
        sources = [hxp_config.YamlText(text, "the default stack")]
    settings: list[hxp_config.Source] = [
        hxp_config.Environment("HXP", environ),
        hxp_config.Overrides(list(overrides)),
    ]
    profile = environ.get("HXP_PROFILE") or hxp_config.load(dict[str, Any], [*sources, *settings]).value.get("profile")
    if profile:
        sources.append(hxp_config.YamlFile(directory / f"hxp.{profile}.yaml", optional=True))
        if environ.get("HXP_PROFILE"):
            settings.insert(0, hxp_config.Defaults({"profile": profile}))
    return [*sources, *settings]


def _typed(outline: StackConfig) -> type[StackConfig]:
    """`StackConfig` with each service's `config` typed by that service."""
    fields: dict[str, Any] = {}
    for index, (name, service) in enumerate(outline.services.items()):
        settings = service_type(service.use).settings_type
        config = (settings, Field(default_factory=settings))
        typed = create_model(f"{name}Config", __base__=ServiceConfigSchema, config=config)
        # The name is an alias, so that a service may be called like a method of pydantic's.
        fields[f"service_{index}"] = (typed, Field(alias=name))
    services = create_model("Services", __config__={"extra": "forbid", "frozen": True}, **fields)
    return create_model("TypedStackConfig", __base__=StackConfig, services=(services, Field()))


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
                needs=tuple(service.needs),
            )
        )
    return Stack(
        config.name,
        tuple(nodes),
        state_dir=STATE_DIR,
        profile=config.profile,
        logging=config.logging,
    )

"""The places a configuration is read from, and the order that a program of ours reads them in."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ._environment import DotenvFile, Environment, Overrides, SecretsDirectory, from_python
from ._file import File, layer_of
from ._merge import Layer
from ._node import Where

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from ._text import Format


@runtime_checkable
class Source(Protocol):
    """Something that says a part of the configuration; later sources win.

    A source may have two more methods: `state() -> Hashable`, what `read` depends on, so that a reload can tell that
    nothing changed; and `files() -> Sequence[Path]`, what to watch.
    """

    def read(self) -> Sequence[Layer]:
        """Return what this source says, in layers that are laid on one another.

        Raises:
            ConfigError: The source cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A text that is already in memory.

    Args:
        text: The text, at most 1 MiB.
        name: What to call it in messages.
        format: `"yaml"`, `"json"` or `"toml"`.
    """

    text: str = field(repr=False)
    name: str
    format: Format = "yaml"

    def read(self) -> Sequence[Layer]:
        """Return the one layer of the text, or none when it is empty."""
        layer = layer_of(self.text, self.format, Where(self.name), versioned=True)
        return (layer,) if layer else ()

    def state(self) -> Hashable:
        """Return nothing that changes."""
        return ()


@dataclass(frozen=True, slots=True)
class YamlText(Text):
    """A YAML text that is already in memory."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """Values given by the program.

    Args:
        mapping: The values, nested.
        source: What to call them in messages.
    """

    mapping: Mapping[str, Any] = field(repr=False)
    source: str = "defaults"

    def read(self) -> Sequence[Layer]:
        """Return the one layer of the mapping."""
        return (Layer(from_python(self.mapping, Where(self.source)), references=True),)

    def state(self) -> Hashable:
        """Return nothing that changes: the mapping is the program's."""
        return ()


def standard_sources(
    directory: str | os.PathLike[str] = ".",
    *,
    name: str = "hxp",
    prefix: str = "HXP",
    profile: str | None = None,
    profile_key: str | None = "profile",
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> list[Source]:
    """List the sources of a program in the order that everybody expects, the weakest first.

    `hxp.yaml` (or `.yml`, `.json`, `.toml`) and what it includes, `hxp.<profile>.yaml`, `.env`, the environment, the
    secrets directory, the overrides. Below them all are the model's own defaults.

    Args:
        directory: Where the files lie.
        name: The files' name.
        prefix: Of environment variables. `HXP_SECRETS_DIR` names the secrets directory.
        profile: Which profile; else `HXP_PROFILE`, else what the sources say under `profile_key`.
        profile_key: The model's key for the profile's name; None for a model that has none.
        overrides: Assignments from the command line.
        environ: The environment; the process's own when absent.

    Raises:
        ConfigError: The profile has to be looked up, and a source cannot be read.
    """
    environ = os.environ if environ is None else environ
    folder = Path(directory)
    dotenv = DotenvFile(folder / ".env", prefix)
    settings: list[Source] = [dotenv, Environment(prefix, environ)]
    if secrets := environ.get(f"{prefix}_SECRETS_DIR"):
        settings.append(SecretsDirectory(secrets, prefix, optional=False))
    settings.append(Overrides(list(overrides)))
    base = _file(folder, name)
    given = profile or environ.get(f"{prefix}_PROFILE") or dotenv.variables().get(f"{prefix}_PROFILE")
    chosen = given or (_profile_in([base, *settings], profile_key) if profile_key else None)
    sources: list[Source] = [base]
    if chosen:
        sources.append(_file(folder, f"{name}.{chosen}"))
    if given and profile_key:
        sources.append(Defaults({profile_key: given}, source=f"{prefix}_PROFILE"))
    return [*sources, *settings]


def _file(folder: Path, stem: str) -> File:
    names = [folder / f"{stem}{ending}" for ending in (".yaml", ".yml", ".json", ".toml")]
    return File(next((path for path in names if path.exists()), names[0]), optional=True, include="include")


def _profile_in(sources: Sequence[Source], key: str) -> str | None:
    found = None
    for layer in (layer for source in sources for layer in source.read()):
        node = layer.root.child(key)
        found = node.data if node and isinstance(node.data, str) else found
    return found

# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "hxp-config",
#     "hxp-testing",
#     "confz==2.1.0",
#     "dynaconf==3.3.5",
#     "omegaconf==2.4.0",
#     "pydantic==2.14.3",
#     "pydantic-settings==2.16.3",
#     "python-dotenv",
#     "PyYAML==6.0.3",
# ]
#
# [tool.uv.sources]
# hxp-config = { path = "..", editable = true }
# hxp-schemas = { path = "../../hxp-schemas", editable = true }
# hxp-testing = { path = "../../hxp-testing", editable = true }
# ///
"""What a configuration costs, against every peer: run with `uv run --python 3.11 against_peers.py`.

Everybody reads the same 46 values: 40 from a YAML file, nested two deep, two from a dotenv file, two from the
environment and two from a secrets directory, as far as the peer knows such a thing; what it does not know is left out
for it. The result is checked before anything is measured. "plain" is what one writes without a library: PyYAML's C
loader, a loop for the variables, pydantic. hxp-config alone also keeps where every value came from, and refuses unknown
keys with their place.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import dynaconf
import yaml
from confz import BaseConfig, EnvSource, FileSource
from dotenv import dotenv_values
from hxp_config import DotenvFile, Environment, File, LiveConfig, SecretsDirectory, Snapshot, load
from hxp_testing.benchmark import Suite, Table
from omegaconf import OmegaConf
from pydantic import BaseModel, ConfigDict
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

suite = Suite("hxp-config and its peers")


class Limits(BaseModel):
    """A section below a section."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rate: int
    burst: int
    window: float
    strict: bool


class Service(BaseModel):
    """A section."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    host: str
    port: int
    debug: bool
    timeout: float
    limits: Limits
    token: str = ""


class Services(BaseModel):
    """The five sections."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    one: Service
    two: Service
    three: Service
    four: Service
    five: Service


class Settings(BaseModel):
    """What is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    services: Services


NAMES = tuple(Services.model_fields)
TEXT = "services:\n" + "".join(
    f"""\
  {name}:
    host: {name}.example.com
    port: {8000 + number}
    debug: false
    timeout: 2.5
    limits:
      rate: 100
      burst: {20 + number}
      window: 60.0
      strict: true
"""
    for number, name in enumerate(NAMES)
)
DOTENV = {"HXP__SERVICES__ONE__HOST": "dotenv.example.com", "HXP__SERVICES__TWO__LIMITS__RATE": "7"}
ENVIRON = {"HXP__SERVICES__ONE__PORT": "9001", "HXP__SERVICES__THREE__TIMEOUT": "9.5"}
SECRETS = {"services__one__token": "s3cret-1", "services__two__token": "s3cret-2"}

FOLDER = Path(tempfile.mkdtemp(prefix="hxp-config-benchmark-"))
FILE, ENV, RUN = FOLDER / "hxp.yaml", FOLDER / ".env", FOLDER / "run"
FILE.write_text(TEXT)
ENV.write_text("".join(f"{name}={value}\n" for name, value in DOTENV.items()))
RUN.mkdir()
for name, value in SECRETS.items():
    (RUN / name).write_text(value)
os.environ.update(ENVIRON)


def put(data: dict[str, Any], name: str, value: str) -> None:
    """Write a value at the place that a variable names."""
    *above, last = name.lower().removeprefix("hxp__").split("__")
    for part in above:
        data = data.setdefault(part, {})
    data[last] = value


def plain() -> Settings:
    """What one writes without a library."""
    with FILE.open() as file:
        data = yaml.load(file, yaml.CSafeLoader)
    for name, value in dotenv_values(ENV).items():
        put(data, name, value or "")
    for name, value in os.environ.items():
        if name.startswith("HXP__"):
            put(data, name, value)
    for path in RUN.iterdir():
        put(data, path.name, path.read_text())
    return Settings.model_validate(data)


SOURCES = [File(FILE), DotenvFile(ENV), Environment(), SecretsDirectory(RUN)]


def ours() -> Snapshot[Settings]:
    """Ours, with the origin of each value."""
    return load(Settings, SOURCES)


class FromPydantic(BaseSettings):
    """The same for pydantic-settings, as its documentation has it."""

    model_config = SettingsConfigDict(
        env_prefix="HXP__", env_nested_delimiter="__", env_file=ENV, yaml_file=FILE, secrets_dir=RUN, extra="forbid"
    )
    services: Services

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the secrets first and the file last."""
        del init_settings  # nothing is given in code
        secrets = NestedSecretsSettingsSource(file_secret_settings, env_prefix="", secrets_nested_delimiter="__")  # type: ignore[arg-type] # as its documentation has it
        return secrets, env_settings, dotenv_settings, YamlConfigSettingsSource(settings_cls)


class FromConfz(BaseConfig):
    """The same for confz, which knows no secrets directory."""

    CONFIG_SOURCES: ClassVar = [
        FileSource(file=FILE),
        EnvSource(allow_all=True, prefix="HXP__", file=ENV, nested_separator="__"),
    ]
    services: Services


def from_confz() -> Any:
    """Load anew: confz keeps what it has read."""
    FromConfz.confz_instance = None  # it keeps what it has read
    return FromConfz()


def from_dynaconf() -> Any:
    """The same for dynaconf, which has no model."""
    settings = dynaconf.Dynaconf(
        settings_files=[FILE], dotenv_path=str(ENV), load_dotenv=True, envvar_prefix="HXP_", merge_enabled=True
    )
    return settings.as_dict()


@dataclass
class LimitsOf:
    """A section below a section, for omegaconf."""

    rate: int = 0
    burst: int = 0
    window: float = 0.0
    strict: bool = False


@dataclass
class ServiceOf:
    """A section, for omegaconf."""

    host: str = ""
    port: int = 0
    debug: bool = False
    timeout: float = 0.0
    limits: LimitsOf = field(default_factory=LimitsOf)
    token: str = ""


@dataclass
class ServicesOf:
    """The five sections, for omegaconf."""

    one: ServiceOf = field(default_factory=ServiceOf)
    two: ServiceOf = field(default_factory=ServiceOf)
    three: ServiceOf = field(default_factory=ServiceOf)
    four: ServiceOf = field(default_factory=ServiceOf)
    five: ServiceOf = field(default_factory=ServiceOf)


@dataclass
class SettingsOf:
    """What is loaded, for omegaconf."""

    services: ServicesOf = field(default_factory=ServicesOf)


def from_omegaconf() -> Any:
    """The same for omegaconf, whose structured configurations are dataclasses."""
    given = {**dotenv_values(ENV), **{name: value for name, value in os.environ.items() if name.startswith("HXP__")}}
    given |= {path.name: path.read_text() for path in RUN.iterdir()}
    dots = [f"{name.lower().removeprefix('hxp__').replace('__', '.')}={value}" for name, value in given.items()]
    merged = OmegaConf.merge(OmegaConf.structured(SettingsOf), OmegaConf.load(FILE), OmegaConf.from_dotlist(dots))
    return OmegaConf.to_object(merged)


def check() -> None:
    """Refuse to measure somebody who reads something else."""
    one = plain().services.one
    assert (one.host, one.port, one.token) == ("dotenv.example.com", 9001, "s3cret-1")
    assert ours().value == plain()
    assert FromPydantic().services == plain().services
    told = from_omegaconf().services.one
    assert (told.host, told.port, told.token) == (one.host, one.port, one.token)
    confz = from_confz().services.one
    assert (confz.host, confz.port) == (one.host, one.port)
    dyna = from_dynaconf()["SERVICES"]["one"]
    assert (dyna["host"], dyna["port"]) == (one.host, one.port), dyna


@suite.table("cold load: YAML, dotenv, environment, secrets", reference="plain")
def cold(table: Table) -> None:
    """From files and variables to a model."""
    check()
    table.call("plain", plain)
    table.call("hxp-config, with provenance", ours)
    table.call("pydantic-settings", FromPydantic)
    table.call("confz (no secrets)", from_confz)
    table.call("dynaconf (no model, no secrets)", from_dynaconf)
    table.call("omegaconf", from_omegaconf)
    table.target("hxp-config, with provenance", at_most=1.0)


@suite.table("reload, nothing changed", reference="plain")
def reload(table: Table) -> None:
    """Looking again, where nothing has changed."""
    live = LiveConfig(Settings, SOURCES)
    table.call("plain", plain)
    table.call("hxp-config", live.reload)
    table.call("pydantic-settings, made again", FromPydantic)
    table.target("hxp-config", at_most=0.3)


@suite.table("read one value, two sections deep", reference="attribute", unit="ns")
def read(table: Table) -> None:
    """Reading a value on a hot path."""
    live = LiveConfig(Settings, SOURCES)
    settings = plain()
    dyna = dynaconf.Dynaconf(settings_files=[FILE])
    omega = OmegaConf.load(FILE)
    table.call("attribute", lambda: settings.services.one.port)
    table.call("hxp-config, the live value", lambda: live.value.services.one.port)
    table.call("dynaconf", lambda: dyna.services.one.port)
    table.call("omegaconf", lambda: omega.services.one.port)
    table.target("hxp-config, the live value", at_most=1.5)


@suite.table("import", reference="hxp_schemas and yaml", baseline="idle interpreter", unit="ms")
def imports(table: Table) -> None:
    """What an import costs."""
    table.process("idle interpreter", "")
    table.process("hxp_schemas and yaml", "import hxp_schemas, yaml")
    table.process("hxp_config", "import hxp_config")
    table.process("hxp_config, ready to load", "from hxp_config import load, standard_sources")
    table.process("pydantic", "from pydantic import BaseModel")
    table.process("pydantic and yaml", "import pydantic, yaml; pydantic.TypeAdapter")
    table.process("pydantic_settings", "from pydantic_settings import BaseSettings")
    table.process("confz", "from confz import BaseConfig")
    table.process("dynaconf", "from dynaconf import Dynaconf")
    table.process("omegaconf", "from omegaconf import OmegaConf")
    table.target("hxp_config", at_most=1.3)


if __name__ == "__main__":
    raise SystemExit(suite.main())

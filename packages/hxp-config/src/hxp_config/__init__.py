"""Layered configuration in which every value knows the file, line and column it came from."""

from typing import TYPE_CHECKING

from ._lazy import lazy_exports

if TYPE_CHECKING:
    from . import commands
    from ._cache import ParseCache
    from ._describe import Setting, env_example, json_schema, reference_page, settings_of
    from ._difference import Difference, difference
    from ._environment import DotenvFile, Environment, Overrides, SecretsDirectory
    from ._errors import ConfigError, ConfigProblem
    from ._file import File, YamlFile
    from ._live import Change, LiveConfig, LiveState, ReloadReport, RevisionError, Subscriber
    from ._load import load
    from ._mark import Reload
    from ._migration import AppliedRewrite, Migration
    from ._origin import Origin
    from ._rewrite import FileMigration, migrate_file
    from ._secret_store import (
        ConfigSecret,
        EnvironmentKeeper,
        FileKeeper,
        Keeper,
        KubernetesKeeper,
        SecretError,
        SecretStore,
        VaultKeeper,
        standard_keepers,
    )
    from ._snapshot import Snapshot
    from ._source import Defaults, Source, Text, YamlText, standard_sources
    from ._watch import watch
else:
    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "": ("commands",),
            "_cache": ("ParseCache",),
            "_describe": (
                "Setting",
                "env_example",
                "json_schema",
                "reference_page",
                "settings_of",
            ),
            "_difference": (
                "Difference",
                "difference",
            ),
            "_environment": (
                "DotenvFile",
                "Environment",
                "Overrides",
                "SecretsDirectory",
            ),
            "_errors": (
                "ConfigError",
                "ConfigProblem",
            ),
            "_file": (
                "File",
                "YamlFile",
            ),
            "_live": (
                "Change",
                "LiveConfig",
                "LiveState",
                "ReloadReport",
                "RevisionError",
                "Subscriber",
            ),
            "_load": ("load",),
            "_mark": ("Reload",),
            "_migration": (
                "AppliedRewrite",
                "Migration",
            ),
            "_origin": ("Origin",),
            "_rewrite": (
                "FileMigration",
                "migrate_file",
            ),
            "_secret_store": (
                "ConfigSecret",
                "EnvironmentKeeper",
                "FileKeeper",
                "Keeper",
                "KubernetesKeeper",
                "SecretError",
                "SecretStore",
                "VaultKeeper",
                "standard_keepers",
            ),
            "_snapshot": ("Snapshot",),
            "_source": (
                "Defaults",
                "Source",
                "Text",
                "YamlText",
                "standard_sources",
            ),
            "_watch": ("watch",),
        },
    )

__all__ = [
    "AppliedRewrite",
    "Change",
    "ConfigError",
    "ConfigProblem",
    "ConfigSecret",
    "Defaults",
    "Difference",
    "DotenvFile",
    "Environment",
    "EnvironmentKeeper",
    "File",
    "FileKeeper",
    "FileMigration",
    "Keeper",
    "KubernetesKeeper",
    "LiveConfig",
    "LiveState",
    "Migration",
    "Origin",
    "Overrides",
    "ParseCache",
    "Reload",
    "ReloadReport",
    "RevisionError",
    "SecretError",
    "SecretStore",
    "SecretsDirectory",
    "Setting",
    "Snapshot",
    "Source",
    "Subscriber",
    "Text",
    "VaultKeeper",
    "YamlFile",
    "YamlText",
    "commands",
    "difference",
    "env_example",
    "json_schema",
    "load",
    "migrate_file",
    "reference_page",
    "settings_of",
    "standard_keepers",
    "standard_sources",
    "watch",
]

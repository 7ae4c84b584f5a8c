"""`python -m hxp_config package.module:Model …`: the commands for any model."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING, Any

from hxp_schemas import migrations_of
from pydantic import BaseModel

from . import commands
from ._describe import json_schema
from ._errors import ConfigError
from ._migration import Migration
from ._source import standard_sources

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Those of the command line by default.

    Returns:
        The exit status: 2 for a configuration that is wrong.
    """
    options = _parser().parse_args(arguments)
    try:
        print(_run(options))  # noqa: T201 - what it prints is its product
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201 - as above
        return 2
    except KeyError as error:
        print(f"there is nothing at {error}", file=sys.stderr)  # noqa: T201 - as above
        return 2
    return 0


def _run(options: argparse.Namespace) -> str:
    project = _project(options)
    match options.command:
        case "show":
            return commands.show(project, origins=options.origins, as_json=options.json)
        case "explain":
            return commands.explain(project, options.key, as_json=options.json)
        case "validate":
            return commands.validate(project, as_json=options.json)
        case "diff":
            return commands.diff(project, options.first, options.second, as_json=options.json)
        case "migrate":
            return commands.migrate(project, options.file, write=options.write, as_json=options.json)
        case other:
            return str(getattr(commands, other)(project))


def _project(options: argparse.Namespace) -> commands.Project:
    module, _, name = options.model.partition(":")
    sys.path.insert(0, options.directory)
    model: Any = getattr(importlib.import_module(module), name)
    chain = migrations_of(model) if isinstance(model, type) and issubclass(model, BaseModel) else None

    def sources(profile: str | None) -> Sequence[Any]:
        return standard_sources(
            options.directory,
            name=options.name,
            prefix=options.prefix,
            profile=profile,
            profile_key="profile" if "profile" in json_schema(model).get("properties", ()) else None,
            overrides=options.set,
        )

    migration = Migration(chain, options.version_field) if chain and chain.steps else None
    return commands.Project(model, sources, prefix=options.prefix, migration=migration)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hxp_config", description="Ask a configuration what is in force, and why."
    )
    parser.add_argument(
        "model", metavar="MODULE:MODEL", help="a pydantic model or dataclass, such as app.settings:Settings"
    )
    parser.add_argument("--directory", default=".", help="where the files lie (default: here)")
    parser.add_argument("--name", default="hxp", help="the files' name (default: hxp, for hxp.yaml)")
    parser.add_argument("--prefix", default="HXP", help="of environment variables (default: HXP)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a value")
    parser.add_argument("--version-field", default="config_version", help="the key that holds a file's version")
    below = parser.add_subparsers(dest="command", required=True)
    helps = {
        "show": "every value that is in force",
        "explain": "where one value came from",
        "validate": "whether all is well",
        "diff": "what is different between two profiles",
        "schema": "the JSON Schema, for an editor",
        "env": "an .env.example",
        "reference": "a page with every setting",
        "migrate": "bring a file up to date",
    }
    added = {name: below.add_parser(name, help=text, description=text) for name, text in helps.items()}
    for name in ("show", "explain", "validate", "diff", "migrate"):
        added[name].add_argument("--json", action="store_true", help="for a program")
    added["show"].add_argument("--origins", action="store_true", help="where each came from")
    added["explain"].add_argument("key", help="such as services.gateway.port")
    added["diff"].add_argument("first", help="a profile")
    added["diff"].add_argument("second", help="another one")
    added["migrate"].add_argument("file", help="a YAML file")
    added["migrate"].add_argument("--write", action="store_true", help="change the file; comments are kept")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

"""Write what can be configured in the default stack, as the models have it: a page, a JSON Schema, an `.env.example`.

python tools/configuration_reference.py            # fail if a file is not what the models say
python tools/configuration_reference.py --write    # bring the files up to date
"""

import argparse
import json
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).parents[1]))

from hxp_config import env_example, json_schema, reference_page
from hxp_services_base.orchestration import stack_model, stack_sources

FOLDER = Path(__file__).parents[1] / "docs" / "reference"


def generated() -> dict[str, str]:
    """Return the files' contents by their names."""
    with TemporaryDirectory() as empty:  # without a file, the default stack is meant
        model = stack_model(stack_sources(Path(empty), environ={}))
    page = reference_page(model, title="Settings of the default stack")
    note = (
        "\n\nWritten by `tools/configuration_reference.py`; `hxp config reference` writes such a page for your stack.\n"
    )
    return {
        "configuration.md": page.replace("\n", note, 1),
        "hxp.schema.json": json.dumps(json_schema(model), indent=2) + "\n",
        "env.example": env_example(model),
    }


def outdated(folder: Path, wanted: dict[str, str]) -> list[str]:
    """Name the files that are absent or hold something else."""
    return [
        name for name, text in wanted.items() if not (folder / name).exists() or (folder / name).read_text() != text
    ]


def main(arguments: list[str] | None = None, *, folder: Path = FOLDER) -> int:
    """Run as a command."""
    parser = argparse.ArgumentParser(description="Compare docs/reference with what the models say.")
    parser.add_argument("--write", action="store_true", help="bring the files up to date")
    options = parser.parse_args(arguments)
    wanted = generated()
    found = outdated(folder, wanted)
    if options.write:
        folder.mkdir(parents=True, exist_ok=True)
        for name in found:
            (folder / name).write_text(wanted[name])
        print(f"written: {', '.join(found) or 'nothing, all is up to date'}")
        return 0
    for name in found:
        print(
            f"{os.path.relpath(folder / name)} is not what the models say; run tools/configuration_reference.py --write"
        )
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())

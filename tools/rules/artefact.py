"""What is published holds what it should, and nothing else."""

import tarfile
import zipfile
from pathlib import Path

from .workspace import Distribution, NothingToCheckError

IN_SDIST = ("LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "tests/")


def wrong_wheel(wheel: Path, member: Distribution, tracked: set[str]) -> list[str]:
    """Compare a wheel with the source it was built from.

    Args:
        wheel: The built file.
        member: Its distribution.
        tracked: The files that git tracks, relative to the distribution's folder.

    Returns:
        One line for each file that is missing, strange or different.

    Raises:
        NothingToCheckError: git tracks no source of the distribution.
    """
    source = {path.removeprefix("src/") for path in tracked if path.startswith("src/")}
    if not source:
        raise NothingToCheckError(f"git tracks no source of {member.name}")
    with zipfile.ZipFile(wheel) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    packed = {name for name in content if not name.partition("/")[0].endswith(".dist-info")}
    found = [f"{wheel.name}: {name} is not what git tracks" for name in sorted(packed ^ source)]
    found += [
        f"{wheel.name}: {name} differs from the source"
        for name in sorted(packed & source)
        if content[name] != (member.folder / "src" / name).read_bytes()
    ]
    if f"{member.module}/py.typed" not in packed:
        found.append(f"{wheel.name}: no py.typed")
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in content):
        found.append(f"{wheel.name}: no licence")
    return [*found, *(f"{wheel.name}: {name} runs at every start" for name in content if name.endswith(".pth"))]


def wrong_sdist(sdist: Path, tracked: set[str]) -> list[str]:
    """Compare an sdist with the source it was built from: it holds all of it, its tests and its licence.

    Args:
        sdist: The built file.
        tracked: The files that git tracks, relative to the distribution's folder.

    Returns:
        One line for each file that is missing or strange.
    """
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()} - {"PKG-INFO", ".gitignore"}
    wanted = {name for name in tracked if name.startswith(("src/", *IN_SDIST))}
    found = [f"{sdist.name}: {name} is not what git tracks" for name in sorted(packed ^ wanted)]
    absent = [part for part in IN_SDIST if not any(name.startswith(part) for name in packed)]
    return [*found, *(f"{sdist.name}: no {part}" for part in absent)]

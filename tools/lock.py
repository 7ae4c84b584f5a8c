"""Keep `uv.lock` free of index and file addresses, so that one lock works behind any mirror.

`neutral` is the git clean filter: it reads a lock on stdin and writes the form that is committed. `check` compares the
lock of the working tree with the one in git and explains what differs. git calls this file with whatever `python3`
there is, so it needs nothing but the standard library of Python 3.11.

How it works: uv reads a registry that is not an address as a directory, which never equals the user's index. Together
with the missing list of members that makes uv resolve anew, with the locked versions as preferences, and write the
addresses of the user's own index into the working file.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

REGISTRY = re.compile(r'\bregistry = "[^"]*"')
ARTIFACT = re.compile(
    r'^(?P<lead>\s*(?:sdist = )?)\{ (?:url|path) = "(?P<where>[^"]+)"'
    r'(?:, hash = "(?P<hash>[^"]+)")?[^{}]* \},?$'
)
REVISION = re.compile(r"^revision = \d+$")
FOREIGN = re.compile(r"^source = \{ (?:url|git|path|directory) = ")


class LockError(Exception):
    """A lock that has no neutral form, or that is no lock at all."""


def neutral(text: str) -> str:
    """Take every address out of a lock.

    Args:
        text: A `uv.lock` as uv writes it, or one that is neutral already.

    Returns:
        The same versions and hashes, with bare file names and without sizes and upload times.

    Raises:
        LockError: The text is no lock, holds a file without a hash, or an address is left.
    """
    _packages(text)
    lines = list(_lines(text.splitlines()))
    for number, line in enumerate(lines, start=1):
        if "://" in line:
            raise LockError(f"line {number} of the neutral lock still holds an address: {line.strip()!r}")
    return "\n".join(lines) + "\n"


def differences(working: str, committed: str) -> tuple[list[str], list[str]]:
    """Compare two locks, neutral or not.

    Args:
        working: The lock that uv wrote for this machine.
        committed: The lock in git.

    Returns:
        What must not differ (packages, versions, dependencies, hashes of one file), and what may: the files that only
        one of the indexes offers, since wheels are added to a version long after its release.
    """
    ours, theirs = _packages(neutral(working)), _packages(neutral(committed))
    wrong: list[str] = []
    notes: list[str] = []
    for name in sorted({*ours, *theirs}):
        here, there = ours.get(name, {}), theirs.get(name, {})
        if here.keys() != there.keys():
            wrong.append(f"{name}: {_versions(here)} in the working lock, {_versions(there)} in git")
            continue
        for version in here:
            found, noted = _compare(f"{name} {version}", here[version], there[version])
            wrong += found
            notes += noted
    return wrong, notes


def main(arguments: Sequence[str]) -> int:
    """Run one of the two commands.

    Args:
        arguments: `neutral`, or `check`.

    Returns:
        The exit status.
    """
    try:
        match list(arguments):
            case ["neutral"]:
                sys.stdout.buffer.write(neutral(sys.stdin.buffer.read().decode()).encode())
                return 0
            case ["check"]:
                return _check(Path("uv.lock"))
    except (LockError, UnicodeDecodeError) as error:
        print(f"tools/lock.py: {error}", file=sys.stderr)
        return 1
    print("usage: python3 tools/lock.py neutral < uv.lock\n       python3 tools/lock.py check", file=sys.stderr)
    return 2


def _lines(lines: Iterable[str]) -> Iterator[str]:
    """Rewrite a lock line by line; revision and members are dropped, the lists of wheels are sorted."""
    skipping = False
    wheels: list[str] | None = None
    for line in lines:
        if skipping:
            skipping = line != "]"
        elif line == "members = [":
            skipping = True
        elif REVISION.match(line):
            pass  # uv 0.12 and 0.13 differ in it and in nothing else
        elif line == "wheels = [":
            wheels = []
            yield line
        elif wheels is not None and line == "]":
            yield from sorted(wheels)
            wheels = None
            yield line
        elif wheels is not None:
            wheels.append(_line(line))
        else:
            yield _line(line)


def _line(line: str) -> str:
    if FOREIGN.match(line):
        raise LockError(f"only registries and the workspace have a neutral form, not {line!r}")
    artifact = ARTIFACT.match(line)
    if artifact is None:
        return REGISTRY.sub('registry = "index"', line)
    name = unquote(re.split(r"[?#]", artifact["where"])[0].rpartition("/")[2])
    if artifact["hash"] is None:
        raise LockError(f"{name} has no hash; lock with an index that offers hashes")
    comma = "," if line.endswith(",") else ""
    return f'{artifact["lead"]}{{ path = "{name}", hash = "{artifact["hash"]}" }}{comma}'


def _packages(text: str) -> dict[str, dict[str, dict[str, object]]]:
    """Read the packages of a lock: name, then version, then everything known of it."""
    try:
        lock = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LockError(f"not a uv.lock: {error}") from error
    packages = lock.get("package")
    if lock.get("version") != 1 or not isinstance(packages, list):
        raise LockError("not a uv.lock of version 1 with packages in it")
    found: dict[str, dict[str, dict[str, object]]] = {}
    for package in packages:
        found.setdefault(package["name"], {})[package.get("version", "dynamic")] = package
    return found


def _versions(packages: dict[str, dict[str, object]]) -> str:
    return " and ".join(sorted(packages)) or "absent"


def _compare(title: str, here: dict[str, object], there: dict[str, object]) -> tuple[list[str], list[str]]:
    wrong = [
        f"{title}: its {key} differ"
        for key in sorted({*here, *there} - {"wheels", "sdist"})
        if here.get(key) != there.get(key)
    ]
    notes: list[str] = []
    ours, theirs = _hashes(here), _hashes(there)
    for name in sorted({*ours, *theirs}):
        if name not in ours or name not in theirs:
            where = "git" if name in theirs else "the working lock"
            notes.append(f"{title}: {name} is only in {where}")
        elif ours[name] != theirs[name]:
            wrong.append(f"{title}: {name} is {ours[name]} in the working lock, {theirs[name]} in git")
    return wrong, notes


def _hashes(package: dict[str, object]) -> dict[str, str]:
    files = [package.get("sdist"), *(wheels if isinstance(wheels := package.get("wheels"), list) else [])]
    return {file["path"]: file["hash"] for file in files if isinstance(file, dict)}


def _check(path: Path) -> int:
    try:
        working = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise LockError(f"no {path} here; run `uv lock` at the root of the workspace") from None
    shown = subprocess.run(["git", "show", f":{path}"], capture_output=True, check=False)  # noqa: S603, S607 - git
    if shown.returncode:
        raise LockError(f"git has no {path}: {shown.stderr.decode(errors='replace').strip()}")
    wrong, notes = differences(working, shown.stdout.decode())
    for note in notes:
        print(f"note: {note}")
    for line in wrong:
        print(line)
    if wrong:
        print("The lock in git is not what uv resolves: commit the new uv.lock, or undo the change of a dependency.")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

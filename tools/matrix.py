"""Install every distribution alone from its wheel, on every Python and at its lowest versions, and try it there.

Each job is a fresh environment that holds one distribution, the wheels of the siblings it declares, and what those
declare. A requirement that the code has and the metadata lack shows here and nowhere else.

Every job resolves as of the date in `pyproject.toml`, so that a release of last night never decides whether a change
passes; `--newest` tries today's releases where they differ, and reports without failing.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.resolution import resolve_as_of
from tools.rules.artefact import wrong_sdist, wrong_wheel
from tools.rules.workspace import Distribution, distributions

ROOT = Path(__file__).parents[1]
OLDEST, OTHERS = "3.11", ("3.12", "3.13")
UNWANTED = frozenset({"VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"})  # of this process
ADDOPTS = ("-o", "addopts=--import-mode=importlib --strict-markers -ra -m 'not slow'")  # pytest-xdist is not there
HEAVY = frozenset(
    {"hxp-services-base", "hxp-enterprise-llm"}
)  # with the services: imported, not tested, off the oldest
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?P<extras>\[[^]]*\])?")
USE_EVERYTHING = """
import importlib, sys
module = importlib.import_module(sys.argv[1])
for name in module.__all__:
    try:
        getattr(module, name)
    except ImportError as error:
        if "extra" not in str(error):
            raise
"""


class FailedError(Exception):
    """A command failed; the text is what it printed."""


@dataclass(frozen=True)
class Job:
    """One distribution in one environment."""

    member: Distribution
    python: str
    lowest: bool
    tested: bool
    newest: bool = False

    @property
    def title(self) -> str:
        """Name the job in one line of the report."""
        versions = " lowest" if self.lowest else " newest" if self.newest else ""
        return f"{self.member.name} on {self.python}{versions}: {'tests' if self.tested else 'import'}"


def plan(members: Sequence[Distribution], pythons: Sequence[str]) -> list[Job]:
    """Decide what is tried where.

    Args:
        members: The distributions.
        pythons: The versions of Python that are here, the oldest first.

    Returns:
        Everything with its tests on the oldest Python; at the lowest versions and on the other Pythons the small
        packages with their tests, the others by import.
    """
    oldest, *others = pythons
    jobs = [Job(member, oldest, lowest=False, tested=True) for member in members]
    for python, lowest in ((oldest, True), *((python, False) for python in others)):
        for member in members:
            small = member.folder.parent.name == "packages" and member.name not in HEAVY
            jobs.append(Job(member, python, lowest=lowest, tested=small))
    return jobs


def plan_newest(members: Sequence[Distribution], python: str) -> list[Job]:
    """List one job per distribution that takes the newest releases of today, tests of the small packages included."""
    return [replace(job, newest=True) for job in plan(members, [python]) if not job.lowest]


def closure(
    member: Distribution, members: Mapping[str, Distribution], requirements: Sequence[str]
) -> dict[str, set[str]]:
    """Collect the siblings that requirements lead to.

    Args:
        member: The distribution itself, which is part of the answer.
        members: Every distribution by name.
        requirements: What is asked for beside its run-time dependencies.

    Returns:
        The extras wanted of each sibling.
    """
    wanted: dict[str, set[str]] = {member.name: set()}
    waiting = [*member.project.get("dependencies", []), *requirements]
    while waiting:
        name, extras = _parsed(waiting.pop())
        if name not in members:
            continue
        project = members[name].project
        if name not in wanted:
            waiting += project.get("dependencies", [])
        for extra in extras - wanted.get(name, set()):
            waiting += project["optional-dependencies"][extra]
        wanted[name] = wanted.get(name, set()) | extras
    return wanted


def pythons_here() -> dict[str, str]:
    """Find an interpreter for each version that is tried: uv knows most, pyenv the rest."""
    found = {}
    for version in (OLDEST, *OTHERS):
        asked = _tried(["uv", "python", "find", "--no-project", "--no-python-downloads", version])
        pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        paths = [asked, *(str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python{version}"), reverse=True))]
        runnable = next((path for path in paths if path and _tried([path, "-c", "print(1)"]) == "1"), None)
        if runnable:
            found[version] = runnable
    return found


def main() -> int:
    """Build everything, look into it, and run all jobs, two at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="distributions; all of them without")
    parser.add_argument("--jobs", type=int, default=2, help="environments at a time")
    parser.add_argument("--newest", action="store_true", help="try today's newest releases; report and never fail")
    arguments = parser.parse_args()
    members = {member.name: member for member in distributions(ROOT)}
    chosen = [member for member in members.values() if not arguments.only or member.name in arguments.only]
    interpreters = pythons_here()
    for version in {OLDEST, *OTHERS} - interpreters.keys():
        print(f"SKIP no Python {version} on this machine")
    with tempfile.TemporaryDirectory(prefix="hxp-matrix-") as name, ThreadPoolExecutor(arguments.jobs) as pool:
        matrix = Matrix(Path(name), members, interpreters)
        results = [*pool.map(matrix.build, members.values())]
        if all(results):
            jobs = plan_newest(chosen, next(iter(interpreters))) if arguments.newest else plan(chosen, [*interpreters])
            results += pool.map(matrix.run, jobs)
    print(f"{sum(results)} of {len(results)} jobs passed")
    return 0 if arguments.newest or all(results) else 1


@dataclass(frozen=True)
class Matrix:
    """The built distributions, and the environments they are tried in.

    Args:
        folder: Where everything is built.
        members: Every distribution by name.
        interpreters: The path of each version of Python.
    """

    folder: Path
    members: Mapping[str, Distribution]
    interpreters: Mapping[str, str]

    def build(self, member: Distribution) -> bool:
        """Build sdist and, from it, wheel; compare both with git."""
        return self._reported(f"{member.name}: build", lambda: self._build(member))

    def run(self, job: Job) -> bool:
        """Install a distribution alone, import all it offers, and run its tests if that is the job."""
        return self._reported(job.title, lambda: self._run(job))

    def _reported(self, title: str, work: Callable[[], str]) -> bool:
        start = time.monotonic()
        try:
            told = work()
        except FailedError as error:
            print(f"FAIL {title} ({time.monotonic() - start:.1f} s)\n{error}", flush=True)
            return False
        print(f"pass {title} ({time.monotonic() - start:.1f} s) {told}".rstrip(), flush=True)
        return True

    def _build(self, member: Distribution) -> str:
        target = self.folder / member.name
        python = next(iter(self.interpreters.values()))
        build = ("uv", "build", "--quiet", "--python", python, "--exclude-newer", resolve_as_of())
        _ran(*build, "--package", member.name, "--out-dir", target, at=ROOT)
        wheel, sdist = self._wheel(member.name), next(target.glob("*.tar.gz"))
        tracked = set(_ran("git", "ls-files", "-co", "--exclude-standard", at=member.folder).splitlines())
        if wrong := [*wrong_wheel(wheel, member, tracked), *wrong_sdist(sdist, tracked)]:
            raise FailedError("\n".join(wrong))
        with tarfile.open(sdist) as archive:
            archive.extractall(target, filter="data")
        unpacked = target / sdist.name.removesuffix(".tar.gz")
        shutil.rmtree(unpacked / "src")  # the tests meet what is installed
        unpacked.rename(self._tests(member))
        return f"{wheel.stat().st_size / 1024:.0f} KiB"

    def _run(self, job: Job) -> str:
        home = Path(tempfile.mkdtemp(dir=self.folder))
        python = home / "bin" / "python"
        _ran("uv", "venv", "--quiet", "--clear", "--python", self.interpreters[job.python], home, at=self.folder)
        dated = () if job.newest else ("--exclude-newer", resolve_as_of())
        install = ("uv", "pip", "install", "--quiet", "--python", python, *dated)
        bare = self._wheels(job.member, [])
        if job.newest and not (fresh := self._newer_than_dated(job.member)):
            return "today's newest releases are those that the other jobs took"
        if job.lowest:
            own = [line for line in job.member.project.get("dependencies", []) if _parsed(line)[0] not in self.members]
            _ran(*install, "--resolution", "lowest-direct", *bare, *own, at=self.folder)
        else:
            _ran(*install, *bare, at=self.folder)
        _ran(python, "-I", "-c", USE_EVERYTHING, job.member.module, at=home)
        told = fresh if job.newest else ""
        if job.tested:
            group = [line for line in job.member.pyproject["dependency-groups"]["test"] if isinstance(line, str)]
            foreign = [line for line in group if _parsed(line)[0] not in self.members]
            _ran(*install, *self._wheels(job.member, group), *foreign, at=self.folder)
            options = ("-q", "-x", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", "--rootdir", ".", *ADDOPTS)
            outcome = _ran(python, "-m", "pytest", "tests", *options, at=self._tests(job.member)).splitlines()[-1]
            told = f"{outcome} {told}"
        shutil.rmtree(home)
        return told

    def _newer_than_dated(self, member: Distribution) -> str:
        """List the requirements of a distribution, tests included, that resolve to a newer release today."""
        python = next(iter(self.interpreters.values()))
        group = [line for line in member.pyproject["dependency-groups"]["test"] if isinstance(line, str)]
        foreign = [line for line in group if _parsed(line)[0] not in self.members]
        wanted = self.folder / f"{member.name}.in"
        wanted.write_text("\n".join([*self._wheels(member, group), *foreign]))
        compiled = ("uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", python, wanted)
        dated, newest = (
            set(_ran(*compiled, *date, at=self.folder).splitlines())
            for date in (("--exclude-newer", resolve_as_of()), ())
        )
        return ", ".join(sorted(newest - dated))

    def _tests(self, member: Distribution) -> Path:
        return self.folder / member.name / "unpacked"

    def _wheel(self, name: str) -> Path:
        return next((self.folder / name).glob("*.whl"))

    def _wheels(self, member: Distribution, requirements: Sequence[str]) -> list[str]:
        """Name the wheels by their paths, so that no index is asked for a sibling."""
        wanted = closure(member, self.members, requirements)
        return [
            f"{name}{'[' + ','.join(sorted(extras)) + ']' if extras else ''} @ {self._wheel(name).as_uri()}"
            for name, extras in wanted.items()
        ]


def _parsed(requirement: str) -> tuple[str, set[str]]:
    matched = REQUIREMENT.match(requirement)
    if matched is None:
        raise ValueError(f"{requirement!r} is no requirement")
    return matched["name"].lower(), set(filter(None, (matched["extras"] or "").strip("[]").replace(" ", "").split(",")))


def _ran(*command: str | Path, at: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    environment = {name: value for name, value in environment.items() if not name.startswith("COV")}
    ran = subprocess.run(  # noqa: S603 - the commands of this file
        [*map(str, command)],
        cwd=at,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise FailedError(f"{' '.join(map(str, command))}\n{ran.stdout[-6000:]}{ran.stderr[-6000:]}")
    return ran.stdout


def _tried(command: Sequence[str]) -> str:
    try:
        ran = subprocess.run(  # noqa: S603 - the interpreters of this machine
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""


if __name__ == "__main__":
    raise SystemExit(main())

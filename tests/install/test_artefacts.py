"""What is built is what git holds; the wheels are tried, each alone, by `tools/matrix.py`."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tools.rules.artefact import wrong_sdist, wrong_wheel
from tools.rules.workspace import Distribution, NothingToCheckError

ROOT = Path(__file__).parents[2]
TRACKED = {
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "changes/.gitkeep",
    "pyproject.toml",
    "src/hxp_x/__init__.py",
    "src/hxp_x/py.typed",
    "tests/test_x.py",
}


@pytest.fixture
def member(tmp_path: Path) -> Distribution:
    for name in TRACKED:
        path = tmp_path / "hxp-x" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return Distribution(tmp_path / "hxp-x")


def wheel_of(folder: Path, **changes: str | None) -> Path:
    content: dict[str, str | None] = {
        "hxp_x/__init__.py": "src/hxp_x/__init__.py",
        "hxp_x/py.typed": "src/hxp_x/py.typed",
        "hxp_x-1.dist-info/licenses/LICENSE": "LICENSE",
        **changes,
    }
    path = folder / "hxp_x-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in content.items():
            if text is not None:
                archive.writestr(name, text)
    return path


def sdist_of(member: Distribution, names: set[str]) -> Path:
    path = member.folder.parent / "hxp_x-1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.add(member.folder / name, f"hxp_x-1/{name}")
    return path


def test_a_wheel_that_equals_the_source_passes(member: Distribution, tmp_path: Path) -> None:
    assert wrong_wheel(wheel_of(tmp_path), member, TRACKED) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hxp_x/py.typed": None}, "no py.typed"),
        ({"hxp_x/py.typed": None}, "hxp_x/py.typed is not what git tracks"),
        ({"hxp_x/__init__.py": "other"}, "hxp_x/__init__.py differs from the source"),
        ({"hxp_x/more.py": ""}, "hxp_x/more.py is not what git tracks"),
        ({"start.pth": "import x"}, "start.pth runs at every start"),
        ({"hxp_x-1.dist-info/licenses/LICENSE": None}, "no licence"),
    ],
)
def test_a_wheel_that_does_not_is_told(
    member: Distribution, tmp_path: Path, changes: dict[str, str | None], message: str
) -> None:
    found = wrong_wheel(wheel_of(tmp_path, **changes), member, TRACKED)
    assert any(message in line for line in found), found


def test_a_wheel_of_nothing_fails(member: Distribution, tmp_path: Path) -> None:
    with pytest.raises(NothingToCheckError):
        wrong_wheel(wheel_of(tmp_path), member, {"README.md"})


def test_an_sdist_holds_source_tests_and_licence(member: Distribution) -> None:
    assert wrong_sdist(sdist_of(member, TRACKED - {"changes/.gitkeep"}), TRACKED) == []


@pytest.mark.parametrize("missing", ["LICENSE", "src/hxp_x/py.typed", "tests/test_x.py"])
def test_an_sdist_without_them_is_told(member: Distribution, missing: str) -> None:
    found = wrong_sdist(sdist_of(member, TRACKED - {"changes/.gitkeep", missing}), TRACKED)
    assert any(missing in line for line in found), found


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="compares with what git tracks")
def test_hatch_builds_what_git_tracks(tmp_path: Path) -> None:
    member = Distribution(ROOT / "packages" / "hxp-config")
    command = [sys.executable, "-m", "hatch", "build", str(tmp_path / "built")]
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "VIRTUAL_ENV"))}
    environment = {**outside, "HATCH_DATA_DIR": str(tmp_path / "data")}
    built = subprocess.run(command, cwd=member.folder, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    listed = [str(shutil.which("git")), "ls-files", "-co", "--exclude-standard"]
    tracked = set(subprocess.run(listed, cwd=member.folder, capture_output=True, text=True, check=True).stdout.split())
    assert wrong_wheel(next((tmp_path / "built").glob("*.whl")), member, tracked) == []
    assert wrong_sdist(next((tmp_path / "built").glob("*.tar.gz")), tracked) == []

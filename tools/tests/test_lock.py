"""The lock that is committed names versions and hashes, and no address."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import lock

ROOT = Path(__file__).parents[2]
HASH = "sha256:" + "0" * 64
WORKING = f"""\
version = 1
revision = 3
requires-python = ">=3.11"

[manifest]
members = [
    "one",
    "two",
]

[manifest.dependency-groups]
dev = [{{ name = "demo" }}]

[[package]]
name = "demo"
version = "1.0+cpu"
source = {{ registry = "https://mirror.invalid/simple" }}
dependencies = [
    {{ name = "twin", version = "2", source = {{ registry = "https://mirror.invalid/simple" }}, marker = "x" }},
]
sdist = {{ url = "https://mirror.invalid/a/demo-1.0.tar.gz#frag", hash = "{HASH}", size = 3, upload-time = "now" }}
wheels = [
    {{ url = "https://mirror.invalid/b/demo-1.0%2Bcpu-py3-none-win.whl?x=1", hash = "{HASH}" }},
    {{ url = "https://mirror.invalid/b/demo-1.0%2Bcpu-py3-none-any.whl", hash = "{HASH}", size = 1 }},
]

[[package]]
name = "one"
version = "0.1.0"
source = {{ editable = "packages/one" }}
"""


def git(*arguments: str, cwd: Path) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    ran = subprocess.run(["git", *arguments], cwd=cwd, env=environment, check=True, capture_output=True, text=True)
    return ran.stdout


def run(*arguments: str, cwd: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "lock.py"), *arguments]
    return subprocess.run(command, cwd=cwd, input=text, capture_output=True, text=True, check=False)


def test_addresses_sizes_times_and_members_go() -> None:
    text = lock.neutral(WORKING)
    for gone in ("://", "size", "upload-time", "members", "revision", "mirror"):
        assert gone not in text
    assert 'source = { registry = "index" }' in text
    assert f'sdist = {{ path = "demo-1.0.tar.gz", hash = "{HASH}" }}\n' in text
    assert '{ name = "twin", version = "2", source = { registry = "index" }, marker = "x" },\n' in text
    assert 'source = { editable = "packages/one" }' in text


def test_wheels_are_sorted_by_name_and_names_are_decoded() -> None:
    wheels = [line.split('"')[1] for line in lock.neutral(WORKING).splitlines() if ".whl" in line]
    assert wheels == ["demo-1.0+cpu-py3-none-any.whl", "demo-1.0+cpu-py3-none-win.whl"]


def test_a_neutral_lock_stays_as_it_is() -> None:
    assert lock.neutral(lock.neutral(WORKING)) == lock.neutral(WORKING)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 1\n", "version = 2\n", "version 1"),
        ("[[package]]", "[[parcel]]", "with packages"),
        ("[manifest]", "[manifest", "not a uv.lock"),
        (f', hash = "{HASH}" }}', " }", "has no hash"),
        ('source = { editable = "packages/one" }', 'source = { git = "x" }', "only registries"),
        ('marker = "x"', 'marker = "ftp://x"', "still holds an address"),
    ],
)
def test_what_has_no_neutral_form_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(lock.LockError, match=message):
        lock.neutral(WORKING.replace(old, new))


def test_a_lock_does_not_differ_from_its_neutral_form() -> None:
    assert lock.differences(WORKING, lock.neutral(WORKING)) == ([], [])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1.0+cpu", "1.1", "demo: 1.1 in the working lock, 1.0+cpu in git"),
        ('name = "one"\n', 'name = "two"\n', "one: absent in the working lock, 0.1.0 in git"),
        ("sha256:00", "sha256:11", "demo-1.0.tar.gz is sha256:11"),
        ('marker = "x"', 'marker = "y"', "demo 1.0+cpu: its dependencies differ"),
    ],
)
def test_a_difference_is_told(old: str, new: str, message: str) -> None:
    wrong, _ = lock.differences(WORKING.replace(old, new), WORKING)
    assert any(message in line for line in wrong), wrong


def test_a_wheel_that_one_index_lacks_is_a_note() -> None:
    fewer = "".join(line for line in WORKING.splitlines(keepends=True) if "win.whl" not in line)
    assert lock.differences(fewer, WORKING) == ([], ["demo 1.0+cpu: demo-1.0+cpu-py3-none-win.whl is only in git"])
    assert lock.differences(WORKING, fewer)[1] == [
        "demo 1.0+cpu: demo-1.0+cpu-py3-none-win.whl is only in the working lock"
    ]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository with a committed neutral lock and the address-laden one in its working tree."""
    git("init", "-q", cwd=tmp_path)
    git("config", "filter.hxp-lock.clean", f"{sys.executable} {ROOT / 'tools' / 'lock.py'} neutral", cwd=tmp_path)
    (tmp_path / ".gitattributes").write_text((ROOT / ".gitattributes").read_text())
    (tmp_path / "uv.lock").write_text(WORKING)
    git("add", ".", cwd=tmp_path)
    git("-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", "lock", cwd=tmp_path)
    return tmp_path


def test_git_stores_the_neutral_form_and_sees_no_change(repository: Path) -> None:
    assert git("show", "HEAD:uv.lock", cwd=repository) == lock.neutral(WORKING)
    assert (repository / "uv.lock").read_text() == WORKING
    assert git("status", "--porcelain", cwd=repository) == ""


def test_check_is_quiet_when_the_locks_agree(repository: Path) -> None:
    ran = run("check", cwd=repository)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_check_explains_and_fails_when_they_do_not(repository: Path) -> None:
    (repository / "uv.lock").write_text(WORKING.replace("1.0+cpu", "1.1"))
    ran = run("check", cwd=repository)
    assert ran.returncode == 1
    assert "demo: 1.1 in the working lock, 1.0+cpu in git" in ran.stdout
    assert "commit the new uv.lock" in ran.stdout


def test_check_shows_notes_and_passes(repository: Path) -> None:
    fewer = "".join(line for line in WORKING.splitlines(keepends=True) if "win.whl" not in line)
    (repository / "uv.lock").write_text(fewer)
    ran = run("check", cwd=repository)
    assert (ran.returncode, ran.stdout.startswith("note: demo 1.0+cpu")) == (0, True)


def test_check_says_what_is_missing(repository: Path, tmp_path: Path) -> None:
    git("rm", "-q", "--cached", "uv.lock", cwd=repository)
    assert "git has no uv.lock" in run("check", cwd=repository).stderr
    (repository / "uv.lock").unlink()
    ran = run("check", cwd=tmp_path)
    assert (ran.returncode, "no uv.lock here" in ran.stderr) == (1, True)


def test_the_filter_fails_on_what_is_no_lock(tmp_path: Path) -> None:
    ran = run("neutral", cwd=tmp_path, text="nonsense")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("tools/lock.py: not a uv.lock")


def test_a_wrong_command_shows_the_usage(tmp_path: Path) -> None:
    ran = run(cwd=tmp_path)
    assert (ran.returncode, ran.stderr.startswith("usage:")) == (2, True)


def test_the_filter_writes_what_the_function_returns(tmp_path: Path) -> None:
    assert run("neutral", cwd=tmp_path, text=WORKING).stdout == lock.neutral(WORKING)


def test_the_lock_in_git_is_neutral() -> None:
    committed = git("show", ":uv.lock", cwd=ROOT)
    assert lock.neutral(committed) == committed

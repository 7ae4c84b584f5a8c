import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hxp_testing._redis import find_redis_server, run_redis

pytest_plugins = ["pytester"]


def say(url: str, command: bytes) -> bytes:
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port or 0), timeout=5) as connection:
        connection.sendall(command + b"\r\n")
        return connection.recv(1024)


def test_a_real_server_answers(redis_url: str) -> None:
    assert say(redis_url, b"SET a 42") == b"+OK\r\n"
    assert say(redis_url, b"GET a") == b"$2\r\n42\r\n"


def test_it_is_gone_after_its_block() -> None:
    """P3: no orphans."""
    program = find_redis_server()
    if program is None:
        pytest.skip("there is no redis-server for this Python")
    with run_redis(program) as url:
        assert say(url, b"PING") == b"+PONG\r\n"
    with pytest.raises(ConnectionRefusedError):
        say(url, b"PING")


def test_a_server_that_does_not_answer_is_told_with_its_last_words(tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\necho no memory\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(RuntimeError, match="did not answer: no memory"), run_redis(str(program)):
        pass


def test_without_the_wheel_the_one_on_path_serves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_redis_server() is None
    program = tmp_path / "redis-server"
    program.write_text("")
    program.chmod(0o755)
    assert find_redis_server() == str(program)


def test_without_any_the_test_is_skipped_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import hxp_testing._redis as r; r.find_redis_server = lambda: None")
    pytester.makepyfile("def test_it(redis_url): pass")
    result = pytester.runpytest_subprocess("-rs", "-p", "no:cacheprovider")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*redis-server on PATH*"])

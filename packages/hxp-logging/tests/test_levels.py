"""Levels at run time: for whom, for how long, and in which processes."""

import io
import logging as stdlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from hxp_logging import LevelChange, Logging, LoggingOptions, bind_context, correlation
from hxp_logging._level_file import LevelFile
from hxp_logging._levels import LevelRule, Levels


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logging(clock: Clock, stream: io.StringIO) -> Logging:
    return Logging(LoggingOptions(format="json"), stream=stream, monotonic=clock)


def bodies(stream: io.StringIO) -> list[Any]:
    return [orjson.loads(line)["body"] for line in stream.getvalue().splitlines()]


def test_a_level_for_a_while_falls_back_by_itself(logging: Logging, stream: io.StringIO, clock: Clock) -> None:
    """T2: on the monotonic clock."""
    log = logging.get_logger("a.b")
    logging.set_level("DEBUG", "a", ttl=60)
    log.debug("heard")
    logging.get_logger("ab").debug("not meant")
    clock.now += 60
    log.debug("too late")
    assert bodies(stream) == ["heard"]
    assert log._channel.threshold == 20
    assert not logging._has_gate


def test_a_higher_level_for_a_while_falls_back_too(logging: Logging, stream: io.StringIO, clock: Clock) -> None:
    log = logging.get_logger("a")
    logging.set_level("ERROR", ttl=60)
    log.info("not heard")
    clock.now += 61
    log.info("heard")
    assert bodies(stream) == ["heard"]


def test_one_request_is_heard_in_detail(logging: Logging, stream: io.StringIO) -> None:
    log = logging.get_logger("a")
    logging.set_level("DEBUG", request_id="req_1", ttl=60)
    for name in ("req_1", "req_2"):
        with correlation(name, None):
            log.debug(name)
    log.debug("none")
    assert bodies(stream) == ["req_1"]


def test_one_tenant_is_heard_in_detail_and_a_request_comes_before_it(logging: Logging, stream: io.StringIO) -> None:
    log = logging.get_logger("a")
    logging.set_level("DEBUG", tenant="acme", ttl=60)
    logging.set_level("ERROR", request_id="req_1", ttl=60)
    for tenant in ("acme", "other"):
        with bind_context(tenant=tenant):
            log.debug(tenant)
            with correlation("req_1", None):
                log.info("quiet")
    assert bodies(stream) == ["acme"]


def test_a_disabled_call_costs_one_comparison_again_when_nothing_is_special(
    logging: Logging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call does not even reach the object behind the logger."""
    reached: list[Any] = []
    monkeypatch.setattr(logging, "emit", lambda *said: reached.append(said))
    logging.get_logger("a").debug("x")
    assert reached == []
    logging.set_level("DEBUG", request_id="r", ttl=1)
    logging.get_logger("a").debug("x")
    assert len(reached) == 1


def test_the_particular_rule_wins() -> None:
    rules = [
        LevelRule(level=10),
        LevelRule(level=20, logger="a"),
        LevelRule(level=30, logger="a.b"),
        LevelRule(level=40, logger="a", until=5.0),
        LevelRule(level=50, tenant="t"),
    ]
    levels = Levels(30).with_rules(rules)
    assert [levels.exact(name, None, None) for name in ("x", "a", "a.b.c", "ab")] == [10, 40, 30, 10]
    assert levels.exact("a.b", None, "t") == 50
    assert levels.lowest("a") == 20
    assert levels.at(5.0).exact("a", None, None) == 20
    assert levels.at(4.0) is levels
    assert Levels(30).exact("a", None, None) == 30


def test_third_party_records_follow_the_same_rules(logging: Logging, stream: io.StringIO, clock: Clock) -> None:
    undo = logging.install_stdlib()
    try:
        logging.set_level("DEBUG", "lib", request_id="req_1", ttl=60)
        with correlation("req_1", None):
            stdlib.getLogger("lib.part").debug("heard")
            stdlib.getLogger("other").debug("not meant")
        stdlib.getLogger("lib").debug("not in this request")
        clock.now += 60
        stdlib.getLogger("lib").debug("too late")
        assert stdlib.getLogger("lib").level == stdlib.NOTSET
    finally:
        undo()
    assert bodies(stream) == ["heard"]


def test_loggers_are_described_and_changed_as_over_http(logging: Logging, clock: Clock) -> None:
    logging.get_logger("hxp.gateway")
    told = logging.change_level(LevelChange.parse({"level": "debug", "logger": "hxp.gateway", "ttl": 300}))
    clock.now += 100
    assert logging.describe_levels() == {
        "level": "INFO",
        "loggers": {"hxp.gateway": "INFO"},
        "rules": [
            {"level": "DEBUG", "logger": "hxp.gateway", "request_id": None, "tenant": None, "seconds_left": 200.0}
        ],
    }
    assert told["rules"][0]["seconds_left"] == 300
    after = logging.change_level(LevelChange.parse({"level": None, "logger": "hxp.gateway"}))
    assert after["rules"] == []
    assert logging.change_level(LevelChange(level="ERROR"))["level"] == "ERROR"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "with an object such as"),
        ({"logger": "a"}, "'level' is missing"),
        ({"level": "LOUD"}, "unknown level 'LOUD'"),
        ({"level": 10}, "'level' is the name of a level, or null"),
        ({"level": "INFO", "loger": "a"}, "unknown field 'loger': use level, logger"),
        ({"level": "INFO", "logger": ""}, "'logger' is a text of 1 to 256"),
        ({"level": "INFO", "tenant": "x" * 257, "ttl": 1}, "'tenant' is a text"),
        ({"level": "INFO", "ttl": 0}, "'ttl' is a number of seconds"),
        ({"level": "INFO", "ttl": True}, "'ttl' is a number of seconds"),
        ({"level": "INFO", "ttl": 1e9}, "at most 604800"),
        ({"level": "INFO", "ttl": float("nan")}, "'ttl' is a number"),
        ({"level": "DEBUG", "request_id": "r"}, "'ttl' is missing"),
    ],
)
def test_a_change_that_cannot_be_meant_is_refused_with_a_reason(body: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LevelChange.parse(body)


def shared(path: Path, clock: Clock) -> tuple[Logging, io.StringIO]:
    stream = io.StringIO()
    options = LoggingOptions(format="json", levels_file=str(path))
    return Logging(options, stream=stream, monotonic=clock), stream


def test_all_workers_follow_one_file(tmp_path: Path, clock: Clock) -> None:
    one, _ = shared(tmp_path / "run" / "levels", clock)
    other, heard = shared(tmp_path / "run" / "levels", clock)
    log = other.get_logger("a")
    one.set_level("DEBUG", "a", ttl=60)
    clock.now += 0.05
    log.info("looks not yet")
    assert log._channel.threshold == 20
    clock.now += 0.1
    log.info("looks now")
    log.debug("heard")
    other.set_level("ERROR", "b")
    clock.now += 0.1
    one.refresh()
    assert [rule.logger for rule in one._levels.now.rules] == ["a", "b"]
    clock.now += 60
    log.debug("too late")
    assert bodies(heard) == ["looks not yet", "looks now", "heard"]
    (tmp_path / "run" / "levels").unlink()
    clock.now += 1
    log.info("all is as at the start")
    assert other._levels.now.rules == ()


WORKER = """if True:
    import json, sys, time
    from hxp_logging import LevelChange, Logging, LoggingOptions
    logging = Logging(LoggingOptions(levels_file=sys.argv[1], format="json"), stream=sys.stdout)
    log = logging.get_logger("shop.till")
    print("ready", flush=True)
    for line in sys.stdin:
        change = json.loads(line)
        if change:
            logging.change_level(LevelChange.parse(change))
        while not log.is_enabled("DEBUG"):
            time.sleep(0.02)
            logging.refresh()
        log.debug("heard")
"""


def test_a_level_set_in_one_worker_is_applied_in_all_workers_of_a_service(tmp_path: Path) -> None:
    """Three processes; one of them serves `PUT /loggers`."""
    command = [sys.executable, "-c", WORKER, str(tmp_path / "levels")]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    put = '{"level": "DEBUG", "logger": "shop", "ttl": 60}\n'
    for worker, said in zip(workers, (put, "null\n", "null\n"), strict=True):
        assert "heard" in worker.communicate(said, timeout=60)[0]


def test_after_a_reboot_only_lasting_levels_are_left(tmp_path: Path) -> None:
    path = str(tmp_path / "levels")
    rules = [LevelRule(level=10, logger="a", until=500.0), LevelRule(level=40, logger="b")]
    LevelFile(path, boot="one").change(lambda _: rules)
    assert LevelFile(path, boot="one").poll(0.0) == rules
    assert LevelFile(path, boot="two").poll(0.0) == rules[1:]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"rules":1,"boot":""}',
        b'{"rules":[{"level":17}],"boot":""}',
        b"\xff" * 10,
        b'{"boot":"","rules":[{"level":17,"logger":null,"request_id":null,"tenant":null,"until":null}]}',
        b'{"boot":"","rules":[{"level":10,"logger":null,"request_id":null,"tenant":null,"until":"x"}]}',
    ],
)
def test_a_file_that_holds_no_levels_changes_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "levels"
    path.write_bytes(content)
    assert LevelFile(str(path), boot="").poll(0.0) == []


def test_a_folder_that_cannot_be_written_to_is_an_error_for_the_one_who_sets(tmp_path: Path, clock: Clock) -> None:
    """D2: nobody else notices."""
    (tmp_path / "file").write_text("")
    logging, heard = shared(tmp_path / "file" / "levels", clock)
    with pytest.raises(OSError, match=r"file"):
        logging.set_level("DEBUG")
    logging.get_logger("a").info("goes on")
    assert bodies(heard) == ["goes on"]


def test_a_machine_that_does_not_name_its_boots_has_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(*_: Any, **__: Any) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert LevelFile(str(tmp_path / "levels"))._boot == ""


def test_reading_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "levels"
    file = LevelFile(str(path), boot="")
    file.change(lambda _: [LevelRule(level=10)])
    inode = os.stat(path).st_ino  # noqa: PTH116 - the number is what matters
    file.change(lambda rules: [*rules, LevelRule(level=20, logger="a")])
    assert path.stat().st_ino != inode
    assert len(file.poll(0.0) or []) == 2


def test_a_program_that_changes_its_folder_follows_the_same_levels(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As daemons do."""
    monkeypatch.chdir(tmp_path)
    logging = Logging(LoggingOptions(levels_file="levels.json"), stream=io.StringIO())
    shared = LoggingOptions(levels_file=str(tmp_path / "levels.json"))
    other = Logging(shared, stream=io.StringIO(), monotonic=clock)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    logging.set_level("DEBUG")
    clock.now += 1
    assert other.describe_levels()["level"] == "DEBUG"

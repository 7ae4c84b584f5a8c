"""`hxp logs`, on files."""

from pathlib import Path
from typing import Any

import pytest
from hxp_logging import Logging, LoggingOptions, Rotation, correlation
from hxp_services_base.cli._app import build
from typer.testing import CliRunner


def hxp(*arguments: str) -> Any:
    return CliRunner().invoke(build(), arguments)


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two services; the file of one of them was put aside in the middle, and compressed."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".hxp" / "log"
    gateway = Logging(
        LoggingOptions(file=str(folder / "gateway.log"), rotation=Rotation(size=400), level="DEBUG"), clock=lambda: 0.5
    )
    log = gateway.get_logger("hxp.gateway")
    for number in range(5):
        with correlation(f"req_{number}", None):
            log.info("served", number=number)
            gateway.flush()
    gateway.get_logger("hxp.door").error("refused", reason="no key")
    gateway.get_logger("hxp.door").debug("looked")
    gateway.close()
    (folder / "model.log").write_text("llama.cpp: loaded\x1b[2J\n")


def test_what_was_put_aside_is_read_too_and_made_pleasant() -> None:
    result = hxp("logs", "gateway")
    assert result.exit_code == 0, result.output
    told = result.output.splitlines()
    assert len(told) == 7
    assert told[0] == "00:00:00.500 INFO     served                           number=0 request_id=req_0 [hxp.gateway]"


def test_only_the_last_lines_are_told() -> None:
    assert len(hxp("logs", "gateway", "-n", "2").output.splitlines()) == 2
    assert hxp("logs", "gateway", "-n", "0").output == ""


def test_several_services_are_told_apart_and_nothing_moves_the_cursor() -> None:
    told = hxp("logs").output.splitlines()
    assert told[0].startswith("gateway    00:00:00.500")
    assert told[-1] == "model      llama.cpp: loaded\\u001b[2J"


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--level", "error"], 1),
        (["--level", "hxp.door=DEBUG"], 2),
        (["--request", "req_3"], 1),
        (["--since", "1h"], 0),
        (["--since", "1970-01-01"], 7),
        (["--text", "NO KEY"], 1),
        (["--level", "INFO", "--text", "number"], 5),
    ],
)
def test_lines_are_filtered(options: list[str], count: int) -> None:
    assert len(hxp("logs", "gateway", *options).output.splitlines()) == count


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--level", "LOUD"], "unknown level 'LOUD'"),
        (["--since", "yesterday"], "'yesterday' is no moment"),
        (["nope"], "there is no log of 'nope'"),
    ],
)
def test_what_cannot_be_meant_is_told(options: list[str], message: str) -> None:
    result = hxp("logs", *options)
    assert result.exit_code == 1
    assert message in result.output

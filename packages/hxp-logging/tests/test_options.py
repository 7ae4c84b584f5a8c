"""What a `Logging` is told: frozen dataclasses that any configuration can fill, and that refuse nonsense."""

from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import hxp_logging
import pytest
from hxp_config import ConfigError, YamlText, load
from hxp_logging import (
    Background,
    FileOutput,
    FlightRecorder,
    LoggingOptions,
    OtlpOutput,
    Rotation,
    Sampling,
    StreamOutput,
    SyslogOutput,
)

OPTIONS = (
    Background,
    FileOutput,
    FlightRecorder,
    LoggingOptions,
    OtlpOutput,
    Rotation,
    Sampling,
    StreamOutput,
    SyslogOutput,
)
DOCUMENT = """
level: WARNING
format: ecs
service: shop
redact_keys: [password, pin]
redact_cards: true
levels_file: /run/shop/levels.json
sampling: {first: 10, then_one_in: 5}
collapse: 2.5
recorder: {lines: 50, slow: 1.5}
outputs:
  - {stream: stdout, format: console}
  - {path: /var/log/shop.log, rotation: {size: 1000000, every: day, keep: 7}, background: {capacity: 500}}
  - {address: "udp://127.0.0.1:5140", facility: 17}
  - {endpoint: "http://127.0.0.1:4318/v1/logs", interval: 0.5, level: ERROR}
"""


def test_options_are_frozen_dataclasses_that_hxp_config_can_fill() -> None:
    options = load(LoggingOptions, [YamlText(DOCUMENT, "shop.yaml")]).value
    assert options == LoggingOptions(
        level="WARNING",
        format="ecs",
        service="shop",
        redact_keys=frozenset({"password", "pin"}),
        redact_cards=True,
        levels_file="/run/shop/levels.json",
        sampling=Sampling(first=10, then_one_in=5),
        collapse=2.5,
        recorder=FlightRecorder(lines=50, slow=1.5),
        outputs=(
            StreamOutput(stream="stdout", format="console"),
            FileOutput(
                path="/var/log/shop.log",
                rotation=Rotation(size=1_000_000, every="day", keep=7),
                background=Background(capacity=500),
            ),
            SyslogOutput(address="udp://127.0.0.1:5140", facility=17),
            OtlpOutput(endpoint="http://127.0.0.1:4318/v1/logs", interval=0.5, level="ERROR"),
        ),
    )
    with pytest.raises(FrozenInstanceError):
        options.level = "DEBUG"  # type: ignore[misc]  # that it cannot be changed


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_option_is_a_frozen_dataclass_with_a_default(kind: Any) -> None:
    given = {"path": "x"} if kind is FileOutput else {}
    made = kind(**given)
    with pytest.raises(FrozenInstanceError):
        setattr(made, fields(kind)[0].name, "changed")


def test_no_option_is_forgotten_here() -> None:
    from hxp_logging import _options  # noqa: PLC0415 - to look at the whole module

    kinds = {value for value in vars(_options).values() if isinstance(value, type) and is_dataclass(value)}
    assert kinds == set(OPTIONS)
    assert {kind.__name__ for kind in OPTIONS} <= set(hxp_logging.__all__)


@pytest.mark.parametrize(
    ("kind", "given", "reason"),
    [
        (LoggingOptions, {"format": "jsno"}, "format is one of auto, console, ecs, json, not 'jsno'"),
        (LoggingOptions, {"level": "LOUD"}, "unknown level 'LOUD'"),
        (LoggingOptions, {"collapse": -1}, "collapse is a number of at least 0, not -1"),
        (Rotation, {"every": "week"}, "every is 'hour', 'day' or a number of seconds, not 'week'"),
        (Rotation, {"every": 0}, "every is"),
        (Rotation, {"every": True}, "every is"),
        (Rotation, {"every": float("nan")}, "every is"),
        (Rotation, {"size": 0}, "size is a number of at least 1, not 0"),
        (Rotation, {"keep": -1}, "keep is"),
        (Rotation, {"keep_for": -1.0}, "keep_for is"),
        (Rotation, {"keep_bytes": "1 GB"}, "keep_bytes is"),
        (Background, {"capacity": 0}, "capacity is"),
        (Background, {"flush_timeout": float("nan")}, "flush_timeout is"),
        (StreamOutput, {"stream": "stdtou"}, "stream is one of stderr, stdout"),
        (StreamOutput, {"format": "text"}, "format is"),
        (StreamOutput, {"level": "x"}, "unknown level"),
        (FileOutput, {"path": "x", "format": "text"}, "format is"),
        (FileOutput, {"path": "x", "level": "x"}, "unknown level"),
        (SyslogOutput, {"address": "http://host:1"}, "address is a path, udp://host:port or tcp://host:port"),
        (SyslogOutput, {"facility": 24}, "facility is"),
        (SyslogOutput, {"format": "text"}, "format is"),
        (SyslogOutput, {"level": "x"}, "unknown level"),
        (OtlpOutput, {"interval": 0}, "interval is"),
        (OtlpOutput, {"level": "x"}, "unknown level"),
        (Sampling, {"first": -1}, "first is"),
        (Sampling, {"then_one_in": -1}, "then_one_in is"),
        (Sampling, {"up_to": "x"}, "unknown level"),
        (FlightRecorder, {"lines": 0}, "lines is"),
        (FlightRecorder, {"slow": -1}, "slow is"),
        (FlightRecorder, {"level": "x"}, "unknown level"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_reason(kind: Any, given: dict[str, Any], reason: str) -> None:
    """Or every line would be lost, and nobody told why."""
    with pytest.raises(ValueError, match=reason):
        kind(**given)


def test_a_configuration_that_cannot_be_meant_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"every is 'hour', 'day' or a number of seconds, not -5.* at shop\.yaml:1"):
        load(LoggingOptions, [YamlText("rotation: {every: -5}", "shop.yaml")])

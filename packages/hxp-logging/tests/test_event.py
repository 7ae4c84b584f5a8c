"""The catalogue of events, the assertions, and lazy values."""

import io
from typing import Any

import orjson
import pytest
from hxp_logging import Catalogue, Event, Lazy, Logging, LoggingOptions, _default, get_logger
from hxp_logging.testing import assert_logged, assert_not_logged, capture, check_events

SOLD = Event("shop.sold", fields={"item": str, "pieces": int, "price": float, "by": str}, optional=frozenset({"by"}))
FAILED = Event("shop.failed", level="error", fields={"tags": list, "more": dict, "again": bool}, doc="A sale failed.")
CATALOGUE = Catalogue([SOLD, FAILED])


@pytest.fixture(autouse=True)
def default(fresh_default: _default.Default) -> None: ...


def test_what_is_declared_passes() -> None:
    with capture() as events:
        SOLD.log(get_logger("shop"), item="tea", pieces=1, price=3)
        FAILED.log(get_logger("shop"), tags=["a"], more={}, again=True, exc_info=ValueError())
        get_logger("shop").info("free text", whatever=1)
    check_events(events, CATALOGUE)
    assert events[0]["attributes"]["event.name"] == events[0]["body"] == "shop.sold"
    assert events[1]["severity_text"] == "ERROR"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"item": "tea", "pieces": 1, "price": 3.0, "colour": "red"}, "shop.sold: field 'colour' is not declared"),
        ({"item": "tea", "pieces": 1}, "shop.sold: field 'price' is missing"),
        ({"item": "tea", "pieces": "1", "price": 3.0}, "shop.sold: field 'pieces' is str, not int"),
        ({"item": "tea", "pieces": True, "price": 3.0}, "shop.sold: field 'pieces' is bool, not int"),
    ],
)
def test_what_is_not_declared_is_caught(fields: dict[str, Any], problem: str) -> None:
    with capture() as events:
        SOLD.log(get_logger("shop"), **fields)
    with pytest.raises(AssertionError) as caught:
        check_events(events, CATALOGUE)
    assert str(caught.value) == problem


def test_an_event_that_nobody_declared_or_at_another_level_is_caught() -> None:
    with capture() as events:
        Event("shop.burnt").log(get_logger("shop"))
        get_logger("shop").debug("x", **{"event.name": "shop.failed"}, tags=[], more={}, again=False)
    with pytest.raises(AssertionError, match=r"'shop.burnt' is not in the catalogue\nshop.failed: level is DEBUG"):
        check_events(events, CATALOGUE)


def test_a_declaration_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown level 'LOUD'"):
        Event("a", level="LOUD")
    with pytest.raises(ValueError, match=r"field 'x' of event 'a' has type <class 'set'>: use one of bool, int"):
        Event("a", fields={"x": set})
    with pytest.raises(ValueError, match="event 'a' has no field 'y' that could be optional"):
        Event("a", optional=frozenset({"y"}))
    with pytest.raises(ValueError, match=r"event 'shop.sold' is declared twice"):
        Catalogue([SOLD, SOLD])


def test_the_catalogue_becomes_a_json_schema() -> None:
    schema = CATALOGUE.schema()
    assert schema["oneOf"] == [{"$ref": "#/$defs/shop.failed"}, {"$ref": "#/$defs/shop.sold"}]
    assert schema["$defs"]["shop.sold"] == {
        "title": "shop.sold",
        "description": "",
        "x-level": "INFO",
        "type": "object",
        "properties": {
            "event.name": {"const": "shop.sold"},
            "item": {"type": "string"},
            "pieces": {"type": "integer"},
            "price": {"type": "number"},
            "by": {"type": ["string", "null"]},
        },
        "required": ["event.name", "item", "pieces", "price"],
    }


def test_assertions_say_what_was_said_instead() -> None:
    with capture() as events:
        get_logger("shop").warning("sold", pieces=3, item=None)
    assert_logged(events, "sold", level="WARNING", pieces=3, item=None)
    assert_not_logged(events, "sold", pieces=4)
    with pytest.raises(AssertionError, match=r"nobody said ERROR: 'sold' with \{'pieces': 3\}; .*\n  WARNING: 'sold'"):
        assert_logged(events, "sold", level="ERROR", pieces=3)
    with pytest.raises(AssertionError, match="somebody said what nobody should"):
        assert_not_logged(events, "sold")
    with pytest.raises(AssertionError, match="  nothing"):
        assert_logged([], "sold", by="me")


def test_capturing_leaves_nothing_behind(fresh_default: _default.Default, capfd: pytest.CaptureFixture[str]) -> None:
    log = get_logger("x")
    fresh_default.logging.set_level("ERROR", "x")
    before = (fresh_default.logging._outlets, fresh_default.logging._levels, log._channel.threshold)
    with pytest.raises(KeyError), capture():
        raise KeyError
    assert (fresh_default.logging._outlets, fresh_default.logging._levels, log._channel.threshold) == before


def test_while_lines_are_collected_nothing_else_is_touched(fresh_default: _default.Default) -> None:
    with capture() as events:
        fresh_default.logging.reopen()
        get_logger("x").info("said")
        fresh_default.logging.close()
    assert len(events) == 1


def test_a_lazy_value_is_computed_only_if_it_is_written() -> None:
    asked = []
    stream = io.StringIO()
    log = Logging(LoggingOptions(format="json"), stream=stream).get_logger("x")
    log.debug("no", big=Lazy(lambda: asked.append(1)))
    assert asked == []
    log.info("yes", big=Lazy(lambda: {"a": [1], "password": "p"}), bad=Lazy(lambda: 1 / 0))
    assert orjson.loads(stream.getvalue())["attributes"] == {
        "big": {"a": [1], "password": "[redacted]"},
        "bad": "<ZeroDivisionError while this was computed>",
    }


def test_a_level_may_be_known_only_at_run_time() -> None:
    with capture(level="INFO") as events:
        log = get_logger("x").bind(a=1)
        for level in ("debug", "warning", "CRITICAL"):
            log.log(level, "said")
        get_logger("x").log("info", "said")
    assert [event["severity_text"] for event in events] == ["WARNING", "CRITICAL", "INFO"]
    with pytest.raises(ValueError, match="unknown level 'loud'"):
        log.log("loud", "said")

"""Nothing that is logged forges a line, breaks one, or tells a secret."""

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
import pytest
from hxp_logging import Logging, LoggingOptions, bind_context, correlation
from hypothesis import given
from hypothesis import strategies as st

HOSTILE = [
    "a\ud800b",
    "a\nb",
    "a\r\nb",
    "\x1b[31mred",
    "a\u2028b",
    "a\u2029b",
    "a\x85b",
    "a\x0bb",
    "a\x00b",
    "a\x7fb",
    "\x9b1m",
]
SECRET = 'sk-"quoted"\\and\nbroken'
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=8,
)


def write(style: str, event: str, /, *secrets: str, **fields: Any) -> str:
    stream = io.StringIO()
    logging = Logging(LoggingOptions(format=style), stream=stream)  # type: ignore[arg-type]  # a parameter
    for secret in secrets:
        assert logging.register_secret(secret)
    logging.get_logger("x").info(event, **fields)
    assert logging.statistics().lost == 0
    return stream.getvalue()


def attributes(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(write("json", "event", **fields))["attributes"]
    return found


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_cannot_be_forged(style: str, text: str) -> None:
    """L1: CR, LF, ANSI, U+2028."""
    stream = io.StringIO()
    logging = Logging(LoggingOptions(format=style), stream=stream)  # type: ignore[arg-type]  # a parameter
    with correlation(text, None):
        logging.get_logger(text).info(text, **{text: text}, nested={text: [text]})
    line = stream.getvalue()
    assert line.endswith("\n")
    assert len(line.splitlines()) == 1
    assert all(character.isprintable() for character in line[:-1])


def test_a_forged_line_in_a_traceback_stays_indented() -> None:
    """L1."""
    text = write("console", "failed", exc_info=ValueError("x\n12:00:00.000 INFO     forged\x1b[2J"))
    first, *rest = text.splitlines()
    assert "failed" in first
    assert all(line.startswith("    | ") for line in rest)
    assert "\x1b" not in text


def test_json_gives_back_what_was_said() -> None:
    for text in HOSTILE[1:]:  # the first, a lone surrogate, is written out: UTF-8 cannot carry it
        line = orjson.loads(write("json", text, a=text))
        assert (line["body"], line["attributes"]) == (text, {"a": text})


@pytest.mark.parametrize("style", ["json", "console"])
@given(event=st.text() | st.text(alphabet=st.characters(categories=["Cs"])), fields=st.dictionaries(st.text(), VALUES))
def test_anything_can_be_said_in_one_line(style: str, event: str, fields: dict[str, Any]) -> None:
    fields.pop("exc_info", None)
    line = write(style, event, **fields)
    assert len(line.splitlines()) == 1
    if style == "json":
        orjson.loads(line)


def test_a_huge_field_is_cut_and_marked() -> None:
    """L3: 10 MB."""
    line = write("json", "y" * 10_000_000, a="x" * 10_000_000, b=["z" * 10_000_000])
    assert len(line) < 30_000
    assert "[cut, 10000000 characters]" in orjson.loads(line)["attributes"]["a"]


def test_a_long_traceback_keeps_both_ends() -> None:
    stack = attributes(exc_info=ValueError("x" * 100_000 + "the end"))["exception.stacktrace"]
    assert stack.startswith("ValueError: xxx")
    assert stack.endswith("the end\n")
    assert "[cut, " in stack
    assert len(stack) < 9_000


def test_values_of_every_kind_are_told() -> None:
    class Colour(StrEnum):
        RED = "red"

    class Awkward:
        def __repr__(self) -> str:
            raise RuntimeError

    class Model:
        def model_dump(self) -> dict[str, str]:
            return {"password": "p", "name": "n"}

    class BrokenModel:
        def model_dump(self) -> dict[str, str]:
            raise RuntimeError

        def __repr__(self) -> str:
            return "broken"

    @dataclass
    class Account:
        name: str
        token: str
        hidden: str = field(default="h", repr=False)

    assert attributes(
        a=Colour.RED,
        b=10**30,
        c=datetime(2026, 1, 1, tzinfo=UTC),
        d=UUID(int=1),
        e=b"bytes",
        f=Awkward(),
        g=Model(),
        h=Account("n", "t"),
        i=(1, {2}),
        j=ValueError("v"),
        k={1: "one"},
        m=BrokenModel(),
        n=Account,
        o=math.nan,
    ) == {
        "a": "red",
        "b": str(10**30),
        "c": "2026-01-01T00:00:00+00:00",
        "d": "00000000-0000-0000-0000-000000000001",
        "e": "b'bytes'",
        "f": "<unprintable Awkward>",
        "g": {"password": "[redacted]", "name": "n"},
        "h": {"name": "n", "token": "[redacted]"},
        "i": [1, [2]],
        "j": "ValueError('v')",
        "k": {"1": "one"},
        "m": "broken",
        "n": str(Account),
        "o": None,
    }


def test_deep_and_wide_values_are_bounded() -> None:
    endless: list[Any] = []
    endless.append(endless)
    told = attributes(a=endless, b=list(range(1000)), c={str(n): n for n in range(1000)}, d="\ud800")
    assert "[too deep]" in str(told["a"])
    assert len(told["b"]) == 257
    assert told["b"][-1] == "[cut, 1000 items]"
    assert len(told["c"]) == 257
    assert told["d"] == "\\ud800"


def test_an_event_that_is_no_text_is_told_as_text() -> None:
    assert orjson.loads(write("json", 42))["body"] == "42"  # type: ignore[arg-type]  # what a careless caller does


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("key", ["password", "PASSWORD", "Api-Key", "authorization", "set-cookie", "x_api_key"])
def test_a_field_with_a_telling_name_is_never_written(style: str, key: str) -> None:
    """L4."""
    for fields in ({key: "canary"}, {"a": {key: "canary"}}, {"a": [{"b": {key: ["canary"]}}]}):
        line = write(style, "event", **fields)
        assert "canary" not in line
        assert "[redacted]" in line


def test_the_telling_names_can_be_chosen() -> None:
    stream = io.StringIO()
    log = Logging(LoggingOptions(format="json", redact_keys=frozenset({"Card-No"})), stream=stream).get_logger("x")
    log.info("paid", card_no="4711", password="shown")
    assert orjson.loads(stream.getvalue())["attributes"] == {"card_no": "[redacted]", "password": "shown"}


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize(
    "secret", ["sk-plain-secret", SECRET, "geheimnis-äöü", "tab\tand\x1bescape", "a\u2028b\ud800cdef"]
)
def test_a_registered_secret_is_never_written(style: str, secret: str) -> None:
    """L4: in the message, a field, a key, an exception, a repr, a logger's name."""
    error = ValueError(f"key {secret} is wrong")
    stream = io.StringIO()
    logging = Logging(LoggingOptions(format=style), stream=stream)  # type: ignore[arg-type]  # a parameter
    logging.register_secret(secret)
    log = logging.get_logger(f"log.{secret}")
    event = f"using {secret}"
    log.info(event, a=f"Bearer {secret}", b={secret: [secret]}, c=repr(secret), d=error, exc_info=error)
    text = stream.getvalue()
    assert logging.statistics().lost == 0
    for form in (secret, repr(secret)[1:-1], secret.rsplit("\n", maxsplit=1)[-1]):
        assert form not in text
    assert text.count("[redacted]") >= 7
    if style == "json":
        assert orjson.loads(text)["body"] == "using [redacted]"


def test_a_secret_made_of_digits_leaves_valid_json() -> None:
    line = orjson.loads(write("json", "event", "12345678", a=123456789, b=1.5, c=True, d=None, e=[12345678]))
    assert line["attributes"] == {"a": "[redacted]9", "b": 1.5, "c": True, "d": None, "e": ["[redacted]"]}


def test_a_secret_across_the_cut_of_a_long_text_leaves_no_head() -> None:
    for offset in range(8170, 8200):
        line = write("json", "event", "canary-secret", a="x" * offset + "canary-secret" + "y" * 9000)
        assert "canary" not in line


def test_a_secret_that_holds_another_goes_as_a_whole() -> None:
    assert orjson.loads(write("json", "is password1-long", "password1", "password1-long"))["body"] == "is [redacted]"


def test_a_short_secret_would_hide_half_the_log() -> None:
    assert not Logging().register_secret("1234567")


class Unwilling:
    """Refuses to be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("refused")


class Unbound:
    """Like the proxy of a request where there is none: whatever is asked of it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("there is no request")


class Shifting(Mapping[str, int]):
    """Like a dictionary that another thread changes meanwhile."""

    def __getitem__(self, name: str) -> int:
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("dictionary changed size during iteration")

    def __len__(self) -> int:
        return 1


class Unhashable(str):
    __slots__ = ()

    def __hash__(self) -> int:
        raise TypeError("refused")


class Measured(float):
    """As NumPy's numbers are."""


@pytest.mark.parametrize("style", ["json", "ecs", "console"])
@pytest.mark.parametrize("kind", [Unwilling, Unbound, Shifting])
def test_a_value_that_refuses_to_be_told_costs_no_line(style: str, kind: type) -> None:
    value = kind()
    text = write(style, "event", alone=value, in_a_list=[value, 1], in_a_mapping={"a": value, "b": 2}, other="told")
    assert text.count(f"<unprintable {kind.__name__}>") == 3
    assert "told" in text
    with bind_context(bound=value):
        assert "unprintable" in write(style, "event", exc_info=ValueError("x"))


@pytest.mark.parametrize("style", ["json", "ecs", "console"])
@pytest.mark.parametrize("kind", [Unwilling, Unbound, Unhashable])
def test_an_event_that_refuses_to_be_told_costs_no_line(style: str, kind: Any) -> None:
    event = kind("said") if kind is Unhashable else kind()
    text = write(style, event, a=[1], pair=(event, event))
    assert f"<unprintable {kind.__name__}>" in text or text.count("said") == 3


def test_numbers_of_other_kinds_are_numbers() -> None:
    assert attributes(a=Measured(1.5), b=[Measured(2.5)]) == {"a": 1.5, "b": [2.5]}
    assert attributes(a=Measured("nan")) == {"a": None}


@pytest.mark.parametrize("style", ["json", "ecs", "console"])
def test_what_holds_itself_is_told_as_far_as_it_is_bounded(style: str) -> None:
    endless: list[Any] = []
    endless.append(endless)
    circle: dict[str, Any] = {}
    circle["self"] = circle
    assert write(style, "event", a=endless, b=circle).count("[too deep]") == 2


def test_every_way_to_name_an_exception_is_understood() -> None:
    def told(**fields: Any) -> Any:
        return attributes(**fields).get("exception.type")

    with pytest.raises(ValueError, match="x") as caught:
        raise ValueError("x")
    assert told(exc_info=caught.value) == told(exc_info=caught._excinfo) == "ValueError"
    assert told(exc_info=(None, None, None)) is None
    assert told(exc_info=True) is None


def test_an_exception_may_be_named_to_exception_as_well() -> None:
    """As programs do that come from the standard library."""
    stream = io.StringIO()
    log = Logging(LoggingOptions(format="json"), stream=stream).get_logger("x").bind(self="me", event="e")
    try:
        orjson.loads("x")
    except ValueError:
        log.exception("failed")
        log.exception("failed", exc_info=True)  # noqa: G202 - what is tested
        log.exception("failed", exc_info=KeyError("other"))
    told = [orjson.loads(line)["attributes"] for line in stream.getvalue().splitlines()]
    assert [fields["exception.type"] for fields in told] == ["orjson.JSONDecodeError"] * 2 + ["KeyError"]
    assert told[0]["self"] == "me"

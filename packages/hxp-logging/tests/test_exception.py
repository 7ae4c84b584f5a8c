"""Exceptions: chains, groups, notes, bounds, and no locals unless asked."""

import io
from typing import Any

import orjson
import pytest
from hxp_logging import Logging, LoggingOptions


def attributes(error: BaseException, **options: Any) -> dict[str, Any]:
    stream = io.StringIO()
    logging = Logging(LoggingOptions(**{"format": "json"} | options), stream=stream)
    logging.register_secret("canary-secret")
    logging.get_logger("x").error("failed", exc_info=error)
    assert logging.statistics().lost == 0
    told: dict[str, Any] = orjson.loads(stream.getvalue())["attributes"]
    return told


def raised(function: Any) -> BaseException:
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is looked at
        return error
    raise AssertionError


def test_a_plain_exception_has_three_fields() -> None:
    assert sorted(attributes(ValueError("boom"))) == ["exception.message", "exception.stacktrace", "exception.type"]


def test_a_chain_is_told_with_its_relations() -> None:
    def fails() -> None:
        try:
            try:
                raise KeyError("first")  # noqa: TRY301 - what is tested
            except KeyError:
                raise ValueError("second")  # noqa: B904 - without a cause
        except ValueError as error:
            raise RuntimeError("third") from error

    told = attributes(raised(fails))
    assert told["exception.message"] == "third"
    assert told["exception.chain"] == [
        {"relation": "cause", "type": "ValueError", "message": "second"},
        {"relation": "context", "type": "KeyError", "message": "'first'"},
    ]
    stack = told["exception.stacktrace"]
    assert stack.index("first") < stack.index("During handling") < stack.index("second")
    assert stack.index("second") < stack.index("direct cause") < stack.index("third")


def test_a_suppressed_context_is_not_told() -> None:
    def fails() -> None:
        try:
            raise KeyError  # noqa: TRY301 - what is tested
        except KeyError:
            raise ValueError from None

    assert "exception.chain" not in attributes(raised(fails))


def test_a_group_is_told_with_its_members_and_notes() -> None:
    """PEP 654, PEP 678."""
    inner = ExceptionGroup("inner", [KeyError("k")])
    inner.add_note("canary-secret noted")
    group = ExceptionGroup("outer", [ValueError("v"), inner])
    group.add_note("while shutting down")
    told = attributes(group)
    assert told["exception.notes"] == ["while shutting down"]
    assert told["exception.group"] == [
        {"type": "ValueError", "message": "v"},
        {
            "type": "ExceptionGroup",
            "message": "inner (1 sub-exception)",
            "notes": ["[redacted] noted"],
            "group": [{"type": "KeyError", "message": "'k'"}],
        },
    ]


def test_what_is_endless_is_bounded() -> None:
    endless: BaseException = ValueError("last")
    for number in range(200):
        before, endless = endless, ValueError(f"{number}" + "x" * 50_000)
        endless.__cause__ = before
    assert len(attributes(endless)["exception.chain"]) == 15
    circle = ValueError("a")
    circle.__context__ = other = ValueError("b")
    other.__context__ = circle
    assert len(attributes(circle)["exception.chain"]) == 1
    wide = ExceptionGroup("wide", [ValueError(f"{number}") for number in range(100)])
    assert attributes(wide)["exception.group"][-1] == "[cut, 100 items]"
    deep: Exception = ValueError()
    for _ in range(50):
        deep = ExceptionGroup("deep", [deep])
    assert len(orjson.dumps(attributes(deep))) < 20_000


def test_a_deep_recursion_is_told_briefly() -> None:
    def endless() -> None:
        endless()

    assert len(attributes(raised(endless))["exception.stacktrace"]) < 9_000


@pytest.mark.parametrize("shown", [False, True])
def test_the_values_of_variables_are_told_only_if_asked(*, shown: bool) -> None:
    class Awkward:
        def __repr__(self) -> str:
            raise RuntimeError

    def fails(password: str, number: int, awkward: Any, note: str) -> None:
        raise ValueError

    values = ("hunter2", 3, Awkward(), "canary-secret")
    error = raised(lambda: fails(*values))
    told = attributes(error, exception_locals=shown)
    assert ("exception.locals" in told) == shown
    if shown:
        variables = told["exception.locals"][-1]
        assert variables["function"].endswith("fails")
        assert variables["locals"] == {
            "password": "[redacted]",
            "number": 3,
            "awkward": "<unprintable Awkward>",
            "note": "[redacted]",
        }
    assert shown or "hunter2" not in str(told)


def test_a_strange_exception_is_told_as_far_as_possible() -> None:
    class Strange(Exception):  # noqa: N818 - it is not an error of ours
        __notes__ = 5  # type: ignore[assignment]  # what a careless library does

    assert attributes(Strange("boom"))["exception.message"] == "boom"

    class Awful(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise RuntimeError

        @property
        def __traceback__(self) -> Any:  # type: ignore[override]  # as awful as can be
            raise RuntimeError

    assert attributes(Awful())["exception.stacktrace"] == "<unprintable Awful>"


def test_notes_that_refuse_to_be_told_cost_no_line() -> None:
    class Unwilling:
        def __str__(self) -> str:
            raise RuntimeError

    error = ValueError("boom")
    error.__notes__ = [Unwilling(), "told"]  # type: ignore[list-item]  # what a careless library does
    assert attributes(error)["exception.notes"] == ["<unprintable Unwilling>", "told"]

    class Awful(Exception):  # noqa: N818
        @property
        def __notes__(self) -> list[str]:  # type: ignore[override]  # as awful as can be
            raise RuntimeError

    assert attributes(Awful("boom"))["exception.message"] == "boom"


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_exceptions_in_a_circle_are_told_once(link: str) -> None:
    first, second = ValueError("first"), KeyError("second")
    group = ExceptionGroup("group", [first, second])
    setattr(first, link, second)
    setattr(second, link, group)
    setattr(group, link, first)
    told = attributes(group)
    assert [linked["message"] for linked in told["exception.chain"]] == ["first", "'second'"]
    assert [member["message"] for member in told["exception.group"]] == ["first", "'second'"]


def test_the_variables_of_a_frame_may_refuse_to_be_told() -> None:
    class Unwilling:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError

    def fails() -> None:
        refused, told = Unwilling(), 1  # noqa: F841 - they are told
        raise ValueError

    innermost = attributes(raised(fails), exception_locals=True)["exception.locals"][-1]
    assert innermost["locals"]["told"] == 1
    assert innermost["locals"]["refused"] == "<unprintable Unwilling>"

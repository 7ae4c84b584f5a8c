"""A reload changes everything or nothing, and only those are told whose values changed."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from hxp_config import (
    Change,
    ConfigError,
    Defaults,
    Environment,
    File,
    LiveConfig,
    Reload,
    ReloadReport,
    RevisionError,
    Snapshot,
    Source,
    YamlText,
    load,
)
from hxp_config._mark import mark_at
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator


class Limits(BaseModel):
    model_config = ConfigDict(frozen=True)
    rate: int = 1
    burst: int = 1


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True)
    a: int = 0
    b: int = 0
    limits: Limits = Limits()
    port: Annotated[int, Reload.RESTART] = 8000
    name: Annotated[str, Reload.IMMUTABLE] = "hxp"
    token: SecretStr = SecretStr("t")
    tags: tuple[str, ...] = ()

    @model_validator(mode="after")
    def pair_up(self) -> "Settings":
        if self.a != self.b:
            raise ValueError("a and b must be equal")
        return self


class Recorder:
    """A subscriber that writes down what it is asked, and may object."""

    def __init__(self, veto: str | None = None) -> None:
        self.veto = veto
        self.heard: list[str] = []

    def prepare(self, old: Snapshot[Any], new: Snapshot[Any]) -> None:
        self.heard.append(f"prepare {old.value.a} {new.value.a}")
        if self.veto:
            raise RuntimeError(self.veto)

    def commit(self, new: Snapshot[Any]) -> None:
        self.heard.append(f"commit {new.value.a}")

    def abort(self) -> None:
        self.heard.append("abort")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "hxp.yaml"
    file.write_text("a: 1\nb: 1\n")
    return file


def test_what_the_file_says_now_is_used_and_told(path: Path) -> None:
    reports: list[ReloadReport] = []
    live = LiveConfig(Settings, [File(path)], on_report=reports.append)
    assert (live.value.a, live.revision) == (1, 1)
    path.write_text("a: 2\nb: 2\nlimits: {rate: 5}\n")
    report = live.reload()
    assert (live.value.a, live.value.limits.rate, live.revision) == (2, 5, 2)
    assert reports == [report]
    assert [str(one) for one in report.differences] == [
        f"a: 1 ({path}:1:4) → 2 ({path}:1:4)",
        f"b: 1 ({path}:2:4) → 2 ({path}:2:4)",
        f"limits.rate: 1 (default) → 5 ({path}:3:16)",
    ]


def test_without_a_change_nothing_is_read_again(path: Path) -> None:
    live = LiveConfig(Settings, [File(path), Environment(environ={})])
    snapshot = live.snapshot
    assert not live.reload().changed
    assert not live.reload(force=True).changed
    path.write_text("# only a comment\na: 1\nb: 1\n")
    assert not live.reload().changed
    assert live.snapshot is snapshot


@pytest.mark.parametrize("broken", ["a: [", "a: 2\nb: 3", "a: x", "unknown: 1", "a: ${gone}", "\t"])
def test_a_bad_reload_keeps_the_last_good_is_told_once_and_counted(path: Path, broken: str) -> None:
    """C4."""
    reports: list[ReloadReport] = []
    live = LiveConfig(Settings, [File(path)], on_report=reports.append)
    snapshot = live.snapshot
    path.write_text(broken)
    for _ in range(3):
        report = live.reload(force=True)
        assert isinstance(report.error, ConfigError)
        assert live.snapshot is snapshot
    assert len(reports) == 1
    state = live.state()
    assert (state.revision, state.reloads, state.failures) == (1, 0, 3)
    assert state.last_error == str(reports[0].error)
    path.write_text("a: 3\nb: 3\n")
    assert live.reload().changed
    assert live.state().last_error is None


def test_a_file_that_vanishes_or_cannot_be_read_keeps_the_last_good(path: Path) -> None:
    live = LiveConfig(Settings, [File(path)])
    path.unlink()
    assert "does not exist" in str(live.reload().error)
    path.mkdir()
    assert "Is a directory" in str(live.reload().error)
    assert live.value.a == 1


def test_everybody_prepares_before_anybody_commits(path: Path) -> None:
    live = LiveConfig(Settings, [File(path)])
    order: list[str] = []
    first, second = Recorder(), Recorder()
    first.heard = second.heard = order
    live.subscribe(first)
    live.subscribe(second)
    path.write_text("a: 2\nb: 2\n")
    live.reload()
    assert order == ["prepare 1 2", "prepare 1 2", "commit 2", "commit 2"]


def test_a_veto_aborts_those_who_prepared_and_changes_nothing(path: Path) -> None:
    live = LiveConfig(Settings, [File(path)])
    willing, never, last = Recorder(), Recorder("not now"), Recorder()
    for one in (willing, never, last):
        live.subscribe(one)
    path.write_text("a: 2\nb: 2\n")
    report = live.reload()
    assert str(report.error) == "not now"
    assert live.state().last_error == "RuntimeError: not now"
    assert (willing.heard, never.heard, last.heard) == (["prepare 1 2", "abort"], ["prepare 1 2", "abort"], [])
    assert live.value.a == 1


def test_a_subscriber_that_left_is_asked_no_more(path: Path) -> None:
    live = LiveConfig(Settings, [File(path)])
    gone = Recorder("veto")
    live.subscribe(gone)()
    live.on_change("a", lambda change: gone.heard.append("changed"))()
    path.write_text("a: 2\nb: 2\n")
    assert live.reload().changed
    assert gone.heard == []


def test_only_those_are_told_whose_value_changed_with_both_origins(path: Path) -> None:
    live = LiveConfig(Settings, [File(path)])
    told: list[Change] = []
    for key in ("a", "limits", "limits.rate", "limits.burst", "tags", "nothing.there"):
        live.on_change(key, told.append)
    path.write_text("a: 1\nb: 1\nlimits:\n  rate: 7\n")
    live.reload()
    assert [(one.path, one.new) for one in told] == [("limits", Limits(rate=7)), ("limits.rate", 7)]
    assert (told[1].old, str(told[1].old_origin), str(told[1].new_origin)) == (1, "default", f"{path}:4:9")
    with pytest.raises(ValueError, match="is not a path"):
        live.on_change("a..b", told.append)


def test_what_goes_wrong_after_the_swap_is_reported_and_keeps_nobody_from_it(path: Path) -> None:
    live = LiveConfig(Settings, [File(path)])
    heard: list[str] = []

    class Clumsy(Recorder):
        def commit(self, new: Snapshot[Any]) -> None:
            raise RuntimeError("commit")

    def stumble(change: Change) -> None:
        raise RuntimeError("callback")

    live.subscribe(Clumsy())
    live.on_change("a", stumble)
    live.on_change("a", lambda change: heard.append(change.path))
    path.write_text("a: 2\nb: 2\n")
    report = live.reload()
    assert [str(error) for error in report.errors_after] == ["commit", "callback"]
    assert (live.value.a, heard) == (2, ["a"])


def test_fields_are_marked_live_restart_or_immutable(path: Path) -> None:
    live = LiveConfig(Settings, [File(path)])
    path.write_text("a: 1\nb: 1\nport: 9000\n")
    assert live.reload().needs_restart == ("port",)
    assert live.state().needs_restart == ("port",)
    path.write_text("a: 1\nb: 1\nport: 9000\nname: other\n")
    assert str(live.reload().error) == f"name: cannot be changed while the program runs at {path}:4:7"
    assert live.value.name == "hxp"


@dataclass(frozen=True)
class Part:
    x: Annotated[int, Reload.RESTART] = 1
    y: int = 1


class Tree(BaseModel):
    part: Annotated[Part, Reload.IMMUTABLE] = Part()
    parts: dict[str, Part] = {}
    many: Annotated[list[Part | None], Reload.RESTART] = []
    aliased: Annotated[int, Reload.RESTART] = Field(default=1, alias="other-name")


@pytest.mark.parametrize(
    ("where", "mark"),
    [
        ("part.x", "restart"),
        ("part.y", "immutable"),
        ("parts.a.x", "restart"),
        ("parts.a.y", "live"),
        ("many.0.y", "restart"),
        ("other-name", "restart"),
        ("nothing.at.all", "live"),
    ],
)
def test_the_innermost_mark_holds(where: str, mark: str) -> None:
    assert mark_at(Tree, tuple(where.split("."))) == mark


def test_a_rollback_goes_through_the_same_steps(path: Path) -> None:
    live = LiveConfig(Settings, [File(path)], history=3)
    for number in range(2, 6):
        path.write_text(f"a: {number}\nb: {number}\n")
        live.reload()
    assert live.revision == 5
    subscriber = Recorder()
    live.subscribe(subscriber)
    assert live.rollback().changed
    assert (live.value.a, live.revision) == (4, 6)
    assert subscriber.heard == ["prepare 5 4", "commit 4"]
    with pytest.raises(RevisionError, match="there is no revision 1; kept are 4, 5, 6"):
        live.rollback(1)


def test_a_model_that_a_reader_could_change_is_refused() -> None:
    class Loose(BaseModel):
        a: int = 1

    @dataclass
    class AlsoLoose:
        a: int = 1

    @dataclass(frozen=True)
    class Fixed:
        a: int = 1

    for model in (Loose, AlsoLoose):
        with pytest.raises(TypeError, match="oose is not frozen"):
            LiveConfig(model, [])
    assert LiveConfig(Fixed, [YamlText("a: 3", "f")]).value == Fixed(3)
    with pytest.raises(ConfigError):
        LiveConfig(Fixed, [YamlText("a: x", "f")])


def test_a_source_of_ones_own_is_read_each_time() -> None:
    class Counter:
        count = 0

        def read(self) -> Any:
            Counter.count += 1
            return Defaults({"a": Counter.count, "b": Counter.count}).read()

    source: Source = Counter()
    live = LiveConfig(Settings, [source])
    assert live.reload().changed
    assert live.value.a == 2
    assert live.files() == []


def test_secrets_are_masked_in_what_a_reload_says(path: Path) -> None:
    """L4."""
    live = LiveConfig(Settings, [File(path)])
    path.write_text("a: 1\nb: 1\ntoken: canary\n")
    report = live.reload()
    assert "canary" not in f"{report} {report.differences[0].to_json()} {live.state()}"
    assert report.differences[0].to_json()["new"] == "**********"


def test_a_section_is_handed_on_without_the_rest() -> None:
    snapshot = load(Settings, [YamlText("a: 1\nb: 1\nlimits: {rate: 3}", "f")])
    section = snapshot.section("limits", Limits)
    assert section.value.rate == 3
    assert str(section.origin("rate")) == "f:3:16"
    assert section.origin("burst").source == "default"
    with pytest.raises(KeyError):
        section.origin("a")
    with pytest.raises(KeyError):
        snapshot.section("gone", Limits)
    with pytest.raises(TypeError, match="'limits' holds a Limits, not a Part"):
        snapshot.section("limits", Part)
    assert load(Settings, []).section("limits", Limits).value == Limits()


@pytest.mark.parametrize("readers", [2])
def test_no_reader_ever_sees_a_mixture(path: Path, readers: int) -> None:
    """X4: a and b are equal in every configuration; so they are for every reader, at any moment."""
    live = LiveConfig(Settings, [File(path)])
    stop, mixed, seen = threading.Event(), list[Settings](), set[int]()

    def look() -> None:
        while not stop.is_set():
            value = live.value
            seen.add(value.a)
            if value.a != value.b:
                mixed.append(value)

    threads = [threading.Thread(target=look) for _ in range(readers)]
    for thread in threads:
        thread.start()
    for number in range(2, 10):
        path.write_text(f"a: {number}\nb: {number}\n")
        live.reload()
        while number not in seen:  # every revision is seen by somebody
            pass
    stop.set()
    for thread in threads:
        thread.join()
    assert mixed == []
    assert len(seen) >= 8


class EditedFile(RuleBasedStateMachine):
    """Any edit either loads or keeps the last good, and what is in use is always whole."""

    @initialize()
    def begin(self) -> None:
        self.text = "a: 1\nb: 1\n"
        self.live = LiveConfig(Settings, [self])  # this machine is the source
        self.good = self.live.value
        self.failures = 0

    def read(self) -> Any:
        return YamlText(self.text, "f").read()

    @rule(number=st.integers(0, 5))
    def edit_well(self, number: int) -> None:
        self.text = f"a: {number}\nb: {number}\n"

    @rule(
        at=st.integers(0, 30),
        inserted=st.sampled_from(["x", ":", "\n", "[", "1", " ", "\t", "a: 2\n", "#", "&", "${a}"]),
    )
    def edit_anyhow(self, at: int, inserted: str) -> None:
        self.text = self.text[:at] + inserted + self.text[at:]

    @rule(start=st.integers(0, 12), length=st.integers(1, 8))
    def cut(self, start: int, length: int) -> None:
        self.text = self.text[:start] + self.text[start + length :]

    @rule()
    def reload(self) -> None:
        report = self.live.reload()
        try:
            self.good = load(Settings, [YamlText(self.text, "f")]).value
        except ConfigError as error:
            self.failures += 1
            assert str(report.error) == str(error)  # noqa: PT017 - either outcome is right

    @invariant()
    def the_last_good_is_in_use(self) -> None:
        if hasattr(self, "live"):
            assert self.live.value == self.good
            assert self.live.value is self.live.snapshot.value
            assert self.live.state().failures == self.failures


TestEditedFile = EditedFile.TestCase


@given(st.text(max_size=40))
def test_any_text_loads_or_is_refused_with_a_place(text: str) -> None:
    try:
        load(dict[str, Any], [YamlText(text, "f")])
    except ConfigError as error:
        assert all(problem.origin is not None for problem in error.errors)  # noqa: PT017 - either outcome is right


@pytest.mark.anyio
async def test_no_task_ever_sees_a_mixture(path: Path) -> None:
    """X4: what a task read once stays whole, whatever is reloaded while it waits."""
    live = LiveConfig(Settings, [File(path)])
    done = anyio.Event()
    seen: list[tuple[int, int]] = []

    async def look() -> None:
        while not done.is_set():
            value = live.value
            first = value.a
            await anyio.lowlevel.checkpoint()
            seen.append((first, value.b))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(look)
        for number in range(2, 20):
            await anyio.Path(path).write_text(f"a: {number}\nb: {number}\n")
            await anyio.to_thread.run_sync(live.reload)
        done.set()
    assert len(seen) > 10
    assert all(first == second for first, second in seen)


def test_without_a_report_of_ones_own_a_refusal_is_logged_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    live = LiveConfig(Settings, [File(path)])
    path.write_text("a: [")
    for _ in range(3):
        live.reload(force=True)
    path.write_text("a: 2\nb: 2\nport: 9\n")
    with caplog.at_level("INFO", logger="hxp_config"):
        live.reload()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0].startswith("the configuration stays as it was: not valid YAML")
    assert told[1] == "configuration 2 is in use: a, b, port changed; a restart is needed for port"

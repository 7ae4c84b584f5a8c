"""A configuration that is read again while the program runs, all of it or nothing of it."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ._cache import ParseCache
from ._difference import Difference, difference
from ._errors import ConfigError, ConfigProblem
from ._file import File
from ._frozen import check_frozen, freeze
from ._load import LoadOptions, load_with
from ._mark import Reload, mark_at
from ._path import split_path
from ._snapshot import NOTHING, Snapshot, value_at

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from pathlib import Path

    from ._migration import Migration
    from ._origin import Origin
    from ._secret_store import SecretStore
    from ._source import Source

T = TypeVar("T")


class Subscriber(Protocol):
    """Takes part in a reload: everybody prepares before anybody commits."""

    def prepare(self, old: Snapshot[Any], new: Snapshot[Any]) -> None:
        """Get ready for the new configuration without using it; raising anything is a veto."""
        ...

    def commit(self, new: Snapshot[Any]) -> None:
        """Use it now; all have agreed."""
        ...

    def abort(self) -> None:
        """Throw away what was prepared; somebody disagreed."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """What an `on_change` callback gets.

    Attributes:
        path: What it asked for.
        old: The value, or section, before; None if there was none.
        new: The value, or section, now; None if there is none.
        old_origin: Where the old one stands; None if there was none.
        new_origin: Where the new one stands; None if there is none.
    """

    path: str
    old: Any = field(repr=False)
    new: Any = field(repr=False)
    old_origin: Origin | None
    new_origin: Origin | None


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """What came of a reload.

    Attributes:
        changed: Whether a new configuration is in use.
        revision: The number of the one in use, from 1 on.
        differences: What is different from before.
        needs_restart: Paths whose new values are used only after a restart.
        error: Why the old one stays; None if all is well.
        errors_after: What subscribers and callbacks raised when it was too late to disagree.
    """

    changed: bool
    revision: int
    differences: tuple[Difference, ...] = ()
    needs_restart: tuple[str, ...] = ()
    error: Exception | None = None
    errors_after: tuple[Exception, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveState:
    """How a live configuration is, for health checks and metrics.

    Attributes:
        revision: The number of the configuration in use.
        reloads: Reloads that changed something.
        failures: Reloads that were refused.
        last_error: Why the last one was refused; None after one that was not.
        needs_restart: Paths that wait for a restart.
    """

    revision: int
    reloads: int
    failures: int
    last_error: str | None
    needs_restart: tuple[str, ...]


class RevisionError(LookupError):
    """There is no such revision any more, or there never was."""


class LiveConfig(Generic[T]):
    """A configuration in use; `value` is read at the speed of an attribute, and always whole.

    A reload reads, migrates, merges, validates and asks every subscriber before anything changes; whatever fails on the
    way, the last good configuration stays in use.

    Args:
        model: A frozen pydantic model or a frozen dataclass, all through, so that no reader can change what others
            read. The lists, mappings and sets in `value` refuse to be changed as well; a copy of them is ordinary.
        sources: Where to read, the weakest first.
        migration: Brings older documents up to date.
        secrets: Resolves references to secrets.
        environ: For `${env:NAME}`.
        cache: Keeps what was parsed.
        history: How many revisions `rollback` can go back to.
        on_report: Called after each reload that changed or refused something; the same refusal is told once. Without
            it, the logger `hxp_config` of the standard library is told.

    Raises:
        ConfigError: The first configuration is wrong.
        TypeError: The model, or one within it, is not frozen.

    Example:
        >>> import pydantic
        >>> from hxp_config import Defaults
        >>> class Settings(pydantic.BaseModel, frozen=True):
        ...     port: int
        >>> live = LiveConfig(Settings, [Defaults({"port": 8000})])
        >>> live.value.port, live.reload().changed
        (8000, False)
    """

    value: T
    """The configuration in use. Read it once for what belongs together."""

    def __init__(
        self,
        model: type[T],
        sources: Sequence[Source],
        *,
        migration: Migration | None = None,
        secrets: SecretStore | None = None,
        environ: Mapping[str, str] | None = None,
        history: int = 10,
        on_report: Callable[[ReloadReport], None] | None = None,
    ) -> None:
        check_frozen(model)
        cache = ParseCache()
        self._model = model
        self._sources = [_with_cache(source, cache) for source in sources]
        self._options = LoadOptions(migration, secrets, environ)
        self._on_report = on_report
        self._lock = threading.RLock()
        self._subscribers: list[Subscriber] = []
        self._watches: list[tuple[str, Callable[[Change], None]]] = []
        self._told: str | None = None
        self._reloads = self._failures = 0
        self._waiting: dict[str, None] = {}
        self._state = self._sources_state()
        self.snapshot: Snapshot[T] = self._loaded()
        self.value = self.snapshot.value
        self.revision = 1
        self._history: deque[tuple[int, Snapshot[T]]] = deque([(1, self.snapshot)], maxlen=history)

    def reload(self, *, force: bool = False) -> ReloadReport:
        """Read the sources again, and use what they say if everybody agrees.

        Args:
            force: Whether to do so even if nothing seems to have changed.

        Returns:
            What came of it; never raises for what the sources say.
        """
        with self._lock:
            state = self._sources_state()
            if state is not None and state == self._state and not force:
                return ReloadReport(changed=False, revision=self.revision)
            try:
                new = self._loaded()
            except ConfigError as error:
                self._state = state
                return self._refused(error)
            report = self._adopt(new)
            self._state = state
            return report

    def rollback(self, revision: int | None = None) -> ReloadReport:
        """Go back to an earlier revision, by the same steps as a reload.

        Args:
            revision: Its number; the one before the present one unless given.

        Raises:
            RevisionError: It is not kept any more.
        """
        with self._lock:
            kept = dict(self._history)
            wanted = self.revision - 1 if revision is None else revision
            if wanted not in kept:
                raise RevisionError(f"there is no revision {wanted}; kept are {', '.join(map(str, kept))}")
            return self._adopt(kept[wanted])

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Let somebody take part in reloads.

        Returns:
            A function that ends it.
        """
        with self._lock:
            self._subscribers.append(subscriber)
        return lambda: self._subscribers.remove(subscriber)

    def on_change(self, path: str, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Be told when a value, or anything in a section, has changed; after the new configuration is in use.

        Args:
            path: Dotted.
            callback: What it raises is reported and changes nothing.

        Returns:
            A function that ends it.

        Raises:
            ValueError: The path is malformed.
        """
        split_path(path)
        watch = (path, callback)
        with self._lock:
            self._watches.append(watch)
        return lambda: self._watches.remove(watch)

    def state(self) -> LiveState:
        """Tell how it is."""
        with self._lock:
            return LiveState(self.revision, self._reloads, self._failures, self._told, tuple(self._waiting))

    def files(self) -> list[Path]:
        """Return the files and directories to watch."""
        return [path for source in self._sources for path in getattr(source, "files", list)()]

    def _loaded(self) -> Snapshot[T]:
        new = load_with(self._model, self._sources, self._options)
        return replace(new, value=freeze(new.value))

    def _sources_state(self) -> Hashable | None:
        """What the sources depend on; None if one of them cannot tell."""
        if not all(hasattr(source, "state") for source in self._sources):
            return None
        return tuple(source.state() for source in self._sources)  # type: ignore[attr-defined] # looked at above

    def _adopt(self, new: Snapshot[T]) -> ReloadReport:
        old = self.snapshot
        differences = tuple(difference(old, new))
        if not differences:
            self._settled()
            return ReloadReport(changed=False, revision=self.revision)
        marks = {one.path: mark_at(self._model, split_path(one.path)) for one in differences}
        if fixed := [one for one in differences if marks[one.path] is Reload.IMMUTABLE]:
            return self._refused(ConfigError([_immutable(one) for one in fixed]))
        try:
            self._prepare(old, new)
        except Exception as error:  # noqa: BLE001 - a veto is any exception
            return self._refused(error)
        self.snapshot = new
        self.value = new.value
        self.revision += 1
        self._history.append((self.revision, new))
        self._reloads += 1
        waiting = [path for path, mark in marks.items() if mark is Reload.RESTART]
        self._waiting |= dict.fromkeys(waiting)
        self._settled()
        after = self._commit(old, new)
        report = ReloadReport(
            changed=True,
            revision=self.revision,
            differences=differences,
            needs_restart=tuple(waiting),
            errors_after=tuple(after),
        )
        self._tell(report)
        return report

    def _prepare(self, old: Snapshot[T], new: Snapshot[T]) -> None:
        ready: list[Subscriber] = []
        try:
            for subscriber in list(self._subscribers):
                ready.append(subscriber)  # it may have prepared half before it objects
                subscriber.prepare(old, new)
        except BaseException:
            for subscriber in reversed(ready):
                with contextlib.suppress(Exception):
                    subscriber.abort()
            raise

    def _commit(self, old: Snapshot[T], new: Snapshot[T]) -> list[Exception]:
        errors: list[Exception] = []
        for subscriber in list(self._subscribers):
            try:
                subscriber.commit(new)
            except Exception as error:  # noqa: BLE001 - one must not keep the others from it
                errors.append(error)
        for path, callback in list(self._watches):
            change = _change(path, old, new)
            if change is None:
                continue
            try:
                callback(change)
            except Exception as error:  # noqa: BLE001 - as above
                errors.append(error)
        return errors

    def _refused(self, error: Exception) -> ReloadReport:
        self._failures += 1
        report = ReloadReport(changed=False, revision=self.revision, error=error)
        told, self._told = (
            self._told,
            f"{type(error).__name__}: {error}" if not isinstance(error, ConfigError) else str(error),
        )
        if told != self._told:
            self._tell(report)
        return report

    def _settled(self) -> None:
        self._told = None

    def _tell(self, report: ReloadReport) -> None:
        (self._on_report or _log)(report)


def _log(report: ReloadReport) -> None:
    import logging  # noqa: PLC0415 - for those who want no report of their own

    log = logging.getLogger("hxp_config")
    if report.error is not None:
        log.warning("the configuration stays as it was: %s", report.error)
        return
    changed = ", ".join(one.path for one in report.differences)
    restart = f"; a restart is needed for {', '.join(report.needs_restart)}" if report.needs_restart else ""
    log.info("configuration %d is in use: %s changed%s", report.revision, changed, restart)
    for error in report.errors_after:
        log.error("a subscriber failed after the configuration had changed", exc_info=error)


def _with_cache(source: Source, cache: ParseCache) -> Source:
    return replace(source, cache=cache) if isinstance(source, File) and source.cache is None else source


def _change(path: str, old: Snapshot[Any], new: Snapshot[Any]) -> Change | None:
    segments = split_path(path)
    was, now = value_at(old.value, segments), value_at(new.value, segments)
    if was == now and type(was) is type(now):
        return None
    return Change(
        path,
        None if was is NOTHING else was,
        None if now is NOTHING else now,
        None if was is NOTHING else old.origin(path),
        None if now is NOTHING else new.origin(path),
    )


def _immutable(one: Difference) -> ConfigProblem:
    return ConfigProblem(one.path, "cannot be changed while the program runs", one.new_origin or one.old_origin)

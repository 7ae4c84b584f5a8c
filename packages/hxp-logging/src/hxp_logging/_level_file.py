"""The small file through which all processes of a service share the levels that were set at run time."""

import fcntl
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from orjson import dumps, loads

from ._level import NAMES
from ._levels import LevelRule

_LOOK_EVERY = 0.1
_MAX_BYTES = 1 << 20
_FIELDS = ("level", "logger", "request_id", "tenant", "until")


class LevelFile:
    """Rules in a file, replaced as a whole; who reads it never sees half of it.

    A rule's end is in monotonic seconds, which all processes of one boot share and nobody sets back; a file from
    before a reboot keeps only the rules that hold for ever.

    Args:
        path: Its folder is made where it is missing.
        boot: Names the boot of this machine.
    """

    def __init__(self, path: str, *, boot: str | None = None) -> None:
        self._path = Path(path).absolute()  # a daemon may change its folder
        self._boot = _boot_id() if boot is None else boot
        self._look_at = 0.0
        self._seen: tuple[int, int, int] | None = None

    def poll(self, now: float, *, throttled: bool = True) -> list[LevelRule] | None:
        """Return the rules if the file is another one than before; looked at every 100 ms at most."""
        if throttled and now < self._look_at:
            return None
        self._look_at = now + _LOOK_EVERY
        try:
            status = self._path.stat()
        except OSError:
            seen = None
        else:
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen == self._seen:
            return None
        self._seen = seen
        return self._read()

    def change(self, to: Callable[[list[LevelRule]], Iterable[LevelRule]]) -> None:
        """Replace the rules by what a function makes of them; one process at a time.

        Raises:
            OSError: The file cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            rules = [{name: getattr(rule, name) for name in _FIELDS} for rule in to(self._read())]
            partial = self._path.with_name(f".{self._path.name}.part")
            partial.write_bytes(dumps({"boot": self._boot, "rules": rules}))
            partial.replace(self._path)
        finally:
            os.close(lock)

    def _read(self) -> list[LevelRule]:
        """Read the rules; what is not a rule is no reason to stop logging."""
        rules: list[LevelRule] = []
        with suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
            with self._path.open("rb") as file:
                document = loads(file.read(_MAX_BYTES))
            current = document["boot"] == self._boot
            rules.extend(_rule(entry) for entry in document["rules"] if current or entry["until"] is None)
        return rules


def _rule(entry: dict[str, Any]) -> LevelRule:
    if entry["level"] not in NAMES or not isinstance(entry["until"], int | float | None):
        raise TypeError
    return LevelRule(**{name: entry[name] for name in _FIELDS})


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""

"""The keys that open the gateway, kept in memory so that no request waits for the ledger."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from hxp_schemas import KeyRecord, KeySnapshot
from hxp_services_base import Check, KeyVerifier
from hxp_services_base.chassis import ServiceError, unauthorised
from pydantic import ValidationError

from ._ledger import LedgerError, call_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hxp_logging import Logger
    from hxp_services_base import Pepper, UpstreamPool

_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class KeyCacheOptions:
    """How keys are kept.

    Attributes:
        accept_development: Whether development keys open this gateway.
        instance: The gateway's instance, by which the ledger knows who has applied a change.
        max_age: Seconds for which keys that the ledger has not confirmed are good.
        fail_open: Whether they stay good after that.
        ask_interval: Least seconds between two questions to the ledger about keys that nobody knows.
        ask_timeout: Seconds that a request with such a key waits for the answer.
    """

    accept_development: bool
    instance: str = "gateway"
    max_age: float = 300.0
    fail_open: bool = False
    ask_interval: float = 0.2
    ask_timeout: float = 2.0


class KeyCache:
    """The keys in force, read from the ledger as they change.

    A ledger that is away keeps the newest keys in force until they are too old, and health says so.

    Args:
        ledger: The ledger's pool.
        pepper: The secret that digests are keyed with.
        options: How keys are kept.
        log: Gets one line when the keys cannot be read and one when they can be again.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        ledger: UpstreamPool,
        pepper: Pepper,
        options: KeyCacheOptions,
        *,
        log: Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._pepper = pepper
        self._options = options
        self._log = log
        self._clock = clock
        self._problem: str | None = "the keys have not been read yet"
        self._reported = True  # a first reading that fails is reported by the start
        self._version = -1
        self._confirmed_at = float("-inf")
        self._next_question_at = float("-inf")
        self._lock = asyncio.Lock()
        self._read = asyncio.Event()
        self.verifier = KeyVerifier(pepper, KeySnapshot(version=0, keys=[]))

    @property
    def usable(self) -> int:
        """Keys that open this gateway now."""
        return len(self.verifier)

    @property
    def age(self) -> float:
        """Seconds since the ledger last confirmed the keys."""
        return self._clock() - self._confirmed_at

    @property
    def _too_old(self) -> bool:
        """Whether no key may open anything; even where old ones stay good, there has to be one."""
        return self.age > self._options.max_age and not (self._options.fail_open and self.usable)

    async def read(self) -> None:
        """Wait until the keys have been read for the first time."""
        await self._read.wait()

    async def check(self, presented: bytes | None) -> KeyRecord:
        """Return the record of a presented key.

        A key with an id that nobody knows is asked for once, at a bounded rate, since it may be a moment old.

        Raises:
            ServiceError: 401 for anything but a valid key; 503 `keys_unavailable` when all keys are too old.
        """
        if self._too_old:
            message = "the gateway cannot confirm API keys now, so it takes none; try again later"
            raise ServiceError.of(503, "keys_unavailable", message, retryable=True, retry_after=5.0)
        key = self.verifier.verify(presented) if presented is not None else None
        if key is None and presented is not None and not self.verifier.knows(presented) and self._may_ask():
            try:
                async with asyncio.timeout(self._options.ask_timeout):
                    await self.refresh()
            except (LedgerError, TimeoutError):
                raise unauthorised() from None
            key = self.verifier.verify(presented)
        if key is None:
            raise unauthorised()
        return key

    def _may_ask(self) -> bool:
        now = self._clock()
        if now < self._next_question_at:
            return False
        self._next_question_at = now + self._options.ask_interval
        return True

    async def refresh(self) -> None:
        """Read what has changed.

        Raises:
            LedgerError: If the ledger refuses or cannot be reached; the present keys stay in force.
        """
        async with self._lock:
            asked_at = self._clock()
            await self._read_changes()
            self._confirmed_at = asked_at
        self._problem = None
        self._read.set()
        if self._reported:
            self._reported = False
            self._log.info("keys read", usable=self.usable, version=self._version)

    async def _read_changes(self) -> None:
        """Read page after page; keys that begin anew take effect when all of them are here."""
        verifier, version = self.verifier, self._version
        while True:
            snapshot = await self._read_page(version)
            if snapshot.full:
                verifier = KeyVerifier(self._pepper, KeySnapshot(version=0, keys=[]))
            accepted = [key for key in snapshot.keys if self._options.accept_development or not key.development]
            verifier.apply(KeySnapshot(version=snapshot.version, keys=accepted))
            has_moved, version = snapshot.version > version, snapshot.version
            if not (snapshot.more and has_moved):
                break
        self.verifier, self._version = verifier, version

    async def _read_page(self, since: int) -> KeySnapshot:
        path = f"/v1/keys/snapshot?since={since}&limit={_PAGE}&reader={quote(self._options.instance, safe='')}"
        try:
            return KeySnapshot.model_validate_json(await call_ledger(self._ledger, "GET", path))
        except ValidationError as error:
            raise self._failed(LedgerError("the ledger's answer holds no keys")) from error
        except LedgerError as error:
            self._failed(error)
            raise

    def _failed(self, error: Exception) -> Exception:
        self._problem = f"the ledger is away: {error}"
        if not self._reported:
            self._reported = True
            self._log.warning("keys cannot be read", error=str(error), age=round(self.age, 1))
        return error

    async def follow(self, interval: float) -> None:
        """Refresh until cancelled, whatever goes wrong: a failure is reported once, and the next round tries again."""
        while True:
            await asyncio.sleep(interval)
            try:
                await self.refresh()
            except LedgerError:
                continue  # reported above
            except Exception as error:  # noqa: BLE001 - what keeps the keys must outlive what nobody foresaw
                self._failed(error)

    def checks(self) -> Sequence[Check]:
        """Return a check that is not critical, for a ledger that is away, and one that is, for keys too old."""
        return (Check("keys", self._health, critical=False), Check("keys-age", self._age_health))

    async def _health(self) -> str | None:
        return None if self._problem is None else f"{self._problem} (keys of version {self._version} stay in force)"

    async def _age_health(self) -> str | None:
        if not self._too_old:
            return None
        if not self._read.is_set():
            return f"no key has been read so far, so all are refused: {self._problem}"
        return f"no key was confirmed for {self._options.max_age:g} s, so all are refused: {self._problem}"

"""Which level counts for whom: per logger, request and tenant, for ever or for a while. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ._level import NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelRule:
    """One level that was set.

    Attributes:
        level: The lowest that is written, as a number.
        logger: For this logger and its children; for all, unless given.
        request_id: For the lines of this request only.
        tenant: For lines with this tenant bound to their context only.
        until: Monotonic seconds from which on the rule is void.
    """

    level: int
    logger: str | None = None
    request_id: str | None = None
    tenant: str | None = None
    until: float | None = None

    @property
    def key(self) -> tuple[str | None, str | None, str | None, bool]:
        """What a newer rule must share with this one to replace it; a rule for a while only covers one for ever."""
        return (self.logger, self.request_id, self.tenant, self.until is None)

    @property
    def is_plain(self) -> bool:
        """Whether the rule holds for ever and for everybody."""
        return self.until is None and self.request_id is None and self.tenant is None

    def covers(self, name: str) -> bool:
        """Tell whether a logger of this name is meant."""
        return self.logger is None or name == self.logger or name.startswith(f"{self.logger}.")

    def rank(self) -> tuple[bool, bool, int, bool]:
        """The more particular rule wins: a request's, then a tenant's, then the longer name, then one for a while."""
        return (
            self.request_id is not None,
            self.tenant is not None,
            len(self.logger) if self.logger is not None else -1,
            self.until is not None,
        )


@dataclass(frozen=True, slots=True)
class Levels:
    """All rules that are in force; immutable.

    Attributes:
        base: The level where no rule says otherwise.
        rules: The most particular ones first.
    """

    base: int
    rules: tuple[LevelRule, ...] = ()

    def having(self, rule: LevelRule) -> "Levels":
        """Return levels with one rule more, in the place of an older one for the same."""
        return self.with_rules([*(old for old in self.rules if old.key != rule.key), rule])

    def without(self, *, logger: str | None, request_id: str | None, tenant: str | None) -> "Levels":
        """Return levels without the rules for this."""
        gone = (logger, request_id, tenant)
        return self.with_rules(rule for rule in self.rules if rule.key[:3] != gone)

    def with_rules(self, rules: Iterable[LevelRule]) -> "Levels":
        """Return levels with other rules."""
        return replace(self, rules=tuple(sorted(rules, key=LevelRule.rank, reverse=True)))

    def at(self, now: float) -> "Levels":
        """Return what is left once the time of some rules is over."""
        if all(rule.until is None or now < rule.until for rule in self.rules):
            return self
        return self.with_rules(rule for rule in self.rules if rule.until is None or now < rule.until)

    @property
    def is_plain(self) -> bool:
        """Whether a logger's name alone decides."""
        return all(rule.is_plain for rule in self.rules)

    @property
    def next_end(self) -> float:
        """Monotonic seconds at which the first rule becomes void."""
        return min((rule.until for rule in self.rules if rule.until is not None), default=float("inf"))

    def lasting(self, name: str) -> int:
        """Return the level of a logger where nothing but its name counts."""
        return next((rule.level for rule in self.rules if rule.is_plain and rule.covers(name)), self.base)

    def lowest(self, name: str) -> int:
        """Return the lowest level that a logger may have in any request, now or once a rule is void."""
        others = [rule.level for rule in self.rules if not rule.is_plain and rule.covers(name)]
        return min([self.lasting(name), *others])

    def exact(self, name: str, request_id: str | None, tenant: object) -> int:
        """Return the level of a logger in one request."""
        for rule in self.rules:
            if (
                rule.covers(name)
                and (rule.request_id is None or rule.request_id == request_id)
                and (rule.tenant is None or rule.tenant == tenant)
            ):
                return rule.level
        return self.base

    def describe(self, now: float) -> dict[str, object]:
        """Tell the rules in words, as `GET /loggers` does."""
        return {
            "level": NAMES[self.lasting("")],
            "rules": [
                {
                    "level": NAMES[rule.level],
                    "logger": rule.logger,
                    "request_id": rule.request_id,
                    "tenant": rule.tenant,
                    "seconds_left": None if rule.until is None else round(rule.until - now, 3),
                }
                for rule in self.rules
            ],
        }

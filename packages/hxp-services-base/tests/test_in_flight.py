"""Which requests an engine may have died of, and which only happened to be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hxp_services_base.engines._in_flight import InFlight

if TYPE_CHECKING:
    from hxp_services_base.engines._in_flight import Asked

CHAT = "/v1/chat/completions"


class Flights:
    """A record with a clock of the test's."""

    def __init__(self) -> None:
        self.now = 0.0
        self.record = InFlight(clock=lambda: self.now)

    def sent(self, text: str, *, tenant: str = "a", run: int = 0) -> Asked:
        asked = self.record.begin(tenant, CHAT, {"prompt": text})
        self.record.send(asked, run)
        return asked

    def died(self, run: int = 0, *, stuck_since: float | None = None) -> list[tuple[str, bytes]]:
        return sorted(self.record.died(run, stuck_since=stuck_since))


def test_equal_requests_are_counted_each_and_with_their_tenants() -> None:
    flights = Flights()
    requests = sorted(flights.sent("ping", tenant=tenant).request for tenant in "aab")
    assert flights.died() == requests
    assert len({fingerprint for _, fingerprint in requests}) == 1


def test_a_request_that_never_reached_the_engine_has_no_part_in_its_end() -> None:
    flights = Flights()
    flights.record.begin("a", CHAT, {"prompt": "waits"})
    returned = flights.sent("was not delivered")
    returned.run = None
    assert flights.died() == []


def test_a_request_counts_once_also_if_its_connection_breaks_after_the_end_was_noticed() -> None:
    flights = Flights()
    killer = flights.sent("killer")
    assert flights.died() == [killer.request]
    flights.record.broke(killer)
    flights.record.end(killer)
    other = flights.sent("other", run=1)
    assert flights.died(run=1) == [other.request]


def test_a_connection_that_broke_long_before_the_end_is_not_its_cause() -> None:
    flights = Flights()
    for seconds, expected in ((1.0, 1), (60.0, 0)):
        asked = flights.sent("broken")
        flights.record.broke(asked)
        flights.record.end(asked)
        flights.now += seconds
        assert len(flights.died()) == expected


def test_of_a_hang_only_those_count_that_were_there_when_it_began() -> None:
    flights = Flights()
    left = flights.sent("left in time to hang it")
    gone = flights.sent("gone long before")
    flights.record.left(gone)
    flights.record.end(gone)
    flights.now = 10.0
    flights.record.left(left)
    flights.record.end(left)
    flights.now = 30.0
    waited = flights.sent("only waited")
    flights.record.broke(waited)
    flights.record.end(waited)
    flights.sent("only waits")
    assert flights.died(stuck_since=10.0) == [left.request]

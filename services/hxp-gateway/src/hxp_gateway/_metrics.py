"""What a gateway measures beside its requests; labels are configured names, never what a stranger sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from hxp_schemas import UsageRecord
    from prometheus_client import CollectorRegistry

    from ._journal import Journal


class GatewayMetrics:
    """Tokens and outcomes by model, and the journal's backlog."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        # The children by their labels: looking one up costs prometheus-client more than counting.
        self._known: dict[tuple[str, str, str], tuple[Counter, Counter, Counter]] = {}
        self._tokens = Counter("hxp_gateway_tokens", "Tokens, by model and kind.", ("model", "kind"), registry=registry)
        self._outcomes = Counter(
            "hxp_gateway_outcomes",
            "How requests ended, by model and upstream.",
            ("model", "upstream", "status"),
            registry=registry,
        )
        self._set_aside = Counter(
            "hxp_gateway_journal_set_aside", "Records that the ledger refused, kept in quarantine.", registry=registry
        )
        self._journal_errors = Counter("hxp_gateway_journal_errors", "Writes that the disk refused.", registry=registry)

    def watch(self, journal: Journal) -> None:
        """Export the journal's state."""
        Gauge("hxp_gateway_journal_open", "Requests under way.", registry=self._registry).set_function(
            lambda: journal.open
        )
        Gauge(
            "hxp_gateway_journal_backlog",
            "Settled requests that the ledger does not have yet.",
            registry=self._registry,
        ).set_function(lambda: journal.backlog)

    def settled(self, record: UsageRecord) -> None:
        """Count one settled request."""
        labels = record.model, record.upstream or "", record.status
        known = self._known.get(labels)
        if known is None:
            prompt, completion = (self._tokens.labels(record.model, kind) for kind in ("prompt", "completion"))
            known = self._known[labels] = self._outcomes.labels(*labels), prompt, completion
        outcomes, prompt, completion = known
        outcomes.inc()
        prompt.inc(record.prompt_tokens)
        completion.inc(record.completion_tokens)

    def journal_failed(self) -> None:
        """Count one refused write."""
        self._journal_errors.inc()

    def set_aside(self) -> None:
        """Count one record in quarantine."""
        self._set_aside.inc()

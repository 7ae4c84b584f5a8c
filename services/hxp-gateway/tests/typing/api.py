"""A user's program, checked by mypy and never run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_type

from hxp_gateway import GatewayService, GatewaySettings, Journal, UpstreamSettings
from hxp_services_base.testing import Running, hosted

if TYPE_CHECKING:
    from hxp_schemas import UsageRecord


async def use(record: UsageRecord) -> None:
    upstream = UpstreamSettings(name="tiny", service="tiny", models=["hxp-tiny"])
    settings = GatewaySettings(upstreams=[upstream], key_refresh=0.5)
    assert_type(settings.upstreams, list[UpstreamSettings])
    async with hosted(GatewayService(), settings) as running:
        assert_type(running, Running[GatewayService])
        assert_type(running.url, str)
    journal = Journal(Path("journal"))
    journal.intend(record)
    journal.settle(record)
    journal.note_progress(record.request_id, 14, 32)
    while (batch := journal.batch(500)) is not None:
        assert_type(batch.records, tuple[bytes, ...])
        journal.acknowledge(batch)
    assert_type(journal.backlog, int)
    journal.close()

"""The ledger service: keys and usage over HTTP, for the services of its own stack alone."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from hxp_services_base import BaseInfrastructureService, Check, Pepper
from prometheus_client import Counter

from ._development import ensure_development_key
from ._settings import LedgerSettings
from .errors import DatabaseUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fastapi import APIRouter
    from hxp_schemas import UsageReceipt
    from hxp_services_base import Context, Resource

    from ._database import Database
    from ._keys import KeyStore


class _LedgerDatabase:
    """The database as a resource of the service: it answers when the tables of the ledger do."""

    name = "database"

    def __init__(self, database: Database, keys: KeyStore) -> None:
        self._database = database
        self._keys = keys

    @asynccontextmanager
    async def open(self, context: Context) -> AsyncIterator[Database]:
        del context  # a database needs nothing of it
        async with self._database as database:
            yield database

    def checks(self) -> Sequence[Check]:
        return (Check("database", self._health),)

    async def _health(self) -> str | None:
        await self.ping()
        try:
            await self._database.require_writes()
        except DatabaseUnavailableError as error:
            return str(error)
        return None

    async def migrate(self) -> None:
        await self._database.migrate()

    async def ping(self) -> None:
        await self._keys.version()


class LedgerService(BaseInfrastructureService[LedgerSettings]):
    """Keeps API keys, usage and the audit trail."""

    def resources(self) -> Sequence[Resource]:
        """The one database; SQLAlchemy is loaded here, in the process that serves."""
        from ._database import Database  # noqa: PLC0415
        from ._keys import KeyStore  # noqa: PLC0415
        from ._usage import UsageStore  # noqa: PLC0415

        database = Database(self.settings.url.get_secret_value())
        self._database = database
        self._keys = KeyStore(database)
        self._usage = UsageStore(database)
        return (_LedgerDatabase(database, self._keys),)

    async def ready(self, context: Context) -> None:
        """Prove that the database answers; in development, see to it that there is a key to begin with."""
        await super().ready(context)
        if context.identity.profile == "development":
            await self._make_development_key(context)

    async def _make_development_key(self, context: Context) -> None:
        """See to it that there is a key to begin with; a disk that is full keeps nobody from using the others."""
        folder = context.identity.state_dir
        try:
            await self._database.require_writes()  # else a key would wait for another writer as long as any write
            if await ensure_development_key(self._keys, Pepper.load_or_create(folder / "pepper"), folder / "dev-key"):
                context.log.info("development key made", file=str(folder / "dev-key"))
        except (OSError, DatabaseUnavailableError) as error:
            context.log.warning("there is no new development key", error=str(error))

    def metrics(self, context: Context) -> None:
        """Declare the ledger's instruments."""
        self._records = Counter(
            "hxp_ledger_records", "Usage records, by what became of them.", ("result",), registry=context.metrics
        )

    def routes(self, router: APIRouter) -> None:
        """Snapshot of keys, ingestion and summary of usage."""
        from ._routes import add_routes  # noqa: PLC0415 - FastAPI is loaded in the process that serves

        add_routes(router, keys=lambda: self._keys, usage=lambda: self._usage, ingested=self._ingested)

    def _ingested(self, receipt: UsageReceipt) -> None:
        self._records.labels("accepted").inc(receipt.accepted)
        self._records.labels("duplicate").inc(receipt.duplicates)

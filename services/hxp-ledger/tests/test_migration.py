"""The schema, brought to its newest version."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from importlib import import_module
from importlib.resources import as_file, files

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from hxp_ledger import Database, KeyStore, SchemaVersionError, UsageStore
from hxp_ledger._migration import newest_version
from hxp_ledger._tables import metadata
from hxp_schemas import new_id
from sqlalchemy import Connection, create_engine, inspect, text

pytestmark = pytest.mark.anyio

PROGRAM = """
import asyncio, os, sys
from alembic import command
from hxp_ledger import Database, KeyStore
from hxp_schemas import new_id

async def main():
    async with Database(sys.argv[1]) as database:
        await database.migrate()
        await KeyStore(database).create("a", "0" * 64, key_id=new_id("key"))

children = []
for _ in range(3):
    child = os.fork()
    if not child:
        asyncio.run(main())
        os._exit(0)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""


async def test_a_migration_run_twice_changes_nothing(database: Database) -> None:
    await KeyStore(database).create("a", "0" * 64, key_id=new_id("key"))
    before = await KeyStore(database).snapshot()
    await database.migrate()
    assert await KeyStore(database).snapshot() == before


def test_the_newest_version_is_where_the_migrations_lead() -> None:
    with as_file(files("hxp_ledger") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder))
        config.set_main_option("path_separator", "os")
        assert newest_version() == ScriptDirectory.from_config(config).get_current_head()


async def test_migrations_at_once_in_one_process_take_turns(url: str) -> None:
    async with Database(url) as first, Database(url) as second:
        await asyncio.gather(first.migrate(), second.migrate(), first.migrate())
        assert (await KeyStore(first).snapshot()).version == 0


async def test_databases_are_migrated_beside_one_another(url: str, sqlite_url: str) -> None:
    async with Database(url) as first, Database(f"{sqlite_url}.second") as second:
        await asyncio.gather(first.migrate(), second.migrate())
        for database in (first, second):
            assert await KeyStore(database).version() == 0


async def test_migrations_at_once_in_several_processes_take_turns(url: str) -> None:
    done = subprocess.run(  # noqa: ASYNC221 (nothing else runs)
        [sys.executable, "-c", PROGRAM, url], check=False, capture_output=True, text=True
    )
    assert done.stdout == "[0, 0, 0]\n", done.stderr
    async with Database(url) as database:
        snapshot = await KeyStore(database).snapshot()
    assert (snapshot.version, len(snapshot.keys)) == (3, 3)


async def test_the_migrations_lead_to_the_tables_of_the_code(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"version_table": "hxp_ledger_version"})
        return list(compare_metadata(context, metadata))

    async with database.reading() as connection:
        assert await connection.run_sync(differences) == []


def test_the_first_step_makes_the_first_tables() -> None:
    step = import_module("hxp_ledger.migrations.versions.0001_keys_usage_audit")
    with create_engine("sqlite://").begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            step.upgrade()
        assert set(inspect(connection).get_table_names()) == {"api_keys", "audit", "keys_version", "usage"}
        assert connection.execute(text("SELECT id, version FROM keys_version")).all() == [(1, 0)]
    connection.engine.dispose()


async def test_the_second_step_numbers_the_keys_that_are_there(url: str) -> None:
    async with Database(url) as database:
        async with database.writing() as connection:
            await connection.run_sync(_as_the_first_step_left_it)
        await database.migrate()
        pages = [await KeyStore(database).changes(since, 2) for since in (-1, 2)]
        assert [[key.name for key in page.keys] for page in pages] == [["a", "b"], ["c"]]
        assert (pages[1].version, await KeyStore(database).version()) == (10, 10)
        (usage,) = (await UsageStore(database).page()).records
        assert usage.estimated is False


def _as_the_first_step_left_it(connection: Connection) -> None:
    """A database of the first release: three keys, a record, version 7."""
    step = import_module("hxp_ledger.migrations.versions.0001_keys_usage_audit")
    with Operations.context(MigrationContext.configure(connection)):
        step.upgrade()
    connection.execute(text("CREATE TABLE hxp_ledger_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO hxp_ledger_version VALUES ('0001')"))
    connection.execute(text("UPDATE keys_version SET version = 7"))
    for name, key_id in zip("abc", sorted(new_id("key") for _ in range(3)), strict=True):
        connection.execute(
            text("INSERT INTO api_keys VALUES (:id, :name, :digest, '2026-01-01 00:00:00+00:00', NULL, false)"),
            {"id": key_id, "name": name, "digest": "0" * 64},
        )
    connection.execute(
        text(
            "INSERT INTO usage VALUES ('r', NULL, 'm', '/v1/x', 'completed', 200, 1, 2, "
            "'2026-01-01 00:00:00+00:00', NULL, false, NULL, NULL)"
        )
    )


async def test_a_migration_that_fails_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """C8."""
    from alembic import command  # noqa: PLC0415 (patched here)

    upgrade = command.upgrade

    def broken(*arguments: object) -> None:
        upgrade(*arguments)  # type: ignore[arg-type]
        raise RuntimeError("killed midway")

    monkeypatch.setattr(command, "upgrade", broken)
    async with Database(url) as database:
        with pytest.raises(RuntimeError, match="midway"):
            await database.migrate()
        async with database.reading() as connection:
            assert await connection.run_sync(lambda sync: inspect(sync).get_table_names()) == []
        monkeypatch.undo()
        await database.migrate()
        assert await KeyStore(database).version() == 0


async def test_a_database_of_a_newer_version_is_left_alone(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(text("UPDATE hxp_ledger_version SET version_num = '9999'"))
    with pytest.raises(SchemaVersionError, match="newer version"):
        await database.migrate()

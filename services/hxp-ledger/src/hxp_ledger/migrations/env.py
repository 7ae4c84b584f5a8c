"""Run by Alembic: migrate on the connection and in the transaction that the caller has opened.

Alembic imports this file by its path. The caller holds the lock that lets one process migrate at a time.
"""

from alembic import context

VERSION_TABLE = "hxp_ledger_version"

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()

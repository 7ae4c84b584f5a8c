"""Teams of keys, the version at which a key changed, who has read it, and estimates of usage."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; keys that are there are numbered, so that readers can take them in pages."""
    op.add_column("api_keys", sa.Column("team", sa.String(64)))
    op.add_column("api_keys", sa.Column("changed", sa.BigInteger, nullable=False, server_default="0"))
    op.execute(
        "UPDATE api_keys SET changed = numbered.place "
        "FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM api_keys) AS numbered "
        "WHERE api_keys.id = numbered.id"
    )
    op.execute("UPDATE keys_version SET version = version + (SELECT count(*) FROM api_keys)")
    op.create_index("ix_api_keys_changed", "api_keys", ["changed"])
    op.create_table(
        "key_readers",
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.add_column("usage", sa.Column("estimated", sa.Boolean, nullable=False, server_default=sa.false()))

"""Data keys, tallies, the access trail, and whether rows are signed and sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def text(name: str, length: int) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False)


def whole(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=False, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "data_keys", text("tenant", 64), text("kind", 16), text("name", 64), text("key_id", 64),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False), sa.PrimaryKeyConstraint("tenant", "kind", "name"),
    )
    op.create_table(
        "tallies", text("tenant", 64), text("patient", 64), text("key_id", 16),
        sa.Column("body", sa.Text(), nullable=False), text("row_digest", 64),
        sa.PrimaryKeyConstraint("tenant", "patient"),
    )
    op.create_table(
        "accesses", text("stream", 36), whole("number"), whole("time_us"), text("tenant", 64), text("patient", 64),
        text("actor", 128), text("method", 128), text("outcome", 32), text("call", 36), text("purpose", 64),
        text("chain_digest", 64), sa.PrimaryKeyConstraint("stream", "number"),
    )
    op.create_index("accesses_by_patient", "accesses", ["tenant", "patient", "time_us"])
    op.create_table(
        "protection", text("name", 16), text("key_id", 16), whole("seals"), text("row_digest", 64),
        sa.PrimaryKeyConstraint("name"),
    )
    for column in (("call", 36), ("purpose", 64)):
        kind = sa.String(column[1])
        op.add_column("audit", sa.Column(column[0], kind, nullable=False, server_default=""))


def downgrade() -> None:
    """`twin migrate` makes rows readable and unsigned before it comes here."""
    with op.batch_alter_table("audit") as audit:
        audit.drop_column("purpose")
        audit.drop_column("call")
    for table in ("protection", "accesses", "tallies", "data_keys"):
        op.drop_table(table)

"""Events held until confirmed, and every revision of what was said of a twin."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "held",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("patient", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(160), nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("arrival_us", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("said", sa.LargeBinary(), nullable=False),
        sa.Column("row_digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "patient", "event_id"),
    )
    op.create_table(
        "specs",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("patient", sa.String(64), nullable=False),
        sa.Column("spec_revision", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("spec", sa.LargeBinary(), nullable=False),
        sa.Column("since_us", sa.BigInteger(), nullable=False),
        sa.Column("row_digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "patient", "spec_revision"),
    )


def downgrade() -> None:
    op.drop_table("specs")
    op.drop_table("held")

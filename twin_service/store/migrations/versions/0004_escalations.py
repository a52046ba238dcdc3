"""Running dose escalations: a plan, then events."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "escalations",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("escalation", sa.String(64), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("row_digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "escalation", "revision"),
    )


def downgrade() -> None:
    op.drop_table("escalations")

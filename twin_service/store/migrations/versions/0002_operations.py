"""Long-running operations and virtual populations."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def text(name: str, length: int) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False)


def whole(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def data(name: str) -> sa.Column:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "operations", text("tenant", 64), text("operation", 36), text("kind", 64), text("state", 16), data("request"),
        data("response"), whole("error_code"), sa.Column("error_message", sa.Text(), nullable=False),
        whole("created_us"), whole("ended_us"), text("row_digest", 64),
        sa.PrimaryKeyConstraint("tenant", "operation"),
    )
    op.create_index("operations_by_state", "operations", ["state"])
    op.create_index("operations_by_time", "operations", ["tenant", "created_us"])
    op.create_table(
        "populations", text("tenant", 64), text("population", 36), data("request"), data("weights"),
        sa.Column("effective_size", sa.Double(), nullable=False), sa.Column("remark", sa.Text(), nullable=False),
        whole("created_us"), text("row_digest", 64), sa.PrimaryKeyConstraint("tenant", "population"),
    )


def downgrade() -> None:
    op.drop_table("populations")
    op.drop_table("operations")

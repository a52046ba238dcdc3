"""The first schema: twins, events, audit, requests, snapshots, forecasts, answers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def text(name: str, length: int) -> sa.Column:
    return sa.Column(name, sa.String(length), nullable=False)


def whole(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def data(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.LargeBinary(), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "twins", text("tenant", 64), text("patient", 64), data("spec", nullable=True), data("salt", nullable=True),
        whole("spec_revision"), whole("timeline_revision"), whole("belief_revision"), text("belief_digest", 64),
        sa.Column("trouble", sa.Text(), nullable=False), text("chain_digest", 64), whole("audit_count"),
        text("audit_digest", 64), whole("created_us"), whole("updated_us"), whole("erased_us"), text("row_digest", 64),
        sa.PrimaryKeyConstraint("tenant", "patient"),
    )
    op.create_table(
        "events", text("tenant", 64), text("patient", 64), whole("revision"), text("event_id", 160), whole("time_us"),
        whole("arrival_us"), data("body", nullable=True), text("body_digest", 64), text("chain_digest", 64),
        sa.PrimaryKeyConstraint("tenant", "patient", "revision"),
    )
    op.create_index("events_by_id", "events", ["tenant", "patient", "event_id"], unique=True)
    op.create_index("events_by_time", "events", ["tenant", "patient", "time_us"])
    op.create_table(
        "audit", text("tenant", 64), text("patient", 64), whole("number"), whole("time_us"), text("actor", 128),
        text("action", 32), sa.Column("detail", sa.Text(), nullable=False), text("chain_digest", 64),
        sa.PrimaryKeyConstraint("tenant", "patient", "number"),
    )
    op.create_table(
        "requests", text("tenant", 64), text("request_id", 36), text("patient", 64), text("request_digest", 64),
        data("response"), whole("created_us"), text("row_digest", 64),
        sa.PrimaryKeyConstraint("tenant", "request_id"),
    )
    op.create_index("requests_by_patient", "requests", ["tenant", "patient"])
    op.create_table(
        "snapshots", text("tenant", 64), text("patient", 64), whole("time_us"), text("prefix_digest", 64),
        data("body"), text("row_digest", 64), sa.PrimaryKeyConstraint("tenant", "patient", "time_us"),
    )
    op.create_table(
        "forecasts", text("tenant", 64), text("patient", 64), text("event_id", 160), whole("belief_revision"),
        data("body"), text("row_digest", 64),
        sa.PrimaryKeyConstraint("tenant", "patient", "event_id", "belief_revision"),
    )
    op.create_table(
        "answers", text("tenant", 64), text("answer_id", 36), text("patient", 64), text("method", 128),
        data("request"), data("basis"), text("response_digest", 64), whole("timeline_revision"), whole("created_us"),
        text("row_digest", 64), sa.PrimaryKeyConstraint("tenant", "answer_id"),
    )
    op.create_index("answers_by_patient", "answers", ["tenant", "patient"])


def downgrade() -> None:
    for table in ("answers", "forecasts", "snapshots", "requests", "audit", "events", "twins"):
        op.drop_table(table)

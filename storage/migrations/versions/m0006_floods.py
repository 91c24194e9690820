"""Numbers that are blocked or always let through, calls from strangers, and what is counted of dials."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "caller_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("pattern", sa.String(20), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_by", sa.String(120), nullable=False),
        sa.CheckConstraint("kind IN ('block', 'allow')", name="ck_caller_rules_kind"),
        sa.PrimaryKeyConstraint("id", name="pk_caller_rules"),
        sa.UniqueConstraint("pattern", name="uq_caller_rules_pattern"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "stranger_calls",
        sa.Column("call_sid", sa.String(34), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("call_sid", name="pk_stranger_calls"),
    )
    op.create_index("ix_stranger_calls_at", "stranger_calls", ["at"])
    op.add_column("outgoing", sa.Column("customer_dials", sa.Integer(), server_default="0", nullable=False))
    # What the daily caps count: a day's calls and texts, however many years there are.
    op.create_index("ix_outgoing_asked_at", "outgoing", ["asked_at"])
    op.create_index("ix_notice_sends_channel_tried_at", "notice_sends", ["channel", "tried_at"])

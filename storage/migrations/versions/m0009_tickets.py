"""Tickets for a helpdesk: what happened in each, and by which ways it was told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "tickets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(60), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tickets"),
        sa.UniqueConstraint("subject", name="uq_tickets_subject"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "ticket_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name="fk_ticket_events_ticket_id"),
        sa.PrimaryKeyConstraint("id", name="pk_ticket_events"),
        sa.UniqueConstraint("source", name="uq_ticket_events_source"),
        sa.UniqueConstraint("name", name="uq_ticket_events_name"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_ticket_events_ticket_id_sequence", "ticket_events", ["ticket_id", "sequence"], unique=True
    )
    op.create_index("ix_ticket_events_created_at", "ticket_events", ["created_at"])
    op.create_table(
        "ticket_deliveries",
        sa.Column("event_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(8), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("why", sa.String(80), nullable=True),
        sa.Column("settled_at", INSTANT, nullable=True),
        sa.Column("outcome", sa.String(10), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["ticket_events.id"], name="fk_ticket_deliveries_event_id"),
        sa.PrimaryKeyConstraint("event_id", "channel", name="pk_ticket_deliveries"),
    )
    waiting = sa.text("settled_at IS NULL")
    op.create_index(
        "ix_ticket_deliveries_waiting",
        "ticket_deliveries",
        ["event_id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )

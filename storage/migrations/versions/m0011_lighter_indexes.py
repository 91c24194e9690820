"""Indexes over those rows alone that somebody looks for: what has grown old weighs less."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# The new index with its columns and the rows it is over, and the one whose place it takes.
INSTEAD = (
    ("calls", "ix_calls_of_customer", ["customer_id", "started_at"], "customer_id IS NOT NULL"),
    ("calls", "ix_calls_from_caller", ["caller", "started_at"], "caller <> '~'"),
    ("calls", "ix_calls_of_urgency", ["urgency", "started_at"], "urgency IS NOT NULL"),
    ("cases", "ix_cases_of_taker", ["taken_by", "opened_at"], "taken_by IS NOT NULL"),
    ("cases", "ix_cases_open_of_customer", ["customer_id"], "closed_at IS NULL"),
    ("attempts", "ix_attempts_unsettled", ["result", "asked_at"], "result IS NULL"),
    ("attempts", "ix_attempts_of_pass", ["pass_id"], "pass_id IS NOT NULL"),
    ("outgoing", "ix_outgoing_named", ["sid"], "sid IS NOT NULL"),
    ("outgoing", "ix_outgoing_under_way", ["ended_at", "asked_at"], "ended_at IS NULL"),
    ("outgoing", "ix_outgoing_of_attempt", ["attempt_id"], "attempt_id IS NOT NULL"),
    ("outgoing", "ix_outgoing_of_notice", ["notice_send_id"], "notice_send_id IS NOT NULL"),
    ("outgoing", "ix_outgoing_tests", ["technician", "phone"], "purpose = 'test'"),
)
GONE = (
    ("calls", "ix_calls_customer_id_started_at"),
    ("calls", "ix_calls_caller_started_at"),
    ("calls", "ix_calls_urgency_started_at"),
    ("cases", "ix_cases_taken_by_opened_at"),
    ("cases", "ix_cases_customer_id_closed_at"),
    ("attempts", "ix_attempts_result_asked_at"),
    ("attempts", "ix_attempts_pass_id"),
    ("outgoing", "ix_outgoing_sid"),
    ("outgoing", "ix_outgoing_ended_at_asked_at"),
    ("outgoing", "ix_outgoing_attempt_id"),
    ("outgoing", "ix_outgoing_notice_send_id"),
    ("outgoing", "ix_outgoing_purpose_technician_phone"),
)


def upgrade() -> None:
    # The release before may still serve: its queries find the new ones, or the rows that are not many.
    for table, name, columns, where in INSTEAD:
        rows = sa.text(where)
        op.create_index(name, table, columns, sqlite_where=rows, postgresql_where=rows)
    for table, name in GONE:
        op.drop_index(name, table)

"""On call: a rota with patterns, absences and swaps; the pursuit of cases; notices; case links; feeds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _new_tables()
    _technicians()
    with op.batch_alter_table("rota_overrides", table_kwargs={"sqlite_autoincrement": True}) as overrides:
        overrides.add_column(sa.Column("because", sa.String(8), server_default="override", nullable=False))
        overrides.add_column(sa.Column("swap_id", sa.Integer(), nullable=True))
        overrides.add_column(sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
        overrides.create_foreign_key("fk_rota_overrides_swap_id", "swaps", ["swap_id"], ["id"])
        overrides.create_index("ix_rota_overrides_swap_id", ["swap_id"])
    _cases()
    with op.batch_alter_table("attempts", table_kwargs={"sqlite_autoincrement": True}) as attempts:
        attempts.add_column(sa.Column("pass_id", sa.Integer(), nullable=True))
        attempts.create_foreign_key("fk_attempts_pass_id", "passes", ["pass_id"], ["id"])
        attempts.create_index("ix_attempts_pass_id", ["pass_id"])
    _pursuit_calls_back()


def _technicians() -> None:
    for column in (
        sa.Column("other_phones", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("rings", sa.Integer(), nullable=True),
        sa.Column("language", sa.String(5), nullable=True),
        sa.Column("services", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("technicians", column)


def _cases() -> None:
    for column in (
        sa.Column("taken_via", sa.String(8), nullable=True),
        sa.Column("customer_calls", sa.Integer(), server_default="0", nullable=False),
        sa.Column("breached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("merged_into", sa.String(16), nullable=True),
    ):
        op.add_column("cases", column)


def _pursuit_calls_back() -> None:
    """Whoever accepted and was not connected is phoned first by the pursuit itself: its row is pending."""
    work = sa.table(
        "due_work",
        sa.column("kind", sa.String),
        sa.column("state", sa.String),
        sa.column("ended_by", sa.String),
    )
    op.execute(
        sa.update(work)
        .where(work.c.kind == "technician.recall", work.c.state == "pending")
        .values(state="cancelled", ended_by="upgrade")
    )


def _new_tables() -> None:
    op.create_table(
        "swaps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rota", sa.String(32), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("proposer", sa.String(32), nullable=False),
        sa.Column("counterpart", sa.String(32), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("back_rung", sa.Integer(), nullable=True),
        sa.Column("back_starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("back_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.String(120), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_swaps"),
        sa.ForeignKeyConstraint(["proposer"], ["technicians.key"], name="fk_swaps_proposer"),
        sa.ForeignKeyConstraint(["counterpart"], ["technicians.key"], name="fk_swaps_counterpart"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_swaps_rota", "swaps", ["rota"])
    op.create_index("ix_swaps_state", "swaps", ["state"])
    op.create_table(
        "absences",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("technician", sa.String(32), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("source", sa.String(300), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(120), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["technician"], ["technicians.key"], name="fk_absences_technician"),
        sa.PrimaryKeyConstraint("id", name="pk_absences"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_absences_ends_at", "absences", ["ends_at"])
    op.create_index("ix_absences_source", "absences", ["source"])
    op.create_index("ix_absences_technician_ends_at", "absences", ["technician", "ends_at"])
    op.create_table(
        "rota_watch",
        sa.Column("rota", sa.String(32), nullable=False),
        sa.Column("told_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("rota", name="pk_rota_watch"),
    )
    op.create_table(
        "shift_checks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rota", sa.String(32), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("technician", sa.String(32), nullable=False),
        sa.Column("shift_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("given_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_shift_checks"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_shift_checks", "shift_checks", ["rota", "rung", "technician", "shift_at"], unique=True
    )
    op.create_table(
        "feeds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("rota", sa.String(32), nullable=True),
        sa.Column("technician", sa.String(32), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(120), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["technician"], ["technicians.key"], name="fk_feeds_technician"),
        sa.PrimaryKeyConstraint("id", name="pk_feeds"),
        sa.UniqueConstraint("token_hash", name="uq_feeds_token_hash"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "case_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(120), nullable=False),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("details", sa.JSON(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_case_log"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_case_log_case_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_case_log_case_id", "case_log", ["case_id"])
    op.create_table(
        "case_links",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("technician", sa.String(32), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("token_hash", name="uq_case_links_token_hash"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_case_links_case_id"),
        sa.PrimaryKeyConstraint("id", name="pk_case_links"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_case_links_case_id", "case_links", ["case_id"])
    op.create_table(
        "passes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("rota", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ladder", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_passes"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_passes_case_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_passes_case_id", "passes", ["case_id"])
    op.create_index(
        "uq_passes_running",
        "passes",
        ["rota"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("recipient", sa.String(300), nullable=False),
        sa.Column("about", sa.String(120), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("loud", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(10), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("key", name="uq_notices_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notices_about", "notices", ["about"])
    op.create_index("ix_notices_recipient", "notices", ["recipient"])
    op.create_table(
        "notice_sends",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("notice_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(8), nullable=False),
        sa.Column("address", sa.String(300), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("sid", sa.String(34), nullable=True),
        sa.Column("why", sa.String(60), nullable=True),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_notice_sends"),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name="fk_notice_sends_notice_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notice_sends_notice_id", "notice_sends", ["notice_id"])
    op.create_index("ix_notice_sends_sid", "notice_sends", ["sid"])
    op.create_table(
        "texts_in",
        sa.Column("sid", sa.String(34), nullable=False),
        sa.Column("technician", sa.String(32), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sid", name="pk_texts_in"),
    )
    op.create_table(
        "outgoing",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(10), nullable=False),
        sa.Column("technician", sa.String(32), nullable=False),
        sa.Column("phone", sa.String(200), nullable=False),
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=True),
        sa.Column("attempt_id", sa.Integer(), nullable=True),
        sa.Column("notice_send_id", sa.Integer(), nullable=True),
        sa.Column("shift_check_id", sa.Integer(), nullable=True),
        sa.Column("sid", sa.String(34), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.String(12), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_outgoing_case_id"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_outgoing_attempt_id"),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing"),
        sa.ForeignKeyConstraint(["notice_send_id"], ["notice_sends.id"], name="fk_outgoing_notice_send_id"),
        sa.ForeignKeyConstraint(["shift_check_id"], ["shift_checks.id"], name="fk_outgoing_shift_check_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outgoing_attempt_id", "outgoing", ["attempt_id"])
    op.create_index("ix_outgoing_case_id", "outgoing", ["case_id"])
    op.create_index("ix_outgoing_ended_at_asked_at", "outgoing", ["ended_at", "asked_at"])
    op.create_index("ix_outgoing_notice_send_id", "outgoing", ["notice_send_id"])
    op.create_index("ix_outgoing_sid", "outgoing", ["sid"])
    op.create_table(
        "outgoing_turns",
        sa.Column("outgoing_id", sa.Integer(), nullable=False),
        sa.Column("turn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heard", sa.String(200), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["outgoing_id"], ["outgoing.id"], name="fk_outgoing_turns_outgoing_id"),
        sa.PrimaryKeyConstraint("outgoing_id", "turn", name="pk_outgoing_turns"),
    )

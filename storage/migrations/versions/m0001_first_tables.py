"""The first tables: customers and PINs, technicians and rota, calls and cases, due work, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(120), nullable=False),
        sa.Column("act", sa.String(60), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    op.create_table(
        "case_numbers",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", name="pk_case_numbers"),
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("spoken_name", sa.String(200), nullable=False),
        sa.Column("language", sa.String(2)),
        sa.Column("coverage", sa.String(10), nullable=False),
        sa.Column("contract_from", sa.Date()),
        sa.Column("contract_until", sa.Date()),
        sa.Column("minutes_left", sa.Integer()),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
        sa.CheckConstraint("coverage IN ('contract', 'prepaid', 'none')", name="ck_customers_coverage"),
        sa.UniqueConstraint("code", name="uq_customers_code"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "due_work",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("key", sa.String(120), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("lease", sa.String(32)),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("ended_by", sa.String(120)),
        sa.PrimaryKeyConstraint("id", name="pk_due_work"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_due_work_kind_key", "due_work", ["kind", "key"])
    op.create_index("ix_due_work_state_due_at", "due_work", ["state", "due_at"])
    op.create_table(
        "rota_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rota", sa.String(32), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_by", sa.String(120), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rota_versions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rota_versions_rota_valid_from", "rota_versions", ["rota", "valid_from"])
    op.create_table(
        "technicians",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("spoken_name", sa.String(200), nullable=False),
        sa.Column("phone", sa.String(200), nullable=False),
        sa.Column("email", sa.String(254)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_technicians"),
        sa.UniqueConstraint("key", name="uq_technicians_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "calls",
        sa.Column("sid", sa.String(34), nullable=False),
        sa.Column("caller", sa.String(200), nullable=False),
        sa.Column("number", sa.String(32), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("outcome", sa.String(20)),
        sa.Column("customer_id", sa.Integer()),
        sa.Column("urgency", sa.String(8)),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("step", sa.String(20), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sid", name="pk_calls"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_calls_customer_id"),
    )
    op.create_index("ix_calls_customer_id", "calls", ["customer_id"])
    op.create_index("ix_calls_started_at", "calls", ["started_at"])
    op.create_table(
        "customer_phones",
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("phone", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "phone", name="pk_customer_phones"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_customer_phones_customer_id"),
    )
    op.create_index("uq_customer_phones_phone", "customer_phones", ["phone"], unique=True)
    op.create_table(
        "pins",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(120), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("params_version", sa.Integer(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("issued_by", sa.String(120), nullable=False),
        sa.Column("expires_on", sa.Date()),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_by", sa.String(120)),
        sa.Column("revoke_reason", sa.Text()),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_pins"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_pins_customer_id"),
        sa.UniqueConstraint("digest", name="uq_pins_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pins_customer_id", "pins", ["customer_id"])
    op.create_index("ix_pins_revoked_at_length", "pins", ["revoked_at", "length"])
    op.create_table(
        "rota_overrides",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rota", sa.String(32), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("technician", sa.String(32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(120), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rota_overrides"),
        sa.ForeignKeyConstraint(["technician"], ["technicians.key"], name="fk_rota_overrides_technician"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rota_overrides_rota_ends_at", "rota_overrides", ["rota", "ends_at"])
    op.create_table(
        "cases",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.String(16), nullable=False),
        sa.Column("code", sa.String(4), nullable=False),
        sa.Column("call_sid", sa.String(34), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("rota", sa.String(32), nullable=False),
        sa.Column("urgency", sa.String(8), nullable=False),
        sa.Column("final_urgency", sa.String(8)),
        sa.Column("billable", sa.Boolean(), nullable=False),
        sa.Column("call_back_to", sa.String(32)),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True)),
        sa.Column("taken_at", sa.DateTime(timezone=True)),
        sa.Column("taken_by", sa.String(32)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("closed_by", sa.String(120)),
        sa.Column("outcome", sa.Text()),
        sa.Column("minutes", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name="pk_cases"),
        sa.ForeignKeyConstraint(["call_sid"], ["calls.sid"], name="fk_cases_call_sid"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_cases_customer_id"),
        sa.UniqueConstraint("number", name="uq_cases_number"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_cases_closed_at", "cases", ["closed_at"])
    op.create_index("ix_cases_code", "cases", ["code"])
    op.create_index("ix_cases_customer_id_closed_at", "cases", ["customer_id", "closed_at"])
    op.create_table(
        "messages",
        sa.Column("recording_sid", sa.String(34), nullable=False),
        sa.Column("call_sid", sa.String(34), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("file", sa.String(60)),
        sa.Column("fetched_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("recording_sid", name="pk_messages"),
        sa.ForeignKeyConstraint(["call_sid"], ["calls.sid"], name="fk_messages_call_sid"),
    )
    op.create_index("ix_messages_call_sid", "messages", ["call_sid"])
    op.create_table(
        "turns",
        sa.Column("sid", sa.String(34), nullable=False),
        sa.Column("turn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("step", sa.String(20), nullable=False),
        sa.Column("heard", sa.String(200), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sid", "turn", name="pk_turns"),
        sa.ForeignKeyConstraint(["sid"], ["calls.sid"], name="fk_turns_sid"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("call_sid", sa.String(34), nullable=False),
        sa.Column("technician", sa.String(32), nullable=False),
        sa.Column("phone", sa.String(200), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("picked_up_at", sa.DateTime(timezone=True)),
        sa.Column("pressed", sa.String(12)),
        sa.Column("pressed_at", sa.DateTime(timezone=True)),
        sa.Column("result", sa.String(12)),
        sa.Column("result_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
        sa.ForeignKeyConstraint(["call_sid"], ["calls.sid"], name="fk_attempts_call_sid"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_attempts_case_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_attempts_call_sid", "attempts", ["call_sid"])
    op.create_index("ix_attempts_case_id", "attempts", ["case_id"])
    op.create_index("ix_attempts_result_asked_at", "attempts", ["result", "asked_at"])
    op.create_table(
        "case_calls",
        sa.Column("case_id", sa.Integer(), nullable=False),
        sa.Column("call_sid", sa.String(34), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "call_sid", name="pk_case_calls"),
        sa.ForeignKeyConstraint(["call_sid"], ["calls.sid"], name="fk_case_calls_call_sid"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_case_calls_case_id"),
    )
    op.create_index("ix_case_calls_call_sid", "case_calls", ["call_sid"])
    op.create_table(
        "legs",
        sa.Column("sid", sa.String(34), nullable=False),
        sa.Column("call_sid", sa.String(34), nullable=False),
        sa.Column("attempt_id", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sid", name="pk_legs"),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempts.id"], name="fk_legs_attempt_id"),
        sa.ForeignKeyConstraint(["call_sid"], ["calls.sid"], name="fk_legs_call_sid"),
    )
    op.create_index("ix_legs_attempt_id", "legs", ["attempt_id"])
    op.create_index("ix_legs_call_sid", "legs", ["call_sid"])
    op.create_table(
        "leg_turns",
        sa.Column("sid", sa.String(34), nullable=False),
        sa.Column("turn", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heard", sa.String(200), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sid", "turn", name="pk_leg_turns"),
        sa.ForeignKeyConstraint(["sid"], ["legs.sid"], name="fk_leg_turns_sid"),
    )


def downgrade() -> None:
    op.drop_table("leg_turns")
    op.drop_table("legs")
    op.drop_table("case_calls")
    op.drop_table("attempts")
    op.drop_table("turns")
    op.drop_table("messages")
    op.drop_table("cases")
    op.drop_table("rota_overrides")
    op.drop_table("pins")
    op.drop_table("customer_phones")
    op.drop_table("calls")
    op.drop_table("technicians")
    op.drop_table("rota_versions")
    op.drop_table("due_work")
    op.drop_table("customers")
    op.drop_table("case_numbers")
    op.drop_table("audit")

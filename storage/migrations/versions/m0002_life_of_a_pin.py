"""The whole life of a PIN: letters, rotation, throttle, screening; and an audit that is chained."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("address", sa.Text(), server_default="", nullable=False))
    op.add_column("customers", sa.Column("email", sa.String(254), server_default="", nullable=False))
    op.add_column(
        "customers", sa.Column("letters_by_email", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "customer_sites",
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "name", name="pk_customer_sites"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_customer_sites_customer_id"),
    )
    op.add_column("pins", sa.Column("reason", sa.Text(), server_default="", nullable=False))
    op.add_column("pins", sa.Column("replaced_by", sa.Integer(), nullable=True))
    op.create_index("ix_pins_key_version", "pins", ["key_version"])
    op.drop_index("ix_pins_revoked_at_length", "pins")
    op.create_index(
        "ix_pins_live_length",
        "pins",
        ["length"],
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    op.create_table(
        "spent_pins",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("key_version", sa.Integer(), nullable=False),
        sa.Column("params_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_spent_pins"),
    )
    op.create_index("ix_spent_pins_key_version", "spent_pins", ["key_version"])
    op.create_table(
        "pin_tries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.String(100), nullable=False),
        sa.Column("lane", sa.String(8), nullable=False),
        sa.Column("cleared", sa.Boolean(), nullable=False),
        sa.CheckConstraint("lane IN ('shared', 'known', 'unread')", name="ck_pin_tries_lane"),
        sa.PrimaryKeyConstraint("id", name="pk_pin_tries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pin_tries_lane_at", "pin_tries", ["lane", "at"])
    op.create_index("ix_pin_tries_number_lane_at", "pin_tries", ["number", "lane", "at"])
    op.create_table(
        "key_holders",
        sa.Column("node", sa.String(200), nullable=False),
        sa.Column("peppers", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("node", name="pk_key_holders"),
    )
    op.create_table(
        "key_marks",
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("mark", sa.String(40), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "version", name="pk_key_marks"),
    )
    op.create_table(
        "pin_batches",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(120), nullable=False),
        sa.Column("pins", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pin_batches"),
    )
    _cases()
    op.add_column("messages", sa.Column("kind", sa.String(8), server_default="message", nullable=False))
    op.create_table(
        "wake_ups",
        sa.Column("call_sid", sa.String(34), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("call_sid", name="pk_wake_ups"),
        sa.ForeignKeyConstraint(["call_sid"], ["calls.sid"], name="fk_wake_ups_call_sid"),
    )
    op.create_index("ix_wake_ups_at", "wake_ups", ["at"])
    _chain_the_audit()


def _cases() -> None:
    with op.batch_alter_table("cases", table_kwargs={"sqlite_autoincrement": True}) as cases:
        cases.alter_column("customer_id", existing_type=sa.Integer(), nullable=True)
        cases.alter_column("urgency", existing_type=sa.String(8), nullable=True)
        cases.alter_column("due_at", existing_type=sa.DateTime(timezone=True), nullable=True)
        cases.add_column(sa.Column("screened", sa.Boolean(), server_default=sa.false(), nullable=False))


def _chain_the_audit() -> None:
    """What was written so far is chained in its order, and keeps its instants, actors and details.

    A subject names a customer by his id from now on; the code, which may say who he is, goes to the
    details, where it can be erased.
    """
    connection = op.get_bind()
    old = sa.table(
        "audit",
        sa.column("id", sa.Integer),
        sa.column("at", sa.DateTime(timezone=True)),
        sa.column("actor", sa.String),
        sa.column("act", sa.String),
        sa.column("subject", sa.String),
        sa.column("reason", sa.Text),
        sa.column("details", sa.JSON),
    )
    rows = connection.execute(sa.select(old).order_by(old.c.id)).all()
    customers = sa.table("customers", sa.column("id", sa.Integer), sa.column("code", sa.String))
    ids = {f"customer:{row.code}": row for row in connection.execute(sa.select(customers))}
    op.drop_table("audit")
    new = op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(120), nullable=False),
        sa.Column("act", sa.String(60), nullable=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("details_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("chain", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    details = op.create_table(
        "audit_details",
        sa.Column("audit_id", sa.Integer(), nullable=False),
        sa.Column("salt", sa.LargeBinary(16)),
        sa.Column("details", sa.Text()),
        sa.Column("erased_by", sa.Integer()),
        sa.PrimaryKeyConstraint("audit_id", name="pk_audit_details"),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_audit_details_audit_id"),
        sa.ForeignKeyConstraint(["erased_by"], ["audit.id"], name="fk_audit_details_erased_by"),
    )
    chain = bytes(32)
    for number, row in enumerate(rows, start=1):
        at: datetime = row.at.replace(tzinfo=UTC) if row.at.tzinfo is None else row.at.astimezone(UTC)
        told = {**(row.details or {}), **({"reason": row.reason} if row.reason else {})}
        subject = row.subject
        if known := ids.get(subject):
            subject, told = f"customer:{known.id}", {**told, "code": known.code}
        text = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
        salt = secrets.token_bytes(16)
        hashed = hashlib.sha256(salt + text.encode()).digest()
        link = [number, at.isoformat(timespec="microseconds"), row.actor, row.act, subject, hashed.hex()]
        told_of = json.dumps(link, ensure_ascii=False, separators=(",", ":")).encode()
        chain = hashlib.sha256(chain + told_of).digest()
        values = {"id": number, "at": at, "actor": row.actor, "act": row.act, "subject": subject}
        connection.execute(sa.insert(new), {**values, "details_hash": hashed, "chain": chain})
        connection.execute(sa.insert(details), {"audit_id": number, "salt": salt, "details": text})


def downgrade() -> None:
    raise NotImplementedError("what was chained, rotated or screened is not undone")

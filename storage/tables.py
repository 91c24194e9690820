"""The one metadata of the house, and the tables that belong to no other package.

Each package adds its own tables in its `tables.py`. Foreign keys are named by string, and go one way:
cases → calls → customers, never back.
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text

from storage.types import Instant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

due_work = Table(
    "due_work",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(40), nullable=False),
    # The idempotency key: what this work is about. At most one row of a kind is pending for a key.
    Column("key", String(120), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("leased_until", Instant),
    Column("lease", String(32)),
    Column("tries", Integer, nullable=False, default=0),
    # pending, done, cancelled
    Column("state", String(12), nullable=False, default="pending"),
    Column("ended_at", Instant),
    Column("ended_by", String(120)),
    Index("ix_due_work_state_due_at", "state", "due_at"),
    Index("ix_due_work_kind_key", "kind", "key"),
    # A deleted row's number is never given again: the audit of what was done stays unambiguous.
    sqlite_autoincrement=True,
)

# Ids are gapless and given by storage/audit.py, never by the database: a missing one has been removed.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("act", String(60), nullable=False),
    Column("subject", String(120), nullable=False),
    # SHA-256 of the salt and the details, which stand in a table of their own and can be erased.
    Column("details_hash", LargeBinary(32), nullable=False),
    # SHA-256 over the row before and this one.
    Column("chain", LargeBinary(32), nullable=False),
    Index("ix_audit_subject", "subject"),
    # How the log is looked through: by whoever acted, by what was done, by day.
    Index("ix_audit_actor_id", "actor", "id"),
    Index("ix_audit_act_id", "act", "id"),
    Index("ix_audit_at", "at"),
)

audit_details = Table(
    "audit_details",
    metadata,
    Column("audit_id", ForeignKey("audit.id"), primary_key=True),
    Column("salt", LargeBinary(16)),
    # As JSON text: hashed byte for byte as it stands.
    Column("details", Text),
    # The act that erased them; salt and details are then empty.
    Column("erased_by", Integer, ForeignKey("audit.id", name="fk_audit_details_erased_by")),
)

# What the house remembers of things outside it: see storage.notebook.
notebook = Table(
    "notebook",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("at", Instant, nullable=False),
    # JSON.
    Column("content", Text, nullable=False),
)

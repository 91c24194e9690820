"""Tables of customers and PINs. No PIN stands in any of them, only its keyed slow hash."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from storage.tables import metadata
from storage.types import Instant

customers = Table(
    "customers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("code", String(32), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("spoken_name", String(200), nullable=False),
    Column("language", String(2)),
    Column("coverage", String(10), nullable=False),
    Column("contract_from", Date),
    Column("contract_until", Date),
    Column("minutes_left", Integer),
    Column("notes", Text, nullable=False, default=""),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("coverage IN ('contract', 'prepaid', 'none')", name="coverage"),
    sqlite_autoincrement=True,
)

customer_phones = Table(
    "customer_phones",
    metadata,
    Column("customer_id", ForeignKey("customers.id"), primary_key=True),
    Column("phone", String(32), primary_key=True),
    # A number stands on one file only, so that it names one customer.
    Index("uq_customer_phones_phone", "phone", unique=True),
)

pins = Table(
    "pins",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False),
    Column("label", String(120), nullable=False, default=""),
    # HMAC-SHA256 under the pepper, of the raw argon2id digest: 32 bytes. See pins/index.py.
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("key_version", Integer, nullable=False),
    Column("params_version", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("issued_by", String(120), nullable=False),
    Column("expires_on", Date),
    Column("revoked_at", Instant),
    Column("revoked_by", String(120)),
    Column("revoke_reason", Text),
    Column("last_used_at", Instant),
    Index("ix_pins_customer_id", "customer_id"),
    Index("ix_pins_revoked_at_length", "revoked_at", "length"),
    sqlite_autoincrement=True,
)

"""Tables of customers and PINs. No PIN stands in any of them, only its keyed slow hash."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
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
    false,
)

from storage.partial import partial_index
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
    # Where letters go. By e-mail only if the customer has agreed to it.
    Column("address", Text, nullable=False, default="", server_default=""),
    Column("email", String(254), nullable=False, default="", server_default=""),
    Column("letters_by_email", Boolean, nullable=False, default=False, server_default=false()),
    Column("notes", Text, nullable=False, default=""),
    Column("created_at", Instant, nullable=False),
    # By what he is found and listed: see `customer_card.found_by`.
    Column("found_by", String(500), nullable=False, default="", server_default=""),
    CheckConstraint("coverage IN ('contract', 'prepaid', 'none')", name="coverage"),
    Index("ix_customers_found_by", "found_by"),
    sqlite_autoincrement=True,
)

customer_sites = Table(
    "customer_sites",
    metadata,
    Column("customer_id", ForeignKey("customers.id"), primary_key=True),
    Column("name", String(120), primary_key=True),
    Column("address", Text, nullable=False, default=""),
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
    # Why it was issued, if anybody said so.
    Column("reason", Text, nullable=False, default="", server_default=""),
    # Its last day: it ends when the office next opens after it, never inside a PIN window.
    Column("expires_on", Date),
    # The id of the PIN that takes its place: this one is in the overlap until `expires_on`.
    Column("replaced_by", Integer),
    Column("revoked_at", Instant),
    Column("revoked_by", String(120)),
    Column("revoke_reason", Text),
    Column("last_used_at", Instant),
    Index("ix_pins_customer_id", "customer_id"),
    # Of live PINs alone: PostgreSQL finds the longest of a million by its end, not by counting them.
    partial_index(
        "ix_pins_live_length",
        "length",
        where="revoked_at IS NULL",
    ),
    # For the change of keys and of hash parameters.
    Index("ix_pins_key_version", "key_version"),
    sqlite_autoincrement=True,
)

# PINs whose record is gone: they are never issued again.
spent_pins = Table(
    "spent_pins",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("key_version", Integer, nullable=False),
    Column("params_version", Integer, nullable=False),
    Index("ix_spent_pins_key_version", "key_version"),
)

# Complete PINs that opened nothing, for the throttle: see pins/throttle.py. Kept for a day.
pin_tries = Table(
    "pin_tries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    # The caller's number; all that are withheld are one: "".
    Column("number", String(100), nullable=False),
    Column("lane", String(8), nullable=False),
    # A right PIN from this number makes its earlier misses count no more against the number.
    Column("cleared", Boolean, nullable=False, default=False),
    CheckConstraint("lane IN ('shared', 'known', 'unread')", name="lane"),
    Index("ix_pin_tries_lane_at", "lane", "at"),
    Index("ix_pin_tries_number_lane_at", "number", "lane", "at"),
    sqlite_autoincrement=True,
)

# How many peppers each node's running service knows: a row is wrapped only once all know the new one.
key_holders = Table(
    "key_holders",
    metadata,
    Column("node", String(200), primary_key=True),
    Column("peppers", Integer, nullable=False),
    Column("since", Instant, nullable=False),
)

# What the keys and costs were when first used: a short keyed mark of each pepper with the salt, the figures
# of each cost. A configuration that has changed them finds none of the PINs issued before.
key_marks = Table(
    "key_marks",
    metadata,
    # pepper, cost
    Column("kind", String(8), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("mark", String(40), nullable=False),
    Column("since", Instant, nullable=False),
)

# Batches of PINs whose letters are in one file: written with them, so that a file left by an interrupted
# run can be told from one whose PINs were never issued.
pin_batches = Table(
    "pin_batches",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("pins", Integer, nullable=False),
)

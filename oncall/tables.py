"""Tables of technicians, the rota, cases and attempts."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    false,
)

from storage.tables import metadata
from storage.types import Instant

technicians = Table(
    "technicians",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(32), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("spoken_name", String(200), nullable=False),
    Column("phone", String(200), nullable=False),
    Column("email", String(254)),
    Column("created_at", Instant, nullable=False),
    Column("retired_at", Instant),
    sqlite_autoincrement=True,
)

# Rules are added, never changed: what held in the past can be computed for ever.
rota_versions = Table(
    "rota_versions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rota", String(32), nullable=False),
    Column("valid_from", Instant, nullable=False),
    Column("document", JSON, nullable=False),
    Column("applied_at", Instant, nullable=False),
    Column("applied_by", String(120), nullable=False),
    Index("ix_rota_versions_rota_valid_from", "rota", "valid_from"),
    sqlite_autoincrement=True,
)

rota_overrides = Table(
    "rota_overrides",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rota", String(32), nullable=False),
    Column("rung", Integer, nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("technician", ForeignKey("technicians.key"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(120), nullable=False),
    Index("ix_rota_overrides_rota_ends_at", "rota", "ends_at"),
    sqlite_autoincrement=True,
)

case_numbers = Table(
    "case_numbers",
    metadata,
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("last", Integer, nullable=False),
)

cases = Table(
    "cases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", String(16), nullable=False, unique=True),
    Column("code", String(4), nullable=False),
    Column("call_sid", ForeignKey("calls.sid"), nullable=False),
    # Empty for a caller without a verified PIN whom a technician is to hear, and after an erasure.
    Column("customer_id", ForeignKey("customers.id")),
    Column("rota", String(32), nullable=False),
    # Empty, as is its deadline, if the caller was never asked: he was screened by a person.
    Column("urgency", String(8)),
    Column("final_urgency", String(8)),
    Column("billable", Boolean, nullable=False, default=False),
    # Where the caller asked to be called back; empty: the number he called from.
    Column("call_back_to", String(32)),
    Column("opened_at", Instant, nullable=False),
    Column("due_at", Instant),
    # The caller had no verified PIN.
    Column("screened", Boolean, nullable=False, default=False, server_default=false()),
    # The clock of the SLA stops at the earlier of these two.
    Column("connected_at", Instant),
    Column("taken_at", Instant),
    Column("taken_by", String(32)),
    Column("closed_at", Instant),
    Column("closed_by", String(120)),
    Column("outcome", Text),
    Column("minutes", Integer),
    Index("ix_cases_closed_at", "closed_at"),
    Index("ix_cases_code", "code"),
    Index("ix_cases_customer_id_closed_at", "customer_id", "closed_at"),
    sqlite_autoincrement=True,
)

# Every call about a case: the one that opened it, and those that joined it.
case_calls = Table(
    "case_calls",
    metadata,
    Column("case_id", ForeignKey("cases.id"), primary_key=True),
    Column("call_sid", ForeignKey("calls.sid"), primary_key=True),
    Column("joined_at", Instant, nullable=False),
    Index("ix_case_calls_call_sid", "call_sid"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("call_sid", ForeignKey("calls.sid"), nullable=False),
    Column("technician", String(32), nullable=False),
    Column("phone", String(200), nullable=False),
    Column("rung", Integer, nullable=False),
    Column("asked_at", Instant, nullable=False),
    # Set when his phone was picked up (by whomever: a voicemail picks up too).
    Column("picked_up_at", Instant),
    # The key he pressed, as we recorded it: accepted, declined. DialCallStatus never stands here.
    Column("pressed", String(12)),
    Column("pressed_at", Instant),
    Column("result", String(12)),
    Column("result_at", Instant),
    Index("ix_attempts_case_id", "case_id"),
    Index("ix_attempts_call_sid", "call_sid"),
    Index("ix_attempts_result_asked_at", "result", "asked_at"),
    sqlite_autoincrement=True,
)

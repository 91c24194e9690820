"""Tables of the journal: calls, technicians' legs, turns, messages."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from storage.tables import metadata
from storage.types import Instant

calls = Table(
    "calls",
    metadata,
    Column("sid", String(34), primary_key=True),
    Column("caller", String(200), nullable=False),
    Column("number", String(32), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("outcome", String(20)),
    Column("customer_id", ForeignKey("customers.id")),
    Column("urgency", String(8)),
    # The turn that is expected next; lower ones are answered, higher ones unknown.
    Column("turn", Integer, nullable=False),
    Column("step", String(20), nullable=False),
    # ivr.vocabulary.Call as JSON.
    Column("state", Text, nullable=False),
    Index("ix_calls_started_at", "started_at"),
    Index("ix_calls_customer_id", "customer_id"),
)

turns = Table(
    "turns",
    metadata,
    Column("sid", ForeignKey("calls.sid"), primary_key=True),
    Column("turn", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("step", String(20), nullable=False),
    # What was heard, in words; never the digits of a PIN.
    Column("heard", String(200), nullable=False),
    # ivr.answer.Answer as JSON: what was answered, and will be again.
    Column("answer", Text, nullable=False),
)

legs = Table(
    "legs",
    metadata,
    Column("sid", String(34), primary_key=True),
    Column("call_sid", ForeignKey("calls.sid"), nullable=False),
    Column("attempt_id", ForeignKey("attempts.id"), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("turn", Integer, nullable=False),
    # ivr.technician_flow.Leg as JSON.
    Column("state", Text, nullable=False),
    Index("ix_legs_call_sid", "call_sid"),
    Index("ix_legs_attempt_id", "attempt_id"),
)

leg_turns = Table(
    "leg_turns",
    metadata,
    Column("sid", ForeignKey("legs.sid"), primary_key=True),
    Column("turn", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("heard", String(200), nullable=False),
    Column("answer", Text, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("recording_sid", String(34), primary_key=True),
    Column("call_sid", ForeignKey("calls.sid"), nullable=False),
    Column("url", String(500), nullable=False),
    Column("seconds", Integer, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("status", String(20), nullable=False),
    # "message", or "name": what a caller who is to be screened said of himself.
    Column("kind", String(8), nullable=False, default="message", server_default="message"),
    # Its name in the folder of messages, once it has been fetched.
    Column("file", String(60)),
    Column("fetched_at", Instant),
    Index("ix_messages_call_sid", "call_sid"),
)

# Technicians woken for callers without a verified PIN, a row for each such call.
wake_ups = Table(
    "wake_ups",
    metadata,
    Column("call_sid", ForeignKey("calls.sid"), primary_key=True),
    Column("at", Instant, nullable=False),
    Index("ix_wake_ups_at", "at"),
)

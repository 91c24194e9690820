"""Tables of the journal: calls, technicians' legs, calls that we place, turns, messages; and of tickets."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    literal_column,
)

from storage.partial import partial_index
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
    # With the outcome: a report counts a year's calls in the index alone.
    Index("ix_calls_started_at_outcome", "started_at", "outcome"),
    # For people who look for calls: the newest of whatever they ask for. Nobody asks for what is not there.
    partial_index("ix_calls_of_customer", "customer_id", "started_at", where="customer_id IS NOT NULL"),
    partial_index("ix_calls_from_caller", "caller", "started_at", where="caller <> '~'"),
    Index("ix_calls_number_started_at", "number", "started_at"),
    Index("ix_calls_outcome_started_at", "outcome", "started_at"),
    partial_index("ix_calls_of_urgency", "urgency", "started_at", where="urgency IS NOT NULL"),
)
# Of whom more is known than nothing (`ivr.pseudonyms.NOTHING`): a query by callers says so, for the index.
TOLD = calls.c.caller != literal_column("'~'")

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
    # When somebody first listened to it, or said that he need not, and who.
    Column("heard_at", Instant),
    Column("heard_by", String(120)),
    Index("ix_messages_call_sid", "call_sid"),
    Index("ix_messages_recorded_at", "recorded_at"),
    partial_index(
        "ix_messages_unheard",
        "recorded_at",
        where="heard_at IS NULL",
    ),
)

# Technicians woken for callers without a verified PIN, a row for each such call.
wake_ups = Table(
    "wake_ups",
    metadata,
    Column("call_sid", ForeignKey("calls.sid"), primary_key=True),
    Column("at", Instant, nullable=False),
    Index("ix_wake_ups_at", "at"),
)

# Callers who are blocked or always let through: a number in E.164, or what numbers begin with and "*".
caller_rules = Table(
    "caller_rules",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("pattern", String(20), nullable=False, unique=True),
    Column("kind", String(8), nullable=False),
    Column("reason", Text, nullable=False, default="", server_default=""),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(120), nullable=False),
    CheckConstraint("kind IN ('block', 'allow')", name="kind"),
    sqlite_autoincrement=True,
)

# Calls from numbers that nobody knows, for as long as they count: a day at most. Not whose they were.
stranger_calls = Table(
    "stranger_calls",
    metadata,
    # No foreign key: nothing is looked up by it, and a purge of calls need not know of it.
    Column("call_sid", String(34), primary_key=True),
    Column("at", Instant, nullable=False),
    Index("ix_stranger_calls_at", "at"),
)

# Calls that we place to a technician: to have a case taken, to tell him something, to ask whether he can
# be reached.
outgoing = Table(
    "outgoing",
    metadata,
    Column("id", Integer, primary_key=True),
    # pursue, call-back, notice, confirm, test
    Column("purpose", String(10), nullable=False),
    Column("technician", String(32), nullable=False),
    Column("phone", String(200), nullable=False),
    # What he sees, and what the customer sees if he is dialled: a number of ours.
    Column("number", String(32), nullable=False),
    Column("case_id", ForeignKey("cases.id")),
    Column("attempt_id", ForeignKey("attempts.id")),
    Column("notice_send_id", ForeignKey("notice_sends.id")),
    Column("shift_check_id", ForeignKey("shift_checks.id")),
    # The network's name for it, once it is known.
    Column("sid", String(34)),
    Column("asked_at", Instant, nullable=False),
    Column("answered_at", Instant),
    Column("ended_at", Instant),
    # How the network says it ended.
    Column("status", String(12)),
    # How often the customer was dialled in it.
    Column("customer_dials", Integer, nullable=False, default=0, server_default="0"),
    # The turn that is expected next, from 0 when it is picked up.
    Column("turn", Integer, nullable=False),
    # ivr.outgoing_flow.Outgoing as JSON.
    Column("state", Text, nullable=False),
    partial_index("ix_outgoing_named", "sid", where="sid IS NOT NULL"),
    # For the daily caps.
    Index("ix_outgoing_asked_at", "asked_at"),
    # With the column that is always empty: else SQLite would rather read the whole table in order.
    partial_index("ix_outgoing_under_way", "ended_at", "asked_at", where="ended_at IS NULL"),
    Index("ix_outgoing_case_id", "case_id"),
    partial_index("ix_outgoing_of_attempt", "attempt_id", where="attempt_id IS NOT NULL"),
    partial_index("ix_outgoing_of_notice", "notice_send_id", where="notice_send_id IS NOT NULL"),
    partial_index("ix_outgoing_tests", "technician", "phone", where="purpose = 'test'"),
    sqlite_autoincrement=True,
)
# A call by which a phone was tried; said so for the index of these.
IS_TEST = outgoing.c.purpose == literal_column("'test'")

outgoing_turns = Table(
    "outgoing_turns",
    metadata,
    Column("outgoing_id", ForeignKey("outgoing.id"), primary_key=True),
    Column("turn", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("heard", String(200), nullable=False),
    Column("answer", Text, nullable=False),
)

# What a helpdesk is told of, one for each case and for each call without one that left a message. Nothing in
# these three names anybody; and they have no foreign key to what they are about: it may go before them.
tickets = Table(
    "tickets",
    metadata,
    Column("id", Integer, primary_key=True),
    # "case:2026-00412", "call:CA…"
    Column("subject", String(60), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

# What happened, in the order in which it is told.
ticket_events = Table(
    "ticket_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ticket_id", ForeignKey("tickets.id"), nullable=False),
    # From 1, without a gap.
    Column("sequence", Integer, nullable=False),
    # The row it was derived from, so that it is derived once: "case:2026-00412", "log:17", "attempt:5",
    # "message:RE…".
    Column("source", String(60), nullable=False, unique=True),
    # See ivr/tickets/tickets.py for what there is.
    Column("kind", String(20), nullable=False),
    # What it is known by outside, the same however often it is sent.
    Column("name", String(40), nullable=False, unique=True),
    Column("occurred_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("uq_ticket_events_ticket_id_sequence", "ticket_id", "sequence", unique=True),
    Index("ix_ticket_events_created_at", "created_at"),
    sqlite_autoincrement=True,
)

# By which ways each of it is to be told, and what came of that.
ticket_deliveries = Table(
    "ticket_deliveries",
    metadata,
    Column("event_id", ForeignKey("ticket_events.id"), primary_key=True),
    # mail, webhook
    Column("channel", String(8), primary_key=True),
    # How often it failed, and why the last time: in our own words.
    Column("failures", Integer, nullable=False, default=0, server_default="0"),
    Column("why", String(80)),
    Column("settled_at", Instant),
    # delivered, given-up, dropped
    Column("outcome", String(10)),
    partial_index("ix_ticket_deliveries_waiting", "event_id", where="settled_at IS NULL"),
)

# Sentences that somebody of the house has recorded: see ivr.own_voice. One that was replaced or taken away
# stays for a while, for calls that were told its address.
own_prompts = Table(
    "own_prompts",
    metadata,
    Column("id", Integer, primary_key=True),
    # The number of ours on which it is played; "" for all of them.
    Column("number", String(32), nullable=False),
    Column("language", String(8), nullable=False),
    # The sentence's name in the catalogue, and what was read aloud.
    Column("line", String(60), nullable=False),
    Column("text", Text, nullable=False),
    # SHA-256 of the content.
    Column("digest", String(64), nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("recorded_by", String(120), nullable=False),
    Column("removed_at", Instant),
    # A WAV file; last, for SQLite reads through it to whatever stands behind.
    Column("content", LargeBinary, nullable=False),
    partial_index(
        "ix_own_prompts_standing", "number", "language", "line", unique=True, where="removed_at IS NULL"
    ),
    Index("ix_own_prompts_digest", "digest"),
    sqlite_autoincrement=True,
)

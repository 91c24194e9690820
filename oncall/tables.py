"""Tables of technicians, the rota with its swaps and absences, cases, attempts, notices."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
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

technicians = Table(
    "technicians",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(32), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("spoken_name", String(200), nullable=False),
    Column("phone", String(200), nullable=False),
    Column("email", String(254)),
    # Rung after `phone`, in this order, each as long as that one; a JSON list.
    Column("other_phones", JSON, nullable=False, default=[], server_default="[]"),
    # Seconds his phones really ring; empty: as the rung or the configuration says.
    Column("rings", Integer),
    # What notices are written in; empty: the service's first language.
    Column("language", String(5)),
    # Names of `notices.services` that reach him besides text messages and e-mail; a JSON list.
    Column("services", JSON, nullable=False, default=[], server_default="[]"),
    Column("created_at", Instant, nullable=False),
    # He is employed from the one (empty: always was) up to, not including, the other.
    Column("starts_at", Instant),
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
    # "override", or "swap" for one that two technicians agreed on.
    Column("because", String(8), nullable=False, default="override", server_default="override"),
    Column("swap_id", ForeignKey("swaps.id")),
    # Taken back then: what it held until that instant stays.
    Column("withdrawn_at", Instant),
    Index("ix_rota_overrides_rota_ends_at", "rota", "ends_at"),
    Index("ix_rota_overrides_swap_id", "swap_id"),
    sqlite_autoincrement=True,
)

# Somebody cannot be on duty: the turn passes on. Never more than the kind is kept of why.
absences = Table(
    "absences",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("technician", ForeignKey("technicians.key"), nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    # holiday, illness, other
    Column("kind", String(8), nullable=False),
    # The calendar it was read from and its entry there; empty: entered by hand.
    Column("source", String(300), nullable=False, default="", server_default=""),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("withdrawn_at", Instant),
    Index("ix_absences_technician_ends_at", "technician", "ends_at"),
    Index("ix_absences_ends_at", "ends_at"),
    Index("ix_absences_source", "source"),
    sqlite_autoincrement=True,
)

# What one technician offers another: his time on a rung, for some of the other's or for nothing.
swaps = Table(
    "swaps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rota", String(32), nullable=False),
    Column("rung", Integer, nullable=False),
    Column("proposer", ForeignKey("technicians.key"), nullable=False),
    Column("counterpart", ForeignKey("technicians.key"), nullable=False),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    # What he takes in return; all empty: nothing.
    Column("back_rung", Integer),
    Column("back_starts_at", Instant),
    Column("back_ends_at", Instant),
    # proposed, agreed (an admin is still to approve), accepted, declined, withdrawn, refused, expired
    Column("state", String(10), nullable=False),
    Column("proposed_at", Instant, nullable=False),
    Column("decided_at", Instant),
    Column("decided_by", String(120)),
    Index("ix_swaps_state", "state"),
    Index("ix_swaps_rota", "rota"),
    sqlite_autoincrement=True,
)

# Up to when everybody was told of the turns of a rota that begin and end.
rota_watch = Table(
    "rota_watch",
    metadata,
    Column("rota", String(32), primary_key=True),
    Column("told_until", Instant, nullable=False),
)

# Whether somebody could be reached before his turn began.
shift_checks = Table(
    "shift_checks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("rota", String(32), nullable=False),
    Column("rung", Integer, nullable=False),
    Column("technician", String(32), nullable=False),
    Column("shift_at", Instant, nullable=False),
    Column("asked_at", Instant),
    Column("confirmed_at", Instant),
    Column("given_up_at", Instant),
    Index("uq_shift_checks", "rota", "rung", "technician", "shift_at", unique=True),
    sqlite_autoincrement=True,
)

# Secret addresses of calendars: only the token's SHA-256 is kept.
feeds = Table(
    "feeds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    # Exactly one of the two.
    Column("rota", String(32)),
    Column("technician", ForeignKey("technicians.key")),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(120), nullable=False),
    Column("revoked_at", Instant),
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
    # phone, link, text, hand; a taking by text message holds for a while only.
    Column("taken_via", String(8)),
    # How often the customer was dialled for a technician: five times at most.
    Column("customer_calls", Integer, nullable=False, default=0, server_default="0"),
    # The time to take in charge passed before anybody did.
    Column("breached_at", Instant),
    # The same problem as the case of this number, which goes on in its stead.
    Column("merged_into", String(16)),
    Column("closed_at", Instant),
    Column("closed_by", String(120)),
    Column("outcome", Text),
    Column("minutes", Integer),
    Index("ix_cases_closed_at", "closed_at"),
    Index("ix_cases_code", "code"),
    Index("ix_cases_opened_at", "opened_at"),
    Index("ix_cases_customer_id_opened_at", "customer_id", "opened_at"),
    Index("ix_cases_final_urgency_opened_at", "final_urgency", "opened_at"),
    partial_index("ix_cases_of_taker", "taken_by", "opened_at", where="taken_by IS NOT NULL"),
    # Of the open ones alone: a customer's, and the most urgent first.
    partial_index("ix_cases_open_of_customer", "customer_id", where="closed_at IS NULL"),
    partial_index(
        "ix_cases_open",
        "due_at",
        "id",
        where="closed_at IS NULL",
    ),
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

# What happened to a case beside its calls and attempts, for people to read.
case_log = Table(
    "case_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", String(120), nullable=False),
    # See oncall/cases/case_log.py for what can have happened.
    Column("act", String(16), nullable=False),
    # In the words of whoever acted; may hold anything about the customer.
    Column("text", Text, nullable=False, default="", server_default=""),
    Column("details", JSON, nullable=False, default={}, server_default="{}"),
    Index("ix_case_log_case_id", "case_id"),
    sqlite_autoincrement=True,
)

# A link by which a technician sees and changes one case from his phone. Only the token's SHA-256 is kept.
case_links = Table(
    "case_links",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    # Who it was made for; a manager's link has none, and can only look.
    Column("technician", String(32)),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_case_links_case_id", "case_id"),
    sqlite_autoincrement=True,
)

# A pass of the pursuit: the ladder is phoned once, one after the other. One at a time for a rota.
passes = Table(
    "passes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("case_id", ForeignKey("cases.id"), nullable=False),
    Column("rota", String(32), nullable=False),
    # Which pass of this case, from 1.
    Column("number", Integer, nullable=False),
    # Whom to phone, in this order: oncall.reaching.pursuit.Place as JSON.
    Column("ladder", JSON, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Index("ix_passes_case_id", "case_id"),
    partial_index(
        "uq_passes_running",
        "rota",
        unique=True,
        where="ended_at IS NULL",
    ),
    sqlite_autoincrement=True,
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
    # Set for a call that we placed, in the pursuit; else his phone rang during the caller's call.
    Column("pass_id", ForeignKey("passes.id")),
    # The caller's turn at which it rang: with the call's sid and the phone, the attempt's name on any node.
    Column("turn", Integer),
    # The network's word that the two were connected. Without his key it makes nothing of it.
    Column("bridged", Boolean),
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
    partial_index("ix_attempts_unsettled", "result", "asked_at", where="result IS NULL"),
    partial_index("ix_attempts_of_pass", "pass_id", where="pass_id IS NOT NULL"),
    # For the reports: how a period's calls to technicians came out.
    Index("ix_attempts_asked_at_result", "asked_at", "result"),
    Index("ix_attempts_technician", "technician", "case_id"),
    sqlite_autoincrement=True,
)

# Something somebody is to be told, once, by whatever channel reaches him.
notices = Table(
    "notices",
    metadata,
    Column("id", Integer, primary_key=True),
    # What makes it this notice and no other: the same is never written twice.
    Column("key", String(200), nullable=False, unique=True),
    Column("kind", String(40), nullable=False),
    # "technician:anna", "manager:m@example.net", "admin:a@example.net"
    Column("recipient", String(300), nullable=False),
    # "case:2026-00412", "rota:duty"
    Column("about", String(120), nullable=False),
    # What its text needs; may name a customer.
    Column("facts", JSON, nullable=False),
    # Loud: at any hour and until something has arrived. Else it may wait for the morning.
    Column("loud", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("settled_at", Instant),
    # delivered, sent (no receipt to be had), failed, needless
    Column("outcome", String(10)),
    Index("ix_notices_about", "about"),
    Index("ix_notices_recipient", "recipient"),
    partial_index(
        "ix_notices_failed",
        "settled_at",
        where="outcome = 'failed'",
    ),
    sqlite_autoincrement=True,
)

# Each try to bring a notice by one channel to one address.
notice_sends = Table(
    "notice_sends",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("notice_id", ForeignKey("notices.id"), nullable=False),
    # text, voice, mail, service
    Column("channel", String(8), nullable=False),
    Column("address", String(300), nullable=False),
    # trying (written before the provider is asked), sent, delivered, failed, refused (never for this address)
    Column("state", String(10), nullable=False),
    # The provider's name for it: a message's or a call's sid.
    Column("sid", String(34)),
    # Why it failed: the provider's code, or our own word.
    Column("why", String(60)),
    Column("tried_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Index("ix_notice_sends_notice_id", "notice_id"),
    Index("ix_notice_sends_sid", "sid"),
    # For the daily cap on text messages.
    Index("ix_notice_sends_channel_tried_at", "channel", "tried_at"),
    sqlite_autoincrement=True,
)

# Text messages that came in: each is acted on once. What was written is not kept.
texts_in = Table(
    "texts_in",
    metadata,
    Column("sid", String(34), primary_key=True),
    Column("technician", String(32)),
    Column("received_at", Instant, nullable=False),
    Column("act", String(16), nullable=False),
    Column("answer", Text, nullable=False),
)

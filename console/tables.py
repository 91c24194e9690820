"""Tables of the console: who may log in, sessions, one-time links, forms already sent, long work; tokens of
other programs, and what they were answered.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Date,
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

console_users = Table(
    "console_users",
    metadata,
    Column("id", Integer, primary_key=True),
    # What is typed to log in, in small letters.
    Column("name", String(64), nullable=False, unique=True),
    Column("full_name", String(120), nullable=False),
    # console.access.roles.Role
    Column("role", String(12), nullable=False),
    # Whose duties are his own; set for the role technician, and for whoever else has turns.
    Column("technician", String(32)),
    Column("language", String(2)),
    # argon2id, salted; empty until the user has set it by his link.
    Column("password", Text),
    # The secret of the second factor, sealed with service.keys; empty until it is set up.
    Column("totp", Text),
    # The 30-second step of the code used last: no code is good twice.
    Column("totp_step", Integer, nullable=False, default=0, server_default="0"),
    Column("failures", Integer, nullable=False, default=0, server_default="0"),
    Column("locked_until", Instant),
    # What the identity provider calls him: issuer and subject, for logins by OpenID Connect.
    Column("oidc_subject", String(400), unique=True),
    Column("created_at", Instant, nullable=False),
    Column("last_login_at", Instant),
    Column("removed_at", Instant),
    CheckConstraint("role IN ('admin', 'dispatcher', 'technician', 'reader')", name="role"),
    sqlite_autoincrement=True,
)

# One use each. What stands here is an HMAC of the code.
console_recovery_codes = Table(
    "console_recovery_codes",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", ForeignKey("console_users.id"), nullable=False),
    Column("used_at", Instant),
    Index("ix_console_recovery_codes_user_id", "user_id"),
)

console_sessions = Table(
    "console_sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    # SHA-256 of what stands in the cookie.
    Column("digest", String(64), nullable=False, unique=True),
    Column("user_id", ForeignKey("console_users.id"), nullable=False),
    Column("began_at", Instant, nullable=False),
    # Of the last request that a person made, to the minute.
    Column("seen_at", Instant, nullable=False),
    Column("ended_at", Instant),
    # Where from, as the listener saw it, and with what: for the list of one's own sessions.
    Column("address", String(60), nullable=False),
    Column("agent", String(200), nullable=False),
    Index("ix_console_sessions_user_id", "user_id"),
    sqlite_autoincrement=True,
)

# Links that are good once: to set password and second factor, or, in a demonstration, to come in.
console_links = Table(
    "console_links",
    metadata,
    # SHA-256 of the link's token.
    Column("digest", String(64), primary_key=True),
    Column("user_id", ForeignKey("console_users.id"), nullable=False),
    # welcome, enter
    Column("purpose", String(8), nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Index("ix_console_links_user_id", "user_id"),
)

# Forms whose act is done: sent again, they do nothing. Kept for a day.
console_forms = Table(
    "console_forms",
    metadata,
    Column("token", String(40), primary_key=True),
    Column("used_at", Instant, nullable=False),
    Index("ix_console_forms_used_at", "used_at"),
)

# Work that takes longer than a page may: it goes on when the page is closed.
console_jobs = Table(
    "console_jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("user_id", ForeignKey("console_users.id"), nullable=False),
    # As whom it acts.
    Column("actor", String(120), nullable=False),
    Column("asked_at", Instant, nullable=False),
    # What it was asked to do. Never a PIN.
    Column("input", JSON, nullable=False),
    # Where the files it needs are, as the state folder there calls itself; empty: it needs none.
    Column("place", String(32), nullable=False, default="", server_default=""),
    # waiting, running, done, failed
    Column("state", String(8), nullable=False),
    # How often somebody has begun it: what kills whoever does it is not done for ever.
    Column("tries", Integer, nullable=False, default=0, server_default="0"),
    # Of whoever works on it: a runner that has not been heard of for a while has died.
    Column("runner", String(32)),
    Column("heard_at", Instant),
    Column("done", Integer, nullable=False, default=0, server_default="0"),
    Column("total", Integer, nullable=False, default=0, server_default="0"),
    # What came of it, for the page that shows it. Never a PIN.
    Column("result", JSON),
    Column("ended_at", Instant),
    # Whether its result has been looked at.
    Column("seen", Boolean, nullable=False, default=False, server_default=false()),
    CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name="state"),
    Index("ix_console_jobs_state", "state"),
    Index("ix_console_jobs_kind", "kind"),
    Index("ix_console_jobs_user_id", "user_id"),
    sqlite_autoincrement=True,
)

# Of other programs, for the JSON interface. A row stays when its token is revoked: names are not given twice.
api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    # As whom it acts: `api:NAME`.
    Column("name", String(60), nullable=False, unique=True),
    # A keyed hash of the token: see console.access.tokens.
    Column("digest", String(64), nullable=False, unique=True),
    # console.access.scopes.Scope, in their order.
    Column("scopes", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", String(120), nullable=False),
    # The last day on which it is good; None: until it is revoked.
    Column("expires_on", Date),
    # To the day: not every request waits for a writer.
    Column("last_used_on", Date),
    Column("revoked_at", Instant),
    sqlite_autoincrement=True,
)

# What a request with an idempotency key was answered: sent again, it does nothing. Kept for a day.
api_answers = Table(
    "api_answers",
    metadata,
    Column("token_id", ForeignKey("api_tokens.id"), primary_key=True),
    # SHA-256 of the key that the program gave.
    Column("key", String(64), primary_key=True),
    # SHA-256 of method, address and body: the same key may not come with another request.
    Column("request", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("status", Integer, nullable=False),
    # The answer's body; never a PIN. None: forgotten, because somebody in it may have been erased.
    Column("answer", JSON(none_as_null=True)),
    Index("ix_api_answers_at", "at"),
)

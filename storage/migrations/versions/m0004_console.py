"""The console: users, sessions, one-time links, forms already sent, long work; indexes for its pages."""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _users()
    _sessions()
    _jobs()
    _found_by()
    _calls()
    _cases()
    _audit()
    _technicians()
    _reports()


def _users() -> None:
    op.create_table(
        "console_users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("full_name", sa.String(120), nullable=False),
        sa.Column("role", sa.String(12), nullable=False),
        sa.Column("technician", sa.String(32), nullable=True),
        sa.Column("language", sa.String(2), nullable=True),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("totp", sa.Text(), nullable=True),
        sa.Column("totp_step", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("locked_until", INSTANT, nullable=True),
        sa.Column("oidc_subject", sa.String(400), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("last_login_at", INSTANT, nullable=True),
        sa.Column("removed_at", INSTANT, nullable=True),
        sa.CheckConstraint(
            "role IN ('admin', 'dispatcher', 'technician', 'reader')", name="ck_console_users_role"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_console_users"),
        sa.UniqueConstraint("name", name="uq_console_users_name"),
        sa.UniqueConstraint("oidc_subject", name="uq_console_users_oidc_subject"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "console_recovery_codes",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["console_users.id"], name="fk_console_recovery_codes_user_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_console_recovery_codes"),
    )
    op.create_index("ix_console_recovery_codes_user_id", "console_recovery_codes", ["user_id"])


def _sessions() -> None:
    op.create_table(
        "console_sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("began_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("address", sa.String(60), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["console_users.id"], name="fk_console_sessions_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_console_sessions"),
        sa.UniqueConstraint("digest", name="uq_console_sessions_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_console_sessions_user_id", "console_sessions", ["user_id"])
    op.create_table(
        "console_links",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(8), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("used_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["console_users.id"], name="fk_console_links_user_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_console_links"),
    )
    op.create_index("ix_console_links_user_id", "console_links", ["user_id"])
    op.create_table(
        "console_forms",
        sa.Column("token", sa.String(40), nullable=False),
        sa.Column("used_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_console_forms"),
    )
    op.create_index("ix_console_forms_used_at", "console_forms", ["used_at"])


def _jobs() -> None:
    op.create_table(
        "console_jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("actor", sa.String(120), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("place", sa.String(32), server_default="", nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("runner", sa.String(32), nullable=True),
        sa.Column("heard_at", INSTANT, nullable=True),
        sa.Column("done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("seen", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed')", name="ck_console_jobs_state"),
        sa.ForeignKeyConstraint(["user_id"], ["console_users.id"], name="fk_console_jobs_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_console_jobs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_console_jobs_state", "console_jobs", ["state"])
    op.create_index("ix_console_jobs_kind", "console_jobs", ["kind"])
    op.create_index("ix_console_jobs_user_id", "console_jobs", ["user_id"])


def _found_by() -> None:
    """Customers are found and listed by name, code and spoken name, folded: as `customer_card.found_by`."""

    def folded(text: str) -> str:
        plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        return " ".join(plain.casefold().split())

    op.add_column("customers", sa.Column("found_by", sa.String(500), server_default="", nullable=False))
    customers = sa.table(
        "customers", *(sa.column(name) for name in ("id", "name", "code", "spoken_name", "found_by"))
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(customers)).all():
        parts = list(dict.fromkeys(folded(each) for each in (row.name, row.code, row.spoken_name)))
        connection.execute(
            sa.update(customers).where(customers.c.id == row.id).values(found_by="\n".join(parts)[:500])
        )
    op.create_index("ix_customers_found_by", "customers", ["found_by"])


def _calls() -> None:
    """How calls are found, what was listened to, which notices did not arrive."""
    for column in ("customer_id", "caller", "number", "outcome", "urgency"):
        op.create_index(f"ix_calls_{column}_started_at", "calls", [column, "started_at"])
    op.drop_index("ix_calls_customer_id", "calls")
    op.add_column("messages", sa.Column("heard_at", INSTANT, nullable=True))
    op.add_column("messages", sa.Column("heard_by", sa.String(120), nullable=True))
    # Nobody is asked to listen again to what came before anybody could say that he had.
    op.execute("UPDATE messages SET heard_at = recorded_at, heard_by = ''")
    op.create_index("ix_messages_recorded_at", "messages", ["recorded_at"])
    unheard, failed = sa.text("heard_at IS NULL"), sa.text("outcome = 'failed'")
    op.create_index(
        "ix_messages_unheard", "messages", ["recorded_at"], sqlite_where=unheard, postgresql_where=unheard
    )
    op.create_index(
        "ix_notices_failed", "notices", ["settled_at"], sqlite_where=failed, postgresql_where=failed
    )


def _cases() -> None:
    """How cases are listed: the open ones by their deadline, all by when they were opened."""
    still_open = sa.text("closed_at IS NULL")
    op.create_index(
        "ix_cases_open", "cases", ["due_at", "id"], sqlite_where=still_open, postgresql_where=still_open
    )
    op.create_index("ix_cases_opened_at", "cases", ["opened_at"])
    op.create_index("ix_cases_customer_id_opened_at", "cases", ["customer_id", "opened_at"])
    op.create_index("ix_cases_final_urgency_opened_at", "cases", ["final_urgency", "opened_at"])
    op.create_index("ix_cases_taken_by_opened_at", "cases", ["taken_by", "opened_at"])
    op.create_index("ix_attempts_technician", "attempts", ["technician", "case_id"])


def _audit() -> None:
    """How the audit log is looked through: by whoever acted, by what was done, by day."""
    op.create_index("ix_audit_actor_id", "audit", ["actor", "id"])
    op.create_index("ix_audit_act_id", "audit", ["act", "id"])
    op.create_index("ix_audit_at", "audit", ["at"])


def _technicians() -> None:
    """The last test call to each phone, among all calls that were placed."""
    op.create_index("ix_outgoing_purpose_technician_phone", "outgoing", ["purpose", "technician", "phone"])


def _reports() -> None:
    """How a period's calls, and those to technicians, are counted: in the index alone."""
    op.create_index("ix_calls_started_at_outcome", "calls", ["started_at", "outcome"])
    op.drop_index("ix_calls_started_at", "calls")
    op.create_index("ix_attempts_asked_at_result", "attempts", ["asked_at", "result"])

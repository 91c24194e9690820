"""Who may do what. A page names what it needs; whoever's role does not have it is refused.

The one table of the console's rights: nothing is allowed that does not stand here.
"""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    ADMIN = "admin"
    DISPATCHER = "dispatcher"
    TECHNICIAN = "technician"
    READER = "reader"


class May(StrEnum):
    """What a page may need."""

    # Everybody who is logged in: his own account, and the way out.
    OWN = "own"
    # One's own turns, cases and swaps, for whoever is on a rota.
    DUTY = "duty"
    # Tonight, calls, cases, customers, PINs (never their digits), rota, hours.
    SEE = "see"
    # Voices: messages that callers left.
    HEAR = "hear"
    # Take data out as files.
    EXPORT = "export"
    # Take, reclassify, annotate, close cases for whoever works them.
    WORK_CASES = "work-cases"
    # Customers, contracts, import.
    CHANGE_CUSTOMERS = "change-customers"
    # Issue and rotate PINs, with their letters.
    ISSUE_PINS = "issue-pins"
    # Revoke a PIN: the safe direction, which cannot wait for an admin.
    REVOKE_PINS = "revoke-pins"
    # Rota, overrides, absences of anybody, swaps, technicians.
    PLAN = "plan"
    # Phone the line in a throwaway copy.
    REHEARSE = "rehearse"
    REPORTS = "reports"
    # The configuration in force. Never a secret.
    SETTINGS = "settings"
    # Sentences in the company's own voice: every caller hears them.
    PROMPTS = "prompts"
    # Console users and their sessions.
    USERS = "users"
    AUDIT = "audit"


_EVERYBODY = frozenset({May.OWN})
# Every role's rights, whole: no role inherits from another, so that a line can be read by itself.
RIGHTS: dict[Role, frozenset[May]] = {
    Role.ADMIN: frozenset(May),
    Role.DISPATCHER: _EVERYBODY
    | {
        May.DUTY,
        May.SEE,
        May.HEAR,
        May.EXPORT,
        May.WORK_CASES,
        May.REVOKE_PINS,
        May.PLAN,
        May.REHEARSE,
        May.REPORTS,
    },
    Role.TECHNICIAN: _EVERYBODY | {May.DUTY},
    Role.READER: _EVERYBODY | {May.SEE, May.REPORTS, May.SETTINGS, May.AUDIT},
}


def allows(role: Role, may: May) -> bool:
    return may in RIGHTS[role]

"""What another program may do: a token has some of these, and an operation of the interface needs one.

The one list of the interface's rights: what no scope allows, no program does. None of them includes another.
"""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """One kind of operations, as `ivr token add --scope` takes it."""

    CUSTOMERS_READ = "customers:read"
    # Customers and their contracts: added, changed, ended. Never erased.
    CUSTOMERS_WRITE = "customers:write"
    # PINs without their digits.
    PINS_READ = "pins:read"
    # Issue and rotate: the answer holds the PIN, once.
    PINS_ISSUE = "pins:issue"
    PINS_REVOKE = "pins:revoke"
    # Who is on duty when, what would happen to a call, overrides.
    ROTA_READ = "rota:read"
    # Overrides made and withdrawn.
    ROTA_WRITE = "rota:write"
    CALLS_READ = "calls:read"
    CASES_READ = "cases:read"
    # Take and close cases for a technician, write notes.
    CASES_WRITE = "cases:write"


def in_order(scopes: frozenset[Scope]) -> list[str]:
    """As they are stored and shown."""
    return [scope.value for scope in Scope if scope in scopes]

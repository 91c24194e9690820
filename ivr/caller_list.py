"""Callers who are blocked, or always let through, by number or by what numbers begin with.

A number on a customer's file is above the list: whatever is written, it is served like always, since
anybody can show somebody else's number. Withheld numbers cannot be listed: they are everybody's. Verbs take
a Connection, the actor and `at`, and never commit.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, bindparam, case, delete, func, insert, select

from ivr.tables import caller_rules
from oncall.people import all_technicians
from pins.tables import customer_phones, customers
from pins.throttle import identity
from storage import audit

Kind = Literal["block", "allow"]
ACTS: Mapping[Kind, str] = {"block": "caller.block", "allow": "caller.allow"}
# What numbers begin with: at least a digit behind a "+", and fewer than a whole number.
_BEGINNING = re.compile(r"\+[1-9][0-9]{0,13}\*")
_MARKS = re.compile(r"[\s./()-]")
LONGEST_REASON = 300


class ListRefusal(Exception):
    """This cannot be listed; nothing was changed. The text says why.

    `name` is the reason's: form, on-file, covers, unknown.
    """

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.name = name


@dataclass(frozen=True)
class Rule:
    """One entry: `pattern` is a number in E.164, or what numbers begin with and "*"."""

    id: int
    pattern: str
    kind: Kind
    reason: str
    created_at: datetime
    created_by: str


def subject(rule_id: int) -> str:
    """How the audit names an entry: by its id, for the number may be somebody's."""
    return f"caller:{rule_id}"


# -- asked while a caller waits ----------------------------------------------------------------

# What the list says of a caller: one look-up by key, however long it is.
FOUND = (
    select(caller_rules.c.kind)
    .where(caller_rules.c.pattern.in_(bindparam("patterns", expanding=True)))
    # The whole number before what it begins with, and the longest beginning before shorter ones.
    .order_by(
        case((caller_rules.c.pattern == bindparam("whole"), 0), else_=1),
        func.length(caller_rules.c.pattern).desc(),
    )
    .limit(1)
)


def asked(caller: str) -> dict[str, object]:
    """What FOUND is to be asked of a caller. Of a withheld number there is nothing to find."""
    number = identity(caller)
    beginnings = [f"{number[:length]}*" for length in range(2, len(number))]
    return {"patterns": [number, *beginnings], "whole": number}


def of_caller(connection: Connection, caller: str) -> Kind | None:
    """What the list says of a caller; None for one who is not on it, and for a withheld number."""
    return connection.execute(FOUND, asked(caller)).scalar()


# -- kept by admins ----------------------------------------------------------------------------


def put(
    connection: Connection,
    actor: str,
    at: datetime,
    kind: Kind,
    pattern: str,
    *,
    reason: str = "",
    ours: Collection[str] = (),
    anyway: bool = False,
) -> Rule:
    """Block these callers, or always let them through; of one that is listed the kind changes.

    `ours` are our numbers and the office's. Raises ListRefusal: for what is no number; for a number on a
    customer's file, or of a technician or the office, that is to be blocked; and, unless `anyway`, for a
    beginning to be blocked that such numbers have.
    """
    pattern = read(pattern)
    if kind == "block":
        _may_be_blocked(connection, pattern, ours, anyway=anyway)
    reason = reason.strip()[:LONGEST_REASON]
    before = _of_pattern(connection, pattern)
    if before is not None and (before.kind, before.reason) == (kind, reason):
        return before
    if before is not None:
        connection.execute(delete(caller_rules).where(caller_rules.c.id == before.id))
    made = connection.execute(
        insert(caller_rules),
        {"pattern": pattern, "kind": kind, "reason": reason, "created_at": at, "created_by": actor},
    ).inserted_primary_key
    assert made is not None
    told = {"pattern": pattern, **({"before": before.kind} if before else {})}
    audit.record(connection, actor, at, ACTS[kind], subject(made[0]), reason=reason, details=told)
    return Rule(made[0], pattern, kind, reason, at, actor)


def remove(
    connection: Connection, actor: str, at: datetime, pattern: str, *, reason: str | None = None
) -> Rule:
    """Take an entry off the list. Raises ListRefusal if there is none."""
    pattern = read(pattern)
    known = _of_pattern(connection, pattern)
    if known is None:
        raise ListRefusal(f"{pattern} is not on the list", "unknown")
    connection.execute(delete(caller_rules).where(caller_rules.c.id == known.id))
    told = {"pattern": pattern, "before": known.kind}
    audit.record(connection, actor, at, "caller.remove", subject(known.id), reason=reason, details=told)
    return known


def listed(connection: Connection) -> list[Rule]:
    """The whole list, by number."""
    rows = connection.execute(select(caller_rules).order_by(caller_rules.c.pattern))
    return [Rule(r.id, r.pattern, r.kind, r.reason, r.created_at, r.created_by) for r in rows]


def of_numbers(connection: Connection, numbers: Collection[str]) -> list[Rule]:
    """The entries of these whole numbers."""
    return [rule for rule in listed(connection) if rule.pattern in numbers]


def forget(connection: Connection, numbers: Collection[str]) -> int:
    """Take these whole numbers off the list, for an erasure: no act is written. Returns how many."""
    gone = delete(caller_rules).where(caller_rules.c.pattern.in_(sorted(numbers)))
    return connection.execute(gone).rowcount


def read(text: str) -> str:
    """A pattern as it is kept. Raises ListRefusal."""
    pattern = _MARKS.sub("", text)
    if identity(pattern) or _BEGINNING.fullmatch(pattern):
        return pattern
    raise ListRefusal(
        f"{text!r} is neither a number such as +390461123456 nor what numbers begin with, such as +3989*",
        "form",
    )


def _of_pattern(connection: Connection, pattern: str) -> Rule | None:
    row = connection.execute(select(caller_rules).where(caller_rules.c.pattern == pattern)).first()
    return Rule(row.id, row.pattern, row.kind, row.reason, row.created_at, row.created_by) if row else None


def _may_be_blocked(connection: Connection, pattern: str, ours: Collection[str], *, anyway: bool) -> None:
    """Raises ListRefusal for what would take a customer, a technician or ourselves for junk."""
    whole = not pattern.endswith("*")
    begins = pattern.removesuffix("*")

    def covered(phone: str) -> bool:
        return phone == pattern if whole else phone.startswith(begins)

    on_file = (
        select(customers.c.code)
        .join(customer_phones, customer_phones.c.customer_id == customers.c.id)
        .where(
            customer_phones.c.phone == pattern
            if whole
            else customer_phones.c.phone.startswith(begins, autoescape=True)
        )
        .order_by(customers.c.code)
    )
    codes = sorted(set(connection.execute(on_file).scalars()))
    people = [
        person.key for person in all_technicians(connection) if any(covered(each) for each in person.phones)
    ]
    own = [each for each in ours if covered(each)]
    who = [f"customer {code}" for code in codes] + [f"technician {key}" for key in people] + own
    if not who:
        return
    named = ", ".join(who[:3]) + (f" and {len(who) - 3} more" if len(who) > 3 else "")
    if whole:
        text = f"{pattern} is a number of {named}: it cannot be blocked"
        raise ListRefusal(text, "on-file")
    if not anyway:
        text = f"{pattern} covers numbers of {named}: customers' numbers on file are let through all the same"
        raise ListRefusal(text, "covers")

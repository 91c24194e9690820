"""How a case ends: closed, merged into an older one, and reopened if that was a mistake.

The same rules as in `oncall.cases.casework`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from oncall.cases import case_log, casework
from oncall.cases import cases as casebook
from oncall.cases.cases import PURSUE, Case, CaseClosed, CaseRefusal
from oncall.notices import notices
from oncall.reaching import reminders
from oncall.tables import case_calls, case_links
from storage import audit, due
from storage.conflicts import inserting

# A case can be opened again for so long after it was closed.
REOPENS_WITHIN = timedelta(hours=24)
MOST_MINUTES = 100_000


def close(
    connection: Connection,
    actor: str,
    at: datetime,
    case: Case,
    *,
    outcome: str = "",
    minutes: int | None = None,
    prepaid: int = 0,
    billable: bool | None = None,
) -> None:
    """Close the case; `minutes` were worked, of which `prepaid` were in a package. `billable`: whether
    something is to be billed, if that is known better now than when the case was opened.

    Its pursuit, its reminders and its links end with it. Raises CaseClosed, AlreadyTaken, or CaseRefusal
    for bad minutes.
    """
    check_minutes(minutes)
    now = casework.as_it_stands(connection, case)
    outcome = case_log.tidy(outcome)[: case_log.LONGEST_TEXT]
    billed = now.billable if billable is None else billable
    casework.put(
        connection,
        now,
        closed_at=at,
        closed_by=actor,
        outcome=outcome,
        minutes=minutes,
        final_urgency=now.level,
        billable=billed,
    )
    _nothing_more(connection, at, now, by=f"closed by {actor}")
    told: dict[str, Any] = {"minutes": minutes, "prepaid": prepaid}
    told["billed"] = (minutes or 0) - prepaid if billed else 0
    # What it was before, for whoever reopens it.
    kept = told | {"was_billable": now.billable, "was_final": now.final_urgency}
    case_log.write(connection, at, now.id, actor, "closed", outcome, kept)
    audit.record(
        connection, actor, at, "case.close", casework.subject(now), reason=outcome or None, details=told
    )


def reopen(
    connection: Connection,
    actor: str,
    at: datetime,
    case: Case,
    reason: str,
    *,
    given_back: int = 0,
    within: timedelta | None = REOPENS_WITHIN,
) -> None:
    """Open a case again that was closed by mistake within the last day: it is as it was before.

    Nobody has it: then it is pursued again. `given_back` minutes went back into the package. Raises
    CaseRefusal: it is open, closed too long ago (`within` None: whenever), merged, or its customer was
    erased.
    """
    (now,) = casebook.locked(connection, case.id)
    check_reopens(now, at, within)
    before = last_closing(connection, now.id)
    casework.put(
        connection,
        now,
        closed_at=None,
        closed_by=None,
        outcome=None,
        minutes=None,
        final_urgency=before.get("was_final", now.final_urgency),
        billable=before.get("was_billable", now.billable),
    )
    if now.due_at is not None and not casework.held_for_good(connection, now):
        casebook.pursue(connection, at, now.id, at)
        casework.remind(connection, at, now)
    reason = case_log.tidy(reason)[: case_log.LONGEST_TEXT]
    case_log.write(connection, at, now.id, actor, "reopened", reason, {"given_back": given_back})
    told = {"given_back": given_back}
    audit.record(
        connection, actor, at, "case.reopen", casework.subject(now), reason=reason or None, details=told
    )


def merge(connection: Connection, actor: str, at: datetime, case: Case, other: Case) -> Case:
    """Two open cases are the same problem: the younger ends, the older goes on with its calls, the earlier
    of both deadlines, and whoever has either. Returns the older.

    Raises CaseClosed, or CaseRefusal if they are one case, or belong to different customers. One whose
    caller was screened may have no customer yet: it gets the other's.
    """
    if case.id == other.id:
        raise CaseRefusal(f"case {case.number} cannot be merged with itself", "itself")
    older, younger = casebook.locked(connection, case.id, other.id)
    for each in (older, younger):
        if each.closed_at is not None:
            raise CaseClosed(each.number)
    owners = {each.customer_id for each in (older, younger)} - {None}
    if len(owners) > 1:
        text = f"cases {older.number} and {younger.number} belong to different customers"
        raise CaseRefusal(text, "owners")
    owner = next(iter(owners), None)
    _move_calls(connection, older, younger)
    was_pursued = any(due.pending(connection, PURSUE, each.number) for each in (older, younger))
    holders = casework.holder(connection, older), casework.holder(connection, younger)
    casework.put(connection, older, customer_id=owner, **_joined(older, younger, *holders))
    casework.put(
        connection,
        younger,
        customer_id=owner,
        merged_into=older.number,
        closed_at=at,
        closed_by=actor,
        final_urgency=younger.level,
    )
    _nothing_more(connection, at, younger, by=f"merged into {older.number}")
    (now,) = casebook.locked(connection, older.id)
    # A taking by text message holds no longer than it did.
    if casework.holder(connection, now) is not None and now.taken_via != "text":
        for kind in (PURSUE, reminders.REMIND):
            due.cancel(connection, at, kind, now.number, by=f"merged with {younger.number}")
    elif now.due_at is not None and (was_pursued or not casework.held_for_good(connection, now)):
        if not due.pending(connection, PURSUE, now.number):
            casebook.pursue(connection, at, now.id, at)
        casework.remind(connection, at, now)
    for each, kept in ((older, younger), (younger, older)):
        case_log.write(connection, at, each.id, actor, "merged", details={"with": kept.number})
    audit.record_many(
        connection,
        actor,
        at,
        [
            ("case.merge", casework.subject(younger), {"into": older.number}),
            ("case.merge", casework.subject(older), {"from": younger.number}),
        ],
    )
    return now


def check_minutes(minutes: int | None) -> None:
    """Raises CaseRefusal for minutes that nobody can have worked."""
    if minutes is not None and not 0 <= minutes <= MOST_MINUTES:
        raise CaseRefusal(f"minutes worked are counted from 0 to {MOST_MINUTES}", "minutes")


def check_reopens(case: Case, at: datetime, within: timedelta | None = REOPENS_WITHIN) -> None:
    """Raises CaseRefusal if the case cannot be opened again."""
    if case.closed_at is None:
        raise CaseRefusal(f"case {case.number} is open", "open")
    if case.merged_into is not None:
        raise CaseRefusal(f"case {case.number} goes on as {case.merged_into}", "merged")
    if case.customer_id is None and not case.screened:
        raise CaseRefusal(f"the customer of case {case.number} was erased", "erased")
    if within is not None and at - case.closed_at > within:
        raise CaseRefusal(f"case {case.number} was closed more than 24 hours ago: open a new one", "too-late")


def last_closing(connection: Connection, case_id: int) -> dict[str, Any]:
    """What was noted when the case was last closed; empty if that was never, or was erased."""
    closings = [entry.details for entry in case_log.of(connection, case_id) if entry.act == "closed"]
    return closings[-1] if closings else {}


# -- small parts -------------------------------------------------------------------------------


def _nothing_more(connection: Connection, at: datetime, case: Case, by: str) -> None:
    """Nobody is rung, reminded or told of it any more, and its links open nothing."""
    connection.execute(
        update(case_links)
        .where(case_links.c.case_id == case.id, case_links.c.expires_at > at)
        .values(expires_at=at)
    )
    for kind in (PURSUE, reminders.REMIND):
        due.cancel(connection, at, kind, case.number, by=by)
    notices.settle_needless(connection, at, casework.subject(case), notices.ENDS_WITH_ITS_CASE)


def _move_calls(connection: Connection, older: Case, younger: Case) -> None:
    """The younger's calls are the older's too; they stay on record with the younger."""
    rows = connection.execute(select(case_calls).where(case_calls.c.case_id == younger.id)).all()
    for row in rows:
        again = inserting(connection, case_calls).values(
            case_id=older.id, call_sid=row.call_sid, joined_at=row.joined_at
        )
        connection.execute(again.on_conflict_do_nothing(index_elements=["case_id", "call_sid"]))


def _joined(older: Case, younger: Case, has_older: str | None, has_younger: str | None) -> dict[str, Any]:
    """What the older case is once both are one; the keys are of those who have them."""
    sooner = younger.due_at is not None and (older.due_at is None or younger.due_at < older.due_at)
    takes_over = has_older is None and has_younger is not None
    has_it = younger if takes_over else older
    return {
        "urgency": older.urgency or younger.urgency,
        "final_urgency": younger.level if sooner else older.final_urgency,
        "due_at": younger.due_at if sooner else older.due_at,
        # Whoever was connected to the younger's caller has the older now, though nobody rang him for it.
        "taken_at": has_it.taken_at or (has_it.connected_at if takes_over else None),
        "taken_by": has_it.taken_by or (has_younger if takes_over else None),
        "taken_via": has_it.taken_via or ("phone" if takes_over else None),
        "connected_at": _first(older.connected_at, younger.connected_at),
        "breached_at": _first(older.breached_at, younger.breached_at),
        "call_back_to": younger.call_back_to or older.call_back_to,
        "customer_calls": older.customer_calls + younger.customer_calls,
        "screened": older.screened and younger.screened,
        # A screened caller's case was billed to nobody yet.
        "billable": younger.billable if older.customer_id is None else older.billable,
    }


def _first(*instants: datetime | None) -> datetime | None:
    return min((each for each in instants if each is not None), default=None)

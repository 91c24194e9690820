"""What people do to an open case. Each verb takes a Connection, the actor and `at`, and never commits.

Each reads the case again under a lock, refuses a closed one (CaseClosed), writes a line into the case's log
and an act into the audit. The `case` it is given is what the person who acts has seen: if somebody else has
taken it since, he is told who has it, and may then take it from him.

`told` is what notices say beside the case's own facts: who the customer is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, select, update

from oncall import people
from oncall.cases import case_log
from oncall.cases import cases as casebook
from oncall.cases.cases import PURSUE, Case, CaseClosed, CaseRefusal
from oncall.cases.holding import holders
from oncall.notices import notices
from oncall.people import RosterRefusal
from oncall.reaching import reminders
from oncall.rota import roster
from oncall.settings import RingingSettings
from oncall.tables import cases
from oncall.tables import notices as notice_rows
from storage import audit, due

Via = Literal["phone", "link", "text", "hand"]
PASSED_ON, TAKEN = "case-passed", "case-taken"


class AlreadyTaken(CaseRefusal):
    """Somebody else has it; `by` is his key."""

    def __init__(self, number: str, by: str) -> None:
        super().__init__(f"case {number} is taken by {by}", "taken")
        self.by = by


class NobodyHasIt(CaseRefusal):
    def __init__(self, number: str) -> None:
        super().__init__(f"nobody has case {number}: there is nothing to pass on", "nobody")


# -- who has it --------------------------------------------------------------------------------


def holder(connection: Connection, case: Case) -> str | None:
    """The key of the technician who has the case: who took it, else who was last connected to the caller
    and has not passed it on since.
    """
    return holders(connection, [case]).get(case.id)


def held_for_good(connection: Connection, case: Case) -> bool:
    """Whether somebody has the case and keeps it. The sender of a text can be forged: by one it is held
    for a while only, unless somebody has talked to the customer since.
    """
    if case.taken_via == "text" and case.taken_at is not None:
        return case.connected_at is not None and case.connected_at >= case.taken_at
    return holder(connection, case) is not None


def take(
    connection: Connection,
    actor: str,
    at: datetime,
    case: Case,
    technician: str,
    via: Via = "hand",
    *,
    ringing: RingingSettings | None = None,
    told: Mapping[str, Any] | None = None,
) -> None:
    """A technician takes the case: the SLA clock stops, pursuit and reminders end. To take it from a
    colleague is allowed and recorded; the first instant stands.

    By text message (`ringing` is then needed) it is taken for a while only, since the sender of a text can
    be forged: pursuit waits that long and goes on, see `let_go`; everybody on the ladder is told, and so is
    he. Such a taking takes nothing from anybody, and a second one does not make it longer.

    Raises CaseClosed, AlreadyTaken, UnknownTechnician, or RosterRefusal for one who is retired.
    """
    now = as_it_stands(connection, case, technician)
    person = people.technician(connection, technician)
    if not person.serves(at):
        raise RosterRefusal(f"{technician} is no longer in service", "left")
    if via == "text":
        if ringing is None:
            raise ValueError("a taking by text message needs to know how long it holds")
        has_it = holder(connection, now)
        if has_it == technician:
            return
        if has_it is not None:
            raise AlreadyTaken(now.number, has_it)
    # Whether a text was genuine is not known: the clock stops when somebody else takes it.
    first = at if now.taken_via == "text" and now.taken_by != technician else now.taken_at or at
    put(connection, now, taken_at=first, taken_by=technician, taken_via=via)
    if via == "text":
        assert ringing is not None
        due.move(connection, PURSUE, now.number, at + timedelta(seconds=ringing.text_take_holds))
    else:
        due.cancel(connection, at, PURSUE, now.number, by=f"taken by {technician}")
        due.cancel(connection, at, reminders.REMIND, now.number, by=f"taken by {technician}")
    case_log.write(
        connection,
        at,
        now.id,
        actor,
        "taken",
        details={"technician": technician, "via": via, "from": now.taken_by},
    )
    facts = _facts(now, told) | {"by": person.name, "technician": technician, "via": via}
    _tell_of_take(connection, at, now, facts)
    audit.record(
        connection,
        actor,
        at,
        "case.take",
        subject(now),
        details={"technician": technician, "via": via} | ({"from": now.taken_by} if now.taken_by else {}),
    )


def let_go(connection: Connection, at: datetime, case: Case) -> bool:
    """A taking by text message has held long enough without a call to the customer: nobody has the case
    any more. False, and nothing is changed, if somebody has it in another way or it is closed.
    """
    (now,) = casebook.locked(connection, case.id)
    if now.taken_via != "text" or now.closed_at is not None:
        return False
    put(connection, now, taken_at=None, taken_by=None, taken_via=None)
    case_log.write(connection, at, now.id, "ivr", "resumed", details={"technician": now.taken_by})
    return True


def pass_on(
    connection: Connection,
    actor: str,
    at: datetime,
    case: Case,
    *,
    reason: str = "",
    told: Mapping[str, Any] | None = None,
) -> None:
    """Whoever has the case gives it up: it is pursued again now, he is rung last, the first on the ladder
    is told. One without a deadline is not pursued: he alone is told.

    Raises CaseClosed, AlreadyTaken, NobodyHasIt.
    """
    now = as_it_stands(connection, case)
    his = holder(connection, now)
    if his is None:
        raise NobodyHasIt(now.number)
    put(connection, now, taken_at=None, taken_by=None, taken_via=None)
    if now.due_at is not None:
        casebook.pursue(connection, at, now.id, at)
        remind(connection, at, now)
    reason = case_log.tidy(reason)[: case_log.LONGEST_TEXT]
    case_log.write(connection, at, now.id, actor, "passed", reason, {"technician": his})
    others = [key for key in _ladder(connection, now, at) if key != his]
    facts = _facts(now, told) | {"by": people.technician(connection, his).name, "technician": his}
    for key in others[:1]:
        notices.tell(
            connection, at, PASSED_ON, f"technician:{key}", subject(now), facts, loud=True, again=_once(at)
        )
    audit.record(connection, actor, at, "case.pass", subject(now), reason=reason, details={"technician": his})


# -- what it is --------------------------------------------------------------------------------


def reclassify(
    connection: Connection,
    actor: str,
    at: datetime,
    case: Case,
    code: str,
    reason: str,
    within: timedelta | None,
) -> None:
    """State the case's urgency anew. The first code stays on record beside this one.

    The deadline is `within` from the opening. None: of this level nothing is promised after hours, so
    pursuit ends, and the log says so. A case that was promised something and that nobody has is pursued
    again. One whose caller was screened was promised nothing: it gets its code, and neither a deadline nor
    a pursuit.

    Raises CaseClosed, or CaseRefusal without a reason, or if that is its urgency already.
    """
    reason = case_log.tidy(reason)[: case_log.LONGEST_TEXT]
    if not reason:
        raise CaseRefusal("a case is reclassified for a reason: say which", "reason")
    now = as_it_stands(connection, case)
    if code == now.level:
        raise CaseRefusal(f"case {now.number} is {code} already", "code")
    promised = not now.screened or now.due_at is not None
    due_at = now.opened_at + within if within is not None and promised else None
    late = now.breached_at if due_at is not None and now.breached_at and due_at <= now.breached_at else None
    put(
        connection,
        now,
        urgency=now.urgency or code,
        final_urgency=code,
        due_at=due_at,
        breached_at=late,
    )
    pursuit_ends = due_at is None and due.pending(connection, PURSUE, now.number)
    if due_at is None:
        for kind in (PURSUE, reminders.REMIND):
            due.cancel(connection, at, kind, now.number, by=f"reclassified {code}")
    elif not held_for_good(connection, now):
        if not due.pending(connection, PURSUE, now.number):
            casebook.pursue(connection, at, now.id, at)
        remind(connection, at, now)
    details = {
        "from": now.level,
        "to": code,
        "due": due_at.isoformat() if due_at else None,
        "pursuit_ends": pursuit_ends,
    }
    case_log.write(connection, at, now.id, actor, "reclassified", reason, details)
    told = {"from": now.level, "to": code}
    audit.record(connection, actor, at, "case.reclassify", subject(now), reason=reason, details=told)


def note(connection: Connection, actor: str, at: datetime, case: Case, text: str) -> None:
    """Write something down about the case. Raises CaseClosed, or CaseRefusal for nothing or too much."""
    text = case_log.tidy(text)
    if not 1 <= len(text) <= case_log.LONGEST_TEXT:
        raise CaseRefusal(f"a note has 1 to {case_log.LONGEST_TEXT} characters", "note")
    now = as_it_stands(connection, case, anybody=True)
    case_log.write(connection, at, now.id, actor, "note", text)
    audit.record(connection, actor, at, "case.note", subject(now))


def name_customer(
    connection: Connection, actor: str, at: datetime, case: Case, customer_id: int, *, billable: bool
) -> None:
    """A case whose caller was screened gets its customer. Raises CaseClosed, or CaseRefusal if it has one."""
    now = as_it_stands(connection, case, anybody=True)
    if now.customer_id is not None:
        raise CaseRefusal(f"case {now.number} has its customer already", "customer")
    put(connection, now, customer_id=customer_id, billable=billable)
    case_log.write(connection, at, now.id, actor, "named", details={"customer": customer_id})
    audit.record(
        connection,
        actor,
        at,
        "case.name",
        subject(now),
        details={"customer": customer_id, "billable": billable},
    )


# -- small parts -------------------------------------------------------------------------------


def subject(case: Case) -> str:
    """How audit and notices name a case."""
    return f"case:{case.number}"


def as_it_stands(
    connection: Connection, case: Case, taker: str | None = None, *, anybody: bool = False
) -> Case:
    """The case now, under its lock. Raises CaseClosed; AlreadyTaken if another than `taker` took it since
    `case` was read, unless it does not matter who has it.
    """
    (now,) = casebook.locked(connection, case.id)
    if now.closed_at is not None:
        raise CaseClosed(now.number)
    if not anybody and now.taken_by not in (None, case.taken_by, taker):
        raise AlreadyTaken(now.number, now.taken_by or "")
    return now


def put(connection: Connection, case: Case, **values: Any) -> None:
    """Write these columns of the case."""
    connection.execute(update(cases).where(cases.c.id == case.id).values(**values))


def remind(connection: Connection, at: datetime, case: Case) -> None:
    """Remind of it again, from its deadline's next mark on."""
    (now,) = casebook.locked(connection, case.id)
    if now.due_at is not None and now.breached_at is None:
        reminders.plan(connection, at, now.number, now.opened_at, now.due_at)


def _ladder(connection: Connection, case: Case, at: datetime) -> list[str]:
    """The keys of those on duty, rung by rung."""
    standing = roster.book(connection, case.rota, at).ladder(at)
    return list(dict.fromkeys(duty.technician for duty in standing))


def _facts(case: Case, told: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "case": case.number,
        "code": case.code,
        "urgency": case.level,
        "due": case.due_at.isoformat() if case.due_at else None,
        "screened": case.screened,
        **(told or {}),
    }


def _once(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _tell_of_take(connection: Connection, at: datetime, case: Case, facts: dict[str, Any]) -> None:
    """Whoever heard of the case before hears that it is taken care of, when he next looks; a taking by
    text wakes the ladder, and him whose text it was: he would know if it was not his.
    """
    about, technician = subject(case), facts["technician"]
    heard = select(notice_rows.c.recipient).where(
        notice_rows.c.about == about, notice_rows.c.recipient.startswith("technician:")
    )
    before = sorted(set(connection.execute(heard).scalars()))
    again = f"{technician} {_once(at)}"
    if facts["via"] == "text":
        everybody = [f"technician:{key}" for key in (*_ladder(connection, case, at), technician)]
        to = list(dict.fromkeys([*everybody, *before]))
        notices.tell_everybody(connection, at, TAKEN, to, about, facts, loud=True, again=again)
        return
    notices.settle_needless(connection, at, about, notices.WAITS_FOR_SOMEBODY | {PASSED_ON})
    to = [each for each in before if each != f"technician:{technician}"]
    notices.tell_everybody(connection, at, TAKEN, to, about, facts, loud=False, again=again)

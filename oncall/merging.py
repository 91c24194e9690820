"""What a spare database noted of cases, attempts and notices is brought into the house's own.

Nothing is called by its id here, for each database gives ids of its own: a case by its number or by the call
that opened it, an attempt by its call, turn and phone, a notice by its key. So bringing the same twice
changes nothing. `here` is the house's own database, `there` the spare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select, update

from oncall.cases import cases as casebook
from oncall.reaching import attempts as tries
from oncall.reaching import reminders
from oncall.reaching.reached import NOTICE
from oncall.tables import (
    attempts,
    case_calls,
    case_links,
    case_log,
    cases,
    notice_sends,
    notices,
    passes,
    texts_in,
)
from storage import due
from storage.tables import due_work

# The stronger of two results counts: a key that one node recorded makes more of what another one saw.
_STRENGTH = ("failed", "busy", "no-answer", "unconfirmed", "declined", "accepted", "connected")


# -- cases ---------------------------------------------------------------------------------------


def bring_case(
    here: Connection, at: datetime, row: Row[Any], *, copied: bool, customer_id: int | None
) -> int | None:
    """A case as it stands there, brought here; returns its id here. None if it was only copied from here, was
    closed, and is gone since. Its calls must be here already; `customer_id` is whose it is, if he is.
    """
    found = casebook.by_number(here, row.number)
    if found is None and not copied:
        found = casebook.opened_by(here, row.call_sid)
        if found is not None and row.opened_at >= found.opened_at:
            # Opened twice, and there last: that answer is the one that he heard.
            casebook.tell_as(here, at, found.id, row.code)
    if found is None:
        # An open one that is missing was not purged: an older backup has been restored meanwhile.
        gone = copied and row.closed_at is not None
        return None if gone else copy_row(here, cases, row, customer_id=customer_id)
    values: dict[str, Any] = {}
    for column in ("connected_at", "call_back_to", "breached_at", "merged_into"):
        if getattr(found, column) is None and row._mapping[column] is not None:
            values[column] = row._mapping[column]
    for first, others in (
        ("taken_at", ("taken_by", "taken_via")),
        ("closed_at", ("closed_by", "outcome", "minutes")),
    ):
        if first == "closed_at" and row.closed_at and tries.wanted_since(here, found.id, row.closed_at):
            continue  # open again: see ivr.casework.called_again
        if getattr(found, first) is None and row._mapping[first] is not None:
            values |= {name: row._mapping[name] for name in (first, *others)}
    if row.due_at is not None and (found.due_at is None or row.due_at < found.due_at):
        values |= {"due_at": row.due_at, "final_urgency": row.final_urgency or row.urgency}
    if row.customer_calls > found.customer_calls:
        values["customer_calls"] = row.customer_calls
    if values:
        here.execute(update(cases).where(cases.c.id == found.id).values(**values))
    return found.id


def copy_row(here: Connection, table: Table, row: Row[Any], **otherwise: Any) -> int:
    """Write a row from there here, with an id of its own, and what is `otherwise` here. Returns the id."""
    values = {**row._mapping, **otherwise}
    del values["id"]
    identity = here.execute(insert(table), values).inserted_primary_key
    assert identity is not None
    return int(identity[0])


def bring_calls_of_case(here: Connection, there: Connection, case_there: int, case_here: int) -> None:
    """Which calls are about it, so far as they are here; and what its log says."""
    for row in there.execute(select(case_calls).where(case_calls.c.case_id == case_there)):
        casebook.note_call(here, row.joined_at, case_here, row.call_sid)
    written = {
        (row.at, row.act, row.actor)
        for row in here.execute(select(case_log).where(case_log.c.case_id == case_here))
    }
    for row in there.execute(
        select(case_log).where(case_log.c.case_id == case_there).order_by(case_log.c.id)
    ):
        if (row.at, row.act, row.actor) not in written:
            copy_row(here, case_log, row, case_id=case_here)


def bring_links(here: Connection, there: Connection, case_there: int, case_here: int) -> None:
    """Links that were sent to technicians go on working."""
    for row in there.execute(select(case_links).where(case_links.c.case_id == case_there)):
        known = select(case_links.c.id).where(case_links.c.token_hash == row.token_hash)
        if here.execute(known).first() is None:
            copy_row(here, case_links, row, case_id=case_here)


def bring_pursuit(
    here: Connection, there: Connection, at: datetime, number_there: str, case_here: int
) -> None:
    """Whether the case is pursued and reminded of: it is while it was so in either place, unless something
    has ended that in one of them since. The case's calls have been brought before: one that came after that
    end wants a technician of its own, though there it found the work still standing and began none.
    """
    number = casebook.number_of(here, case_here)
    for kind in (casebook.PURSUE, reminders.REMIND):
        latest = (
            select(due_work)
            .where(due_work.c.kind == kind, due_work.c.key == number_there)
            .order_by(due_work.c.id.desc())
            .limit(1)
        )
        row = there.execute(latest).first()
        if row is None:
            continue
        standing = (
            select(due_work)
            .where(due_work.c.kind == kind, due_work.c.key == number)
            .order_by(due_work.c.id.desc())
            .limit(1)
        )
        known = here.execute(standing).first()
        if row.state == due.PENDING:
            if known is None or (known.state != due.PENDING and _anew(here, kind, case_here, row, known)):
                due.add(here, at, kind, number, row.due_at, {"case": number})
            elif known.state == due.PENDING and row.created_at > known.created_at:
                # Begun anew there: what ended before that has not ended it.
                due.cancel(here, at, kind, number, by="wanted anew")
                earlier = min(row.due_at, known.due_at)
                due.add(here, row.created_at, kind, number, earlier, {"case": number})
            elif known.state == due.PENDING and row.due_at < known.due_at and known.lease is None:
                due.move(here, kind, number, row.due_at)
        elif (
            row.state == due.CANCELLED and known is not None and not _anew(here, kind, case_here, known, row)
        ):
            due.cancel(here, row.ended_at, kind, number, by=str(row.ended_by), begun_by=row.ended_at)
    case = casebook.by_number(here, number)
    assert case is not None
    if case.closed_at is not None:
        due.cancel(here, at, casebook.PURSUE, number, by="closed")


def _anew(here: Connection, kind: str, case_here: int, pending: Row[Any], ended: Row[Any]) -> bool:
    """Whether the work that stands in one place is wanted although it ended in the other."""
    if pending.created_at > ended.ended_at:
        return True  # he was connected, and asked for the technician again
    return kind == casebook.PURSUE and tries.wanted_since(here, case_here, ended.ended_at)


def end_pursuit(here: Connection, there: Connection, at: datetime) -> None:
    """What is not pursued any more at home, nobody pursues there. Everything has been brought before."""
    for kind in (casebook.PURSUE, reminders.REMIND):
        waiting = select(due_work.c.id, due_work.c.key).where(
            due_work.c.kind == kind, due_work.c.state == due.PENDING
        )
        for row in there.execute(waiting).all():
            if not due.pending(here, kind, row.key):
                over = update(due_work).where(due_work.c.id == row.id)
                there.execute(over.values(state=due.DONE, ended_at=at, ended_by="at home"))


# -- attempts ------------------------------------------------------------------------------------


def bring_attempts(here: Connection, there: Connection, case_there: int, case_here: int) -> dict[int, int]:
    """The attempts to reach a technician for this case; returns by their ids there the ids here."""
    ids: dict[int, int] = {}
    wanted = select(attempts).where(attempts.c.case_id == case_there)
    for row in there.execute(wanted.order_by(attempts.c.id)):
        # Never without the phone: the same turn may have rung one at each of two nodes.
        same = attempts.c.phone == row.phone
        if row.turn is not None:
            same &= (attempts.c.call_sid == row.call_sid) & (attempts.c.turn == row.turn)
        else:
            same &= (attempts.c.case_id == case_here) & (attempts.c.asked_at == row.asked_at)
        known = here.execute(select(attempts).where(same)).first()
        if known is None:
            its_pass = _pass(here, there, row.pass_id, case_here)
            ids[row.id] = copy_row(here, attempts, row, case_id=case_here, pass_id=its_pass)
        else:
            ids[row.id] = known.id
            _combine(here, known, row)
    return ids


def _pass(here: Connection, there: Connection, pass_id: int | None, case_here: int) -> int | None:
    """The pass of the pursuit; over, so far as the house's own is concerned."""
    if pass_id is None:
        return None
    row = there.execute(select(passes).where(passes.c.id == pass_id)).one()
    same = select(passes.c.id).where(passes.c.case_id == case_here, passes.c.started_at == row.started_at)
    known = here.execute(same).scalar()
    if known is not None:
        return int(known)
    return copy_row(here, passes, row, case_id=case_here, ended_at=row.ended_at or row.started_at)


def _combine(here: Connection, known: Row[Any], row: Row[Any]) -> None:
    """What two nodes saw of one attempt."""
    seen: dict[str, Any] = {
        name: known._mapping[name] if known._mapping[name] is not None else row._mapping[name]
        for name in ("picked_up_at", "pressed", "pressed_at", "result_at")
    }
    seen["bridged"] = known.bridged or row.bridged
    result = _stronger(known.result, row.result)
    if seen["pressed"] == "accepted" and result is not None:
        result = "connected" if seen["bridged"] else _stronger(result, "accepted")
    seen["result"] = result
    if any(known._mapping[name] != value for name, value in seen.items()):
        here.execute(update(attempts).where(attempts.c.id == known.id).values(**seen))
    if result == "connected" and known.result != "connected":
        tries.connected(here, known.id)


def _stronger(one: str | None, other: str | None) -> str | None:
    given = [result for result in (one, other) if result is not None]
    return max(given, key=_STRENGTH.index, default=None)


# -- notices, texts --------------------------------------------------------------------------------


def bring_notices(here: Connection, there: Connection, at: datetime, numbers: Mapping[str, str]) -> None:
    """Who was told of what there, or is still to be. `numbers`: what cases are called here, if otherwise."""
    for row in there.execute(select(notices).order_by(notices.c.id)):
        before = row.about.removeprefix("case:")
        now = numbers.get(before, before)
        about, key = row.about.replace(before, now), row.key.replace(before, now)
        known = here.execute(select(notices.c.id).where(notices.c.key == key)).scalar()
        if known is None:
            known = copy_row(here, notices, row, about=about, key=key)
            if row.settled_at is None:
                due.add(here, at, NOTICE, str(known), at, {"notice": known})
        _bring_sends(
            here, there.execute(select(notice_sends).where(notice_sends.c.notice_id == row.id)), known
        )


def _bring_sends(here: Connection, rows: Iterable[Row[Any]], notice_here: int) -> None:
    known = {
        (row.channel, row.address, row.tried_at): row
        for row in here.execute(select(notice_sends).where(notice_sends.c.notice_id == notice_here))
    }
    for row in rows:
        same = known.get((row.channel, row.address, row.tried_at))
        if same is None:
            copy_row(here, notice_sends, row, notice_id=notice_here)
        elif same.settled_at is None and (row.settled_at is not None or row.sid != same.sid):
            values = {name: row._mapping[name] for name in ("state", "sid", "why", "settled_at")}
            here.execute(update(notice_sends).where(notice_sends.c.id == same.id).values(**values))


def bring_texts(here: Connection, there: Connection) -> None:
    """Text messages that were acted on there are not acted on again."""
    for row in there.execute(select(texts_in)):
        if here.execute(select(texts_in.c.sid).where(texts_in.c.sid == row.sid)).first() is None:
            here.execute(insert(texts_in), dict(row._mapping))

"""What becomes of closed cases as they grow old: what was written about them, whose phones rang.

An open case is never touched. What reports count stays: number, code, urgency, instants, minutes and who had
it, until the last of them goes too. Each verb is given keys, and does what is still to be done about them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, exists, or_, select, update

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

# What a report reads of the entry that closed a case: minutes. How many they were in all, the case says.
_COUNTED = ("prepaid", "billed")


def with_details(connection: Connection, before: datetime) -> list[int]:
    """Cases closed earlier of which more is kept than reports count, oldest first."""
    more = or_(
        cases.c.outcome.is_not(None),
        cases.c.call_back_to.is_not(None),
        exists().where(
            case_log.c.case_id == cases.c.id, or_(case_log.c.act != "closed", case_log.c.text != "")
        ),
        exists().where(attempts.c.case_id == cases.c.id, attempts.c.phone != ""),
        exists().where(case_links.c.case_id == cases.c.id),
    )
    query = select(cases.c.id).where(cases.c.closed_at < before, more)
    return list(connection.execute(query.order_by(cases.c.closed_at)).scalars())


def strip(connection: Connection, ids: Sequence[int]) -> int:
    """Keep of these cases what reports count; those that were opened again are passed over."""
    closed = select(cases.c.id).where(cases.c.id.in_(ids), cases.c.closed_at.is_not(None))
    found = list(connection.execute(closed).scalars())
    connection.execute(update(cases).where(cases.c.id.in_(found)).values(outcome=None, call_back_to=None))
    rang = {"phone": "", "picked_up_at": None, "turn": None}
    connection.execute(update(attempts).where(attempts.c.case_id.in_(found)).values(rang))
    connection.execute(update(passes).where(passes.c.case_id.in_(found)).values(ladder=[]))
    connection.execute(delete(case_links).where(case_links.c.case_id.in_(found)))
    _keep_closings(connection, found)
    return len(found)


def _keep_closings(connection: Connection, ids: Sequence[int]) -> None:
    """Of all that was written about these cases keep how they were closed last, if any minutes are told."""
    its = case_log.c.case_id.in_(ids)
    closings = select(case_log.c.id, case_log.c.case_id, case_log.c.details).where(
        its, case_log.c.act == "closed"
    )
    last = {row.case_id: row for row in connection.execute(closings.order_by(case_log.c.id))}
    kept = {}
    for row in last.values():
        if counted := {name: row.details[name] for name in _COUNTED if (row.details or {}).get(name)}:
            kept[row.id] = counted
    connection.execute(delete(case_log).where(its, case_log.c.id.not_in(kept)))
    for entry_id, counted in kept.items():
        bare = {"text": "", "details": counted}
        connection.execute(update(case_log).where(case_log.c.id == entry_id).values(bare))


def closed_before(connection: Connection, before: datetime) -> list[int]:
    """Every case that was closed earlier, oldest first."""
    query = select(cases.c.id).where(cases.c.closed_at < before).order_by(cases.c.closed_at)
    return list(connection.execute(query).scalars())


def remove(connection: Connection, ids: Sequence[int]) -> int:
    """Remove these cases with all that is theirs. Calls that we placed and technicians' legs must be gone."""
    for table in (case_log, case_links, case_calls, attempts, passes):
        connection.execute(delete(table).where(table.c.case_id.in_(ids)))
    return connection.execute(delete(cases).where(cases.c.id.in_(ids))).rowcount


# -- notices, text messages, links ---------------------------------------------------------------


def told_before(connection: Connection, before: datetime) -> list[int]:
    """Notices written earlier that nobody is told any more, about no open case, oldest first."""
    open_ = select(cases.c.number).where(cases.c.closed_at.is_(None))
    still = {f"case:{number}" for number in connection.execute(open_).scalars()}
    query = select(notices.c.id, notices.c.about).where(
        notices.c.created_at < before, notices.c.settled_at.is_not(None)
    )
    return [row.id for row in connection.execute(query.order_by(notices.c.id)) if row.about not in still]


def sends_of(connection: Connection, ids: Sequence[int]) -> list[int]:
    """By what these notices went out."""
    found = select(notice_sends.c.id).where(notice_sends.c.notice_id.in_(ids))
    return list(connection.execute(found).scalars())


def forget_notices(connection: Connection, ids: Sequence[int]) -> int:
    """Remove them. Nothing may refer to what they went out by."""
    connection.execute(delete(notice_sends).where(notice_sends.c.notice_id.in_(ids)))
    return connection.execute(delete(notices).where(notices.c.id.in_(ids))).rowcount


def texts_before(connection: Connection, before: datetime) -> list[str]:
    """Text messages that came in earlier."""
    return list(connection.execute(select(texts_in.c.sid).where(texts_in.c.received_at < before)).scalars())


def forget_texts(connection: Connection, sids: Sequence[str]) -> int:
    return connection.execute(delete(texts_in).where(texts_in.c.sid.in_(sids))).rowcount


def links_before(connection: Connection, before: datetime) -> list[int]:
    """Case links that expired earlier."""
    return list(connection.execute(select(case_links.c.id).where(case_links.c.expires_at < before)).scalars())


def forget_links(connection: Connection, ids: Sequence[int]) -> int:
    return connection.execute(delete(case_links).where(case_links.c.id.in_(ids))).rowcount

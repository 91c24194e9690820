"""Cases as people look for them: by state, customer, urgency, who has it, day; one page after the other.

Open ones come in the order in which somebody has to see to them: those that nobody has by their deadline,
then those that somebody has, then those without a deadline. All others by when they were opened, the latest
first. A page is found by where the last one ended.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select, tuple_, union

from oncall.cases.cases import PURSUE, Case, some
from oncall.cases.holding import holders
from oncall.tables import attempts, cases
from storage.due import PENDING
from storage.tables import due_work

PAGE = 30
Which = Literal["open", "closed", "all"]
NOBODY = "-"


@dataclass(frozen=True)
class Wanted:
    """What is looked for. `name` is a number (2026-00412) or a spoken code; `customers` ids, None: any.

    `who` is a technician's key, NOBODY, or "": whoever. From `start` up to, not including, `end`.
    """

    which: Which = "open"
    name: str = ""
    customers: Collection[int] | None = None
    urgency: str = ""
    who: str = ""
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True)
class Place:
    """Where a page ended: in which group, at which instant, with which case."""

    group: int
    at: datetime
    case_id: int


@dataclass(frozen=True)
class Page:
    """`has` is who has each case, by its id. `after` is where it ended, if there is more."""

    cases: list[Case]
    has: dict[int, str]
    after: Place | None


def page(connection: Connection, wanted: Wanted, after: Place | None = None, *, size: int = PAGE) -> Page:
    """At most `size` cases that are wanted, after a place. A page may be shorter than there is more."""
    found: list[tuple[int, Case]] = []
    more = False
    for group in _GROUPS if wanted.which == "open" else (_LATEST,):
        if after is not None and group < after.group:
            continue
        room = size + 1 - len(found)
        here = after if after is not None and group == after.group else None
        found += [(group, each) for each in _group(connection, wanted, group, here, room)]
        if len(found) > size:
            more = True
            break
    found = found[:size]
    has = holders(connection, [case for _, case in found])
    last = found[-1] if found and more else None
    shown = [case for _, case in found if _has_it(wanted, has.get(case.id))]
    return Page(shown, has, _place(*last) if last else None)


# -- groups ------------------------------------------------------------------------------------

_WAITING, _HELD, _WITHOUT_DEADLINE, _LATEST = range(4)
_GROUPS = (_WAITING, _HELD, _WITHOUT_DEADLINE)
# Somebody was connected once, but it is pursued again: nobody has it.
_PURSUED = exists().where(
    due_work.c.kind == PURSUE, due_work.c.key == cases.c.number, due_work.c.state == PENDING
)
_WAITS = and_(cases.c.taken_at.is_(None), or_(cases.c.connected_at.is_(None), _PURSUED))


def _group(connection: Connection, wanted: Wanted, group: int, after: Place | None, room: int) -> list[Case]:
    query = select(cases.c.id).where(*_conditions(wanted))
    moment, newest = (cases.c.opened_at, True) if group == _LATEST else (cases.c.due_at, False)
    match group:
        case 0:
            query = query.where(cases.c.due_at.is_not(None), _WAITS)
        case 1:
            query = query.where(cases.c.due_at.is_not(None), ~_WAITS)
        case 2:
            query = query.where(cases.c.due_at.is_(None))
            moment = cases.c.opened_at
    place = tuple_(moment, cases.c.id)
    if after is not None:
        query = query.where(
            place < (after.at, after.case_id) if newest else place > (after.at, after.case_id)
        )
    order = (moment.desc(), cases.c.id.desc()) if newest else (moment, cases.c.id)
    ids = list(connection.execute(query.order_by(*order).limit(room)).scalars())
    known = {case.id: case for case in some(connection, ids)} if ids else {}
    return [known[case_id] for case_id in ids]


def _place(group: int, case: Case) -> Place:
    by_deadline = group in (_WAITING, _HELD) and case.due_at is not None
    return Place(group, case.due_at if by_deadline and case.due_at else case.opened_at, case.id)


# -- what is wanted ----------------------------------------------------------------------------


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.which == "open":
        found.append(cases.c.closed_at.is_(None))
    elif wanted.which == "closed":
        found.append(cases.c.closed_at.is_not(None))
    if wanted.name:
        found.append(or_(cases.c.number == wanted.name, cases.c.code == wanted.name))
    if wanted.customers is not None:
        found.append(cases.c.customer_id.in_(list(wanted.customers)))
    if wanted.urgency:
        first = and_(cases.c.final_urgency.is_(None), cases.c.urgency == wanted.urgency)
        found.append(or_(cases.c.final_urgency == wanted.urgency, first))
    if wanted.who == NOBODY:
        found.append(cases.c.taken_by.is_(None))
    elif wanted.who:
        took = select(cases.c.id).where(cases.c.taken_by == wanted.who)
        spoke = select(attempts.c.case_id).where(
            attempts.c.technician == wanted.who, attempts.c.result == "connected"
        )
        found.append(cases.c.id.in_(union(took, spoke)))
    if wanted.start is not None:
        found.append(cases.c.opened_at >= wanted.start)
    if wanted.end is not None:
        found.append(cases.c.opened_at < wanted.end)
    return found


def _has_it(wanted: Wanted, key: str | None) -> bool:
    """The conditions let through whoever was connected once: whether he has it still is known only now."""
    if not wanted.who:
        return True
    return key is None if wanted.who == NOBODY else key == wanted.who

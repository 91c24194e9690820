"""The watch over a rota: nobody begins a turn unawares, nobody waits for one that is no longer his.

What was told stands in the notices; `rota_watch` keeps up to when everybody was. Both are written in one
transaction, so a worker that dies tells nobody twice. Verbs never commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from oncall.notices import notices
from oncall.notices.delivery import quiet_until
from oncall.reaching import shift_checks
from oncall.rota import rota_book, turns
from oncall.rota.rota import Book
from oncall.rota.turns import Turn
from oncall.settings import NoticeSettings
from oncall.tables import notices as notice_rows
from oncall.tables import rota_overrides, rota_watch, swaps
from storage import due
from storage.conflicts import inserting
from storage.due import Work
from storage.tables import due_work

# The work that watches a rota; its key is the rota's.
WATCH = "rota.watch"
BEGINS, ENDS, CANCELLED = "shift-begins", "shift-ends", "shift-cancelled"
# Of a rota that was never looked at.
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# It is looked again at every full hour at the latest.
EVERY = timedelta(hours=1)
# A change counts from when somebody asked for it, which is a little before anybody else can see it.
MARGIN = timedelta(hours=1)
# Of a turn that ended longer ago nobody is told any more.
LATE = timedelta(hours=1)
# What was told to somebody before so many notices tells nothing of the turn he has now.
KNOWN = 50
# After a sleep longer than this the watch begins anew.
LONGEST_SLEEP = timedelta(days=30)


@dataclass(frozen=True)
class Looked:
    """`due_at`: when to look again. `new_hour`: this was the first look of its hour."""

    due_at: datetime
    new_hour: bool


@dataclass(frozen=True)
class _Told:
    """That somebody was told of a turn, and how often. `notice` is the last one; None: it was taken back.
    `ends` is when it was to end.
    """

    times: int
    notice: int | None
    ends: datetime | None = None


# Whose turn on which rung, beginning when.
_Beginning = tuple[str, int, datetime]


# -- when it is due ----------------------------------------------------------------------------


def wake(connection: Connection, at: datetime, rota_key: str) -> None:
    """Have the rota looked at now: something about it has changed, or it is new."""
    if not due.move(connection, WATCH, rota_key, at):
        due.add(connection, at, WATCH, rota_key, at, {})


def wake_all(connection: Connection, at: datetime) -> None:
    """The same for every rota: somebody's service or absence has changed."""
    for rota_key in sorted(rota_book.rota_keys(connection)):  # in one order: two who do this never wait
        wake(connection, at, rota_key)


def seed(connection: Connection, at: datetime) -> int:
    """See to it that every rota is watched; returns how many were not."""
    unwatched = [key for key in rota_book.rota_keys(connection) if not due.pending(connection, WATCH, key)]
    for rota_key in unwatched:
        due.add(connection, at, WATCH, rota_key, at, {})
    return len(unwatched)


def doubled(connection: Connection, work: Work) -> bool:
    """Whether the rota is watched by an older row too: two that woke it at one instant may both add one."""
    older = select(func.count()).where(
        due_work.c.kind == WATCH,
        due_work.c.key == work.key,
        due_work.c.state == due.PENDING,
        due_work.c.id < work.id,
    )
    return connection.execute(older).scalar_one() > 0


# -- looking -----------------------------------------------------------------------------------


def look(
    connection: Connection, at: datetime, rota_key: str, settings: NoticeSettings, zone: ZoneInfo
) -> Looked:
    """Tell whoever is to be told at `at`, and plan the questions whether somebody can be reached.

    `zone` is that of the quiet hours. After a sleep it tells of the turns that run now, not of those that
    are over. A watch that is new tells whoever is on duty, as if his turn began now.
    """
    told_until = _told_until(connection, rota_key)
    new = told_until is None or at - told_until > LONGEST_SLEEP
    since = (at if told_until is None or new else min(told_until, at)) - MARGIN
    book = rota_book.book(connection, rota_key)
    seen = turns.turns(book, since, at + turns.LONGEST_LEAD)
    marks = [_hour(at) + EVERY, *(turn.end for turn in seen)]
    if settings.shifts:
        marks += _Teller(connection, at, rota_key, settings, zone, book, seen).tell(since, new)
    if settings.confirm != "off":
        shift_checks.plan(connection, at, rota_key, seen, timedelta(minutes=settings.confirm_before), EVERY)
    connection.execute(update(rota_watch).where(rota_watch.c.rota == rota_key).values(told_until=at))
    due_at = min(mark for mark in marks if mark > at)
    return Looked(due_at, told_until is None or _hour(told_until) != _hour(at))


def _told_until(connection: Connection, rota_key: str) -> datetime | None:
    """Up to when everybody was told, None if nobody ever was. Nobody else looks meanwhile."""
    row = select(rota_watch.c.told_until).where(rota_watch.c.rota == rota_key)
    found: datetime | None = connection.execute(row.with_for_update()).scalar()
    if found is None:
        # Long ago, so that it cannot be taken for something that was told.
        first = inserting(connection, rota_watch).values(rota=rota_key, told_until=_NEVER)
        connection.execute(first.on_conflict_do_nothing(index_elements=["rota"]))
        found = connection.execute(row.with_for_update()).scalar_one()
    return None if found == _NEVER else found


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


# -- telling -----------------------------------------------------------------------------------


class _Teller:
    """Tells what is to be told of one rota at one instant."""

    def __init__(
        self,
        connection: Connection,
        at: datetime,
        rota_key: str,
        settings: NoticeSettings,
        zone: ZoneInfo,
        book: Book,
        seen: Sequence[Turn],
    ) -> None:
        self._connection = connection
        self._at = at
        self._rota = rota_key
        self._about = f"rota:{rota_key}"
        self._settings = settings
        self._zone = zone
        self._book = book
        self._seen = seen
        self._later: list[datetime] = []

    def tell(self, since: datetime, new: bool) -> list[datetime]:
        """Of what changes after `since`. `new`: of every turn that runs, too. Returns when there will be
        more to tell.
        """
        told = self._told(notice_rows.c.created_at > since - turns.LONGEST_LEAD)
        for (person, rung, start), known in told.items():
            here = turns.at_instant(self._seen, rung, start)
            if known.notice is not None and start > since and (here is None or here.technician != person):
                self._take_back(person, rung, start, known, here)
        for turn in self._seen:
            known = told.get((turn.technician, turn.rung, turn.start), _Told(0, None))
            if turn.end > self._at:
                if not turn.begun_before:
                    self._begins(turn, turn.start, known)
                elif new:
                    self._begins(turn, self._at, _Told(0, None))
                self._goes_on(turn, told)
            elif not new and turn.end > max(since, self._at - LATE):
                self._ends(turn)
        return self._later

    def _begins(self, turn: Turn, start: datetime, known: _Told) -> None:
        if known.notice is not None:
            return
        announced_at = turns.announced_at(start, self._settings.quiet, self._zone)
        if announced_at > self._at:
            self._later.append(announced_at)
            return
        facts = {
            "rota": self._rota,
            "rung": turn.rung,
            "starts": start,
            "ends": turns.end_of(self._book, turn),
            "because": turn.because,
            "swap_with": self._swapped_with(turn),
        }
        # What comes to light in the quiet hours cannot wait for their end if the turn begins before.
        quiet = quiet_until(self._at, self._settings.quiet, self._zone)
        loud = quiet is not None and quiet > start
        again = f"{turn.rung}:{start.isoformat()}:{known.times}"
        self._notice(BEGINS, turn.technician, facts, again, loud=loud)

    def _goes_on(self, turn: Turn, told: Mapping[_Beginning, _Told]) -> None:
        """Whoever was told that his turn ends, and goes on, is told of what follows as of another one."""
        _, ends = max(self._what_he_knows(turn), default=(None, None))
        if ends is not None and turn.covers(ends):
            self._begins(turn, ends, told.get((turn.technician, turn.rung, ends), _Told(0, None)))

    def _ends(self, turn: Turn) -> None:
        if not self._what_he_knows(turn):
            return  # it began and ended while we slept
        after = turns.at_instant(self._seen, turn.rung, turn.end)
        facts = {
            "rota": self._rota,
            "rung": turn.rung,
            "ends": turn.end,
            "next": after.technician if after else None,
        }
        self._notice(ENDS, turn.technician, facts, f"{turn.rung}:{turn.end.isoformat()}")

    def _take_back(self, person: str, rung: int, start: datetime, known: _Told, instead: Turn | None) -> None:
        """He was told of a turn that is no longer his."""
        facts = {
            "rota": self._rota,
            "rung": rung,
            "starts": start,
            "next": instead.technician if instead else None,
        }
        assert known.notice is not None
        unsent = self._unsent(known.notice)
        again = f"{rung}:{start.isoformat()}:{known.times}"
        self._notice(CANCELLED, person, facts, again)
        if unsent:  # he need never hear of either
            for each in (known.notice, self._last(CANCELLED, person)):
                due.cancel(self._connection, self._at, notices.NOTICE, str(each), by="needless")
                notices.settle(self._connection, self._at, each, "needless")

    def _notice(
        self, kind: str, technician: str, facts: dict[str, Any], again: str, *, loud: bool = False
    ) -> None:
        facts = {name: value for name, value in facts.items() if value is not None}
        recipient = f"technician:{technician}"
        notices.tell(self._connection, self._at, kind, recipient, self._about, facts, loud=loud, again=again)

    # -- what is known

    def _what_he_knows(self, turn: Turn) -> list[tuple[datetime, datetime | None]]:
        """When this turn was to begin and to end, each time that he was told of it, or of a part of it."""
        told = self._told(notice_rows.c.recipient == f"technician:{turn.technician}", last=KNOWN)
        return [
            (start, known.ends)
            for (_, rung, start), known in told.items()
            if rung == turn.rung
            and known.notice is not None
            and start < turn.end
            and (start >= turn.start or (turn.begun_before and (known.ends or turn.end) >= turn.start))
        ]

    def _told(self, which: ColumnElement[bool], last: int | None = None) -> dict[_Beginning, _Told]:
        """Who was told of a turn, by the `last` of `which` notices, and whether that was taken back."""
        rows = select(notice_rows).where(
            notice_rows.c.about == self._about, notice_rows.c.kind.in_((BEGINS, CANCELLED)), which
        )
        told: dict[_Beginning, _Told] = {}
        newest_first = self._connection.execute(rows.order_by(notice_rows.c.id.desc()).limit(last)).all()
        for row in reversed(newest_first):
            person = row.recipient.removeprefix("technician:")
            beginning = (person, row.facts["rung"], datetime.fromisoformat(row.facts["starts"]))
            times = told[beginning].times if beginning in told else 0
            ends = row.facts.get("ends")
            if row.kind == BEGINS:
                told[beginning] = _Told(times + 1, row.id, datetime.fromisoformat(ends) if ends else None)
            else:
                told[beginning] = _Told(times, None)
        return told

    def _unsent(self, notice_id: int) -> bool:
        """Whether nobody has begun to bring the notice; nor will, until our transaction ends."""
        work = select(due_work.c.id).where(
            due_work.c.kind == notices.NOTICE,
            due_work.c.key == str(notice_id),
            due_work.c.state == due.PENDING,
        )
        waits = self._connection.execute(work.with_for_update()).first()
        return waits is not None and not notices.sends_of(self._connection, notice_id)

    def _last(self, kind: str, technician: str) -> int:
        of = select(func.max(notice_rows.c.id)).where(
            notice_rows.c.about == self._about,
            notice_rows.c.kind == kind,
            notice_rows.c.recipient == f"technician:{technician}",
        )
        return int(self._connection.execute(of).scalar_one())

    def _swapped_with(self, turn: Turn) -> str | None:
        """Whose turn it was before the two agreed otherwise."""
        if turn.because != "swap":
            return None
        agreed = (
            select(swaps.c.proposer, swaps.c.counterpart)
            .join(rota_overrides, rota_overrides.c.swap_id == swaps.c.id)
            .where(
                rota_overrides.c.rota == self._rota,
                rota_overrides.c.rung == turn.rung,
                rota_overrides.c.technician == turn.technician,
                rota_overrides.c.starts_at <= turn.start,
                rota_overrides.c.ends_at > turn.start,
                or_(rota_overrides.c.withdrawn_at.is_(None), rota_overrides.c.withdrawn_at > turn.start),
            )
            .order_by(rota_overrides.c.id.desc())
        )
        row = self._connection.execute(agreed.limit(1)).first()
        if row is None:
            return None
        return str(row.counterpart if row.proposer == turn.technician else row.proposer)

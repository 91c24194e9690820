"""Whether somebody is on duty, as the database holds it; and the alarm for every hole ahead.

A hole is alarmed twice over: in the transaction that opens it, and by the watch, which looks ahead every
hour and so finds what nobody did: a rule that runs out, somebody who leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select

from oncall import people as technicians
from oncall.people import Technician
from oncall.phones import NumberRefused
from oncall.rota import roster, rota, validation
from oncall.rota.rota import Book
from oncall.rota.validation import Finding, Person
from oncall.settings import NoticeSettings, RingingSettings
from storage.alarms import ALARM, raise_alarm
from storage.tables import due_work

HOLE = "rota-hole"
# The same hole is told of again after so long, if it is still there.
QUIET = timedelta(days=7)
# Between the beginning and the end of a hole, and between holes, in an alarm.
TO, NEXT = " – ", "; "
# A hole that came into sight is told of so long before it begins at the latest.
LATEST = timedelta(days=2)
# A change is looked at for at least so long.
SHORTEST_LOOK = timedelta(days=60)


def books(connection: Connection, since: datetime | None = None) -> dict[str, Book]:
    """Every rota's book, by its key; with `since` for instants from then on alone."""
    return {key: roster.book(connection, key, since) for key in roster.rota_keys(connection)}


def people(connection: Connection, ringing: RingingSettings) -> list[Person]:
    """Everybody, with whether he can be reached."""
    return [person(each, ringing) for each in technicians.all_technicians(connection)]


def look(settings: NoticeSettings) -> timedelta:
    """How far a change is looked at."""
    return max(SHORTEST_LOOK, timedelta(days=settings.look_ahead))


def findings(
    connection: Connection, ringing: RingingSettings, start: datetime, end: datetime
) -> list[Finding]:
    """All that is wrong with any rota from `start` up to, not including, `end`."""
    return validation.review(books(connection), people(connection, ringing), start, end)


def alarm_opened(
    connection: Connection, at: datetime, before: Mapping[str, Book], start: datetime, end: datetime
) -> list[Finding]:
    """Alarm the holes that were opened since `before` was read; returns them."""
    after = books(connection)
    found = validation.opened(before, after, max(start, at), end)
    alarm(connection, at, found, after, end)
    return found


def holes_ahead(connection: Connection, at: datetime, settings: NoticeSettings) -> list[Finding]:
    """The holes of the next `look_ahead` days, each with its true beginning; every one is alarmed.

    Asked every hour. A hole is alarmed as soon as it is there and again every week; one that merely came
    into sight, because the days go by, with the next alarm, and two days before it begins at the latest.
    """
    look = timedelta(days=settings.look_ahead)
    known = books(connection)
    found: list[Finding] = []
    for key, book in known.items():
        for hole in validation.holes(key, book.segments(at, at + look)):
            # Its name must not change while it lasts, or it would be alarmed every hour.
            start = began(book, at) if hole.start == at else hole.start
            found.append(Finding("hole", key, None, start, hole.end, refused=True))
    alarm(connection, at, found, known, at + look, look=look)
    return found


def began(book: Book, at: datetime) -> datetime:
    """Since when nobody is on duty, given that nobody is at `at`."""
    first = validation.beginning(book)
    if first is None or at < first:
        return rota.BEGINNING_OF_TIME
    back = timedelta(days=1)
    while True:
        since = max(at - back, first)
        for segment in reversed(book.segments(since, at)):
            if segment.standing:
                return segment.end
        if since == first:
            return first
        back *= 4


def alarm(
    connection: Connection,
    at: datetime,
    holes: Iterable[Finding],
    known: Mapping[str, Book],
    until: datetime | None = None,
    *,
    look: timedelta | None = None,
) -> None:
    """Have the admins told of these holes: one alarm for each rota, of all those they were not told of
    within a week. One that lasts to `until` may last longer: its end is not said.

    With `look`, how far the watch sees, holes that it could not see when it last told of any can wait.
    """
    by_rota: dict[str, list[Finding]] = {}
    for hole in holes:
        by_rota.setdefault(hole.rota, []).append(hole)
    for key, found in by_rota.items():
        zone = zone_of(known[key])
        told, last = _told(connection, at, key)
        new = [hole for hole in found if _begins(hole, zone) not in told]
        due = look is None or last is None or any(h.start < max(at + LATEST, last + look) for h in new)
        if new and due:
            about = f"{_about(key)}{new[0].start.isoformat()}"
            raise_alarm(connection, at, HOLE, about, _details(new, zone, until), quiet=QUIET)


def _told(connection: Connection, at: datetime, rota_key: str) -> tuple[set[str], datetime | None]:
    """How the holes of a rota begin that the admins were told of within a week, and when they last were."""
    alarms = select(due_work.c.payload, due_work.c.created_at).where(
        due_work.c.kind == ALARM,
        due_work.c.key.startswith(f"{HOLE}:{_about(rota_key)}", autoescape=True),
        due_work.c.created_at > at - QUIET,
    )
    rows = list(connection.execute(alarms))
    holes = {hole for row in rows for hole in str(row.payload["holes"]).split(NEXT)}
    last: datetime | None = max((row.created_at for row in rows), default=None)
    return {hole.partition(TO)[0] for hole in holes}, last


def _about(rota_key: str) -> str:
    return f"rota:{rota_key}:"


def _details(holes: Sequence[Finding], zone: ZoneInfo, until: datetime | None) -> dict[str, object]:
    """What the alarm says: the first of the holes, how many more there are, and all of them."""
    first = holes[0]
    said: dict[str, object] = {"rota": first.rota}
    # Before its first rules a rota has nobody, and no beginning of that.
    if first.start > rota.BEGINNING_OF_TIME:
        said["from"] = wall(first.start, zone)
    if until is None or first.end < until:
        said["to"] = wall(first.end, zone)
        if first.start > rota.BEGINNING_OF_TIME:
            said["lasts"] = duration(first.end - first.start)
    if len(holes) > 1:
        said["more"] = len(holes) - 1
    said["holes"] = NEXT.join(f"{_begins(hole, zone)}{TO}{_ends(hole, zone, until)}" for hole in holes)
    return said


def _begins(hole: Finding, zone: ZoneInfo) -> str:
    return wall(hole.start, zone) if hole.start > rota.BEGINNING_OF_TIME else "…"


def _ends(hole: Finding, zone: ZoneInfo, until: datetime | None) -> str:
    return wall(hole.end, zone) if until is None or hole.end < until else "…"


def zone_of(book: Book) -> ZoneInfo:
    """The time zone of the rules that were applied last."""
    return book.versions[0].rules.zone


def wall(at: datetime, zone: ZoneInfo) -> str:
    """An instant by the clocks of `zone`, with their name: on one night a year an hour comes twice."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"


def duration(length: timedelta) -> str:
    """`"13 h 30 min"`; from two days on `"2 d 3 h"`."""
    minutes = round(length.total_seconds() / 60)
    days, hours, minutes = minutes // 1440, minutes // 60, minutes % 60
    if days >= 2:
        return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"
    return " ".join(f"{n} {unit}" for n, unit in ((hours, "h"), (minutes, "min")) if n) or "0 min"


def person(technician: Technician, ringing: RingingSettings) -> Person:
    """Somebody, with whether he can be reached."""
    dialled = [phone for phone in technician.phones if _may_be_dialled(phone, ringing)]
    # A sip: address takes no text message, and may be no more than a desk's.
    told = any(not phone.startswith("sip:") for phone in dialled)
    return Person(
        technician.key,
        technician.starts_at,
        technician.retired_at,
        dialled=bool(dialled),
        told=told or bool(technician.email) or bool(technician.services),
    )


def _may_be_dialled(phone: str, ringing: RingingSettings) -> bool:
    try:
        ringing.check_number(phone)
    except NumberRefused:
        return False
    return True

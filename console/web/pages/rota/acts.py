"""Whatever changes who is on duty is seen before it is done: looked at, confirmed, carried out.

The look does the very thing in a transaction that is thrown away, so it refuses what the deed would refuse.
The form that confirms carries a fingerprint of all that was looked at: if anything of it has changed
meanwhile, nothing is done, and it is shown anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from hmac import compare_digest
from zoneinfo import ZoneInfo

from flask import request
from sqlalchemy import Connection
from werkzeug.wrappers import Response as AnyResponse

from console.web.context import at, house, words, writing
from console.web.pages.rota.common import free_days
from console.web.people import people
from console.web.render import page, to
from console.web.shown import rota_preview
from console.web.shown.rota import short_names
from console.web.shown.rota_preview import Preview
from console.web.words import words as words_of
from oncall.people import RosterRefusal
from oncall.rota import coverage, planning
from oncall.rota.rota import Book
from oncall.rota.validation import Person
from oncall.rota.wallclock import instant_of

# A page, a page with a status, or on to another one.
Answer = str | tuple[str, int] | AnyResponse


@dataclass(frozen=True)
class Act:
    """Something that changes who is on duty.

    `do` is the verb; it is told whether it may open holes. `tried` is what is looked at instead, if that is
    more. It is looked at from `start` up to `end`, and drawn in `rota`. `fields` is what the form that
    confirms sends to `action` again; `back` is where it can be changed: a link, or with `back_sends` a form
    with the same fields and `again`. `done` is what is said afterwards, on the page `onward` with its
    `values`. `sentence` says what it is, `notes` what else is to be known. With `holes_asked` whoever opens
    a hole says that he knows; `open_ended`: `end` is only how far one looks.
    """

    do: Callable[[Connection, bool], object]
    sentence: str
    rota: str
    zone: ZoneInfo
    start: datetime
    end: datetime
    action: str
    back: str
    fields: Sequence[tuple[str, str]]
    done: str
    onward: str
    values: Mapping[str, object] = field(default_factory=dict)
    tried: Callable[[Connection], object] | None = None
    back_sends: bool = False
    holes_asked: bool = False
    open_ended: bool = False
    notes: tuple[str, ...] = ()
    area: str = "rota"


# The week in which a month begins, and a day for the night before.
BEFORE = timedelta(days=8)


class _OnlyLooked(Exception):
    """Thrown out of a transaction, so that nothing of it stays."""


class _Changed(Exception):
    """What was looked at is not so any more."""


def look(act: Act) -> tuple[Preview, str]:
    """What it would bring, and the fingerprint of what was looked at. Raises RosterRefusal."""
    try:
        with house().database.write() as connection:
            known = people(connection)
            before, were = _as_it_is(connection)
            if act.tried:
                act.tried(connection)
            else:
                act.do(connection, True)
            after, are = _as_it_is(connection)
            known |= people(connection)
            raise _OnlyLooked
    except _OnlyLooked:
        pass
    configuration = house().configuration
    seen = rota_preview.compare(
        before,
        after,
        were,
        are,
        known,
        rota=act.rota,
        zone=act.zone,
        at=at(),
        start=act.start,
        end=act.end,
        free=free_days(configuration, act.rota, act.zone),
        night=configuration.reports.night,
        notices=configuration.notices,
        quiet_zone=configuration.zone,
    )
    return seen, planning.state(before, were)


def _as_it_is(connection: Connection) -> tuple[dict[str, Book], list[Person]]:
    """All that decides who is on duty, from a little before this month began."""
    zone = house().configuration.zone
    month = at().astimezone(zone).date().replace(day=1)
    since = instant_of(month, time(), zone) - BEFORE
    return coverage.books(connection, since), coverage.people(connection, house().configuration.ringing)


def show(act: Act, *, changed: bool = False, unaware: bool = False) -> str:
    """The page that shows it and asks for confirmation. Raises RosterRefusal."""
    seen, fingerprint = look(act)
    w = words_of(words().language, act.zone)
    return page(
        "rota/preview.html",
        act=act,
        seen=seen,
        fingerprint=fingerprint,
        changed=changed,
        unaware=unaware,
        w=w,
        names=short_names(seen.known),
        most=rota_preview.MOST,
        direction=rota_preview.direction,
        admins=bool(house().configuration.notices.admins),
        announced=house().configuration.notices.shifts,
        here=act.area,
    )


def carry_out(act: Act) -> AnyResponse | tuple[str, int]:
    """Do what was confirmed, or show it anew if it is not what was seen. Raises RosterRefusal."""
    aware = request.form.get("holes") == "yes"
    try:
        with writing(once=True) as connection:
            planning.alone(connection)
            if not compare_digest(planning.state(*_as_it_is(connection)), request.form.get("seen", "")):
                raise _Changed
            act.do(connection, aware)
    except _Changed:
        return show(act, changed=True), 409
    except RosterRefusal as refused:
        if refused.why == "holes" and act.holes_asked and not aware:
            return show(act, unaware=True), 422
        raise
    return to(act.onward, act.done, **act.values)


def is_again() -> bool:
    """Whether the form that was sent is to be shown once more, to be changed."""
    return "again" in request.form

"""The calendar: a month, a week, one turn; and what is wrong with the time to come."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from flask import request, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from console.access.roles import May
from console.web.actors import actors
from console.web.context import at, house, reading, words
from console.web.pages.rota.common import Chosen, area, chosen, free_days, must_be_chosen
from console.web.people import people
from console.web.render import page
from console.web.shown import rota as picture
from console.web.shown import rota_view
from console.web.shown.rota_view import AHEAD
from oncall.rota import coverage, roster, swap_records, validation

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@area.page("/rota", May.SEE)
def month() -> str:
    with reading() as connection:
        here = chosen(connection)
        if here is None:
            return _nothing_yet(connection)
        first = _month(here)
        dates = picture.month_days(first)
        before, after = picture.previous_month(first), picture.next_month(first)
        return _calendar(
            connection,
            here,
            dates,
            first,
            before=url_for("rota.month", rota=here.key, month=f"{before:%Y-%m}"),
            after=url_for("rota.month", rota=here.key, month=f"{after:%Y-%m}"),
            today=url_for("rota.month", rota=here.key),
            other=url_for("rota.week", rota=here.key, day=max(first, _nearest(here, first))),
        )


@area.page("/rota/week", May.SEE)
def week() -> str:
    with reading() as connection:
        here = must_be_chosen(connection)
        monday = picture.week_of(_day(here))
        return _calendar(
            connection,
            here,
            [monday + timedelta(days=n) for n in range(7)],
            None,
            before=url_for("rota.week", rota=here.key, day=monday - timedelta(days=7)),
            after=url_for("rota.week", rota=here.key, day=monday + timedelta(days=7)),
            today=url_for("rota.week", rota=here.key),
            other=url_for("rota.month", rota=here.key, month=f"{monday + timedelta(days=3):%Y-%m}"),
        )


def _calendar(
    connection: Connection, here: Chosen, dates: list[date], first: date | None, **addresses: str
) -> str:
    configuration = house().configuration
    found = rota_view.calendar(
        connection,
        here.key,
        here.book,
        here.zone,
        at(),
        free_days(configuration, here.key, here.zone),
        configuration.reports.night,
        dates,
        first,
    )
    waiting = len(swap_records.listed(connection, swap_records.PENDING))
    return page(
        "rota/calendar.html",
        **addresses,
        rota=here,
        w=here.w,
        dates=dates,
        month=first,
        found=found,
        waiting=waiting,
        tab="calendar",
    )


def _nothing_yet(connection: Connection) -> str:
    there = list(people(connection).values())
    rung = [number.rota for number in house().configuration.number]
    return page("rota/empty.html", technicians=there, wanted=list(dict.fromkeys(rung)))


def _today(here: Chosen) -> date:
    return at().astimezone(here.zone).date()


def _month(here: Chosen) -> date:
    """The month asked for; the present one if none is. Raises NotFound."""
    wanted = request.args.get("month")
    if wanted is None:
        return _today(here).replace(day=1)
    found = _MONTH.fullmatch(wanted)
    if found is None or not 1970 < int(found[1]) < 2199:
        raise NotFound
    return date(int(found[1]), int(found[2]), 1)


def _nearest(here: Chosen, first: date) -> date:
    """Today, if it lies in the month; else its first day."""
    today = _today(here)
    return today if (today.year, today.month) == (first.year, first.month) else first


def _day(here: Chosen) -> date:
    wanted = request.args.get("day")
    if wanted is None:
        return _today(here)
    try:
        day = date.fromisoformat(wanted)
    except ValueError:
        raise NotFound from None
    if not 1970 < day.year < 2199:
        raise NotFound
    return day


@area.page("/rota/turn", May.SEE)
def turn() -> str:
    """One turn: who, from, until, because of what, and what can be done about it."""
    with reading() as connection:
        here = must_be_chosen(connection)
        when = _instant()
        rung = request.args.get("rung", type=int)
        found = rota_view.turn(connection, here.key, rung, when) if rung else None
        if found is None:
            raise NotFound
        contact = None
        if found.who is not None:
            contact = roster.technician(connection, found.who.key)
        did = actors(connection)
    return page(
        "rota/turn.html",
        rota=here,
        w=here.w,
        turn=found,
        when=when,
        contact=contact,
        actors=did,
        tab="calendar",
    )


def _instant() -> datetime:
    """Raises NotFound for anything but an instant with its offset."""
    try:
        when = datetime.fromisoformat(request.args.get("at", ""))
    except ValueError:
        raise NotFound from None
    if when.tzinfo is None or not 1971 <= when.year < 2199:
        raise NotFound
    return when.astimezone(UTC)


@area.page("/rota/gaps", May.SEE)
def gaps() -> str:
    """What is wrong with the next 60 days, in every rota."""
    with reading() as connection:
        here = must_be_chosen(connection)
        books = coverage.books(connection, at())
        ringing = house().configuration.ringing
        found = validation.review(books, coverage.people(connection, ringing), at(), at() + AHEAD)
        known = people(connection)
    holes = [each for each in found if each.kind == "hole"]
    rest = sorted(
        (each for each in found if each.kind != "hole"), key=lambda f: validation.KINDS.index(f.kind)
    )
    alike = [(kind, list(each)) for kind, each in groupby(rest, key=lambda f: f.kind)]
    return page(
        "rota/gaps.html",
        rota=here,
        w=here.w,
        holes=holes,
        alike=alike,
        known=known,
        until=at() + AHEAD,
        days=AHEAD.days,
        heading=words()("rota.tab-gaps"),
        tab="gaps",
    )

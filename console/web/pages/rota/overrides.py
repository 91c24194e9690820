"""Overrides: somebody replaces whoever has a rung for a while. Made and withdrawn, each seen beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flask import request, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from console.access.roles import May
from console.web.actors import actors
from console.web.context import at, house, reading, words
from console.web.instants import Typed, typed, when
from console.web.pages.rota import acts
from console.web.pages.rota.acts import Act, Answer
from console.web.pages.rota.common import (
    Chosen,
    actor,
    area,
    chosen,
    must_be_chosen,
    reason,
    refusal,
    wrong_instant,
)
from console.web.people import Person, people
from console.web.render import page
from oncall.people import RosterRefusal
from oncall.rota import planned, planning, roster

PAGE = 50


@dataclass
class Form:
    """What was typed; `wrong` has what is wrong by the name of the field."""

    rung: int
    who: str
    start: Typed
    end: Typed
    reason: str
    wrong: dict[str, str] = field(default_factory=dict)


def _form(here: Chosen, given: Mapping[str, str]) -> Form:
    rung = given.get("rung", "1")
    return Form(
        int(rung) if rung.isascii() and rung.isdigit() and len(rung) < 4 else 0,
        given.get("who", ""),
        typed(given, "from", here.zone),
        typed(given, "to", here.zone),
        given.get("reason", ""),
    )


@area.page("/rota/override", May.PLAN)
def override() -> str:
    """The form, filled in with whatever the address says."""
    with reading() as connection:
        here = must_be_chosen(connection)
        return _show(connection, here, _form(here, request.args))


def _show(connection: Connection, here: Chosen, form: Form, refused: str = "") -> str:
    return page(
        "rota/override.html",
        rota=here,
        w=here.w,
        form=form,
        people=in_service(connection, at()),
        refused=refused,
        tab="overrides",
    )


def in_service(connection: Connection, since: datetime) -> list[Person]:
    """Whoever has not left, by name."""
    known = people(connection)
    there = [each.key for each in roster.all_technicians(connection) if not each.left_by(since)]
    return sorted((known[key] for key in there), key=lambda who: who.name.casefold())


@area.page("/rota/override/preview", May.PLAN, post=True)
def override_preview() -> Answer:
    return _through(confirmed=False)


@area.page("/rota/override/save", May.PLAN, post=True)
def override_save() -> Answer:
    return _through(confirmed=True)


def _through(*, confirmed: bool) -> Answer:
    with reading() as connection:
        here = must_be_chosen(connection)
        form = _form(here, request.form)
        if acts.is_again():
            return _show(connection, here, form)
        known = people(connection)
        for name, value in (("from", form.start), ("to", form.end)):
            if value.wrong:
                form.wrong[name] = wrong_instant(value)
        if form.who not in known:
            form.wrong["who"] = words()("rota.wrong-who")
        if not 1 <= form.rung <= here.rungs:
            form.wrong["rung"] = words()("rota.wrong-rung")
        if form.wrong:
            return _show(connection, here, form), 422
        act = _act(here, form, known)
    try:
        return acts.carry_out(act) if confirmed else acts.show(act)
    except RosterRefusal as refused:
        field_of = {"past": "to", "order": "to", "left": "who", "not-yet": "who", "rung": "rung"}
        said, where = refusal(refused), field_of.get(refused.why, "")
        if where:
            form.wrong[where] = said
        with reading() as connection:
            return _show(connection, here, form, "" if where else said), 422


def _act(here: Chosen, form: Form, known: Mapping[str, Person]) -> Act:
    start, end = form.start.at, form.end.at
    assert start is not None
    assert end is not None
    why = reason()

    def do(connection: Connection, holes: bool) -> object:
        ringing = house().configuration.ringing
        return planning.override(
            connection, actor(), at(), ringing, here.key, form.rung, start, end, form.who, reason=why
        )

    fields = {
        "rota": here.key,
        "rung": str(form.rung),
        "who": form.who,
        "from": start.isoformat(),
        "to": end.isoformat(),
        "reason": why or "",
    }
    return Act(
        do,
        words()(
            "rota.act-override",
            who=known[form.who].name,
            rung=form.rung,
            start=when(here.w, max(start, at()), at()),
            end=when(here.w, end, at()),
        ),
        here.key,
        here.zone,
        start,
        end,
        url_for("rota.override_save"),
        url_for("rota.override_preview"),
        list(fields.items()),
        "rota.overridden",
        "rota.week",
        {"rota": here.key, "day": f"{max(start, at()).astimezone(here.zone):%Y-%m-%d}"},
        back_sends=True,
        notes=(words()("rota.note-begins-now"),) if start < at() else (),
    )


# -- those that stand --------------------------------------------------------------------------


@area.page("/rota/overrides", May.SEE)
def overrides() -> str:
    """Those that hold or are to come."""
    with reading() as connection:
        here = must_be_chosen(connection)
        rows = planned.overrides_ahead(connection, here.key, at(), PAGE + 1, place(request.args.get("after")))
        known = people(connection)
        did = actors(connection, [row.made_by for row in rows])
    shown, more = rows[:PAGE], len(rows) > PAGE
    return page(
        "rota/overrides.html",
        rota=here,
        w=here.w,
        rows=shown,
        known=known,
        actors=did,
        first=url_for("rota.overrides", rota=here.key) if "after" in request.args else "",
        onward=url_for("rota.overrides", rota=here.key, after=place_text(shown[-1])) if more else "",
        tab="overrides",
    )


def place(text: str | None) -> planned.Place | None:
    """Where the page before ended, as the address says. Raises NotFound for anything else."""
    if text is None:
        return None
    since, _, number = text.partition("_")
    try:
        start = datetime.fromisoformat(since)
        found = (start, int(number))
    except ValueError:
        raise NotFound from None
    if start.tzinfo is None or not 0 <= found[1] < 2**31:
        raise NotFound
    return found


def place_text(row: planned.PlannedOverride | planned.PlannedAbsence) -> str:
    return f"{row.start.isoformat()}_{row.id}"


@area.page("/rota/overrides/<int(max=2147483647):number>/preview", May.PLAN, post=True)
def withdraw_preview(number: int) -> Answer:
    return _withdrawing(number, confirmed=False)


@area.page("/rota/overrides/<int(max=2147483647):number>/withdraw", May.PLAN, post=True)
def withdraw(number: int) -> Answer:
    return _withdrawing(number, confirmed=True)


def _withdrawing(number: int, *, confirmed: bool) -> Answer:
    with reading() as connection:
        row = planned.override(connection, number)
        here = chosen(connection)
        known = people(connection)
    if row is None or here is None or row.rota != here.key:
        raise NotFound
    act = Act(
        lambda connection, _: planning.withdraw_override(connection, actor(), at(), number),
        words()(
            "rota.act-withdraw",
            who=known[row.technician].name,
            rung=row.rung,
            start=when(here.w, row.start, at()),
            end=when(here.w, row.end, at()),
        ),
        here.key,
        here.zone,
        row.start,
        row.end,
        url_for("rota.withdraw", number=number),
        url_for("rota.overrides", rota=here.key),
        [("rota", here.key)],
        "rota.withdrawn",
        "rota.overrides",
        {"rota": here.key},
    )
    try:
        return acts.carry_out(act) if confirmed else acts.show(act)
    except RosterRefusal as refused:
        return page(
            "rota/refused.html", rota=here, refused=refusal(refused), back=act.back, tab="overrides"
        ), 422

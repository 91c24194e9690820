"""Absences of anybody: recorded and taken back, with what they cause seen beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import request, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from console.access.roles import May
from console.web.actors import actors
from console.web.context import at, reading, words
from console.web.instants import Typed, typed, when
from console.web.pages.rota import acts
from console.web.pages.rota.acts import Act, Answer
from console.web.pages.rota.common import (
    Chosen,
    actor,
    area,
    must_be_chosen,
    reason,
    refusal,
    wrong_instant,
)
from console.web.pages.rota.overrides import PAGE, in_service, place, place_text
from console.web.people import Person, people
from console.web.render import page
from oncall.people import RosterRefusal
from oncall.rota import absences as verbs
from oncall.rota import planned, roster


@dataclass
class Form:
    """What was typed; `wrong` has what is wrong by the name of the field."""

    who: str
    kind: str
    start: Typed
    end: Typed
    reason: str
    wrong: dict[str, str] = field(default_factory=dict)


def _form(here: Chosen, given: Mapping[str, str]) -> Form:
    return Form(
        given.get("who", ""),
        given.get("kind", ""),
        typed(given, "from", here.zone),
        typed(given, "to", here.zone),
        given.get("reason", ""),
    )


@area.page("/rota/absences", May.SEE)
def absences() -> str:
    """Those that have not ended."""
    with reading() as connection:
        here = must_be_chosen(connection)
        who = request.args.get("who")
        known = people(connection)
        if who is not None and who not in known:
            raise NotFound
        rows = planned.absences_ahead(connection, at(), PAGE + 1, place(request.args.get("after")), who)
        did = actors(connection, [row.made_by for row in rows])
    shown, more = rows[:PAGE], len(rows) > PAGE
    return page(
        "rota/absences.html",
        rota=here,
        w=here.w,
        rows=shown,
        known=known,
        actors=did,
        who=known[who] if who else None,
        first=url_for("rota.absences", rota=here.key, who=who) if "after" in request.args else "",
        onward=url_for("rota.absences", rota=here.key, who=who, after=place_text(shown[-1])) if more else "",
        tab="absences",
    )


@area.page("/rota/absence", May.PLAN)
def absence() -> str:
    """The form, filled in with whatever the address says."""
    with reading() as connection:
        here = must_be_chosen(connection)
        return _show(connection, here, _form(here, request.args))


def _show(connection: Connection, here: Chosen, form: Form, refused: str = "") -> str:
    return page(
        "rota/absence.html",
        rota=here,
        w=here.w,
        form=form,
        people=in_service(connection, at()),
        kinds=verbs.KINDS,
        refused=refused,
        tab="absences",
    )


@area.page("/rota/absence/preview", May.PLAN, post=True)
def absence_preview() -> Answer:
    return _through(confirmed=False)


@area.page("/rota/absence/save", May.PLAN, post=True)
def absence_save() -> Answer:
    return _through(confirmed=True)


def _through(*, confirmed: bool) -> Answer:
    with reading() as connection:
        here = must_be_chosen(connection)
        form = _form(here, request.form)
        if acts.is_again():
            return _show(connection, here, form)
        known = people(connection)
        for name, value in (("from", form.start), ("to", form.end)):
            # Left empty, it begins now.
            if value.wrong and not (name == "from" and value.wrong == "missing"):
                form.wrong[name] = wrong_instant(value)
        if form.who not in known:
            form.wrong["who"] = words()("rota.wrong-who")
        if form.kind not in verbs.KINDS:
            form.wrong["kind"] = words()("rota.wrong-kind")
        if form.kind == "illness" and reason():
            form.wrong["reason"] = words()("rota.refused-illness")
        if form.wrong:
            return _show(connection, here, form), 422
        act = _act(here, form, known)
    try:
        return acts.carry_out(act) if confirmed else acts.show(act)
    except RosterRefusal as refused:
        field_of = {"past": "to", "order": "to", "left": "who", "illness": "reason"}
        said, where = refusal(refused), field_of.get(refused.why, "")
        if where:
            form.wrong[where] = said
        with reading() as connection:
            return _show(connection, here, form, "" if where else said), 422


def _act(here: Chosen, form: Form, known: Mapping[str, Person]) -> Act:
    given, end = form.start.at, form.end.at
    assert end is not None
    start = given or at()
    why = reason()

    def do(connection: Connection, holes: bool) -> object:
        return verbs.record(connection, actor(), at(), form.who, start, end, form.kind, reason=why)

    fields = {
        "rota": here.key,
        "who": form.who,
        "kind": form.kind,
        "from": given.isoformat() if given else "",
        "to": end.isoformat(),
        "reason": why or "",
    }
    return Act(
        do,
        words()(
            "rota.act-absence",
            who=known[form.who].name,
            kind=words()(f"rota.kind-{form.kind}"),
            start=when(here.w, max(start, at()), at()),
            end=when(here.w, end, at()),
        ),
        here.key,
        here.zone,
        start,
        min(end, max(start, at()) + verbs.LOOK),
        url_for("rota.absence_save"),
        url_for("rota.absence_preview"),
        list(fields.items()),
        "rota.absence-added",
        "rota.absences",
        {"rota": here.key},
        back_sends=True,
        notes=(words()("rota.note-begins-now"),) if start < at() else (),
    )


# -- taken back --------------------------------------------------------------------------------


@area.page("/rota/absences/<int(max=2147483647):number>/preview", May.PLAN, post=True)
def back_preview(number: int) -> Answer:
    return _taking_back(number, confirmed=False)


@area.page("/rota/absences/<int(max=2147483647):number>/withdraw", May.PLAN, post=True)
def back(number: int) -> Answer:
    return _taking_back(number, confirmed=True)


def _taking_back(number: int, *, confirmed: bool) -> Answer:
    with reading() as connection:
        here = must_be_chosen(connection)
        try:
            row = verbs.find(connection, number)
            who = roster.technician(connection, row.technician)
        except RosterRefusal:
            raise NotFound from None
    act = Act(
        lambda connection, _: verbs.withdraw(connection, actor(), at(), number),
        words()(
            "rota.act-back",
            who=who.name,
            start=when(here.w, max(row.start, at()), at()),
            end=when(here.w, row.end, at()),
        ),
        here.key,
        here.zone,
        row.start,
        min(row.end, max(row.start, at()) + verbs.LOOK),
        url_for("rota.back", number=number),
        url_for("rota.absences", rota=here.key),
        [("rota", here.key)],
        "rota.absence-withdrawn",
        "rota.absences",
        {"rota": here.key},
    )
    try:
        return acts.carry_out(act) if confirmed else acts.show(act)
    except RosterRefusal as refused:
        return page(
            "rota/refused.html", rota=here, refused=refusal(refused), back=act.back, tab="absences"
        ), 422

"""The rules: read with their history, changed by a form or as the rota file, each change seen beforehand."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from flask import Response, request, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest

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
from console.web.people import people
from console.web.render import page
from console.web.shown import rota_rules
from console.web.shown.rota_rules import RulesForm
from oncall import people as technicians
from oncall.people import RosterRefusal
from oncall.phones import NumberRefused
from oncall.rota import coverage, planned, planning, roster, rota_file
from oncall.rota.rota_file import RotaFile, RotaFileRefused

# Bytes of a rota file.
LONGEST = 256 * 1024
MOST_FAULTS = 20


@area.page("/rota/rules", May.SEE)
def rules() -> str:
    with reading() as connection:
        here = must_be_chosen(connection)
        known = people(connection)
        applied = planned.rules_of(connection, here.key)
        did = actors(connection, [each.applied_by for each in applied])
    # Of those that begin before, the latest applied holds; one that a later one hides never does.
    current = next((each for each in applied if each.valid_from <= at()), None)
    coming = [each for each in applied if each.valid_from > at() and (not current or each.id > current.id)]
    return page(
        "rota/rules.html",
        rota=here,
        w=here.w,
        known=known,
        actors=did,
        current=current,
        coming=sorted(coming, key=lambda each: each.valid_from),
        applied=applied,
        swaps=rota_file.to_swap_rules,
        rings=house().configuration.ringing.rings,
        numbers=[each for each in house().configuration.number if each.rota == here.key],
        tab="rules",
    )


@area.page("/rota/rules/file", May.SEE)
def rules_file() -> Response:
    """The rules in force, or those that were applied last, as a file."""
    with reading() as connection:
        here = must_be_chosen(connection)
        text = _text_of(connection, here)
    named = {"Content-Disposition": f'attachment; filename="rota-{here.key}.toml"'}
    return Response(text, mimetype="application/toml", headers=named)


def _text_of(connection: Connection, here: Chosen) -> str:
    latest = planned.rules_of(connection, here.key, 1)[0]
    return rota_rules.to_toml({"key": here.key, **latest.document})


# -- the form ----------------------------------------------------------------------------------


@area.page("/rota/rules/form", May.PLAN)
def rules_form() -> str:
    """The rules that were applied last, to be changed; or those of a rota that is to be."""
    with reading() as connection:
        here = None if "new" in request.args else chosen(connection)
        if here is None:
            return _form(connection, None, _first_rules(connection), Typed("holds", ""))
        latest = planned.rules_of(connection, here.key, 1)[0]
        form = rota_rules.of_document(here.key, latest.document)
        return _form(connection, here, form, Typed("holds", ""))


def _first_rules(connection: Connection) -> RulesForm:
    """What a first rota may look like: everybody in turn, a week each, from next Monday on."""
    configuration = house().configuration
    served = [number.rota for number in configuration.number]
    taken = roster.rota_keys(connection)
    key = next((each for each in served if each not in taken), "")
    today = at().astimezone(configuration.zone).date()
    monday = today + timedelta(days=7 - today.weekday())
    rung = rota_rules.Rung(starts=f"{monday}", handover="08:00")
    return RulesForm(key, configuration.service.time_zone, rungs=[rung])


def _form(
    connection: Connection,
    here: Chosen | None,
    form: RulesForm,
    holds: Typed,
    refused: str = "",
    wrong_holds: str = "",
) -> str:
    known = people(connection)
    there = [each.key for each in technicians.all_technicians(connection) if not each.left_by(at())]
    return page(
        "rota/rules_form.html",
        rota=here,
        w=here.w if here else words(),
        form=form,
        holds=holds,
        wrong_holds=wrong_holds,
        people=sorted((known[key] for key in there), key=lambda who: who.name.casefold()),
        known=known,
        served=list(dict.fromkeys(number.rota for number in house().configuration.number)),
        refused=refused,
        tab="rules",
    )


@area.page("/rota/rules/form/preview", May.PLAN, post=True)
def rules_form_preview() -> Answer:
    """One of the form's buttons changes it; or it is looked at."""
    with reading() as connection:
        here = chosen(connection) if request.form.get("rota") else None
        zone = here.zone if here else house().configuration.zone
        holds = typed(request.form, "holds", zone)
        if acts.is_again():
            try:
                entry = rota_file.read(request.form.get("text", "")).rota[0]
            except (RotaFileRefused, IndexError):
                raise BadRequest from None  # not what the preview sent
            form = rota_rules.of_document(entry.key, rota_file.to_document(entry))
            return _form(connection, here, form, holds)
        form = rota_rules.of_form(request.form)
        if here is not None:
            form.key = here.key
        wanted = request.form.get("do", "preview")
        if wanted != "preview":
            rota_rules.change(form, wanted)
            return _form(connection, here, form, holds)
        form.wrong = {name: words()(f"rota.rule-{why}") for name, why in rota_rules.check(form).items()}
        if here is None and form.key in roster.rota_keys(connection):
            form.wrong["key"] = words()("rota.rule-taken")
        wrong_holds = wrong_instant(holds) if holds.wrong != "missing" else ""
        if form.wrong or wrong_holds:
            return _form(connection, here, form, holds, wrong_holds=wrong_holds), 422
    text = rota_rules.to_toml(rota_rules.to_entry(form))
    try:
        return acts.show(_act(text, rota_file.read(text), holds.at, "form"))
    except (RosterRefusal, RotaFileRefused) as refused:
        said = _said(refused)
        with reading() as connection:
            return _form(connection, here, form, holds, said), 422


# -- as text -----------------------------------------------------------------------------------


@area.page("/rota/rules/text", May.PLAN)
def rules_text() -> str:
    with reading() as connection:
        here = chosen(connection)
        text = _text_of(connection, here) if here else ""
    return _text(here, text, Typed("holds", ""))


def _text(
    here: Chosen | None,
    text: str,
    holds: Typed,
    faults: list[str] | None = None,
    refused: str = "",
    wrong_holds: str = "",
) -> str:
    return page(
        "rota/rules_text.html",
        rota=here,
        w=here.w if here else words(),
        text=text,
        holds=holds,
        wrong_holds=wrong_holds,
        faults=faults or [],
        refused=refused,
        tab="rules",
    )


@area.page("/rota/rules/text/preview", May.PLAN, post=True)
def rules_text_preview() -> Answer:
    with reading() as connection:
        here = chosen(connection)
    holds = typed(request.form, "holds", here.zone if here else house().configuration.zone)
    text, said = request.form.get("text", ""), ""
    file = request.files.get("file")
    if file is not None and file.filename:
        content = file.read(LONGEST + 1)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            said = words()("rota.fault-utf8")
    if len(text.encode()) > LONGEST:
        text, said = "", words()("rota.fault-large")
    if acts.is_again():
        return _text(here, text, holds)
    wrong_holds = wrong_instant(holds) if holds.wrong != "missing" else ""
    if said or wrong_holds:
        return _text(here, text, holds, refused=said, wrong_holds=wrong_holds), 422
    try:
        plan = rota_file.read(text)
        if not plan.rota and not plan.technician:
            return _text(here, text, holds, refused=words()("rota.fault-empty")), 422
        return acts.show(_act(text, plan, holds.at, "text"))
    except RotaFileRefused as refused:
        return _text(here, text, holds, [_fault(each) for each in refused.faults[:MOST_FAULTS]]), 422
    except RosterRefusal as refused:
        return _text(here, text, holds, refused=_said(refused)), 422


def _fault(fault: rota_file.Fault) -> str:
    t = words()
    about = {name: str(fault.about.get(name, "")) for name in ("ge", "le", "lt", "expected")}
    limits = " – ".join(each for each in (about["ge"], about["le"]) if each)
    said = t.maybe(
        f"rota.fault-{fault.why}", t("rota.fault-other"), limits=limits, expected=about["expected"]
    )
    where = t("rota.fault-place", place=fault.path) if fault.why == "toml" else fault.path
    return f"{where}: {said}" if where else said


def _said(refused: Exception) -> str:
    if isinstance(refused, RosterRefusal):
        number = refused.__cause__
        if isinstance(number, NumberRefused):
            return words()(f"technicians.number-{number.why}")
        return refusal(refused)
    return words()("rota.fault-other")


# -- carried out -------------------------------------------------------------------------------


@area.page("/rota/rules/save", May.PLAN, post=True)
def rules_save() -> Answer:
    text, by = request.form.get("text", ""), request.form.get("by", "text")
    zone = house().configuration.zone
    holds = typed(request.form, "holds", zone)
    try:
        return acts.carry_out(_act(text, rota_file.read(text), holds.at, by))
    except RotaFileRefused:
        return _text(None, text, holds, refused=words()("rota.fault-other")), 422
    except RosterRefusal as refused:
        with reading() as connection:
            here = chosen(connection)
        return _text(here, text, holds, refused=_said(refused)), 422


def _act(text: str, plan: RotaFile, holds: datetime | None, by: str) -> Act:
    configuration = house().configuration
    why = reason()
    with reading() as connection:
        books = roster.rota_keys(connection)
        known = people(connection)
    begins = [max(holds or at(), at())]
    for entry in plan.rota:
        if entry.key not in books:
            first = rota_file.to_rules(rota_file.to_document(entry)).first_instant()
            begins.append(max(first, holds or first))
    drawn = plan.rota[0].key if plan.rota else next(iter(books), "")
    zone = plan.rota[0].time_zone if plan.rota else configuration.service.time_zone

    def do(connection: Connection, may_open_holes: bool) -> object:
        return planning.apply(
            connection,
            actor(),
            at(),
            configuration.ringing,
            configuration.notices,
            plan,
            zone=configuration.zone,
            start=holds,
            allow_holes=may_open_holes,
            reason=why,
        )

    t = words()
    rotas = ", ".join(entry.key for entry in plan.rota)
    # The first rules of a rota hold from their beginning, later ones from when they are applied.
    if any(entry.key not in books for entry in plan.rota):
        sentence = t("rota.act-first", rota=rotas, start=when(t, max(begins), at()))
    elif plan.rota and holds:
        sentence = t("rota.act-rules", rota=rotas, start=when(t, holds, at()))
    elif plan.rota:
        sentence = t("rota.act-rules-now", rota=rotas)
    else:
        sentence = t("rota.act-technicians")
    notes = [
        t("rota.note-technician-known" if each.key in known else "rota.note-technician-new", who=each.name)
        for each in plan.technician
    ]
    served = {number.rota for number in configuration.number}
    if plan.rota and not served & {entry.key for entry in plan.rota}:
        notes.append(t("rota.note-not-rung", rotas=", ".join(sorted(served))))
    fields = [("text", text), ("by", by), ("holds", holds.isoformat() if holds else "")]
    if drawn in books:
        fields.append(("rota", drawn))
    return Act(
        do,
        sentence,
        drawn,
        ZoneInfo(zone),
        at(),
        max(at(), *begins) + coverage.look(configuration.notices),
        url_for("rota.rules_save"),
        url_for("rota.rules_form_preview" if by == "form" else "rota.rules_text_preview"),
        fields,
        "rota.applied",
        "rota.rules" if drawn in books else "rota.month",
        {"rota": drawn} if drawn else {},
        back_sends=True,
        holes_asked=True,
        open_ended=True,
        notes=tuple(notes),
    )

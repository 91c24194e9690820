"""Technicians: who they are, how they are reached; added, changed, taken out of service and brought back."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from flask import Response, request, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from console.access.roles import May
from console.house import rules
from console.outbound import calling, contact_card
from console.web.area import Area
from console.web.context import at, house, reading, user, words, writing
from console.web.instants import Typed, typed, when
from console.web.pages.rota import acts
from console.web.pages.rota.acts import Act, Answer
from console.web.pages.rota.common import reason, refusal, wrong_instant
from console.web.people import people
from console.web.render import page, to
from console.web.shown import technician_form
from console.web.shown import technicians as shown
from console.web.shown.technician_form import Form
from ivr import phone_tests
from ivr.phone_tests import PhoneInUse
from ivr.settings import LANGUAGES
from oncall import people as verbs
from oncall.calendars import feeds
from oncall.people import RosterRefusal, Technician
from oncall.phones import NumberRefused
from oncall.rota import coverage, planned, roster
from oncall.rota.rota_file import TechnicianEntry

area = Area("technicians")
# What a test call needs of the configuration.
NEEDED = ("service.public_url", "service.keys", "twilio.account_sid", "twilio.auth_tokens")
_SPACES = re.compile(r"[\s().\-/]+")


@area.page("/technicians", May.SEE)
def index() -> str:
    with reading() as connection:
        found = shown.everybody(connection, at(), house().configuration)
    serving = [each for each in found if not each.technician.left_by(at())]
    left = [each for each in found if each.technician.left_by(at())]
    return page("technicians/index.html", found=serving, left=left)


def _find(connection: Connection, key: str) -> Technician:
    try:
        return verbs.technician(connection, key)
    except RosterRefusal:
        raise NotFound from None


@area.page("/technicians/<key>", May.SEE)
def show(key: str) -> str:
    with reading() as connection:
        return _show(connection, key)


def _show(
    connection: Connection, key: str, refused: str = "", on: Typed | None = None, wrong_on: str = ""
) -> str:
    _find(connection, key)
    configuration = house().configuration
    found = next(e for e in shown.everybody(connection, at(), configuration) if e.technician.key == key)
    return page(
        "technicians/show.html",
        shown=found,
        technician=found.technician,
        absences=planned.absences_ahead(connection, at(), 20, technician=key),
        feed=next((each for each in feeds.standing(connection) if each.technician == key), None),
        left=found.technician.left_by(at()),
        can_call=not [path for path in configuration.missing_for_calls() if path in NEEDED],
        on=on or Typed("on", ""),
        wrong_on=wrong_on,
        refused=refused,
        has_rota=bool(roster.rota_keys(connection)),
        w=words(),
    )


# -- added and changed -------------------------------------------------------------------------


@area.page("/technicians/new", May.PLAN)
def new() -> str:
    return _form(Form(""), is_new=True)


@area.page("/technicians/<key>/change", May.PLAN)
def change(key: str) -> str:
    with reading() as connection:
        _find(connection, key)
        form = technician_form.of_entry(verbs.as_entry(connection, at(), key, house().configuration.zone))
    return _form(form, is_new=False)


def _form(form: Form, *, is_new: bool, back: bool = False, refused: str = "") -> str:
    configuration = house().configuration
    return page(
        "technicians/form.html",
        form=form,
        is_new=is_new,
        back=back,
        languages=LANGUAGES,
        default=configuration.service.languages[0],
        services=sorted(configuration.notices.services),
        countries=", ".join(configuration.ringing.countries),
        rings=configuration.ringing.rings,
        refused=refused,
    )


@area.page("/technicians/add", May.PLAN, post=True)
def add() -> Answer:
    """A new technician."""
    form = technician_form.of_form(request.form)
    if acts.is_again():
        return _form(form, is_new=True)
    with reading() as connection:
        known = people(connection)
    if not form.key and form.name:
        form.key = shown.free_key(known, form.name)
    entry = technician_form.entry(form, words(), house().configuration)
    if form.key in known:
        form.wrong["key"] = words()("technicians.wrong-taken")
    if entry is None or form.wrong:
        return _form(form, is_new=True), 422
    return _put(form, entry, is_new=True)


@area.page("/technicians/<key>/save", May.PLAN, post=True)
def save(key: str) -> Answer:
    """Changed, or brought back. What changes anybody's turns is shown first."""
    form = technician_form.of_form(request.form)
    form.key = key
    with reading() as connection:
        gone = _find(connection, key).left_by(at())
    if acts.is_again():
        return _form(form, is_new=False, back=gone)
    entry = technician_form.entry(form, words(), house().configuration)
    if entry is None:
        return _form(form, is_new=False, back=gone), 422
    return _put(form, entry, is_new=False, back=gone)


@area.page("/technicians/<key>/back", May.PLAN)
def back(key: str) -> str:
    """The form by which somebody comes back: as he was, without a last day."""
    with reading() as connection:
        _find(connection, key)
        form = technician_form.of_entry(verbs.as_entry(connection, at(), key, house().configuration.zone))
    form.last_day = ""
    return _form(form, is_new=False, back=True)


def _put(form: Form, entry: TechnicianEntry, *, is_new: bool, back: bool = False) -> Answer:
    configuration, why = house().configuration, reason()

    def do(connection: Connection, may_open_holes: bool) -> object:
        if is_new and entry.key in people(connection):
            raise RosterRefusal("there is one already", "taken")
        return verbs.put_technician(
            connection, user().actor, at(), configuration.ringing, entry, zone=configuration.zone, reason=why
        )

    key = "act-back" if back else "act-add" if is_new else "act-change"
    act = _act(
        do,
        words()(f"technicians.{key}", who=entry.name),
        at(),
        action=url_for("technicians.add") if is_new else url_for("technicians.save", key=entry.key),
        fields=technician_form.pairs(form),
        done="technicians.back" if back else "technicians.added" if is_new else "technicians.changed",
        key=entry.key,
    )
    try:
        if "seen" in request.form:
            return acts.carry_out(act)
        seen, _ = acts.look(act)
        if not seen.nothing:
            return acts.show(act)
        with writing(once=True) as connection:
            do(connection, False)
    except RosterRefusal as refused:
        if refused.why == "taken":
            form.wrong["key"] = words()("technicians.wrong-taken")
            return _form(form, is_new=True), 422
        return _form(form, is_new=is_new, back=back, refused=refusal(refused)), 422
    return to(act.onward, act.done, key=entry.key)


def _act(
    do: Any,
    sentence: str,
    start: datetime,
    *,
    action: str,
    fields: list[tuple[str, str]],
    done: str,
    key: str,
    preview: str = "",
) -> Act:
    configuration = house().configuration
    with reading() as connection:
        drawn = next(iter(roster.rota_keys(connection)), "")
    return Act(
        do,
        sentence,
        drawn,
        configuration.zone,
        start,
        start + coverage.look(configuration.notices),
        action,
        preview or action,
        fields,
        done,
        "technicians.show",
        {"key": key},
        back_sends=True,
        open_ended=True,
        area="technicians",
    )


# -- taken out of service ----------------------------------------------------------------------


@area.page("/technicians/<key>/retire/preview", May.PLAN, post=True)
def retire_preview(key: str) -> Answer:
    return _retiring(key, confirmed=False)


@area.page("/technicians/<key>/retire", May.PLAN, post=True)
def retire(key: str) -> Answer:
    return _retiring(key, confirmed=True)


def _retiring(key: str, *, confirmed: bool) -> Answer:
    on = typed(request.form, "on", house().configuration.zone)
    why = reason()
    with reading() as connection:
        technician = _find(connection, key)
        if acts.is_again():
            return _show(connection, key, on=on)
        # Left empty, he leaves now.
        if on.wrong and on.wrong != "missing":
            return _show(connection, key, on=on, wrong_on=wrong_instant(on)), 422
    leaves = on.at

    def do(connection: Connection, may_open_holes: bool) -> None:
        verbs.retire(connection, user().actor, at(), key, on=leaves, reason=why)

    sentence = words()(
        "technicians.act-retire" if leaves else "technicians.act-retire-now",
        who=technician.name,
        on=when(words(), leaves, at()) if leaves else "",
    )
    act = _act(
        do,
        sentence,
        max(leaves or at(), at()),
        action=url_for("technicians.retire", key=key),
        fields=[("on", leaves.isoformat() if leaves else ""), ("reason", why or "")],
        done="technicians.retired",
        key=key,
        preview=url_for("technicians.retire_preview", key=key),
    )
    try:
        return acts.carry_out(act) if confirmed else acts.show(act)
    except RosterRefusal as refused:
        with reading() as connection:
            said = refusal(refused)
            if refused.why == "past":
                return _show(connection, key, on=on, wrong_on=said), 422
            return _show(connection, key, said, on=on), 422


# -- whether his phone rings -------------------------------------------------------------------


@area.page("/technicians/<key>/card.vcf", May.SEE)
def card(key: str) -> Response:
    """Our numbers as a contact, to let them through do-not-disturb."""
    configuration = house().configuration
    with reading() as connection:
        technician = _find(connection, key)
    written = contact_card.vcard(configuration, technician.language or configuration.service.languages[0])
    named = {"Content-Disposition": f'attachment; filename="{key}.vcf"'}
    return Response(written, mimetype="text/vcard", headers=named)


@area.page("/technicians/<key>/test", May.PLAN, post=True)
def test(key: str) -> Answer:
    """Call one of his phones now. The worker places it; the page shows what became of it."""
    configuration = house().configuration
    phone = request.form.get("phone", "")
    with reading() as connection:
        technician = _find(connection, key)
        cannot = [path for path in configuration.missing_for_calls() if path in NEEDED]
        if cannot or phone not in technician.phones or technician.left_by(at()):
            return _show(connection, key, words()("technicians.no-test")), 422
    language = technician.language or configuration.service.languages[0]
    try:
        configuration.ringing.check_number(phone)
        with writing(once=True) as connection:
            call = phone_tests.begin(connection, at(), rules(configuration), technician, phone, language)
            calling.later(connection, at(), call, technician.rings or configuration.ringing.rings)
    except PhoneInUse:
        with reading() as connection:
            return _show(connection, key, words()("technicians.phone-in-use")), 409
    except NumberRefused as refused:
        countries = ", ".join(sorted(configuration.ringing.countries))
        said = words()(f"technicians.number-{refused.why}", number=phone, countries=countries)
        with reading() as connection:
            return _show(connection, key, said), 422
    return to("technicians.show", "technicians.calling", key=key)


@area.page("/technicians/<key>/tests", May.SEE, polled=True)
def tests(key: str) -> str:
    """The last test calls: a piece of his page, which asks for it while a phone rings."""
    with reading() as connection:
        _find(connection, key)
        found = {each.phone: each for each in phone_tests.latest(connection) if each.technician == key}
    recent = any(e.result == "ringing" and at() - e.at < timedelta(minutes=5) for e in found.values())
    return page("technicians/tests.html", tests=found, ringing=recent, key=key)

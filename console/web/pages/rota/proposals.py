"""Swaps proposed on a technician's behalf: seen as if the other had accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import request, url_for
from sqlalchemy import Connection

from console.access.roles import May
from console.web.context import at, house, reading, words
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
from console.web.pages.rota.overrides import in_service
from console.web.people import Person, people
from console.web.render import page
from oncall.people import RosterRefusal
from oncall.rota import swaps as verbs
from oncall.rota.swap_records import Back


@dataclass
class Form:
    """What was typed; `wrong` has what is wrong by the name of the field. `back` is asked for in return."""

    rung: int
    proposer: str
    counterpart: str
    start: Typed
    end: Typed
    back_rung: int
    back_start: Typed
    back_end: Typed
    reason: str
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def has_back(self) -> bool:
        return bool(self.back_start.text or self.back_end.text)


def _form(here: Chosen, given: Mapping[str, str]) -> Form:
    def rung(name: str) -> int:
        text = given.get(name, "1")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0

    return Form(
        rung("rung"),
        given.get("who", ""),
        given.get("other", ""),
        typed(given, "from", here.zone),
        typed(given, "to", here.zone),
        rung("back-rung"),
        typed(given, "back-from", here.zone),
        typed(given, "back-to", here.zone),
        given.get("reason", ""),
    )


@area.page("/rota/swap", May.PLAN)
def propose() -> str:
    """The form, filled in with whatever the address says."""
    with reading() as connection:
        here = must_be_chosen(connection)
        return _propose(connection, here, _form(here, request.args))


def _propose(connection: Connection, here: Chosen, form: Form, refused: str = "") -> str:
    return page(
        "rota/swap_form.html",
        rota=here,
        w=here.w,
        form=form,
        people=in_service(connection, at()),
        refused=refused,
        tab="swaps",
    )


@area.page("/rota/swap/preview", May.PLAN, post=True)
def propose_preview() -> Answer:
    return _proposing(confirmed=False)


@area.page("/rota/swap/save", May.PLAN, post=True)
def propose_save() -> Answer:
    return _proposing(confirmed=True)


def _proposing(*, confirmed: bool) -> Answer:
    with reading() as connection:
        here = must_be_chosen(connection)
        form = _form(here, request.form)
        if acts.is_again():
            return _propose(connection, here, form)
        known = people(connection)
        form.wrong |= _wrong(here, form, known)
        if form.wrong:
            return _propose(connection, here, form), 422
        act = _proposal(here, form, known)
    try:
        return acts.carry_out(act) if confirmed else acts.show(act)
    except RosterRefusal as refused:
        with reading() as connection:
            return _propose(connection, here, form, refusal(refused)), 422


def _wrong(here: Chosen, form: Form, known: Mapping[str, Person]) -> dict[str, str]:
    wrong = {}
    instants = [("from", form.start), ("to", form.end)]
    if form.has_back:
        instants += [("back-from", form.back_start), ("back-to", form.back_end)]
    for name, value in instants:
        if value.wrong:
            wrong[name] = wrong_instant(value)
    for name, who in (("who", form.proposer), ("other", form.counterpart)):
        if who not in known:
            wrong[name] = words()("rota.wrong-who")
    if form.proposer == form.counterpart and "other" not in wrong:
        wrong["other"] = words()("rota.refused-same")
    for name, rung in (("rung", form.rung), ("back-rung", form.back_rung)):
        if not 1 <= rung <= here.rungs:
            wrong[name] = words()("rota.wrong-rung")
    return wrong


def _proposal(here: Chosen, form: Form, known: Mapping[str, Person]) -> Act:
    start, end = form.start.at, form.end.at
    assert start is not None
    assert end is not None
    back = None
    if form.back_start.at is not None and form.back_end.at is not None:
        back = Back(form.back_rung, form.back_start.at, form.back_end.at)
    settings, why = house().configuration, reason()

    def do(connection: Connection, holes: bool = False) -> int:
        return verbs.propose(
            connection,
            actor(),
            at(),
            settings.ringing,
            here.key,
            form.rung,
            form.proposer,
            form.counterpart,
            start,
            end,
            back=back,
            reason=why,
        )

    def tried(connection: Connection) -> None:
        """As if the other had accepted, and an admin approved."""
        made = do(connection)
        says = verbs.answer(
            connection, actor(), at(), settings.ringing, settings.notices, made, "accept", reason="-"
        )
        if says == "agreed":
            verbs.approve(connection, actor(), at(), settings.ringing, made)

    key = "act-swap-propose-back" if back else "act-swap-propose"
    said = {
        "who": known[form.proposer].name,
        "other": known[form.counterpart].name,
        "rung": form.rung,
        "start": when(here.w, start, at()),
        "end": when(here.w, end, at()),
        "back_start": when(here.w, back.start, at()) if back else "",
        "back_end": when(here.w, back.end, at()) if back else "",
    }
    fields = {
        "rota": here.key,
        "rung": str(form.rung),
        "who": form.proposer,
        "other": form.counterpart,
        "from": start.isoformat(),
        "to": end.isoformat(),
        "back-rung": str(form.back_rung),
        "back-from": back.start.isoformat() if back else "",
        "back-to": back.end.isoformat() if back else "",
        "reason": why or "",
    }
    return Act(
        do,
        words()(f"rota.{key}", **said),
        here.key,
        here.zone,
        min(start, back.start) if back else start,
        max(end, back.end) if back else end,
        url_for("rota.propose_save"),
        url_for("rota.propose_preview"),
        list(fields.items()),
        "rota.swap-proposed",
        "rota.swaps",
        {"rota": here.key},
        tried=tried,
        back_sends=True,
        notes=(words()("rota.note-if-accepted", other=known[form.counterpart].name),),
    )

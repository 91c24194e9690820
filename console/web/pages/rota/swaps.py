"""Swaps: what technicians give one another of their turns; decided on their behalf, approved, undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from flask import request, url_for
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from console.access.roles import May
from console.web.actors import actors
from console.web.context import at, house, reading, user, words, writing
from console.web.pages.rota import acts
from console.web.pages.rota.acts import Act, Answer
from console.web.pages.rota.common import (
    Chosen,
    actor,
    area,
    must_be_chosen,
    of_rota,
    reason,
    refusal,
)
from console.web.people import Person, people
from console.web.render import page, to
from oncall.people import RosterRefusal
from oncall.rota import roster, swap_records
from oncall.rota import swaps as verbs
from oncall.rota.swap_records import PENDING, Swap

PAGE = 50
# What can be done with a swap, by how it stands.
ACTS: dict[str, tuple[str, ...]] = {
    "proposed": ("accept", "decline", "withdraw"),
    "agreed": ("approve", "refuse", "withdraw"),
    "accepted": ("withdraw",),
}
# Those that nobody undertakes without saying why.
WITH_REASON = {("proposed", "accept"), ("proposed", "decline"), ("accepted", "withdraw")}


@area.page("/rota/swaps", May.SEE)
def swaps() -> str:
    """Those that wait first, then the rest, newest first."""
    with reading() as connection:
        here = must_be_chosen(connection)
        before = request.args.get("before", type=int)
        if before is not None and not 0 < before < 2**31:
            raise NotFound
        waiting = [] if before else swap_records.listed(connection, PENDING)
        rows = swap_records.decided(connection, PAGE + 1, before)
        known = people(connection)
        rules = roster.swap_rules(connection, here.key, at())
    shown, more = rows[:PAGE], len(rows) > PAGE
    return page(
        "rota/swaps.html",
        rota=here,
        w=here.w,
        waiting=waiting,
        rows=shown,
        known=known,
        rules=rules,
        first=url_for("rota.swaps", rota=here.key) if before else "",
        onward=url_for("rota.swaps", rota=here.key, before=shown[-1].id) if more else "",
        tab="swaps",
    )


# -- one swap ----------------------------------------------------------------------------------


@area.page("/rota/swaps/<int(max=2147483647):number>", May.SEE)
def swap(number: int) -> str:
    with reading() as connection:
        here, found = _find(connection, number)
        return _show(connection, here, found)


def _find(connection: Connection, number: int) -> tuple[Chosen, Swap]:
    try:
        found = verbs.find(connection, number)
    except RosterRefusal:
        raise NotFound from None
    return of_rota(connection, found.rota), found


def _show(connection: Connection, here: Chosen, found: Swap, refused: str = "", wrong: str = "") -> str:
    possible = ACTS.get(found.state, ())
    over = found.state != "accepted" and found.begins <= at()
    ended = found.state == "accepted" and max(each.end for each in found.handings()) <= at()
    return page(
        "rota/swap.html",
        rota=here,
        w=here.w,
        swap=found,
        known=people(connection),
        actors=actors(connection, [found.decided_by or ""]),
        possible=() if over or ended else possible,
        asks=any((found.state, act) in WITH_REASON for act in possible),
        given=request.form.get("reason", ""),
        wrong=wrong,
        refused=refused,
        tab="swaps",
    )


@area.page("/rota/swaps/<int(max=2147483647):number>/preview", May.PLAN, post=True)
def swap_preview(number: int) -> Answer:
    return _decide(number, confirmed=False)


@area.page("/rota/swaps/<int(max=2147483647):number>/decide", May.PLAN, post=True)
def swap_decide(number: int) -> Answer:
    return _decide(number, confirmed=True)


def _decide(number: int, *, confirmed: bool) -> Answer:
    what = request.form.get("act", "")
    with reading() as connection:
        here, found = _find(connection, number)
        if acts.is_again():
            return _show(connection, here, found)
        if what not in ACTS.get(found.state, ()):
            # Somebody else was quicker, or it was never so.
            return _show(connection, here, found, words()("rota.refused-decided")), 422
        if (found.state, what) in WITH_REASON and not reason():
            return _show(connection, here, found, wrong=words()("rota.refused-reason")), 422
        known = people(connection)
    try:
        if what in ("decline", "refuse") or (what == "withdraw" and found.state in PENDING):
            with writing() as connection:
                _done(connection, found, what)
            return to("rota.swaps", f"rota.swap-{what}", rota=here.key)
        act = _act(here, found, what, known)
        return acts.carry_out(act) if confirmed else acts.show(act)
    except RosterRefusal as refused:
        with reading() as connection:
            return _show(connection, here, verbs.find(connection, number), refusal(refused)), 422


def _done(connection: Connection, found: Swap, what: str) -> str:
    """Do it; how the swap stands then."""
    settings, who, why = house().configuration, actor(), reason()
    if what in ("accept", "decline"):
        says: Literal["accept", "decline"] = "accept" if what == "accept" else "decline"
        return verbs.answer(
            connection, who, at(), settings.ringing, settings.notices, found.id, says, reason=why
        )
    if what == "approve":
        verbs.approve(connection, who, at(), settings.ringing, found.id, reason=why)
        return "accepted"
    if what == "refuse":
        verbs.refuse(connection, who, at(), found.id, reason=why)
        return "refused"
    verbs.withdraw(connection, who, at(), found.id, reason=why)
    return "withdrawn"


def _act(here: Chosen, found: Swap, what: str, known: Mapping[str, Person]) -> Act:
    def tried(connection: Connection) -> None:
        if _done(connection, found, what) == "agreed":  # the admins' word is still to come: as if it had
            verbs.approve(connection, user().actor, at(), house().configuration.ringing, found.id)

    fields = [("rota", here.key), ("act", what), ("reason", reason() or "")]
    handings = found.handings()
    return Act(
        lambda connection, _: _done(connection, found, what),
        words()(
            f"rota.act-swap-{what}", proposer=known[found.proposer].name, other=known[found.counterpart].name
        ),
        found.rota,
        here.zone,
        min(each.start for each in handings),
        max(each.end for each in handings),
        url_for("rota.swap_decide", number=found.id),
        url_for("rota.swap_preview", number=found.id),
        fields,
        f"rota.swap-{what}",
        "rota.swaps",
        {"rota": here.key},
        tried=tried,
        back_sends=True,
    )

"""When a technician cannot be on duty: what it would do is shown before it is entered."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.web.context import at, house, reading, words, writing
from console.web.instants import Typed, of, typed
from console.web.pages.duty.common import actor, area, own, refusal, wrong_instant
from console.web.people import people
from console.web.render import page, to
from oncall.people import RosterRefusal
from oncall.rota import absences as verbs
from oncall.rota import trials
from oncall.rota.trials import Trial


@area.page("/duty/absences", May.DUTY)
def absences() -> str:
    return _page()


@area.page("/duty/absences", May.DUTY, post=True)
def add_absence() -> AnyResponse | tuple[str, int]:
    start, end, kind = _asked()
    if start.at is None or end.at is None:
        return _page(), 422
    try:
        with writing(once=True) as connection:
            recorded = verbs.record(connection, actor(), at(), own(), start.at, end.at, kind)
    except RosterRefusal as refused:
        return _page(refusal(refused)), 422
    return to("duty.absences", "duty.away-hole" if recorded.opened else "duty.away")


@area.page("/duty/absences/<int:absence_id>/withdraw", May.DUTY, post=True)
def withdraw_absence(absence_id: int) -> AnyResponse | tuple[str, int]:
    try:
        with writing() as connection:
            known = verbs.find(connection, absence_id)
            # What a calendar says is changed in the calendar, or it would be back within the hour.
            if known.technician != own() or known.source:
                raise NotFound
            verbs.withdraw(connection, actor(), at(), absence_id)
    except verbs.UnknownAbsence:
        raise NotFound from None
    except RosterRefusal as refused:
        return _page(refusal(refused)), 422
    return to("duty.absences", "duty.back")


# -- small parts -------------------------------------------------------------------------------


def _asked() -> tuple[Typed, Typed, str]:
    zone = house().configuration.zone
    given = request.values
    return typed(given, "from", zone), typed(given, "to", zone), given.get("kind", "")


def _page(refused: str = "") -> str:
    zone = house().configuration.zone
    start, end, kind = _asked()
    asked = bool(request.values.get("from") or request.values.get("to"))
    wrong = {each.name: wrong_instant(each) for each in (start, end)} if asked else {}
    trial: Trial | None = None
    with reading() as connection:
        known = people(connection)
        his = verbs.of(connection, own(), at(), at() + 10 * verbs.LOOK)
        if start.at and end.at and not refused:
            if kind not in verbs.KINDS:
                refused = words()("duty.refused-kind")
            else:
                try:
                    ringing = house().configuration.ringing
                    trial = trials.of_absence(connection, at(), ringing, own(), start.at, end.at)
                except RosterRefusal as why:
                    refused = refusal(why)
    return page(
        "duty/absences.html",
        absences=his,
        start=start if asked else of("from", None, zone),
        end=end if asked else of("to", None, zone),
        kind=kind,
        kinds=verbs.KINDS,
        wrong=wrong,
        trial=trial,
        known=known,
        refused=refused,
        w=words(),
    )

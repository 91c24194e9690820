"""A technician's cases. One that is not his to see is not there: 404, for looking and for every act."""

from __future__ import annotations

from flask import Response
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.case_acts import Doer
from console.web.case_desk import Desk
from console.web.context import at, reading, words
from console.web.pages.duty.common import actor, area, own
from console.web.pages.duty.now import first_page
from console.web.render import page, to
from console.web.shown import case as shown_case
from oncall.cases import his_cases
from oncall.cases.closing import REOPENS_WITHIN

ACTS = frozenset({"take", "pass", "reclassify", "note", "close", "name", "call", "reopen", "heard"})

DESK = Desk(
    area="duty",
    template="duty/case.html",
    sees=lambda connection, case: his_cases.may_see(connection, at(), own(), case),
    doer=lambda: Doer(actor(), own(), "hand"),
    acts=lambda: ACTS,
    himself=True,
)


@area.page("/duty/cases/<number>", May.DUTY)
def show(number: str) -> str:
    return DESK.show(number)


@area.page("/duty/cases/<number>/pulse", May.DUTY, polled=True)
def pulse(number: str) -> str:
    try:
        return DESK.pulse(number)
    except NotFound:
        if not _was_his(number):
            raise
        return page("duty/gone.html")


@area.page("/duty/cases/<number>/act", May.DUTY, post=True)
def act(number: str) -> AnyResponse | tuple[str, int]:
    try:
        done = DESK.act(number)
    except NotFound:
        if not _was_his(number):
            raise
        return first_page(words()("duty.refused-meanwhile", number=number)), 422
    if not isinstance(done, str):
        return done
    if done in ("pass", "close"):  # it may not be his to see any more
        return to("duty.mine", f"duty.{done}")
    return to("duty.show", f"cases.{done}", number=number)


@area.page("/duty/cases/<number>/customer", May.DUTY, post=True)
def search(number: str) -> str:
    return DESK.searched(number)


@area.page("/duty/cases/<number>/sound/<int:recording>", May.DUTY)
def sound(number: str, recording: int) -> Response:
    return DESK.sound(number, recording)


def _was_his(number: str) -> bool:
    """Whether it was his to see as long as he, or nobody, had it."""
    with reading() as connection:
        case = shown_case.find(connection, number)
        return (
            case is not None
            and case.number == number
            and (case.closed_at is None or at() - case.closed_at < REOPENS_WITHIN)
            and his_cases.knew(connection, at(), own(), case)
        )

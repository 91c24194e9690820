"""What a technician gives and takes of turns: offered, seen before it is offered, answered, taken back."""

from __future__ import annotations

from flask import request
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.wrappers import Response as AnyResponse

from console.access.roles import May
from console.web.context import at, house, reading, words, writing
from console.web.pages.duty.common import actor, area, own, refusal, wrong_instant
from console.web.render import page, to
from console.web.shown import duty_swaps as shown
from console.web.shown.duty_swaps import Offer
from oncall.people import RosterRefusal
from oncall.rota import swaps as verbs
from oncall.rota.swap_records import SwapRefusal


@area.page("/duty/swaps", May.DUTY)
def swaps() -> str:
    return _list()


@area.page("/duty/swaps/new", May.DUTY)
def offer() -> str:
    """What is offered, step by step: what, to whom, for what; and what it would do."""
    return _offer()


@area.page("/duty/swaps/new", May.DUTY, post=True)
def propose() -> AnyResponse | tuple[str, int]:
    form = request.form
    with reading() as connection:
        asked = shown.offer(connection, at(), house(), own(), form)
    if asked.rota is None or asked.start.at is None or asked.end.at is None or not asked.counterpart:
        return _offer(), 422
    if asked.back_wrong:
        return _offer(), 422
    try:
        with writing(once=True) as connection:
            verbs.propose(
                connection,
                actor(),
                at(),
                house().configuration.ringing,
                asked.rota,
                asked.rung,
                own(),
                asked.counterpart,
                asked.start.at,
                asked.end.at,
                back=asked.back,
            )
    except RosterRefusal as refused:
        return _offer(refusal(refused)), 422
    return to("duty.swaps", "duty.proposed")


@area.page("/duty/swaps/<int:swap_id>/answer", May.DUTY, post=True)
def answer(swap_id: int) -> AnyResponse | tuple[str, int]:
    said = request.form.get("said")
    if said not in ("accept", "decline", "withdraw"):
        raise BadRequest
    configuration = house().configuration
    try:
        with writing() as connection:
            _his(connection, swap_id)
            if said == "withdraw":
                verbs.withdraw(connection, actor(), at(), swap_id)
                return to("duty.swaps", "duty.withdrawn")
            state = verbs.answer(
                connection,
                actor(),
                at(),
                configuration.ringing,
                configuration.notices,
                swap_id,
                "accept" if said == "accept" else "decline",
            )
    except RosterRefusal as refused:
        return _list(refusal(refused)), 422
    return to("duty.swaps", f"duty.{state}")


# -- small parts -------------------------------------------------------------------------------


def _his(connection: Connection, swap_id: int) -> None:
    """Raises NotFound for a swap that he has no part in."""
    try:
        swap = verbs.find(connection, swap_id)
    except SwapRefusal:
        raise NotFound from None
    if own() not in (swap.proposer, swap.counterpart):
        raise NotFound


def _list(refused: str = "") -> str:
    with reading() as connection:
        it = shown.swaps(connection, at(), house(), own(), words())
    return page("duty/swaps.html", it=it, refused=refused)


def _offer(refused: str = "") -> str:
    with reading() as connection:
        asked: Offer = shown.offer(connection, at(), house(), own(), request.values)
        trial, why = shown.tried(connection, at(), house(), own(), asked)
    return page(
        "duty/offer.html",
        asked=asked,
        trial=trial,
        refused=refused or (refusal(why) if why else ""),
        wrong={typed.name: wrong_instant(typed) for typed in asked.instants if typed.text or refused},
        w=words(),
    )

"""What would happen? It is played: a caller who keys what he should, people who answer or do not."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from console.phone import OutOfTurn, PlacedCall
from console.rehearsing.scene import Scene
from console.rehearsing.session import Session
from ivr import journal
from ivr.gathering import ANYTHING_ELSE
from ivr.vocabulary import Step
from oncall.cases import cases
from oncall.cases.cases import PURSUE
from storage import due

# Seconds.
TALK, MESSAGE = 240, 20
# How long the program is watched as it pursues a case that nobody took.
PURSUED_FOR = timedelta(minutes=20)
MOST_MOVES = 300
# Whoever has no PIN says so.
NO_PIN = "0#"
PIN_BY_DAY = "1"
ACCEPT = "1"


@dataclass(frozen=True)
class Question:
    """Who calls is in the scene's cue. `urgency` is a level's code; `absent` are the names of those who do
    not answer: technicians by key, the office's phones.
    """

    urgency: str
    absent: frozenset[str] = frozenset()


def play(scene: Scene, question: Question) -> None:
    """Play the call to its end, and the pursuit of its case for PURSUED_FOR if nobody took it. One move.

    Raises NeverSettles.
    """
    with scene.moving():
        session = scene.stage.session
        question = replace(question, absent=_with_other_phones(scene, question.absent))
        session.dial(scene.cue.caller, scene.cue.number)
        for _ in range(MOST_MOVES):
            if not session.going_on:
                break
            _one_move(scene, question)
            scene.work()
        ends = session.now + PURSUED_FOR
        while session.now < ends and (scene.goes_on or _pursued(scene)):
            if not _somebody_moves(session, scene.cue.caller, question):
                scene.let_pass((ends - session.now).total_seconds())
            scene.work()
        _hang_up_all(session)


def _one_move(scene: Scene, question: Question) -> None:
    session = scene.stage.session
    match session.state:
        case "gathering":
            _answer_prompt(scene, question)
        case "recording":
            session.speak(MESSAGE)
            try:
                session.press("#")
            except OutOfTurn:
                session.wait()
        case _ if not _somebody_moves(session, scene.cue.caller, question):
            session.wait()


def _answer_prompt(scene: Scene, question: Question) -> None:
    session = scene.stage.session
    assert session.call is not None
    with scene.rehearsal.house.database.read() as connection:
        standing = journal.glance(connection, session.call.sid, 0)
    match standing.call.step if standing else None:
        case Step.PIN if (customer := scene.cue.customer) is not None:
            session.pin(customer)
        case Step.PIN:
            session.press(NO_PIN)
        case Step.URGENCY:
            level = scene.rehearsal.configuration.urgency.by_code(question.urgency)
            session.press(level.key or ANYTHING_ELSE)
        case Step.OFFICE_MISSED if scene.cue.customer is not None:
            session.press(PIN_BY_DAY)
        case _:
            session.wait()


def _somebody_moves(session: Session, caller: str, question: Question) -> bool:
    """Let one of those at the other phones do what he does; False if none is needed. A customer whom the
    program calls back answers.
    """
    cast = session.cast
    for call in session.board.live:
        rung = [cast.name_of(leg.phone) for leg in call.ringing]
        if call.state == "phoning":
            rung = [cast.name_of(call.party)]
        if rung:
            there = [name for name in rung if name not in question.absent]
            session.does((there or rung)[0], "answers" if there else "does not answer")
            return True
        leg = call.leg
        if leg is not None and call.state == "bridged":
            with session.moving():
                session.exchange.clock.forward(seconds=TALK)
            technician = call.party if isinstance(call, PlacedCall) else leg.phone
            session.leaves(cast.name_of(technician))
            return True
        waiting = leg.phone if leg is not None else call.party
        name = cast.name_of(waiting)
        if session.asked(name) is not None:
            session.press(ACCEPT, name)
            return True
    return False


def _with_other_phones(scene: Scene, absent: frozenset[str]) -> frozenset[str]:
    """Whoever does not answer does so on none of his phones."""
    others = scene.stage.other_phones.items()
    return absent | {phone for phone, person in others if person.key in absent}


def _pursued(scene: Scene) -> bool:
    session = scene.stage.session
    if session.call is None:
        return False
    with scene.rehearsal.house.database.read() as connection:
        case = cases.of_call(connection, session.call.sid)
        return case is not None and due.pending(connection, PURSUE, case.number)


def _hang_up_all(session: Session) -> None:
    """Whoever is still on the line when nobody watches any more."""
    for call in session.board.live:
        with suppress(OutOfTurn), session.moving():
            call.wait() if call.state == "phoning" else call.hang_up()

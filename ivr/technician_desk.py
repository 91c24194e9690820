"""The desk for technicians' legs: one transaction a request, the key recorded before anything is said.

Whatever is unknown or stale gets a hang-up: a document that merely ends would connect him.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from ivr import answer as answers
from ivr import journal, noting, technician_flow
from ivr.answer import HANG_UP, Answer
from ivr.rules import Rules
from ivr.standby import adoption
from ivr.technician_flow import Leg, LegHeard, LegTurn
from ivr.vocabulary import Carried, LegReceived, Step
from ivr.wording import Wording
from oncall.notices import notices
from oncall.reaching import attempts
from pins import throttle
from storage.engine import Database

security = logging.getLogger("ivr.security")


class TechnicianDesk:
    """Serves the turns of technicians' legs."""

    def __init__(self, database: Database, rules: Rules, wording: Wording, *, whole: bool = True) -> None:
        self._database = database
        self._rules = rules
        self._wording = wording
        self._whole = whole

    def answer(self, got: LegReceived, at: datetime) -> Answer:
        """Serve one request. The same (sid, turn) always gets the same answer."""
        with self._database.write() as connection:
            journal.lock_leg(connection, got.sid)
            standing = journal.glance_leg(connection, got.sid, got.turn)
            if standing is None:
                leg = self._picked_up(connection, got, at)
                if leg is None:
                    return HANG_UP
                if journal.begin_leg(connection, at, leg, got.turn):
                    heard = "picked-up" if got.turn == 0 else self._heard(connection, leg, got, at)
                    told = "picked up" if got.turn == 0 else heard
                    return self._save(connection, at, got, told, technician_flow.take_turn(leg, heard))
                journal.lock_leg(connection, got.sid)  # another request was quicker
                standing = journal.glance_leg(connection, got.sid, got.turn)
                assert standing is not None
            if standing.answer is not None:
                noting.here().again = True
                return answers.from_json(standing.answer)
            # Another node may have served him meanwhile: the address says how far he has come.
            expected = standing.turn == got.turn or standing.turn < got.turn == got.made_for
            if not expected or standing.leg.rung_at_turn not in (None, got.rung_at_turn):
                security.warning("leg %s: turn %d asked, %d expected", got.sid, got.turn, standing.turn)
                return HANG_UP
            leg = standing.leg
            if standing.turn < got.turn:
                leg = replace(leg, silences=got.silences, repeats=got.repeats)
            heard = self._heard(connection, leg, got, at)
            return self._save(connection, at, got, heard, technician_flow.take_turn(leg, heard))

    def carried_before(self, call_sid: str, attempt_id: int) -> Carried | None:
        """The call that an address of the version before was made for: it named the attempt by its id."""
        with self._database.read() as connection:
            standing = journal.glance(connection, call_sid, 0)
        if standing is None or standing.call.attempt_id != attempt_id:
            return None
        return Carried(standing.call, standing.turn)

    def gone(self, sid: str, at: datetime) -> None:
        """The network says a technician's leg is over."""
        with self._database.write() as connection:
            journal.end_leg(connection, at, sid)

    def _picked_up(self, connection: Connection, got: LegReceived, at: datetime) -> Leg | None:
        """A leg that is new here, if it is the one its call is ringing now. Later than at its first turn only
        one that another node has served so far: its address says so.
        """
        if got.turn != got.made_for:
            return None
        parent = journal.glance(connection, got.parent_sid, 0)
        if parent is None or adoption.is_behind(parent, got.carried):
            journal.lock(connection, got.parent_sid)
            adoption.adopt(connection, at, self._rules, got.carried, "", whole=self._whole)
            parent = journal.glance(connection, got.parent_sid, 0)
        if parent is None or parent.ended or parent.turn != got.carried.turn:
            return None
        call = parent.call
        if call.step is not Step.RINGING or call.attempt_id is None:
            return None
        if not attempts.picked_up(connection, at, call.attempt_id):
            return None
        assert call.case is not None
        ready = call.name_recording and journal.message_file(connection, call.name_recording)
        return Leg(
            sid=got.sid,
            parent_sid=call.sid,
            attempt_id=call.attempt_id,
            language=self._rules.numbers[call.number].settings.language,
            urgency=call.urgency,
            customer=call.customer.spoken_name if call.customer else None,
            code=call.case.code,
            due_at=call.case.due_at,
            caller=throttle.identity(call.caller),
            name_recording=call.name_recording if ready else None,
            silences=got.silences,
            repeats=got.repeats,
            rung_at_turn=got.rung_at_turn,
        )

    def _heard(self, connection: Connection, leg: Leg, got: LegReceived, at: datetime) -> LegHeard:
        """His keys 1 and 2 are recorded here, before the flow speaks of them."""
        match got.digits or "":
            case "":
                return "silence"
            case "1":
                if not attempts.press(connection, at, leg.attempt_id, "accepted"):
                    return "too-late"
                self._tell(connection, at, leg.attempt_id)
                return "accepted"
            case "2":
                return "passed" if attempts.press(connection, at, leg.attempt_id, "declined") else "too-late"
            case "9":
                return "repeat"
            case _:
                return "wrong-key"

    @staticmethod
    def _tell(connection: Connection, at: datetime, attempt_id: int) -> None:
        """He can read who is calling from where, and gets the case's link."""
        number, technician = attempts.whose(connection, attempt_id)
        to, about = f"technician:{technician}", f"case:{number}"
        notices.tell(connection, at, "case-yours", to, about, {}, loud=False, again=str(attempt_id))

    def _save(
        self, connection: Connection, at: datetime, got: LegReceived, heard: str, turn: LegTurn
    ) -> Answer:
        noting.here().after = heard
        answer = self._wording.for_technician(turn, got.turn + 1, at, got.carried)
        journal.write_leg_turn(connection, at, turn.leg, got.turn, heard, answers.to_json(answer))
        return answer

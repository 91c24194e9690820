"""The desk for technicians' legs: one transaction a request, the key recorded before anything is said.

Whatever is unknown or stale gets a hang-up: a document that merely ends would connect him.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import Connection

from ivr import answer as answers
from ivr import journal, technician_flow
from ivr.answer import HANG_UP, Answer
from ivr.rules import Rules
from ivr.technician_flow import Leg, LegHeard, LegTurn
from ivr.vocabulary import LegReceived, Step
from ivr.wording import Wording
from oncall import attempts, notices
from pins import throttle
from storage.engine import Database

security = logging.getLogger("ivr.security")


class TechnicianDesk:
    """Serves the turns of technicians' legs."""

    def __init__(self, database: Database, rules: Rules, wording: Wording) -> None:
        self._database = database
        self._rules = rules
        self._wording = wording

    def answer(self, got: LegReceived, at: datetime) -> Answer:
        """Serve one request. The same (sid, turn) always gets the same answer."""
        with self._database.write() as connection:
            journal.lock_leg(connection, got.sid)
            standing = journal.glance_leg(connection, got.sid, got.turn)
            if standing is None:
                leg = self._picked_up(connection, got, at)
                if leg is None:
                    return HANG_UP
                if journal.begin_leg(connection, at, leg):
                    turn = technician_flow.take_turn(leg, "picked-up")
                    return self._save(connection, at, 0, "picked up", turn)
                journal.lock_leg(connection, got.sid)  # another request was quicker
                standing = journal.glance_leg(connection, got.sid, got.turn)
                assert standing is not None
            if standing.answer is not None:
                return answers.from_json(standing.answer)
            if standing.turn != got.turn or standing.leg.attempt_id != got.attempt:
                security.warning("leg %s: turn %d asked, %d expected", got.sid, got.turn, standing.turn)
                return HANG_UP
            heard = self._heard(connection, standing.leg, got, at)
            return self._save(connection, at, got.turn, heard, technician_flow.take_turn(standing.leg, heard))

    def gone(self, sid: str, at: datetime) -> None:
        """The network says a technician's leg is over."""
        with self._database.write() as connection:
            journal.end_leg(connection, at, sid)

    def _picked_up(self, connection: Connection, got: LegReceived, at: datetime) -> Leg | None:
        """A new leg, if it is the one its call is ringing now."""
        parent = journal.glance(connection, got.parent_sid, 0)
        if got.turn != 0 or parent is None or parent.ended:
            return None
        call = parent.call
        if call.step is not Step.RINGING or call.attempt_id != got.attempt:
            return None
        if not attempts.picked_up(connection, at, got.attempt):
            return None
        assert call.case is not None
        ready = call.name_recording and journal.message_file(connection, call.name_recording)
        return Leg(
            sid=got.sid,
            parent_sid=call.sid,
            attempt_id=got.attempt,
            language=self._rules.numbers[call.number].settings.language,
            urgency=call.urgency,
            customer=call.customer.spoken_name if call.customer else None,
            code=call.case.code,
            due_at=call.case.due_at,
            caller=throttle.identity(call.caller),
            name_recording=call.name_recording if ready else None,
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

    def _save(self, connection: Connection, at: datetime, number: int, heard: str, turn: LegTurn) -> Answer:
        answer = self._wording.for_technician(turn, number + 1, at)
        journal.write_leg_turn(connection, at, turn.leg, number, heard, answers.to_json(answer))
        return answer

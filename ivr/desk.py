"""The desk serves one turn of a call: gather, decide and save in one transaction. Before it a complete PIN is
hashed, after a short read of its own, with no connection.

It is where facts meet the pure flow. It knows neither HTTP nor TwiML.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ivr import answer as answers
from ivr import casework, flow, journal, noting
from ivr.answer import HANG_UP, Answer
from ivr.gathering import Gathering, Keyed
from ivr.retelling import retell
from ivr.rules import Rules
from ivr.standby import adoption
from ivr.vocabulary import (
    Call,
    Carried,
    HandOn,
    Heard,
    JoinCase,
    OpenCase,
    Outcome,
    PinAccepted,
    PinMissed,
    PinUsed,
    PinWrong,
    PursueAgain,
    PursueNow,
    Received,
    Recording,
    RingTechnician,
    Step,
    Turn,
    WakeUp,
)
from ivr.wording import Wording
from oncall.cases import cases
from oncall.cases.cases import Case
from oncall.reaching import attempts
from pins import customers, registry, throttle
from pins.index import Busy, PinIndex
from pins.throttle import Lane
from storage import due
from storage.engine import Database

security = logging.getLogger("ivr.security")

# ASCII digits alone: str.isdigit() would take other scripts for digits, and `$` a trailing newline.
_DIGITS = re.compile(r"[0-9]+")
SHORTEST_PIN = 8
# Seconds a PIN waits for others to be hashed. With both transactions at their limits, and the hash
# itself, a turn is still answered within 3.5 s.
HASH_PATIENCE = 0.4
# A call that this node never served has ended while it could not tell the database; the key is its sid.
ENDED_ELSEWHERE = "call.ended"


class Desk:
    """Serves callers' turns. One for a process; safe to use from many threads."""

    def __init__(
        self,
        database: Database,
        index: PinIndex,
        rules: Rules,
        gathering: Gathering,
        wording: Wording,
        *,
        whole: bool = True,
    ) -> None:
        """`whole`: this is the house's own database, which knows all that there is to know."""
        self._database = database
        self._index = index
        self._rules = rules
        self._gathering = gathering
        self._wording = wording
        self._whole = whole

    def answer(self, got: Received, at: datetime) -> Answer:
        """Serve one request of a caller. The same (sid, turn) always gets the same answer."""
        keyed = self._keyed(got) if _may_be_pin(got.digits) else Keyed()
        with self._database.write() as connection:
            return self._serve(connection, got, at, keyed)

    def _keyed(self, got: Received) -> Keyed:
        """What is to be known of the keys before the transaction: nothing, unless they may be a PIN that is
        asked for. One short read, then the slow hash; no connection is held while it runs.
        """
        with self._database.read() as connection:
            standing = _as_carried(journal.glance(connection, got.sid, got.turn), got)
            if standing is None or standing.answer is not None or standing.turn != got.turn:
                return Keyed()
            if standing.call.step is not Step.PIN or got.digits is None:
                return Keyed()
            longest = registry.longest_live(connection)
            if len(got.digits) > longest:
                return Keyed(longest=longest)
            known = customers.customer_of_phone(connection, got.caller)
        return self._hashed(got.digits, known, longest)

    def repeat(self, got: Received, at: datetime) -> Answer:
        """The network asks what to do after a failure: the last answer again; an unknown call is new.

        Nothing recorded is played in it: a recording that could not be had may be what failed.
        """
        with self._database.read() as connection:
            last = journal.last_answer(connection, got.sid)
        again = answers.from_json(last) if last is not None else self.answer(replace(got, turn=0), at)
        return again.spoken()

    def ended(self, sid: str, at: datetime) -> None:
        """The network says the call is over: what still rings is settled, an open case is pursued now."""
        with self._database.write() as connection:
            if not self._whole and journal.glance(connection, sid, 0) is None:
                # Begun with the database, ended without: its own will be told.
                due.add(connection, at, ENDED_ELSEWHERE, sid, at, {})
            over(connection, at, sid, whole=self._whole)

    def recording_ready(self, call_sid: str, recording: Recording, status: str, at: datetime) -> None:
        """The network says what became of a recording of this call. An unknown call is passed over."""
        with self._database.write() as connection:
            if not self._whole or journal.glance(connection, call_sid, 0):
                journal.keep_message(connection, at, call_sid, recording, status)

    def _hashed(self, pin: str, known: str | None, longest: int) -> Keyed:
        try:
            digests = self._index.digests(pin, known_caller=known is not None, patience=HASH_PATIENCE)
        except Busy:
            # He is asked again, and no guess is counted: soon a slot is free.
            noting.here().checks.append(("none", "unchecked"))
            return Keyed(unchecked=True, longest=longest)
        return Keyed(digests, known, longest=longest)

    def _serve(self, connection: Connection, got: Received, at: datetime, keyed: Keyed) -> Answer:
        standing = None
        # Whoever arrives is new, or his row is found when it is to be written.
        if got.turn > 0 or got.gone or got.carried is not None:
            journal.lock(connection, got.sid)
            standing = journal.glance(connection, got.sid, got.turn)
        if carried := _ahead(standing, got):
            adoption.adopt(connection, at, self._rules, carried, got.caller, whole=self._whole)
            standing = journal.glance(connection, got.sid, got.turn)
        standing = standing or self._begin(connection, got, at)
        if standing is None:
            return HANG_UP
        if standing.answer is not None:  # another request for this turn was quicker
            noting.here().again = True
            return answers.from_json(standing.answer)
        if standing.turn != got.turn:
            security.warning("call %s: turn %d asked, %d expected", got.sid, got.turn, standing.turn)
            return HANG_UP
        if standing.ended and not got.gone:
            got = replace(got, gone=True)
        heard = self._gathering.heard(connection, standing.call, got, at, keyed)
        turn = flow.take_turn(standing.call, heard)
        return self._save(connection, at, got.turn, standing.call.step, heard, turn, keyed.longest)

    def _begin(self, connection: Connection, got: Received, at: datetime) -> journal.Standing | None:
        """A call we do not know is a new one at whatever turn it comes: a caller must not be lost."""
        if got.gone:
            return None
        if got.turn > 0:
            security.warning("call %s is unknown at turn %d: served as a new one", got.sid, got.turn)
        languages = self._rules.languages_of(got.number)
        call = Call(
            got.sid,
            got.caller,
            got.number,
            languages[0],
            languages,
            screen=self._rules.screen_without_pin,
        )
        if journal.begin(connection, at, call, got.turn):
            return journal.Standing(call, got.turn, ended=False, answer=None)
        journal.lock(connection, got.sid)  # another request was quicker
        return journal.glance(connection, got.sid, got.turn)

    # -- save: what the flow decided becomes rows and an answer -----------------------------------

    def _save(
        self,
        connection: Connection,
        at: datetime,
        number: int,
        asked: Step,
        heard: Heard,
        turn: Turn,
        longest: int | None,
    ) -> Answer:
        call = turn.call
        for effect in turn.effects:
            match effect:
                case OpenCase():
                    call = replace(call, case_id=self._open_case(connection, call, at))
                case JoinCase():
                    call = self._join_case(connection, call, at)
                case PursueAgain():
                    assert call.case_id is not None
                    cases.pursue(connection, at, call.case_id, self._pursuit_of(at))
                case PursueNow(call_back):
                    assert call.case_id is not None
                    cases.pursue_now(connection, at, call.case_id, call_back)
                case PinUsed():
                    assert isinstance(heard, PinAccepted)
                    registry.used(connection, at, heard.pin_id)
                    throttle.succeeded(connection, at, call.caller)
                case PinMissed():
                    assert isinstance(heard, PinWrong)
                    throttle.missed(connection, at, call.caller, Lane(heard.lane))
                case WakeUp():
                    journal.wake_up(connection, at, call.sid)
                    call = replace(call, case_id=self._open_unverified(connection, call, at))
                case HandOn(kind):
                    due.add(connection, at, kind, call.sid, at, {"call": call.sid})
        if isinstance(turn.then, RingTechnician):
            assert call.case_id is not None
            place = turn.then.place
            attempt = attempts.begin_attempt(
                connection,
                at,
                call.case_id,
                call.sid,
                place.technician,
                place.phone,
                place.rung,
                turn=number,
            )
            call = replace(call, attempt_id=attempt)
        if call.step is Step.PIN:
            longest = longest or registry.longest_live(connection)
        answer = self._wording.for_caller(
            replace(turn, call=call), number + 1, at, longest_pin=longest or SHORTEST_PIN
        )
        note = noting.here()
        note.before, note.after = asked.value, call.step.value
        journal.write_turn(connection, at, asked.value, call, number, retell(heard), answers.to_json(answer))
        return answer

    def _pursuit_of(self, at: datetime) -> datetime:
        """When pursuit is due at the latest, whatever callbacks get lost."""
        return at + timedelta(seconds=self._rules.ringing.pursue_after)

    def _open_case(self, connection: Connection, call: Call, at: datetime) -> int:
        assert call.case is not None
        assert call.customer is not None
        assert call.urgency is not None
        return cases.open_case(
            connection,
            at,
            number=call.case.number,
            code=call.case.code,
            call_sid=call.sid,
            customer_id=call.customer.id,
            rota=self._rules.numbers[call.number].settings.rota,
            urgency=call.urgency,
            due_at=call.case.due_at,
            pursue_at=self._pursuit_of(at),
            billable=call.billable,
        )

    def _open_unverified(self, connection: Connection, call: Call, at: datetime) -> int:
        """A case that remembers who was rung for him. Nothing was accepted, so nothing is pursued."""
        assert call.case is not None
        return cases.open_case(
            connection,
            at,
            number=call.case.number,
            code=call.case.code,
            call_sid=call.sid,
            customer_id=None,
            rota=self._rules.numbers[call.number].settings.rota,
            urgency=None,
            due_at=None,
            pursue_at=None,
            billable=False,
        )

    def _join_case(self, connection: Connection, call: Call, at: datetime) -> Call:
        """The call with the case that it joins. Its number is what was agreed upon with the caller, at
        whichever node; here it may have been closed meanwhile, or merged into another.
        """
        joins = call.case
        assert joins is not None
        assert joins.due_at is not None
        assert call.urgency is not None
        found = cases.by_number(connection, joins.number)
        assert found is not None
        if found.closed_at is not None:
            found = casework.called_again(connection, at, found)
        cases.join(
            connection,
            at,
            found.id,
            call_sid=call.sid,
            urgency=call.urgency,
            due_at=joins.due_at,
            pursue_at=self._pursuit_of(at),
        )
        return replace(call, case_id=found.id, case=replace(joins, number=found.number))


def _may_be_pin(digits: str | None) -> bool:
    return digits is not None and len(digits) >= SHORTEST_PIN and _DIGITS.fullmatch(digits) is not None


def _ahead(standing: journal.Standing | None, got: Received) -> Carried | None:
    """The call that the address brought along, if it has come further than ours, or another way: another
    node, or we without our database, have served it meanwhile.

    Or if it has not come as far, and nothing was answered here at this place: then a node that could not know
    of it has begun it anew. The telephone is where its address says, and is not to be hung up on.
    """
    carried = got.carried
    if carried is None or carried.call.sid != got.sid or carried.turn != got.turn:
        return None
    if standing is None or adoption.is_behind(standing, carried):
        return carried
    anew = standing.answer is None and standing.turn != got.turn and not standing.ended
    return carried if anew else None


def _as_carried(standing: journal.Standing | None, got: Received) -> journal.Standing | None:
    carried = _ahead(standing, got)
    return journal.Standing(carried.call, carried.turn, ended=False, answer=None) if carried else standing


def _unheard(call: Call, case: Case | None) -> bool:
    """Whether he hung up while a technician was to hear who he is, and none did."""
    rung = call.step is Step.RINGING and flow.unverified(call)
    heard = case is not None and case.connected_at is not None
    return call.step is Step.SCREENING_WAIT or (rung and not heard)


def over(connection: Connection, at: datetime, sid: str, *, whole: bool = True) -> None:
    """A caller's call has ended: what still rings is settled, an open case is pursued now.

    Unless this is not the house's own database, and a technician has accepted here: then another node may
    have seen the two talk, and the pursuit waits for its own time, in which both come home.
    """
    journal.lock(connection, sid)
    standing = journal.glance(connection, sid, 0)
    results = [
        attempts.settle(connection, at, attempt, None, bridged=False)
        for attempt in attempts.unsettled(connection, sid)
    ]
    if journal.end(connection, at, sid, Outcome.HUNG_UP.value):
        case = cases.of_call(connection, sid)
        if case is not None and (whole or "accepted" not in results):
            cases.pursue_case_now(connection, at, case.number)
        if standing is not None and _unheard(standing.call, case):
            _tell_once(connection, at, flow.SCREENED_IN_VAIN, sid)


def _tell_once(connection: Connection, at: datetime, kind: str, sid: str) -> None:
    """The turn may have said so already."""
    if not due.pending(connection, kind, sid):
        due.add(connection, at, kind, sid, at, {"call": sid})

"""The desk for calls that we place: what is said when a technician picks up, and what his keys do.

One transaction a request, the key recorded before anything is said of it. Whatever is unknown or stale
gets a hang-up.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from ivr import answer as answers
from ivr import casework, journal, noting, outgoing_flow, placed, toll
from ivr.answer import HANG_UP, Answer
from ivr.outgoing_flow import (
    SHORT_TALK,
    CarriedOutgoing,
    DialCustomer,
    Outgoing,
    OutgoingHeard,
    OutgoingReceived,
    Purpose,
)
from ivr.placed import Placed
from ivr.rules import Rules
from ivr.wording import Wording
from oncall.cases import cases
from oncall.cases.cases import PURSUE, Case, CaseRefusal
from oncall.notices import notices
from oncall.phones import NumberRefused
from oncall.reaching import attempts, reached
from oncall.rota.roster import RosterRefusal
from oncall.tables import case_calls
from oncall.tables import cases as case_rows
from pins import customers
from storage import due
from storage.engine import Database

log = logging.getLogger("ivr")
security = logging.getLogger("ivr.security")

# Ask what became of a call whose end was not told; the key is its id. Until somebody knows that it is over,
# its phone counts as engaged and nobody rings it.
WATCH = "call.watch"
WATCHED_AFTER = timedelta(minutes=2)
# Place a call that was written down; the key is its id.
PLACE = "call.place"


# -- placing -----------------------------------------------------------------------------------


def begin(
    connection: Connection,
    at: datetime,
    rules: Rules,
    *,
    purpose: Purpose,
    technician: str,
    phone: str,
    language: str | None = None,
    number: str | None = None,
    case: Case | None = None,
    attempt_id: int | None = None,
    notice_send_id: int | None = None,
    shift_check_id: int | None = None,
    hung_up: bool = False,
    starts_at: datetime | None = None,
    text: str = "",
) -> int:
    """Write down that we are about to call `technician`'s `phone`; returns the call's id.

    `number` of ours is shown; not given: the one that the case came in on, else our first.
    """
    shown = _shown(connection, rules, number, case)
    call = Outgoing(
        purpose=purpose,
        technician=technician,
        language=language or rules.numbers[shown].settings.language,
        urgency=(case.final_urgency or case.urgency) if case else None,
        customer=_spoken_name(connection, case) if case else None,
        code=case.code if case else "",
        due_at=case.due_at if case else None,
        hung_up=hung_up,
        starts_at=starts_at,
        text=text,
    )
    identity = placed.begin(
        connection,
        at,
        call,
        phone=phone,
        number=shown,
        case_id=case.id if case else None,
        attempt_id=attempt_id,
        notice_send_id=notice_send_id,
        shift_check_id=shift_check_id,
    )
    due.add(connection, at, WATCH, str(identity), at + WATCHED_AFTER, {})
    return identity


def _shown(connection: Connection, rules: Rules, number: str | None, case: Case | None) -> str:
    """The number of ours that he sees: operators drop calls from abroad that show somebody else's."""
    if rules.ringing.caller_id != "called":
        return rules.ringing.caller_id
    if number is None and case is not None:
        try:
            number = journal.call(connection, case.call_sid).number
        except journal.UnknownCall:  # purged
            number = None
    return number if number is not None and number in rules.numbers else next(iter(rules.numbers))


def _spoken_name(connection: Connection, case: Case) -> str | None:
    return None if case.customer_id is None else customers.spoken_name(connection, case.customer_id)


# -- serving -----------------------------------------------------------------------------------


class OutgoingDesk:
    """Serves the turns of calls that we placed."""

    def __init__(self, database: Database, rules: Rules, wording: Wording) -> None:
        self._database = database
        self._rules = rules
        self._wording = wording

    def answer(self, got: OutgoingReceived, at: datetime) -> Answer:
        """Serve one request. The same (call, turn) always gets the same answer."""
        with self._database.write() as connection:
            ours = self._id_here(got.outgoing, got.home)
            placed.lock(connection, ours)
            known = self._known(connection, ours, got, at)
            if known is None or not placed.named(connection, ours, got.sid):
                security.warning("call %s is none that we placed", got.sid)
                return HANG_UP
            stored = placed.answer_of(connection, ours, got.turn)
            if stored is not None:
                noting.here().again = True
                return answers.from_json(stored)
            if known.turn != got.turn or known.ended_at is not None:
                security.warning("call %s: turn %d asked, %d expected", got.sid, got.turn, known.turn)
                return HANG_UP
            heard, customer = self._heard(connection, known, got, at)
            turn = outgoing_flow.take_turn(known.call, heard)
            noting.here().after = heard
            now = carried_of(connection, replace(known, call=turn.call))
            answer = self._wording.for_outgoing(turn, got.outgoing, got.home, got.turn + 1, at, now, customer)
            placed.write_turn(
                connection,
                at,
                known.id,
                turn.call,
                got.turn,
                heard.replace("-", " "),
                answers.to_json(answer),
            )
            assert not isinstance(turn.then, DialCustomer) or customer
            return answer

    def ended(self, outgoing_id: int, sid: str, status: str, at: datetime) -> None:
        """The network says that the call is over: its attempt is settled, the pursuit goes on at once."""
        with self._database.write() as connection:
            placed.lock(connection, outgoing_id)
            known = placed.find(connection, outgoing_id)
            if known is None or not placed.named(connection, outgoing_id, sid):
                return
            over(connection, at, known, status)

    def _id_here(self, outgoing_id: int, home: str) -> int:
        """What the call is known by here: one of another database by its number there, below zero."""
        return outgoing_id if home == self._database.home else -outgoing_id

    def _known(self, connection: Connection, ours: int, got: OutgoingReceived, at: datetime) -> Placed | None:
        """The call, taken over from what its address brought along if it has come further elsewhere."""
        known = placed.find(connection, ours)
        carried = got.carried
        if carried is None or got.made_for != got.turn:
            return known
        if known is not None and known.turn < got.turn:
            placed.move_on(connection, ours, carried.call, got.turn)
        elif known is None and ours < 0:
            case = cases.by_number(connection, carried.case) if carried.case else None
            if carried.case and case is None:
                return None  # a case that this node has never heard of
            placed.take_over(connection, at, ours, carried, case.id if case else None, got.turn)
        return placed.find(connection, ours)

    # -- what was heard -------------------------------------------------------------------------

    def _heard(
        self, connection: Connection, known: Placed, got: OutgoingReceived, at: datetime
    ) -> tuple[OutgoingHeard, str]:
        """What was heard, and the customer's number if he is to be dialled."""
        call = known.call
        if got.turn == 0:
            return self._picked_up(connection, known, at), ""
        if call.step == "talking":
            return self._talked(connection, known, got, at), ""
        match got.digits or "":
            case "":
                return "silence", ""
            case "1" if call.purpose in ("pursue", "call-back"):
                return self._take(connection, known, at)
            case "1":
                self._confirmed(connection, known, at)
                return "heard-it", ""
            case "2" if call.purpose == "pursue" and call.step == "announced":
                assert known.attempt_id is not None
                declined = attempts.press(connection, at, known.attempt_id, "declined")
                return ("declined" if declined else "too-late"), ""
            case "2" if call.purpose == "confirm":
                assert known.shift_check_id is not None
                reached.cannot(connection, at, known.shift_check_id)
                return "declined", ""
            case "9":
                return "repeat", ""
            case _:
                return "wrong-key", ""

    def _picked_up(self, connection: Connection, known: Placed, at: datetime) -> OutgoingHeard:
        placed.picked_up(connection, at, known.id)
        if known.attempt_id is not None:
            if not attempts.picked_up(connection, at, known.attempt_id):
                return "too-late"
            if not self._still_pursued(connection, known):
                return "too-late"
        return "picked-up"

    @staticmethod
    def _still_pursued(connection: Connection, known: Placed) -> bool:
        assert known.case_id is not None
        return due.pending(connection, PURSUE, cases.number_of(connection, known.case_id))

    def _take(self, connection: Connection, known: Placed, at: datetime) -> tuple[OutgoingHeard, str]:
        """He takes the case, and the customer is dialled: as often as may be."""
        assert known.case_id is not None
        cases.lock(connection)
        case = cases.find(connection, cases.number_of(connection, known.case_id))
        technician = known.call.technician
        if case.closed_at is not None:
            return "too-late", ""
        first = known.call.step == "announced"
        if first and known.attempt_id is not None and not self._still_pursued(connection, known):
            return "too-late", ""
        # Whoever calls a colleague's customer back does not take the case from him.
        has_it = casework.holder(connection, case)
        theirs = known.call.purpose == "call-back" and has_it not in (None, technician)
        if first and not theirs and (has_it != technician or case.taken_via == "text"):
            try:
                casework.take(connection, f"technician:{technician}", at, case, technician, "phone")
            except (CaseRefusal, RosterRefusal) as refused:
                security.warning("call %s: %s", known.sid, refused)
                return "too-late", ""
        if first and known.attempt_id is not None:
            # An attempt that was given up as lost may have a result by now: the case is his all the same.
            attempts.press(connection, at, known.attempt_id, "accepted")
        if first:
            to, about = f"technician:{technician}", f"case:{case.number}"
            again = f"call {known.id}"
            notices.tell(connection, at, "case-yours", to, about, {}, loud=False, again=again)
        # Somebody may have called from a technician's phone, even from the one that he holds.
        number = self.customer_number(connection, case, placed.engaged(connection, at, ""))
        if number is None:
            return "no-number", ""
        if not toll.may_call_customer(connection, at, self._rules.toll, case):
            log.error("case %s: the customer is not dialled: a daily cap is reached", case.number)
            return "capped", ""
        may = (
            update(case_rows)
            .where(case_rows.c.id == case.id, case_rows.c.customer_calls < self._rules.ringing.customer_calls)
            .values(customer_calls=case_rows.c.customer_calls + 1)
        )
        if connection.execute(may).rowcount == 0:
            log.error("case %s: the customer was dialled as often as may be", case.number)
            return "no-more-calls", ""
        toll.customer_called(connection, known.id)
        return "taken", number

    def customer_number(
        self, connection: Connection, case: Case, engaged: Collection[str] = ()
    ) -> str | None:
        """Where the customer of a case is called: where he asked to be, where he called from last, or a
        number on his file. Of a caller without a verified PIN only a number on file counts: his own was
        never ours to dial.
        """
        wanted: list[str | None] = []
        if not case.screened:
            wanted.append(case.call_back_to)
            calls = select(case_calls.c.call_sid).where(case_calls.c.case_id == case.id)
            for sid in connection.execute(calls.order_by(case_calls.c.joined_at.desc())).scalars():
                try:
                    wanted.append(journal.call(connection, sid).caller)
                except journal.UnknownCall:
                    continue
        if case.customer_id is not None:
            wanted += customers.phones_of(connection, case.customer_id)
        free = (each for each in wanted if each and each not in engaged)
        return next((each for each in free if self._dialable(each)), None)

    def _dialable(self, number: str) -> bool:
        try:
            return self._rules.ringing.check_customer(number) == number
        except NumberRefused:
            return False

    @staticmethod
    def _talked(connection: Connection, known: Placed, got: OutgoingReceived, at: datetime) -> OutgoingHeard:
        """How dialling the customer ended. Nobody whispers here, so a completed Dial was a talk."""
        if not (got.bridged or got.dial_status in ("completed", "answered")):
            return "not-connected"
        if known.attempt_id is not None:
            attempts.settle(connection, at, known.attempt_id, got.dial_status, bridged=True)
        elif known.case_id is not None:
            attempts.reached(connection, at, known.case_id)
        return "cut-short" if got.talked is not None and got.talked < SHORT_TALK else "connected"

    @staticmethod
    def _confirmed(connection: Connection, known: Placed, at: datetime) -> None:
        if known.notice_send_id is not None:
            reached.heard(connection, at, known.notice_send_id)
        if known.shift_check_id is not None:
            reached.can(connection, at, known.shift_check_id)


def carried_of(connection: Connection, known: Placed) -> CarriedOutgoing:
    """The call as its addresses carry it along."""
    case = cases.number_of(connection, known.case_id) if known.case_id is not None else None
    return CarriedOutgoing(known.call, known.phone, known.number, case)


def over(connection: Connection, at: datetime, known: Placed, status: str) -> None:
    """A call that we placed has ended, so far as anybody can tell. Holds its lock."""
    if not placed.ended(connection, at, known.id, status):
        return
    due.cancel(connection, at, WATCH, str(known.id), by=status)
    if known.attempt_id is not None:
        attempts.settle(connection, at, known.attempt_id, status, bridged=False)
        assert known.case_id is not None
        due.move(connection, PURSUE, cases.number_of(connection, known.case_id), at)
    if known.notice_send_id is not None:
        reached.unheard(connection, at, known.notice_send_id, status)

"""The desk serves one turn of a call: read shortly, hash without a connection, then gather, decide and
save in one transaction.

It is where facts meet the pure flow: what was keyed becomes what was heard, what the flow decided
becomes rows and an answer with every text and address resolved. It knows neither HTTP nor TwiML.
"""

from __future__ import annotations

import logging
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ivr import answer as answers
from ivr import flow, journal, luggage, technician_flow
from ivr.answer import HANG_UP, Answer, Dial, Gather, Part, Record, Say, Target
from ivr.hours import Hours
from ivr.luggage import Seal
from ivr.prompts import Speaker, Speech
from ivr.retelling import retell
from ivr.settings import Level, NumberSettings, UrgencySettings
from ivr.technician_flow import Bridge, Leg, LegHeard, LegTurn
from ivr.vocabulary import (
    ArrivedByDay,
    ArrivedByNight,
    AskKey,
    AskPin,
    AttemptEnded,
    Call,
    CustomerFacts,
    HandOn,
    HangUp,
    Heard,
    LadderPlace,
    Left,
    LegReceived,
    Line,
    MessageLeft,
    NewCase,
    NoPin,
    NotUrgent,
    OfficeAnswered,
    OfficeMissed,
    OpenCase,
    Outcome,
    PinAccepted,
    PinMalformed,
    PinUsed,
    PinWrong,
    Received,
    Recording,
    RingOffice,
    RingTechnician,
    Silence,
    Step,
    StrayHash,
    TakeMessage,
    Turn,
    UrgencyChosen,
    WantsMessage,
    WantsPin,
    WhyWrong,
    WrongKey,
)
from oncall import cases, roster
from oncall.phones import NumberRefused
from oncall.settings import RingingSettings
from pins import registry
from pins.index import Digest, PinIndex
from storage import due
from storage.engine import Database

log = logging.getLogger("ivr")
security = logging.getLogger("ivr.security")

# ASCII digits alone: str.isdigit() would take other scripts for digits, and `$` a trailing newline.
_DIGITS = re.compile(r"[0-9]+")
SHORTEST_PIN = 8
ANYTHING_ELSE = "4"


class Addresses(Protocol):
    """Where the network asks for the next turn. The door knows; the desk only names what it needs."""

    def turn(self, number: int, sealed: str) -> str: ...
    def technician(self, number: int, sealed: str) -> str: ...
    def recording(self, sealed: str) -> str: ...


@dataclass(frozen=True)
class OurNumber:
    """One of our numbers, ready to serve."""

    settings: NumberSettings
    hours: Hours


@dataclass(frozen=True)
class Rules:
    """What the desk goes by; built once at start, then frozen."""

    zone: ZoneInfo
    lines: Mapping[str, OurNumber]
    urgency: UrgencySettings
    ringing: RingingSettings


class Desk:
    """Serves turns. One for a process; safe to use from many threads.

    `source` draws case codes: the system's randomness unless a test wants its own.
    """

    def __init__(
        self,
        database: Database,
        index: PinIndex,
        seal: Seal,
        speaker: Speaker,
        rules: Rules,
        addresses: Addresses,
        source: random.Random | None = None,
    ) -> None:
        self._database = database
        self._index = index
        self._seal = seal
        self._speaker = speaker
        self._rules = rules
        self._addresses = addresses
        self._source = source or random.SystemRandom()

    # -- the caller -----------------------------------------------------------------------------

    def answer(self, got: Received, at: datetime) -> Answer:
        """Serve one request of a caller. The same (sid, turn) always gets the same answer."""
        with self._database.read() as connection:
            standing = journal.glance(connection, got.sid, got.turn)
            looks_like_pin = self._complete_pin(connection, standing, got)
            known_caller = looks_like_pin and bool(registry.customer_of_phone(connection, got.caller))
        if standing and standing.answer is not None:
            return answers.from_json(standing.answer)
        # The slow hash: no connection is held while it runs.
        digests = self._index.digests(got.digits or "", known_caller=known_caller) if looks_like_pin else []
        with self._database.write() as connection:
            return self._serve(connection, got, at, digests)

    def repeat(self, got: Received, at: datetime) -> Answer:
        """The network asks what to do after a failure: the last answer again; an unknown call is new."""
        with self._database.read() as connection:
            last = journal.last_answer(connection, got.sid)
        return answers.from_json(last) if last is not None else self.answer(replace(got, turn=0), at)

    def ended(self, sid: str, at: datetime) -> None:
        """The network says the call is over: what still rings is settled, pursuit goes on."""
        with self._database.write() as connection:
            journal.lock(connection, sid)
            for attempt in cases.unsettled(connection, sid):
                cases.settle(connection, at, attempt, None, bridged=False)
            journal.end(connection, at, sid, Outcome.HUNG_UP.value)

    def recording_ready(self, call_sid: str, recording: Recording, status: str, at: datetime) -> None:
        """The network says what became of a recording of this call. An unknown call is passed over."""
        with self._database.write() as connection:
            if journal.glance(connection, call_sid, 0):
                journal.keep_message(connection, at, call_sid, recording, status)

    def _complete_pin(self, connection: Connection, standing: journal.Standing | None, got: Received) -> bool:
        if standing is None or standing.answer is not None or standing.turn != got.turn:
            return False
        if standing.call.step is not Step.PIN or not got.digits or not _DIGITS.fullmatch(got.digits):
            return False
        return SHORTEST_PIN <= len(got.digits) <= registry.longest_live(connection)

    def _serve(
        self, connection: Connection, got: Received, at: datetime, digests: Sequence[Digest]
    ) -> Answer:
        journal.lock(connection, got.sid)
        standing = journal.glance(connection, got.sid, got.turn)
        if standing is None:
            standing = self._begin(connection, got, at)
            if standing is None:
                return HANG_UP
        if standing.answer is not None:  # another request for this turn was quicker
            return answers.from_json(standing.answer)
        if standing.turn != got.turn:
            security.warning("call %s: turn %d asked, %d expected", got.sid, got.turn, standing.turn)
            return HANG_UP
        got = replace(got, gone=got.gone or standing.ended)
        heard = self._gather(connection, standing.call, got, at, digests)
        turn = flow.take_turn(standing.call, heard)
        return self._save(connection, at, got.turn, standing.call.step, heard, turn)

    def _begin(self, connection: Connection, got: Received, at: datetime) -> journal.Standing | None:
        """A call we do not know is a new one at whatever turn it comes: a caller must not be lost."""
        if got.gone:
            return None
        if got.turn > 0:
            security.warning("call %s is unknown at turn %d: served as a new one", got.sid, got.turn)
        line = self._rules.lines[got.number]
        call = Call(got.sid, got.caller, got.number, line.settings.language)
        if journal.begin(connection, at, call, got.turn):
            return journal.Standing(call, got.turn, ended=False, answer=None)
        # Another request was quicker.
        journal.lock(connection, got.sid)
        return journal.glance(connection, got.sid, got.turn)

    # -- gather: what was keyed becomes what was heard, with the facts this step needs -----------

    def _gather(
        self, connection: Connection, call: Call, got: Received, at: datetime, digests: Sequence[Digest]
    ) -> Heard:
        state = self._rules.lines[call.number].hours.at(at)
        reopens = state.until if state.pin else None
        keyed = got.digits or ""
        match call.step:
            case Step.RINGING:
                return self._attempt_ended(connection, call, got, at, reopens)
            case Step.MESSAGE if got.recording:
                journal.keep_message(connection, at, call.sid, got.recording, "announced")
                return MessageLeft(at=at, gone=got.gone, seconds=got.recording.seconds)
            case Step.OFFICE:
                kind = OfficeAnswered if got.dial_status in ("completed", "answered") else OfficeMissed
                return kind(at=at, gone=got.gone)
            case _ if got.gone:
                return Left(at=at, gone=True)
            case Step.ARRIVAL if state.pin:
                return ArrivedByNight(at=at, reopens=reopens)
            case Step.ARRIVAL:
                line = self._rules.lines[call.number].settings
                return ArrivedByDay(at=at, office=self._office(call), pin_offered=line.pin_by_day)
            case Step.PIN:
                return self._pin_heard(connection, call, keyed, at, reopens, digests)
            case _ if keyed == "#" and call.hash_may_follow:
                return StrayHash(at=at, reopens=reopens)
            case _ if not keyed:
                return Silence(at=at, reopens=reopens)
            case Step.OFFICE_MISSED if keyed == "1":
                return WantsPin(at=at, reopens=reopens)
            case Step.REFUSED if keyed == "1":
                return WantsMessage(at=at, reopens=reopens)
            case Step.URGENCY if keyed == ANYTHING_ELSE:
                return NotUrgent(at=at, reopens=reopens)
            case Step.URGENCY if level := self._rules.urgency.by_key(keyed):
                return self._urgency_chosen(connection, call, level, at)
            case _:
                return WrongKey(at=at, reopens=reopens)

    def _office(self, call: Call) -> tuple[tuple[str, ...], ...]:
        """The office's phones, a group at a time; none if the office itself forwarded this call to us:
        ringing it again would go round for ever.
        """
        if call.caller in self._rules.lines:
            return ()
        phones = [p for p in self._rules.lines[call.number].settings.office if p != call.caller]
        if self._rules.ringing.office_together:
            return (tuple(phones[:10]),) if phones else ()
        return tuple((phone,) for phone in phones)

    def _pin_heard(
        self,
        connection: Connection,
        call: Call,
        keyed: str,
        at: datetime,
        reopens: datetime | None,
        digests: Sequence[Digest],
    ) -> Heard:
        if not keyed:
            return (StrayHash if call.hash_may_follow else Silence)(at=at, reopens=reopens)
        if keyed == "0":
            return NoPin(at=at, reopens=reopens)
        if not digests:
            return PinMalformed(at=at, reopens=reopens)
        full_length = len(keyed) == registry.longest_live(connection)
        hours = self._rules.lines[call.number].hours
        found = registry.find_pin(connection, digests)
        if found is None:
            return self._pin_wrong(call, at, reopens, "unknown", full_length)
        if found.revoked:
            return self._pin_wrong(call, at, reopens, "revoked", full_length)
        if found.expired(hours.last_opening(at)):
            return self._pin_wrong(call, at, reopens, "expired", full_length)
        today = at.astimezone(self._rules.zone).date()
        urgency = self._rules.urgency
        return PinAccepted(
            at=at,
            reopens=reopens,
            customer=CustomerFacts(found.customer_id, found.code, found.spoken_name, found.language),
            pin_id=found.pin_id,
            covered=found.contract.covers(today, prepaid_counts=urgency.prepaid_counts),
            full_length=full_length,
            connect_without_contract=urgency.connect_without_contract,
        )

    def _pin_wrong(
        self, call: Call, at: datetime, reopens: datetime | None, why: WhyWrong, full_length: bool
    ) -> PinWrong:
        security.warning("call %s: a PIN was refused (%s)", call.sid, why)
        return PinWrong(at=at, reopens=reopens, why=why, full_length=full_length)

    def _urgency_chosen(
        self, connection: Connection, call: Call, level: Level, at: datetime
    ) -> UrgencyChosen:
        assert level.within is not None
        cases.lock(connection)
        year = at.astimezone(self._rules.zone).year
        return UrgencyChosen(
            at=at,
            code=level.code,
            case=NewCase(
                number=cases.next_number(connection, year),
                code=cases.free_code(connection, at, self._source),
                due_at=at + timedelta(minutes=level.within),
            ),
            ladder=self._ladder(connection, call, at),
            engaged=cases.engaged(connection, at, call.sid),
        )

    def _ladder(self, connection: Connection, call: Call, at: datetime) -> tuple[LadderPlace, ...]:
        ringing = self._rules.ringing
        rota = self._rules.lines[call.number].settings.rota
        places: list[LadderPlace] = []
        for contact in roster.ladder(connection, ringing, rota, at):
            try:
                ringing.check_number(contact.phone)
            except NumberRefused as refused:
                log.error("rota %s: %s is passed over: %s", rota, contact.technician, refused)
                continue
            places.append(
                LadderPlace(
                    contact.rung,
                    contact.technician,
                    contact.name,
                    contact.spoken_name,
                    contact.phone,
                    contact.rings,
                )
            )
        if not places:
            log.error("rota %s has nobody on duty at %s", rota, at.isoformat())
        return tuple(places)

    def _attempt_ended(
        self, connection: Connection, call: Call, got: Received, at: datetime, reopens: datetime | None
    ) -> AttemptEnded:
        assert call.attempt_id is not None
        result = cases.settle(connection, at, call.attempt_id, got.dial_status, bridged=got.bridged)
        cases.lock(connection)
        return AttemptEnded(
            at=at,
            reopens=reopens,
            gone=got.gone,
            result=result or "failed",
            passes=self._rules.ringing.passes,
            no_new_attempt_after=self._rules.ringing.no_new_attempt_after,
            engaged=cases.engaged(connection, at, call.sid),
        )

    # -- save: what the flow decided becomes rows and an answer -----------------------------------

    def _save(
        self, connection: Connection, at: datetime, number: int, asked: Step, heard: Heard, turn: Turn
    ) -> Answer:
        call = turn.call
        for effect in turn.effects:
            match effect:
                case OpenCase():
                    call = replace(call, case_id=self._open_case(connection, call, at))
                case PinUsed():
                    assert isinstance(heard, PinAccepted)
                    registry.used(connection, at, heard.pin_id)
                case HandOn(kind):
                    due.add(connection, at, kind, call.sid, at, {"call": call.sid})
        if isinstance(turn.then, RingTechnician):
            place = turn.then.place
            assert call.case_id is not None
            attempt = cases.begin_attempt(
                connection, at, call.case_id, place.technician, place.phone, place.rung
            )
            call = replace(call, attempt_id=attempt)
        answer = self._resolve(connection, replace(turn, call=call), number + 1, at)
        journal.write_turn(connection, at, asked.value, call, number, retell(heard), answers.to_json(answer))
        return answer

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
            rota=self._rules.lines[call.number].settings.rota,
            urgency=call.urgency,
            due_at=call.case.due_at,
            pursue_at=at + timedelta(seconds=self._rules.ringing.pursue_after),
            billable=call.billable,
        )

    def _resolve(self, connection: Connection, turn: Turn, next_turn: int, at: datetime) -> Answer:
        call = turn.call
        parts: list[Part] = [Say(speech) for speech in self._speeches(turn.says, call.language, at)]
        action = self._addresses.turn(next_turn, self._seal.close(luggage.of_call(call), at))
        match turn.then:
            case AskPin(lines, timeout):
                digits = registry.longest_live(connection)
                prompts = self._speeches(lines, call.language, at)
                parts.append(Gather(action, prompts, timeout, digits, finish="#"))
            case AskKey(lines, timeout):
                prompts = self._speeches(lines, call.language, at)
                # No finish key: a lone # must arrive as a key, or it could not be told from silence.
                parts.append(Gather(action, prompts, timeout, digits=1, finish=""))
            case RingOffice(phones):
                targets = tuple(Target(phone) for phone in phones)
                parts.append(Dial(action, self._caller_id(call), targets, self._rules.ringing.office_rings))
            case RingTechnician(place):
                assert call.attempt_id is not None
                sealed = self._seal.close(luggage.of_leg(call.sid, call.attempt_id), at)
                target = Target(place.phone, whisper=self._addresses.technician(0, sealed))
                parts.append(Dial(action, self._caller_id(call), (target,), place.rings))
            case TakeMessage():
                sealed = self._seal.close({"call": call.sid}, at)
                limit = self._rules.ringing.message_limit
                parts.append(Record(action, self._addresses.recording(sealed), limit))
            case HangUp():
                parts.append(answers.HangUp())
        return Answer(tuple(parts))

    def _caller_id(self, call: Call) -> str:
        """Always a number of ours: operators drop calls from abroad that show somebody else's."""
        chosen = self._rules.ringing.caller_id
        return call.number if chosen == "called" else chosen

    def _speeches(self, lines: Sequence[Line], language: str, at: datetime) -> tuple[Speech, ...]:
        return tuple(self._speaker.say(line, language, at) for line in lines)

    # -- the technician ---------------------------------------------------------------------------

    def answer_technician(self, got: LegReceived, at: datetime) -> Answer:
        """Serve one request of a technician's leg. Whatever is unknown or stale gets a hang-up:
        a document that merely ends would connect him.
        """
        with self._database.write() as connection:
            journal.lock_leg(connection, got.sid)
            standing = journal.glance_leg(connection, got.sid, got.turn)
            if standing is None:
                leg = self._picked_up(connection, got, at)
                if leg is None:
                    return HANG_UP
                if journal.begin_leg(connection, at, leg):
                    return self._save_leg(
                        connection, at, 0, "picked up", technician_flow.take_turn(leg, "picked-up")
                    )
                # Another request was quicker.
                journal.lock_leg(connection, got.sid)
                standing = journal.glance_leg(connection, got.sid, got.turn)
                assert standing is not None
            if standing.answer is not None:
                return answers.from_json(standing.answer)
            if standing.turn != got.turn or standing.leg.attempt_id != got.attempt:
                security.warning("leg %s: turn %d asked, %d expected", got.sid, got.turn, standing.turn)
                return HANG_UP
            heard = self._technician_heard(connection, standing.leg, got, at)
            turn = technician_flow.take_turn(standing.leg, heard)
            return self._save_leg(connection, at, got.turn, heard, turn)

    def technician_gone(self, sid: str, at: datetime) -> None:
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
        if not cases.picked_up(connection, at, got.attempt):
            return None
        assert call.case is not None
        assert call.customer is not None
        assert call.urgency is not None
        return Leg(
            sid=got.sid,
            parent_sid=call.sid,
            attempt_id=got.attempt,
            language=self._rules.lines[call.number].settings.language,
            urgency=call.urgency,
            customer=call.customer.spoken_name,
            code=call.case.code,
            due_at=call.case.due_at,
        )

    def _technician_heard(self, connection: Connection, leg: Leg, got: LegReceived, at: datetime) -> LegHeard:
        match got.digits or "":
            case "":
                return "silence"
            case "1":
                return "accepted" if cases.press(connection, at, leg.attempt_id, "accepted") else "too-late"
            case "2":
                return "passed" if cases.press(connection, at, leg.attempt_id, "declined") else "too-late"
            case "9":
                return "repeat"
            case _:
                return "wrong-key"

    def _save_leg(
        self, connection: Connection, at: datetime, number: int, heard: str, turn: LegTurn
    ) -> Answer:
        leg = turn.leg
        parts: list[Part] = [Say(speech) for speech in self._speeches(turn.says, leg.language, at)]
        match turn.then:
            case AskKey(lines, timeout):
                sealed = self._seal.close(luggage.of_leg(leg.parent_sid, leg.attempt_id), at)
                action = self._addresses.technician(number + 1, sealed)
                prompts = self._speeches(lines, leg.language, at)
                parts.append(Gather(action, prompts, timeout, digits=1, finish=""))
            case HangUp():
                parts.append(answers.HangUp())
            case Bridge():
                pass
        answer = Answer(tuple(parts))
        journal.write_leg_turn(connection, at, leg, number, heard, answers.to_json(answer))
        return answer

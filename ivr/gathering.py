"""What was keyed becomes what was heard, with the facts that step needs: the desk's eyes and ears.

It reads, and records what the network reported of an attempt or a recording; all else is written once
the flow has decided.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypedDict

from sqlalchemy import Connection

from ivr import journal, noting, placed, strangers
from ivr.rules import OurNumber, Rules
from ivr.settings import Level
from ivr.vocabulary import (
    ArrivedBlocked,
    ArrivedByDay,
    ArrivedByNight,
    ArrivedInFlood,
    AttemptEnded,
    Call,
    CannotVerify,
    CodeChecked,
    CustomerFacts,
    DigitsWrong,
    Heard,
    KeepsWaiting,
    KnownCase,
    LadderPlace,
    Left,
    MessageLeft,
    NewCase,
    NoMoreWakeUps,
    NoPin,
    NotUrgent,
    NumberGiven,
    OfficeAnswered,
    OfficeMissed,
    PinAccepted,
    PinMalformed,
    PinUnchecked,
    PinWrong,
    ReadyToScreen,
    Received,
    Recording,
    SameProblem,
    Silence,
    Step,
    StillWaiting,
    StrayHash,
    UrgencyAgain,
    UrgencyChosen,
    WantsCallBack,
    WantsDefinitions,
    WantsLanguage,
    WantsMessage,
    WantsMoreTime,
    WantsPin,
    WantsReconnect,
    WantsToVerify,
    WhyWrong,
    WrongKey,
)
from oncall.cases import cases, casework
from oncall.phones import NumberRefused
from oncall.reaching import attempts
from oncall.rota import roster
from oncall.rota.roster import Contact
from pins import customers, registry, throttle
from pins.index import Digest
from pins.registry import PinFound
from pins.throttle import Lane
from storage.alarms import raise_alarm

log = logging.getLogger("ivr")
security = logging.getLogger("ivr.security")

# Keys of the urgency menu beside those of the levels.
ANYTHING_ELSE, VERIFY, DEFINE = "4", "8", "9"
# How long a caller who is to be screened waits for his own recording to reach us.
NAME_WAIT = timedelta(seconds=8)
# How far the clocks of two nodes may be apart.
CLOCKS_DIFFER = timedelta(seconds=2)


class RingingFacts(TypedDict):
    passes: int
    no_new_attempt_after: int
    engaged: frozenset[str]


@dataclass(frozen=True)
class Moment:
    """One turn being gathered for: where, when, and when the office opens next (None while it is open)."""

    connection: Connection
    call: Call
    number: OurNumber
    at: datetime
    reopens: datetime | None


@dataclass(frozen=True)
class Keyed:
    """What was worked out of a complete PIN before the transaction: its digests, none if no such PIN
    came, and the customer on whose file the caller's number stands. `unchecked`: one came, and there
    was no time to hash it. `longest` is the length of the longest PIN that lives, if it was looked up.
    """

    digests: Sequence[Digest] = ()
    known: str | None = None
    unchecked: bool = False
    longest: int | None = None


class Gathering:
    """Gathers for the desk. `source` draws case codes."""

    # How many share the throttle's budget and the wake-ups of an hour without telling each other.
    _share = 1
    _wake_ups_share = 1

    def __init__(self, rules: Rules, source: random.Random) -> None:
        self._rules = rules
        self._source = source

    def heard(
        self, connection: Connection, call: Call, got: Received, at: datetime, pin: Keyed = Keyed()
    ) -> Heard:
        """What `got` means at the step of the call."""
        number = self._rules.numbers[call.number]
        state = number.hours.at(at)
        reopens = state.until if state.pin else None
        here = Moment(connection, call, number, at, reopens)
        keyed = got.digits or ""
        match call.step:
            case Step.RINGING:
                return self._attempt_ended(here, got)
            case Step.MESSAGE | Step.SCREENING_NAME if got.recording:
                return self._recorded(here, got, got.recording)
            case Step.OFFICE:
                kind = OfficeAnswered if got.dial_status in ("completed", "answered") else OfficeMissed
                return kind(at=at, gone=got.gone)
            case _ if got.gone:
                return Left(at=at, gone=True)
            case Step.SCREENING_NAME:
                return MessageLeft(at=at, seconds=0)
            case Step.SCREENING_WAIT:
                return self._to_be_screened(here)
            case Step.ARRIVAL | Step.CHALLENGE if (met := self._met(here, keyed)) is not None:
                return met
            case Step.ARRIVAL | Step.CHALLENGE if state.pin and self._blind(here):
                return CannotVerify(at=at, reopens=reopens)
            case Step.ARRIVAL | Step.CHALLENGE if state.pin:
                return ArrivedByNight(at=at, reopens=reopens)
            case Step.ARRIVAL | Step.CHALLENGE:
                offered = number.settings.pin_by_day
                return ArrivedByDay(at=at, office=self._office(here), pin_offered=offered)
            case Step.PIN if self._blind(here):
                return CannotVerify(at=at, reopens=reopens)
            case Step.PIN:
                return self._at_pin(here, keyed, pin)
            case Step.VERIFYING if len(keyed) == 4:
                return self._code_checked(here, keyed)
            case Step.SAME_CASE:
                return self._same_or_other(here, keyed)
            case Step.BETWEEN_RINGS if keyed == "1":
                return WantsCallBack(at=at, number=self._call_back_number(here), **self._ringing(here))
            case Step.CALL_BACK_NUMBER:
                return NumberGiven(at=at, number=self._dialable(keyed), **self._ringing(here))
            case Step.TALK_WAS_SHORT if keyed == "1":
                return WantsReconnect(at=at, **self._ringing(here))
            case Step.ACCEPTED | Step.BETWEEN_RINGS:
                return KeepsWaiting(at=at, **self._ringing(here))
            case Step.URGENCY if level := self._rules.urgency.by_key(keyed):
                return self._urgency(here, level)
            case _:
                return self._at_menu(here, keyed)

    def _blind(self, here: Moment) -> bool:
        """Whether no PIN can be checked now."""
        return False

    def _number(self, here: Moment) -> str:
        """The permanent number of a new case."""
        year = here.at.astimezone(self._rules.zone).year
        return cases.next_number(here.connection, year)

    def _at_menu(self, here: Moment, keyed: str) -> Heard:
        """Keys whose meaning needs no other fact."""
        at, reopens = here.at, here.reopens
        match here.call.step, keyed:
            case _, "":
                return Silence(at=at, reopens=reopens)
            case _, "#" if here.call.hash_may_follow:
                return StrayHash(at=at, reopens=reopens)
            case Step.OFFICE_MISSED, "1":
                return WantsPin(at=at, reopens=reopens)
            case Step.REFUSED, "1":
                return WantsMessage(at=at, reopens=reopens)
            case Step.URGENCY, key if key == ANYTHING_ELSE:
                return NotUrgent(at=at, reopens=reopens)
            case Step.URGENCY, key if key == DEFINE:
                return WantsDefinitions(at=at, reopens=reopens)
            case Step.URGENCY, key if key == VERIFY:
                return WantsToVerify(at=at, reopens=reopens)
            case _:
                return WrongKey(at=at, reopens=reopens)

    # -- who calls ------------------------------------------------------------------------------

    def _met(self, here: Moment, keyed: str) -> Heard | None:
        """What keeps a new call from being served as it comes; None if nothing does."""
        at, reopens, call = here.at, here.reopens, here.call
        if call.step is Step.CHALLENGE:
            return None if keyed == call.challenge else DigitsWrong(at=at, reopens=reopens)
        match strangers.meet(here.connection, at, call.sid, call.caller, self._rules.flood):
            case "blocked":
                return ArrivedBlocked(at=at, reopens=reopens)
            case "challenged":
                digits = "".join(self._source.sample("0123456789", strangers.DIGITS))
                return ArrivedInFlood(at=at, reopens=reopens, digits=digits)
            case _:
                return None

    # -- by day ---------------------------------------------------------------------------------

    def _office(self, here: Moment) -> tuple[tuple[str, ...], ...]:
        """The office's phones, a group at a time; none if the office itself forwarded this call to us:
        ringing it again would go round for ever.
        """
        if here.call.caller in self._rules.numbers:
            return ()
        offices = [phone for phone in here.number.settings.office if phone != here.call.caller]
        if self._rules.ringing.office_together:
            return (tuple(offices[:10]),) if offices else ()
        return tuple((phone,) for phone in offices)

    # -- the PIN --------------------------------------------------------------------------------

    def _at_pin(self, here: Moment, keyed: str, pin: Keyed) -> Heard:
        at, reopens, call = here.at, here.reopens, here.call
        match keyed:
            case "" if call.hash_may_follow:
                return StrayHash(at=at, reopens=reopens)
            case "":
                return Silence(at=at, reopens=reopens)
            case "0":
                return NoPin(at=at, reopens=reopens)
            case "9":
                return WantsMoreTime(at=at, reopens=reopens)
            case "*" if len(call.languages) > 1:
                return WantsLanguage(at=at, reopens=reopens)
            case _ if pin.unchecked:
                return PinUnchecked(at=at, reopens=reopens)
            case _ if not pin.digests:
                return PinMalformed(at=at, reopens=reopens)
        return self._checked(here, pin, len(keyed) == pin.longest)

    def _checked(self, here: Moment, pin: Keyed, full_length: bool) -> PinAccepted | PinWrong:
        """A complete PIN, checked against what the throttle allows. Whatever that is, it is looked up:
        the time it takes tells nothing.
        """
        at, reopens, call = here.at, here.reopens, here.call
        standing = throttle.standing(here.connection, at, call.caller, share=self._share)
        lane = throttle.lane(standing, known=pin.known is not None, first_try=call.wrong_pins == 0)
        found = registry.find_pin(here.connection, pin.digests)
        why = self._why_wrong(here, found, lane, pin.known)
        noting.here().checks.append((lane.value, why or "right"))
        if found is None or why is not None:
            security.warning("call %s: a PIN was refused (%s)", call.sid, why)
            return PinWrong(
                at=at,
                reopens=reopens,
                why=why or "unknown",
                full_length=full_length,
                lane=lane.value,
                may_be_right=throttle.may_be_right(standing),
            )
        urgency = self._rules.urgency
        today = at.astimezone(self._rules.zone).date()
        language = found.language if found.language in self._rules.languages else None
        return PinAccepted(
            at=at,
            reopens=reopens,
            customer=CustomerFacts(found.customer_id, found.code, found.spoken_name, language),
            pin_id=found.pin_id,
            covered=found.contract.covers(today, prepaid_counts=urgency.prepaid_counts),
            full_length=full_length,
            connect_without_contract=urgency.connect_without_contract,
            # In its last night it works until the office opens: that is said as today.
            last_day=max(found.expires_on, today) if found.replaced and found.expires_on else None,
        )

    def _why_wrong(
        self, here: Moment, found: PinFound | None, lane: Lane, known: str | None
    ) -> WhyWrong | None:
        """Why the PIN opens nothing, None if it does. A revoked one that somebody still keys is told of."""
        if lane is Lane.UNREAD:
            return "not evaluated"
        if found is None or (lane is Lane.KNOWN and found.code != known):
            return "unknown"
        if found.revoked:
            raise_alarm(here.connection, here.at, "pin-revoked-used", f"pin:{found.pin_id}")
            return "revoked"
        return "expired" if found.expired(here.number.hours.last_opening(here.at)) else None

    # -- screening by a person ------------------------------------------------------------------

    def _recorded(self, here: Moment, got: Received, recording: Recording) -> MessageLeft:
        # Whoever hangs up as he says who he is wants no technician any more: it is a message then.
        name = here.call.step is Step.SCREENING_NAME and not got.gone
        kind: journal.MessageKind = "name" if name else "message"
        journal.keep_message(here.connection, here.at, here.call.sid, recording, "announced", kind)
        # One of no seconds is kept like any other; but nobody waits to hear it.
        said = recording.sid if recording.seconds else None
        return MessageLeft(at=here.at, gone=got.gone, seconds=recording.seconds, recording=said)

    def _to_be_screened(self, here: Moment) -> Heard:
        """Wait for what he said of himself, but not for long: a technician hears him either way."""
        call, at, connection = here.call, here.at, here.connection
        assert call.screening_since is not None
        name = call.name_recording
        # By the clock of another node it may have begun a moment from now; never by much more.
        patient = name is not None and -CLOCKS_DIFFER <= at - call.screening_since < NAME_WAIT
        if name is not None and patient and journal.message_file(connection, name) is None:
            return StillWaiting(at=at, reopens=here.reopens)
        ringing = self._ringing(here)
        if not journal.may_wake(connection, at, share=self._wake_ups_share):
            raise_alarm(connection, at, "screening-used-up")
            return NoMoreWakeUps(at=at, reopens=here.reopens)
        case = NewCase(
            number=self._number(here),
            code=cases.free_code(connection, at, self._source),
            due_at=None,
        )
        return ReadyToScreen(at=at, reopens=here.reopens, case=case, ladder=self._ladder(here), **ringing)

    # -- urgency and case -----------------------------------------------------------------------

    def _urgency(self, here: Moment, level: Level) -> UrgencyChosen | UrgencyAgain:
        known = self._known_case(here, code=None)
        if known is not None:
            return UrgencyAgain(at=here.at, reopens=here.reopens, code=level.code, known=known)
        return self._new_case(here, level)

    def _same_or_other(self, here: Moment, keyed: str) -> Heard:
        """1, silence, or a second key that means nothing: the same problem."""
        call = here.call
        assert call.known_case is not None
        assert call.urgency is not None
        level = self._rules.urgency.by_code(call.urgency)
        if keyed == "2":
            return self._new_case(here, level)
        if keyed not in ("", "1") and call.missed == 0:
            return WrongKey(at=here.at, reopens=here.reopens)
        assert level.within is not None
        sooner = here.at + timedelta(minutes=level.within)
        known = call.known_case
        return SameProblem(
            at=here.at,
            # A deadline that has passed is no promise any more.
            due_at=min(known.due_at, sooner) if known.due_at > here.at else sooner,
            ladder=self._ladder(here, first=known.technician),
        )

    def _new_case(self, here: Moment, level: Level) -> UrgencyChosen:
        assert level.within is not None
        cases.lock(here.connection)
        return UrgencyChosen(
            at=here.at,
            code=level.code,
            case=NewCase(
                number=self._number(here),
                code=cases.free_code(here.connection, here.at, self._source),
                due_at=here.at + timedelta(minutes=level.within),
            ),
            ladder=self._ladder(here),
        )

    def _code_checked(self, here: Moment, keyed: str) -> CodeChecked:
        return CodeChecked(at=here.at, reopens=here.reopens, known=self._known_case(here, code=keyed))

    def _known_case(self, here: Moment, *, code: str | None) -> KnownCase | None:
        """The latest open case of the call's customer, or the one of his with this spoken code."""
        assert here.call.customer is not None
        found = cases.open_of_customer(here.connection, here.call.customer.id, code)
        if found is None:
            return None
        technician = casework.holder(here.connection, found)
        name = roster.technician(here.connection, technician).spoken_name if technician else None
        # One whose caller was screened was promised nothing: it counts as late.
        due_at = found.due_at or found.opened_at
        return KnownCase(found.id, found.number, found.code, found.opened_at, due_at, technician, name)

    # -- ringing --------------------------------------------------------------------------------

    def _ladder(self, here: Moment, *, first: str | None = None) -> tuple[LadderPlace, ...]:
        """Who may be rung now, rung by rung; `first` (a technician's key) before everybody."""
        ringing = self._rules.ringing
        contacts = roster.ladder(here.connection, ringing, here.number.settings.rota, here.at)
        known = roster.contact(here.connection, ringing, first, here.at) if first else None
        if known is not None:
            contacts = [known, *(each for each in contacts if each.technician != known.technician)]
        places = [place for contact in contacts for place in self._places(contact)]
        if not places:
            log.error("rota %s has nobody on duty at %s", here.number.settings.rota, here.at.isoformat())
        return tuple(places)

    def _places(self, contact: Contact) -> list[LadderPlace]:
        """All his phones in their order, so far as they may be rung."""
        return [
            LadderPlace(
                contact.rung, contact.technician, contact.name, contact.spoken_name, phone, contact.rings
            )
            for phone in (contact.phone, *contact.other_phones)
            if self._may_be_rung(contact, phone)
        ]

    def _may_be_rung(self, contact: Contact, phone: str) -> bool:
        """Checked when it was saved, and again now. One bad number never breaks the chain."""
        try:
            self._rules.ringing.check_number(phone)
        except NumberRefused as refused:
            log.error("%s is passed over: %s", contact.technician, refused)
            return False
        return True

    def _ringing(self, here: Moment) -> RingingFacts:
        cases.lock(here.connection)
        # A stranger wakes each of them once.
        return RingingFacts(
            passes=1 if here.call.customer is None else self._rules.ringing.passes,
            no_new_attempt_after=self._rules.ringing.no_new_attempt_after,
            engaged=placed.engaged(here.connection, here.at, here.call.sid),
        )

    def _attempt_ended(self, here: Moment, got: Received) -> AttemptEnded:
        attempt = here.call.attempt_id
        assert attempt is not None
        # Before the attempt and its case are held: see `journal.lock`.
        ringing = self._ringing(here)
        result = attempts.settle(here.connection, here.at, attempt, got.dial_status, bridged=got.bridged)
        return AttemptEnded(
            at=here.at,
            reopens=here.reopens,
            gone=got.gone,
            result=result or "failed",
            hung_up=result == "unconfirmed" and not journal.leg_ended(here.connection, attempt),
            talked=self._talked(here, attempt) if result == "connected" else got.talked or 0,
            # We hang a leg up, or let it be connected after his key; who has done so, if not we?
            elsewhere=result == "unconfirmed"
            and got.bridged
            and journal.leg_goes_on(here.connection, attempt),
            **ringing,
        )

    def _talked(self, here: Moment, attempt: int) -> int:
        """Seconds since the technician's key. The network's own figure counts from his pick-up."""
        pressed = attempts.pressed_at(here.connection, attempt)
        return int((here.at - pressed).total_seconds()) if pressed else 0

    def _call_back_number(self, here: Moment) -> str | None:
        """Where he can be called back: the number he calls from, else one on his file."""
        assert here.call.customer is not None
        on_file = customers.phones_of(here.connection, here.call.customer.id)
        return next((p for p in (here.call.caller, *on_file) if self._dialable(p) == p), None)

    def _dialable(self, keyed: str) -> str | None:
        try:
            return self._rules.ringing.from_keys(keyed)
        except NumberRefused:
            return None

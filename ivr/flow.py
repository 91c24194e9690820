"""The conversation with a caller, whole: `take_turn(call, heard)` says what comes next.

Pure. Reads like the call sounds: at which step he stands, what was heard, what we do. The facts a
step needs arrive with what was heard; what a turn causes leaves as effects. Nothing here knows a
clock, a database or a telephone network.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ivr.vocabulary import (
    ArrivedByDay,
    AskKey,
    AskPin,
    AttemptEnded,
    Call,
    Clock,
    Digits,
    HandOn,
    HangUp,
    Heard,
    LadderPlace,
    Left,
    Line,
    MessageLeft,
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
    RingOffice,
    RingTechnician,
    Silence,
    Step,
    StrayHash,
    TakeMessage,
    Turn,
    UrgencyChosen,
    UrgencyMenu,
    WantsMessage,
    WantsPin,
    WrongKey,
    line,
)

# The PIN phase ends after this many complete wrong PINs, or silent or malformed prompts, or this long.
WRONG_PINS = 3
MISSED_PROMPTS = 4
PIN_PHASE = timedelta(seconds=180)
# A menu is asked this many times in all.
MENU_PROMPTS = 3


def take_turn(call: Call, heard: Heard) -> Turn:
    """What is said and done after `heard`. Every combination has an answer; none is silence."""
    if heard.gone:
        return caller_left(call, heard)
    match call.step, heard:
        # By day the office is rung, and no PIN is asked.
        case Step.ARRIVAL, ArrivedByDay(office=office, pin_offered=pin_offered):
            return ring_office(replace(call, office=office, pin_offered=pin_offered), line("welcome-day"))
        case Step.OFFICE, OfficeAnswered():
            return goodbye(replace(call, outcome=Outcome.OFFICE))
        case Step.OFFICE, OfficeMissed():
            return ring_office(call)
        case Step.OFFICE_MISSED, WantsPin():
            return ask_pin(begin_pin(call, heard), line("pin-ask"))
        case Step.OFFICE_MISSED, _:
            return take_message(call, line("message-office"))

        # In a PIN window.
        case Step.ARRIVAL, _:
            return ask_pin(begin_pin(call, heard), line("welcome-night"))
        case Step.PIN, PinAccepted():
            return greet(call, heard)
        case Step.PIN, PinWrong():
            return pin_wrong(call, heard)
        case Step.PIN, StrayHash():
            return ask_pin(unstray(call), line("pin-wrong"), line("pin-again"))
        case Step.PIN, NoPin():
            return without_pin(call, heard)
        case Step.PIN, PinMalformed():
            return pin_missed(unstray(miss(call)), heard, "pin-malformed")
        case Step.PIN, _:
            return pin_missed(unstray(miss(call)), heard, "pin-silence")

        # The customer is known.
        case Step.URGENCY, UrgencyChosen():
            return accept(call, heard)
        case Step.URGENCY, NotUrgent():
            return refuse(replace(call, outcome=Outcome.NOT_COVERED), heard, "not-covered")
        case Step.URGENCY, StrayHash():
            return ask_urgency(unstray(call), *greeting(call))
        case Step.URGENCY, _ if call.missed + 1 >= MENU_PROMPTS:
            return without_urgency(call)
        case Step.URGENCY, Silence():
            return ask_urgency(miss(call), line("key-silence"))
        case Step.URGENCY, _:
            return ask_urgency(miss(call), line("key-wrong"))

        # Refused, with an offer.
        case Step.REFUSED, WantsMessage():
            return take_message(call, line("message-office"))
        case Step.REFUSED, StrayHash():
            return offer_refused(unstray(call), heard, *greeting(call))
        case Step.REFUSED, WrongKey() if call.missed + 1 < MENU_PROMPTS:
            return offer_message(miss(call), line("key-wrong"))
        case Step.REFUSED, _:
            return goodbye(call)

        # Accepted: technicians are rung until one presses his key and is connected.
        case Step.RINGING, AttemptEnded(result="connected"):
            return goodbye(replace(call, outcome=Outcome.CONNECTED))
        case Step.RINGING, AttemptEnded():
            return ring_next(call, heard)

        case Step.MESSAGE, MessageLeft(seconds=seconds) if seconds > 0:
            return message_left(call)
        case _:
            return goodbye(call)


# -- by day --------------------------------------------------------------------------------------


def ring_office(call: Call, *says: Line) -> Turn:
    """Ring the next of the office's phones; when all were rung, offer the PIN path or a message."""
    if call.office:
        group, *rest = call.office
        return Turn(replace(call, step=Step.OFFICE, office=tuple(rest)), says, RingOffice(group))
    call = replace(call, step=Step.OFFICE_MISSED)
    if not call.pin_offered:
        return take_message(call, *says, line("office-missed-no-pin"), line("message-office"))
    return Turn(call, says, AskKey((line("office-missed"),), timeout=5))


# -- the PIN -------------------------------------------------------------------------------------


def begin_pin(call: Call, heard: Heard) -> Call:
    return replace(call, step=Step.PIN, pin_phase_ends=heard.at + PIN_PHASE)


def ask_pin(call: Call, *lines: Line) -> Turn:
    return Turn(call, (), AskPin(lines))


def pin_wrong(call: Call, heard: PinWrong) -> Turn:
    call = replace(call, wrong_pins=call.wrong_pins + 1, hash_may_follow=heard.full_length)
    return pin_missed(call, heard, "pin-wrong")


def pin_missed(call: Call, heard: Heard, why: str) -> Turn:
    """Ask again, unless the tries or the time are used up. Why a PIN was wrong is never told."""
    late = call.pin_phase_ends is not None and heard.at >= call.pin_phase_ends
    if call.wrong_pins >= WRONG_PINS or call.missed >= MISSED_PROMPTS or late:
        return without_pin(call, heard)
    return ask_pin(call, line(why), line("pin-again"))


def without_pin(call: Call, heard: Heard) -> Turn:
    """Whoever has no PIN is told whom to call and when, and may leave a message. Nobody is rung."""
    return refuse(replace(call, outcome=Outcome.NO_PIN), heard, "no-pin")


def greet(call: Call, heard: PinAccepted) -> Turn:
    """The PIN is right: on to the urgency, unless the contract has ended."""
    call = replace(
        call,
        customer=heard.customer,
        language=heard.customer.language or call.language,
        billable=not heard.covered,
        hash_may_follow=heard.full_length,
        missed=0,
    )
    if heard.covered or heard.connect_without_contract:
        turn = ask_urgency(call, *greeting(call))
    else:
        turn = refuse(replace(call, outcome=Outcome.NO_CONTRACT), heard, "no-contract", *greeting(call))
    return replace(turn, effects=(PinUsed(),))


def greeting(call: Call) -> tuple[Line, ...]:
    """Name the customer, so that a mistyped PIN that is somebody else's is noticed."""
    if call.customer is None:
        return ()
    hello = line("greeting", customer=call.customer.spoken_name)
    billed = call.billable and call.outcome is not Outcome.NO_CONTRACT
    return (hello, line("subject-to-billing")) if billed else (hello,)


# -- the urgency ---------------------------------------------------------------------------------


def ask_urgency(call: Call, *before: Line) -> Turn:
    menu = line("urgency-menu", levels=UrgencyMenu())
    return Turn(replace(call, step=Step.URGENCY), (), AskKey((*before, menu)))


def without_urgency(call: Call) -> Turn:
    """Nothing is assumed: only a stated urgency wakes anybody. The technician on duty is told."""
    call = replace(call, outcome=Outcome.NO_URGENCY)
    turn = take_message(call, line("no-urgency"), line("message-office"))
    return replace(turn, effects=(HandOn("notice.no-urgency"),))


def accept(call: Call, heard: UrgencyChosen) -> Turn:
    """Open the case, tell its code and deadline, ring the first technician: one turn, one commit."""
    call = replace(
        call,
        step=Step.RINGING,
        urgency=heard.code,
        case=heard.case,
        ladder=heard.ladder,
        ringing_since=heard.at,
        outcome=Outcome.ACCEPTED,
    )
    told = line("accepted", code=Digits(heard.case.code), due=Clock(heard.case.due_at))
    found = next_to_ring(call, heard.engaged)
    turn = ring(call, found, told, line("ringing-first")) if found else nobody(call, told)
    return replace(turn, effects=(OpenCase(), *turn.effects))


def refuse(call: Call, heard: Heard, why: str, *before: Line) -> Turn:
    """A refusal that helps: why, when the office opens, and the offer to leave a message."""
    return offer_refused(replace(call, missed=0, refused=why), heard, *before)


def offer_refused(call: Call, heard: Heard, *before: Line) -> Turn:
    assert call.refused is not None
    reopens = (line("reopens", at=Clock(heard.reopens)),) if heard.reopens else ()
    return offer_message(call, *before, line(call.refused), *reopens)


def offer_message(call: Call, *says: Line) -> Turn:
    return Turn(replace(call, step=Step.REFUSED), (), AskKey((*says, line("message-offer"))))


# -- ringing -------------------------------------------------------------------------------------


def next_to_ring(call: Call, engaged: frozenset[str]) -> LadderPlace | None:
    """Whose turn it is in this pass: the first not yet tried, those already on a call last.

    The caller's own phone is never rung: it is engaged with this very call.
    """
    left = [p for p in call.ladder if p.phone not in call.tried and p.phone != call.caller]
    return next((p for p in left if p.phone not in engaged), left[0] if left else None)


def ring(call: Call, place: LadderPlace, *says: Line) -> Turn:
    return Turn(replace(call, tried=(*call.tried, place.phone)), says, RingTechnician(place))


def ring_next(call: Call, heard: AttemptEnded) -> Turn:
    """The truth, and the next phone; a new pass while passes and time are left; else nobody."""
    assert call.ringing_since is not None
    if heard.at - call.ringing_since >= timedelta(seconds=heard.no_new_attempt_after):
        return nobody(call)
    found = next_to_ring(call, heard.engaged)
    if found is None and call.ringing_pass < heard.passes:
        call = replace(call, ringing_pass=call.ringing_pass + 1, tried=())
        found = next_to_ring(call, heard.engaged)
    if found is None:
        return nobody(call)
    return ring(call, found, line("ringing-next"))


def nobody(call: Call, *says: Line) -> Turn:
    """The truth, the deadline, and a message. The case stays open and its pursuit waiting."""
    assert call.case is not None
    truth = line("nobody-answered", due=Clock(call.case.due_at))
    turn = take_message(
        replace(call, outcome=Outcome.NOBODY_ANSWERED), *says, truth, line("message-technician")
    )
    return replace(turn, effects=(HandOn("notice.nobody-answered"),))


# -- the end -------------------------------------------------------------------------------------


def take_message(call: Call, *says: Line) -> Turn:
    return Turn(replace(call, step=Step.MESSAGE), says, TakeMessage())


def message_left(call: Call) -> Turn:
    """An accepted emergency stays what it was; a message is then one thing more."""
    outcome = call.outcome if call.case else Outcome.MESSAGE
    turn = goodbye(replace(call, outcome=outcome), line("message-taken"))
    return replace(turn, effects=(HandOn("message.deliver"),))


def goodbye(call: Call, *says: Line) -> Turn:
    return Turn(replace(call, step=Step.ENDED), (*says, line("goodbye")), HangUp())


def caller_left(call: Call, heard: Heard) -> Turn:
    """He has hung up: nothing can be said, but what happened still counts. Pursuit goes on."""
    effects: tuple[HandOn, ...] = ()
    outcome = call.outcome
    match heard:
        case AttemptEnded(result="connected"):
            outcome = Outcome.CONNECTED
        case OfficeAnswered():
            outcome = Outcome.OFFICE
        case MessageLeft(seconds=seconds) if seconds > 0:
            outcome = call.outcome if call.case else Outcome.MESSAGE
            effects = (HandOn("message.deliver"),)
        case Left() | _:
            outcome = outcome or Outcome.HUNG_UP
    return Turn(replace(call, step=Step.ENDED, outcome=outcome), (), HangUp(), effects)


def miss(call: Call) -> Call:
    return replace(call, missed=call.missed + 1)


def unstray(call: Call) -> Call:
    return replace(call, hash_may_follow=False)

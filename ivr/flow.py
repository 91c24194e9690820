"""The conversation with a caller, whole: `take_turn(call, heard)` says what comes next.

Pure. Reads like the call sounds: at which step he stands, what was heard, what we do. The facts a
step needs arrive with what was heard; what a turn causes leaves as effects. Nothing here knows a
clock, a database or a telephone network.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from ivr.vocabulary import (
    ArrivedBlocked,
    ArrivedByDay,
    ArrivedInFlood,
    AskDigits,
    AskKey,
    AskPin,
    AttemptEnded,
    Call,
    CannotVerify,
    Clock,
    CodeChecked,
    Day,
    Definitions,
    Digits,
    DigitsWrong,
    Effect,
    HandOn,
    HangUp,
    Heard,
    JoinCase,
    KnownCase,
    LadderPlace,
    Line,
    MessageLeft,
    NewCase,
    NoMoreWakeUps,
    NoPin,
    NotUrgent,
    NumberGiven,
    OfficeAnswered,
    OfficeMissed,
    OpenCase,
    Outcome,
    PinAccepted,
    PinMalformed,
    PinMissed,
    PinUnchecked,
    PinUsed,
    PinWrong,
    PursueAgain,
    PursueNow,
    ReadyToScreen,
    RingOffice,
    RingTechnician,
    SameProblem,
    Silence,
    Step,
    StrayHash,
    TakeMessage,
    TakeName,
    Turn,
    UrgencyAgain,
    UrgencyChosen,
    UrgencyMenu,
    WakeUp,
    WantsCallBack,
    WantsDefinitions,
    WantsLanguage,
    WantsMessage,
    WantsMoreTime,
    WantsPin,
    WantsReconnect,
    WantsToVerify,
    WhileRinging,
    WrongKey,
    line,
)

# The PIN phase ends after this many complete wrong PINs, or silent or malformed prompts, or this long.
WRONG_PINS = 3
MISSED_PROMPTS = 4
PIN_PHASE = timedelta(seconds=180)
# The digits of a flood are asked for this often in all; a blocked caller for his PIN, without one coming.
CHALLENGES = 2
BLOCKED_PROMPTS = 2
# A menu is asked this many times in all.
MENU_PROMPTS = 3
NUMBER_PROMPTS = 2
# Asking for more time makes the phase longer by this, once.
MORE_TIME = timedelta(seconds=60)
# The definitions are read this often, and this many case codes may be tried, in one call.
DEFINITIONS = 2
CODES = 3
# A talk shorter than this, in seconds, may have been cut: the caller is offered the technician again.
SHORT_TALK = 20
RECONNECTS = 2
# The notice about a caller without a verified PIN whom no technician heard.
SCREENED_IN_VAIN = "notice.screened-in-vain"


def take_turn(call: Call, heard: Heard) -> Turn:
    """What is said and done after `heard`. Every combination has an answer; none is silence."""
    if heard.gone:
        return caller_left(call, heard)
    match call.step, heard:
        # Numbers that are blocked, and strangers while they flood us.
        case Step.ARRIVAL, ArrivedBlocked():
            return welcome(begin_pin(replace(call, blocked=True, screen=False), heard))
        case Step.ARRIVAL, ArrivedInFlood(digits=digits):
            return challenge(replace(call, challenge=digits))
        case Step.CHALLENGE, DigitsWrong() if call.missed + 1 < CHALLENGES:
            return challenge(miss(call))
        case Step.CHALLENGE, DigitsWrong():
            return challenge_failed(call, heard)

        # By day the office is rung, and no PIN is asked.
        case Step.ARRIVAL | Step.CHALLENGE, ArrivedByDay(office=office, pin_offered=pin_offered):
            call = replace(call, office=office, pin_offered=pin_offered, missed=0)
            return ring_office(call, line("welcome-day"))
        case Step.OFFICE, OfficeAnswered():
            return goodbye(replace(call, outcome=Outcome.OFFICE))
        case Step.OFFICE, OfficeMissed():
            return ring_office(call)
        case Step.OFFICE_MISSED, WantsPin():
            return ask_pin(begin_pin(call, heard), line("pin-ask"))
        case Step.OFFICE_MISSED, _:
            return take_message(call, line("message-office"))

        # In a PIN window.
        case Step.ARRIVAL | Step.CHALLENGE | Step.PIN, CannotVerify():
            return cannot_verify(replace(unstray(call), screen=True))
        case Step.ARRIVAL, _:
            return welcome(begin_pin(call, heard))
        case Step.CHALLENGE, _:
            # Whoever ended the digits with a `#` has not cut the welcome short by it.
            return welcome(begin_pin(replace(call, missed=0, hash_may_follow=True), heard))
        case Step.PIN, WantsLanguage() if not late(call, heard):
            return welcome(next_language(unstray(call)))
        case Step.PIN, WantsMoreTime() if not call.more_time_given:
            return give_time(unstray(call))
        case Step.PIN, PinAccepted():
            return greet(call, heard)
        case Step.PIN, PinWrong():
            return pin_wrong(call, heard)
        case Step.PIN, PinUnchecked() if not late(call, heard):
            return ask_pin(replace(call, screen=True), line("pin-unchecked"), line("pin-again"))
        case Step.PIN, PinUnchecked():
            return without_pin(replace(call, screen=True), heard)
        case Step.PIN, StrayHash() if call.challenge is not None and call.wrong_pins == 0:
            return welcome(unstray(call))
        case Step.PIN, StrayHash():
            return ask_pin(unstray(call), line("pin-wrong"), line("pin-again"))
        case Step.PIN, NoPin():
            return without_pin(call, heard)
        case Step.PIN, PinMalformed() | WantsMoreTime():
            return pin_missed(unstray(miss(call)), heard, "pin-malformed")
        case Step.PIN, _:
            return pin_missed(unstray(miss(call)), heard, "pin-silence")

        # A person decides: he says who he is, the technician on duty hears it.
        case Step.SCREENING_NAME, MessageLeft():
            return await_name(replace(call, name_recording=heard.recording, screening_since=heard.at))
        case Step.SCREENING_WAIT, ReadyToScreen():
            return screen(call, heard)
        case Step.SCREENING_WAIT, NoMoreWakeUps():
            return screened_in_vain(call, line("screening-full"))
        case Step.SCREENING_NAME | Step.SCREENING_WAIT, _:
            return keep_waiting(call)

        # The customer is known.
        case Step.URGENCY, UrgencyChosen():
            return accept(call, heard)
        case Step.URGENCY, UrgencyAgain():
            return ask_same_case(call, heard)
        case Step.URGENCY, WantsDefinitions() if call.definitions_heard < DEFINITIONS:
            return define(call)
        case Step.URGENCY, WantsToVerify() if call.codes_tried < CODES:
            return ask_code(call)
        case Step.VERIFYING, CodeChecked():
            return tell_of_code(call, heard)
        case Step.VERIFYING, _:
            return ask_urgency(replace(call, codes_tried=call.codes_tried + 1))
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

        # There is an open case: is this about it? Silence counts as yes, so that nobody waits twice.
        case Step.SAME_CASE, SameProblem():
            return join(call, heard)
        case Step.SAME_CASE, UrgencyChosen():
            return accept(call, heard)
        case Step.SAME_CASE, _:
            return ask_same_case_again(miss(call))

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
        case Step.ACCEPTED, WhileRinging():
            return ring_next(call, heard)
        case Step.RINGING, AttemptEnded(result="connected"):
            return talk_over(replace(call, outcome=Outcome.CONNECTED), heard)
        case Step.RINGING, AttemptEnded(elsewhere=True):
            return talk_over(call, heard)
        case Step.RINGING, AttemptEnded(result="declined"):
            return ring_next(passed_over(call), heard, line("ringing-next"))
        case Step.RINGING, AttemptEnded(result="accepted") | AttemptEnded(hung_up=True):
            return ring_next(call, heard, line("ringing-next"))
        case Step.RINGING, AttemptEnded() if unverified(call):
            return ring_next(call, heard, line("ringing-next"))
        case Step.RINGING, AttemptEnded():
            return tell_of_miss(call, heard)
        case Step.BETWEEN_RINGS, WantsCallBack(number=None):
            return ask_number(replace(call, missed=0))
        case Step.BETWEEN_RINGS, WantsCallBack(number=str(number)):
            return promise_call_back(call, number)
        case Step.BETWEEN_RINGS, WhileRinging():
            return ring_next(call, heard)
        case Step.CALL_BACK_NUMBER, NumberGiven(number=str(number)):
            return promise_call_back(call, number)
        case Step.CALL_BACK_NUMBER, WhileRinging() if call.missed + 1 < NUMBER_PROMPTS:
            return ask_number(miss(call), line("number-wrong"))
        case Step.CALL_BACK_NUMBER, WhileRinging():
            return ring_next(call, heard)
        case Step.TALK_WAS_SHORT, WantsReconnect():
            return reconnect(call, heard)

        case Step.MESSAGE, MessageLeft(seconds=seconds) if seconds > 0:
            return message_left(call)
        case _:
            return goodbye(call)


# -- strangers, while they flood us ----------------------------------------------------------------


def challenge(call: Call) -> Turn:
    """Two digits, spoken in every language: a machine that dials does not key them, anybody else may."""
    assert call.challenge is not None
    spoken = Digits(call.challenge)
    asked = [replace(line("challenge", digits=spoken), language=each) for each in _languages(call)]
    return Turn(replace(call, step=Step.CHALLENGE), (), AskDigits(tuple(asked), most=len(call.challenge)))


def challenge_failed(call: Call, heard: Heard) -> Turn:
    """He is told what to do in an emergency, and whom to call with anything else; a phone rings nowhere."""
    told = [replace(line("challenge-failed"), language=each) for each in _languages(call)]
    reopens = (line("reopens", at=Clock(heard.reopens)),) if heard.reopens else ()
    return goodbye(replace(call, outcome=Outcome.NO_DIGITS), *told, *reopens)


def _languages(call: Call) -> tuple[str, ...]:
    return call.languages or (call.language,)


# -- by day --------------------------------------------------------------------------------------


def ring_office(call: Call, *says: Line) -> Turn:
    """Ring the next of the office's phones; when all were rung, offer the PIN path or a message."""
    if call.office:
        group, *rest = call.office
        return Turn(replace(call, step=Step.OFFICE, office=tuple(rest)), says, RingOffice(group))
    call = replace(call, step=Step.OFFICE_MISSED, outcome=Outcome.OFFICE_MISSED)
    if not call.pin_offered:
        return take_message(call, *says, line("office-missed-no-pin"), line("message-office"))
    return Turn(call, says, AskKey((line("office-missed"),), timeout=5))


# -- the PIN -------------------------------------------------------------------------------------


def begin_pin(call: Call, heard: Heard) -> Call:
    return replace(call, step=Step.PIN, pin_phase_ends=heard.at + PIN_PHASE)


def welcome(call: Call) -> Turn:
    """Company, what this is, that a PIN is needed, a line on privacy; then the offer of a language."""
    told = line("blocked") if call.blocked else line("welcome-night")
    offer = (replace(line("language-offer"), language=next_language(call).language),)
    return ask_pin(call, told, *(offer if len(call.languages) > 1 else ()))


def late(call: Call, heard: Heard) -> bool:
    """Whether the PIN phase is over by the clock."""
    return call.pin_phase_ends is not None and heard.at >= call.pin_phase_ends


def next_language(call: Call) -> Call:
    if call.language not in call.languages:
        return call
    place = call.languages.index(call.language) + 1
    return replace(call, language=call.languages[place % len(call.languages)])


def give_time(call: Call) -> Turn:
    """He needs more time: a minute of patience, and the phase is longer by as much."""
    ends = call.pin_phase_ends and call.pin_phase_ends + MORE_TIME
    call = replace(call, more_time_given=True, pin_phase_ends=ends)
    return Turn(call, (), AskPin((line("pin-more-time"),), timeout=int(MORE_TIME.total_seconds())))


def ask_pin(call: Call, *lines: Line) -> Turn:
    return Turn(call, (), AskPin(lines))


def pin_wrong(call: Call, heard: PinWrong) -> Turn:
    call = replace(
        call,
        wrong_pins=call.wrong_pins + 1,
        hash_may_follow=heard.full_length,
        screen=call.screen or heard.may_be_right,
    )
    turn = pin_missed(call, heard, "pin-wrong")
    return replace(turn, effects=(PinMissed(), *turn.effects))


def pin_missed(call: Call, heard: Heard, why: str) -> Turn:
    """Ask again, unless the tries or the time are used up. Why a PIN was wrong is never told."""
    prompts = BLOCKED_PROMPTS if call.blocked else MISSED_PROMPTS
    if call.wrong_pins >= WRONG_PINS or call.missed >= prompts or late(call, heard):
        return without_pin(call, heard)
    time = () if call.more_time_given or why == "pin-wrong" else (line("pin-time-offer"),)
    return ask_pin(call, line(why), line("pin-again"), *time)


def without_pin(call: Call, heard: Heard) -> Turn:
    """Whoever has no PIN is told whom to call and when, and may leave a message. Nobody is rung.

    Unless he may hold a right one all the same: then a person decides.
    """
    if call.blocked:
        return blocked(call)
    if call.screen:
        return ask_name(call)
    return refuse(replace(call, outcome=Outcome.NO_PIN), heard, "no-pin")


def cannot_verify(call: Call) -> Turn:
    """No PIN can be checked, so a person decides about everybody but those whose number is blocked."""
    return blocked(call) if call.blocked else ask_name(call, line("pins-unavailable"))


def blocked(call: Call) -> Turn:
    """Without a right PIN a blocked caller reaches nobody: no technician is woken, nothing is recorded.

    Unless he may hold a right one all the same: he leaves a message, and the one on duty is told of it.
    """
    call = replace(call, outcome=Outcome.BLOCKED)
    if call.screen:
        return screened_in_vain(call, line("screening-full"))
    return goodbye(call, line("blocked-end"))


def greet(call: Call, heard: PinAccepted) -> Turn:
    """The PIN is right: on to the urgency, unless the contract has ended."""
    call = replace(
        call,
        customer=heard.customer,
        language=heard.customer.language or call.language,
        billable=not heard.covered,
        hash_may_follow=heard.full_length,
        missed=0,
        pin_last_day=heard.last_day,
    )
    if heard.covered or heard.connect_without_contract:
        turn = ask_urgency(call, *greeting(call))
    else:
        call = replace(call, outcome=Outcome.NO_CONTRACT)
        turn = refuse(call, heard, "no-contract", *greeting(call))
    return replace(turn, effects=(PinUsed(),))


def greeting(call: Call) -> tuple[Line, ...]:
    """Name the customer, so that a mistyped PIN that is somebody else's is noticed."""
    if call.customer is None:
        return ()
    said = [line("greeting", customer=call.customer.spoken_name)]
    if call.pin_last_day is not None:
        said.append(line("pin-ends", until=Day(call.pin_last_day)))
    if call.billable and call.outcome is not Outcome.NO_CONTRACT:
        said.append(line("subject-to-billing"))
    return tuple(said)


# -- screening by a person -------------------------------------------------------------------------


def ask_name(call: Call, *before: Line) -> Turn:
    call = replace(call, step=Step.SCREENING_NAME, outcome=Outcome.NO_PIN)
    return Turn(call, (*before, line("screening-name")), TakeName())


def await_name(call: Call) -> Turn:
    """What he said takes a moment to reach us; the sentence, then short waits, keep him company."""
    call = replace(call, step=Step.SCREENING_WAIT)
    return Turn(call, (), AskKey((line("screening-wait"),), timeout=1))


def keep_waiting(call: Call) -> Turn:
    return Turn(replace(call, step=Step.SCREENING_WAIT), (), AskKey((), timeout=1))


def screen(call: Call, heard: ReadyToScreen) -> Turn:
    """Ring the technician on duty, who hears that the caller is not verified, and decides."""
    ringing = begin_ringing(replace(call, case=heard.case), heard.at, heard.ladder)
    ringing, found = next_attempt(replace(ringing, outcome=Outcome.SCREENED), heard)
    if found is None:  # nobody on duty can be rung, so no case remembers whom we rang
        return screened_in_vain(call, line("screening-nobody"))
    turn = ring(ringing, found, line("ringing-first"))
    return replace(turn, effects=(WakeUp(), *turn.effects))


def unverified(call: Call) -> bool:
    """Whether technicians are rung for a caller without a verified PIN: nothing was promised to him."""
    return call.case is not None and call.customer is None


def screened_in_vain(call: Call, why: Line) -> Turn:
    """No technician will hear him now: a message, and the one on duty is told of it."""
    turn = take_message(call, why, line("message-technician"))
    return replace(turn, effects=(HandOn(SCREENED_IN_VAIN),))


# -- the urgency ---------------------------------------------------------------------------------


def ask_urgency(call: Call, *before: Line) -> Turn:
    menu = line("urgency-menu", levels=UrgencyMenu())
    return Turn(replace(call, step=Step.URGENCY), (), AskKey((*before, menu)))


def define(call: Call) -> Turn:
    """Read what the levels mean; keys are live, so whoever has heard enough may choose."""
    call = replace(call, definitions_heard=call.definitions_heard + 1)
    return ask_urgency(call, line("definitions", levels=Definitions()), line("verify-offer"))


def ask_code(call: Call) -> Turn:
    call = replace(call, step=Step.VERIFYING)
    # Five, so that the `#` after the four is taken here and does not cut the answer short.
    return Turn(call, (), AskDigits((line("code-ask"),), most=5, timeout=5))


def tell_of_code(call: Call, heard: CodeChecked) -> Turn:
    """Whether a caller who says he is a technician of ours is one: only the customer's own cases count."""
    call = replace(call, codes_tried=call.codes_tried + 1)
    match heard.known:
        case None:
            told = line("code-unknown")
        case KnownCase(technician_name=None) as known:
            told = line("code-known", since=Clock(known.opened_at))
        case KnownCase(technician_name=str(name)) as known:
            told = line("code-known-taken", since=Clock(known.opened_at), technician=name)
    return ask_urgency(call, told)


def ask_same_case(call: Call, heard: UrgencyAgain) -> Turn:
    return ask_same_case_again(replace(call, urgency=heard.code, known_case=heard.known, missed=0))


def ask_same_case_again(call: Call) -> Turn:
    assert call.known_case is not None
    known = call.known_case
    since = Clock(known.opened_at)
    if known.technician_name is None:
        asked = line("same-case", since=since)
    else:
        asked = line("same-case-taken", since=since, technician=known.technician_name)
    return Turn(replace(call, step=Step.SAME_CASE), (), AskKey((asked,)))


def join(call: Call, heard: SameProblem) -> Turn:
    """The call joins the open case: no second one opens, and technicians are rung now."""
    assert call.known_case is not None
    known = call.known_case
    case = NewCase(known.number, known.code, heard.due_at)
    call = begin_ringing(replace(call, case=case, case_id=known.id), heard.at, heard.ladder)
    if known.technician_name is None:
        told = line("joined", code=Digits(case.code), due=Clock(heard.due_at))
    else:
        told = line("joined-taken", code=Digits(case.code), technician=known.technician_name)
    turn = tell_of_case(call, told)
    return replace(turn, effects=(JoinCase(), *turn.effects))


def without_urgency(call: Call) -> Turn:
    """Nothing is assumed: only a stated urgency wakes anybody. The technician on duty is told."""
    call = replace(call, outcome=Outcome.NO_URGENCY)
    turn = take_message(call, line("no-urgency"), line("message-office"))
    return replace(turn, effects=(HandOn("notice.no-urgency"),))


def accept(call: Call, heard: UrgencyChosen) -> Turn:
    """Open the case and tell its code and deadline; whoever knows keys over it, and the first phone rings."""
    call = replace(call, urgency=heard.code, case=heard.case, known_case=None)
    call = begin_ringing(call, heard.at, heard.ladder)
    assert heard.case.due_at is not None
    told = line("accepted", code=Digits(heard.case.code), due=Clock(heard.case.due_at))
    turn = tell_of_case(call, told)
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
    """Whose turn it is in this pass: the first phone not yet tried; people already on a call come last.

    Whoever calls from a phone of the ladder is not rung: he is engaged with this very call.
    """
    own = {p.technician for p in call.ladder if p.phone == call.caller}
    busy = {p.technician for p in call.ladder if p.phone in engaged}
    left = [p for p in call.ladder if p.phone not in call.tried and p.technician not in own]
    return next((p for p in left if p.technician not in busy), left[0] if left else None)


def passed_over(call: Call) -> Call:
    """The technician just rung has said no: none of his other phones is rung in this pass."""
    who = {p.technician for p in call.ladder if p.phone == call.tried[-1]}
    others = (p.phone for p in call.ladder if p.technician in who and p.phone not in call.tried)
    return replace(call, tried=(*call.tried, *others))


def begin_ringing(call: Call, at: datetime, ladder: tuple[LadderPlace, ...]) -> Call:
    return replace(
        call,
        ladder=ladder,
        ringing_since=at,
        ringing_pass=1,
        tried=(),
        outcome=Outcome.ACCEPTED,
    )


def tell_of_case(call: Call, told: Line) -> Turn:
    """The case stands, whatever happens from here on."""
    if next_to_ring(call, frozenset()) is None:
        return nobody(call, told)
    return Turn(replace(call, step=Step.ACCEPTED), (), AskKey((told, line("ringing-first")), timeout=1))


def ring(call: Call, place: LadderPlace, *says: Line) -> Turn:
    call = replace(call, step=Step.RINGING, tried=(*call.tried, place.phone))
    return Turn(call, says, RingTechnician(place))


def next_attempt(call: Call, heard: WhileRinging) -> tuple[Call, LadderPlace | None]:
    """Who is rung next, in a new pass if need be; nobody once passes or time are used up."""
    assert call.ringing_since is not None
    begun = bool(call.tried) or call.ringing_pass > 1
    # The first phone is rung whatever the clock says: another machine's may have begun this.
    if begun and heard.at - call.ringing_since >= timedelta(seconds=heard.no_new_attempt_after):
        return call, None
    found = next_to_ring(call, heard.engaged)
    if found is None and call.ringing_pass < heard.passes:
        call = replace(call, ringing_pass=call.ringing_pass + 1, tried=())
        found = next_to_ring(call, heard.engaged)
    return call, found


def ring_next(call: Call, heard: WhileRinging, *says: Line) -> Turn:
    call, found = next_attempt(call, heard)
    return ring(call, found, *says) if found else nobody(call)


def tell_of_miss(call: Call, heard: AttemptEnded) -> Turn:
    """The truth, and a moment in which he may ask to be called back: no key is read while a phone rings.

    After a decline, or when he hung up, there is no such moment: the next phone then rings at once.
    """
    if next_attempt(call, heard)[1] is None:
        return nobody(call)
    return Turn(replace(call, step=Step.BETWEEN_RINGS), (), AskKey((line("ringing-missed"),), timeout=2))


def ask_number(call: Call, *before: Line) -> Turn:
    call = replace(call, step=Step.CALL_BACK_NUMBER)
    return Turn(call, (), AskDigits((*before, line("number-ask")), most=15, timeout=10))


def promise_call_back(call: Call, number: str) -> Turn:
    """He need not wait on the line: the pursuit of his case begins now."""
    told = line("call-back-promised", number=Digits(number[-3:]))
    turn = goodbye(replace(call, outcome=Outcome.CALL_BACK), told)
    return replace(turn, effects=(PursueNow(call_back=number),))


def talk_over(call: Call, heard: AttemptEnded) -> Turn:
    """After the talk; one that was very short may have been cut, so he is offered the same again."""
    if heard.talked >= SHORT_TALK or call.reconnects >= RECONNECTS:
        return goodbye(call)
    return Turn(replace(call, step=Step.TALK_WAS_SHORT), (), AskKey((line("talk-was-short"),), timeout=6))


def reconnect(call: Call, heard: WantsReconnect) -> Turn:
    """The technician he was talking to first, then the others.

    For a caller without a verified PIN nobody else: that one is awake, and who else is woken is counted.
    """
    last = call.tried[-1]
    ladder = tuple(sorted(call.ladder, key=lambda place: place.phone != last))
    if unverified(call):
        ladder = ladder[:1]
    call = replace(begin_ringing(call, heard.at, ladder), reconnects=call.reconnects + 1)
    turn = ring_next(replace(call, outcome=Outcome.CONNECTED), heard, line("ringing-again"))
    effects = turn.effects if unverified(call) else (PursueAgain(), *turn.effects)
    return replace(turn, effects=effects)


def nobody(call: Call, *says: Line) -> Turn:
    """The truth, the deadline, and a message. The case stays open and is pursued from now on."""
    assert call.case is not None
    if call.case.due_at is None:
        return screened_in_vain(replace(call, outcome=Outcome.NOBODY_ANSWERED), line("screening-nobody"))
    truth = line("nobody-answered", due=Clock(call.case.due_at))
    call = replace(call, outcome=Outcome.NOBODY_ANSWERED)
    turn = take_message(call, *says, truth, line("message-technician"))
    return replace(turn, effects=(PursueNow(), HandOn("notice.nobody-answered")))


# -- the end -------------------------------------------------------------------------------------


def take_message(call: Call, *says: Line) -> Turn:
    return Turn(replace(call, step=Step.MESSAGE), says, TakeMessage())


def message_left(call: Call) -> Turn:
    """An accepted emergency stays what it was; a message is then one thing more."""
    outcome = call.outcome if call.case and not unverified(call) else Outcome.MESSAGE
    turn = goodbye(replace(call, outcome=outcome), line("message-taken"))
    return replace(turn, effects=(HandOn("message.deliver"),))


def goodbye(call: Call, *says: Line) -> Turn:
    return Turn(replace(call, step=Step.ENDED), (*says, line("goodbye")), HangUp())


def caller_left(call: Call, heard: Heard) -> Turn:
    """He has hung up: nothing can be said, but what happened still counts, and his case is pursued."""
    effects: tuple[Effect, ...] = ()
    outcome = call.outcome
    match call.step, heard:
        case Step.RINGING, AttemptEnded(result="connected"):
            outcome = Outcome.CONNECTED
        case Step.SCREENING_WAIT, _:
            effects = (HandOn(SCREENED_IN_VAIN),)
        case Step.RINGING, _ if unverified(call):
            effects = (HandOn(SCREENED_IN_VAIN),)
        case Step.ACCEPTED | Step.RINGING | Step.BETWEEN_RINGS | Step.CALL_BACK_NUMBER, _:
            effects = (PursueNow(),)
        case Step.OFFICE, OfficeAnswered():
            outcome = Outcome.OFFICE
        case Step.MESSAGE | Step.SCREENING_NAME, MessageLeft(seconds=seconds) if seconds > 0:
            outcome = call.outcome if call.case and not unverified(call) else Outcome.MESSAGE
            effects = (HandOn("message.deliver"),)
        case _:
            outcome = outcome or Outcome.HUNG_UP
    return Turn(replace(call, step=Step.ENDED, outcome=outcome), (), HangUp(), effects)


def miss(call: Call) -> Call:
    return replace(call, missed=call.missed + 1)


def unstray(call: Call) -> Call:
    return replace(call, hash_may_follow=False)

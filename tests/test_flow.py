"""The conversation, step by step: what is said and done after each thing that can be heard."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from making import NIGHT, SID

from ivr import technician_flow
from ivr.flow import MENU_PROMPTS, MISSED_PROMPTS, PIN_PHASE, WRONG_PINS, take_turn
from ivr.technician_flow import FIRST_WAIT, REPEATS, SECOND_WAIT, Bridge, Leg
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
    WrongKey,
)

OPENS = NIGHT + timedelta(hours=10)
ACME = CustomerFacts(1, "ACME", "Acme", None)
CASE = NewCase("2026-00001", "4712", NIGHT + timedelta(hours=1))
ANNA = LadderPlace(1, "anna", "Anna Rossi", "Anna Rossi", "+393331234501", 25)
DARIO = LadderPlace(2, "dario", "Dario Neri", "Dario Neri", "+393331234504", 25)

# -- the realistic states of a call, by the step it stands at ------------------------------------------

NEW = Call(SID, "+393471112201", "+390461825060", "it")
OFFICE = replace(NEW, step=Step.OFFICE, office=(("+390461000002",),))
LAST_OFFICE = replace(OFFICE, office=())
MISSED = replace(NEW, step=Step.OFFICE_MISSED)
PIN = replace(NEW, step=Step.PIN, pin_phase_ends=NIGHT + PIN_PHASE)
KNOWN = replace(PIN, step=Step.URGENCY, customer=ACME)
REFUSED = replace(KNOWN, step=Step.REFUSED, outcome=Outcome.NOT_COVERED, refused="not-covered")
RINGING = replace(
    KNOWN,
    step=Step.RINGING,
    urgency="P1+",
    case=CASE,
    ladder=(ANNA, DARIO),
    ringing_since=NIGHT,
    tried=(ANNA.phone,),
    outcome=Outcome.ACCEPTED,
    case_id=1,
    attempt_id=1,
)
MESSAGE = replace(PIN, step=Step.MESSAGE, outcome=Outcome.NO_PIN)
MESSAGE_OF_A_CASE = replace(RINGING, step=Step.MESSAGE, outcome=Outcome.NOBODY_ANSWERED)
ENDED = replace(PIN, step=Step.ENDED)
STATES = {
    "new": NEW,
    "office": OFFICE,
    "last office": LAST_OFFICE,
    "office missed": MISSED,
    "pin": PIN,
    "pin, last try": replace(PIN, wrong_pins=WRONG_PINS - 1),
    "pin, hash may follow": replace(PIN, hash_may_follow=True),
    "known": KNOWN,
    "known, last prompt": replace(KNOWN, missed=MENU_PROMPTS - 1),
    "refused": REFUSED,
    "refused without a customer": replace(REFUSED, customer=None, refused="no-pin", outcome=Outcome.NO_PIN),
    "ringing": RINGING,
    "ringing, all tried": replace(RINGING, tried=(ANNA.phone, DARIO.phone)),
    "ringing, second pass": replace(RINGING, ringing_pass=2, tried=(ANNA.phone, DARIO.phone)),
    "message": MESSAGE,
    "message of a case": MESSAGE_OF_A_CASE,
    "ended": ENDED,
}


# -- what can be heard -------------------------------------------------------------------------------


def heard(kind: type[Heard], **more: Any) -> Heard:
    """One of its kind, with typical facts where none are given."""
    facts: dict[type[Heard], dict[str, Any]] = {
        ArrivedByDay: {"office": (("+390461000001",),)},
        PinWrong: {"why": "unknown", "full_length": False},
        PinAccepted: {"customer": ACME, "pin_id": 1, "covered": True, "full_length": False},
        UrgencyChosen: {"code": "P1+", "case": CASE, "ladder": (ANNA, DARIO)},
        AttemptEnded: {"result": "no-answer", "passes": 2, "no_new_attempt_after": 240},
        MessageLeft: {"seconds": 12},
    }
    return kind(**{"at": NIGHT, "reopens": OPENS, **facts.get(kind, {}), **more})


def kinds(base: type[Heard] = Heard) -> list[type[Heard]]:
    return [each for kind in base.__subclasses__() for each in (kind, *kinds(kind))]


def told(turn: Turn) -> tuple[str, ...]:
    """The names of everything that is said, in order, the prompts of a question included."""
    asked = turn.then.lines if isinstance(turn.then, AskPin | AskKey) else ()
    return tuple(line.name for line in (*turn.says, *asked))


# -- the table ---------------------------------------------------------------------------------------

MENU = ("greeting", "urgency-menu")
HELP = ("reopens", "message-offer")
TABLE: list[tuple[str, Call, Heard, Step, type, tuple[str, ...]]] = [
    # By day.
    ("a call by day", NEW, heard(ArrivedByDay), Step.OFFICE, RingOffice, ("welcome-day",)),
    (
        "a call by day, no office",
        NEW,
        heard(ArrivedByDay, office=()),
        Step.OFFICE_MISSED,
        AskKey,
        ("welcome-day", "office-missed"),
    ),
    (
        "a call by day, no office and no PIN",
        NEW,
        heard(ArrivedByDay, office=(), pin_offered=False),
        Step.MESSAGE,
        TakeMessage,
        ("welcome-day", "office-missed-no-pin", "message-office"),
    ),
    ("office answered", OFFICE, heard(OfficeAnswered), Step.ENDED, HangUp, ("goodbye",)),
    ("office missed, another phone", OFFICE, heard(OfficeMissed), Step.OFFICE, RingOffice, ()),
    ("office missed", LAST_OFFICE, heard(OfficeMissed), Step.OFFICE_MISSED, AskKey, ("office-missed",)),
    (
        "office missed, no PIN offered",
        replace(LAST_OFFICE, pin_offered=False),
        heard(OfficeMissed),
        Step.MESSAGE,
        TakeMessage,
        ("office-missed-no-pin", "message-office"),
    ),
    ("has an emergency", MISSED, heard(WantsPin), Step.PIN, AskPin, ("pin-ask",)),
    ("stays on the line", MISSED, heard(Silence), Step.MESSAGE, TakeMessage, ("message-office",)),
    ("another key", MISSED, heard(WrongKey), Step.MESSAGE, TakeMessage, ("message-office",)),
    # The PIN.
    ("a call by night", NEW, heard(ArrivedByNight), Step.PIN, AskPin, ("welcome-night",)),
    ("right", PIN, heard(PinAccepted), Step.URGENCY, AskKey, MENU),
    ("wrong", PIN, heard(PinWrong), Step.PIN, AskPin, ("pin-wrong", "pin-again")),
    ("revoked", PIN, heard(PinWrong, why="revoked"), Step.PIN, AskPin, ("pin-wrong", "pin-again")),
    ("expired", PIN, heard(PinWrong, why="expired"), Step.PIN, AskPin, ("pin-wrong", "pin-again")),
    (
        "wrong for the last time",
        replace(PIN, wrong_pins=2),
        heard(PinWrong),
        Step.REFUSED,
        AskKey,
        ("no-pin", *HELP),
    ),
    (
        "wrong when the time is up",
        PIN,
        heard(PinWrong, at=NIGHT + PIN_PHASE),
        Step.REFUSED,
        AskKey,
        ("no-pin", *HELP),
    ),
    (
        "a late #",
        replace(PIN, hash_may_follow=True),
        heard(StrayHash),
        Step.PIN,
        AskPin,
        ("pin-wrong", "pin-again"),
    ),
    ("has none", PIN, heard(NoPin), Step.REFUSED, AskKey, ("no-pin", *HELP)),
    (
        "has none, no opening in sight",
        PIN,
        heard(NoPin, reopens=None),
        Step.REFUSED,
        AskKey,
        ("no-pin", "message-offer"),
    ),
    ("malformed", PIN, heard(PinMalformed), Step.PIN, AskPin, ("pin-malformed", "pin-again")),
    (
        "malformed for the last time",
        replace(PIN, missed=MISSED_PROMPTS - 1),
        heard(PinMalformed),
        Step.REFUSED,
        AskKey,
        ("no-pin", *HELP),
    ),
    ("silent", PIN, heard(Silence), Step.PIN, AskPin, ("pin-silence", "pin-again")),
    (
        "silent for the last time",
        replace(PIN, missed=MISSED_PROMPTS - 1),
        heard(Silence),
        Step.REFUSED,
        AskKey,
        ("no-pin", *HELP),
    ),
    # The contract.
    (
        "contract ended",
        PIN,
        heard(PinAccepted, covered=False),
        Step.REFUSED,
        AskKey,
        ("greeting", "no-contract", *HELP),
    ),
    (
        "contract ended, connected all the same",
        PIN,
        heard(PinAccepted, covered=False, connect_without_contract=True),
        Step.URGENCY,
        AskKey,
        ("greeting", "subject-to-billing", "urgency-menu"),
    ),
    # The urgency.
    (
        "urgent",
        KNOWN,
        heard(UrgencyChosen),
        Step.RINGING,
        RingTechnician,
        ("accepted", "ringing-first"),
    ),
    (
        "urgent, nobody on duty",
        KNOWN,
        heard(UrgencyChosen, ladder=()),
        Step.MESSAGE,
        TakeMessage,
        ("accepted", "nobody-answered", "message-technician"),
    ),
    ("not urgent", KNOWN, heard(NotUrgent), Step.REFUSED, AskKey, ("not-covered", *HELP)),
    (
        "a late # after the PIN",
        replace(KNOWN, hash_may_follow=True),
        heard(StrayHash),
        Step.URGENCY,
        AskKey,
        MENU,
    ),
    ("no choice", KNOWN, heard(Silence), Step.URGENCY, AskKey, ("key-silence", "urgency-menu")),
    ("another choice", KNOWN, heard(WrongKey), Step.URGENCY, AskKey, ("key-wrong", "urgency-menu")),
    (
        "no choice for the last time",
        replace(KNOWN, missed=MENU_PROMPTS - 1),
        heard(Silence),
        Step.MESSAGE,
        TakeMessage,
        ("no-urgency", "message-office"),
    ),
    (
        "another choice for the last time",
        replace(KNOWN, missed=MENU_PROMPTS - 1),
        heard(WrongKey),
        Step.MESSAGE,
        TakeMessage,
        ("no-urgency", "message-office"),
    ),
    # Refused.
    (
        "wants to leave a message",
        REFUSED,
        heard(WantsMessage),
        Step.MESSAGE,
        TakeMessage,
        ("message-office",),
    ),
    (
        "a late # after a refusal",
        replace(REFUSED, hash_may_follow=True),
        heard(StrayHash),
        Step.REFUSED,
        AskKey,
        ("greeting", "not-covered", *HELP),
    ),
    (
        "another key after a refusal",
        REFUSED,
        heard(WrongKey),
        Step.REFUSED,
        AskKey,
        ("key-wrong", "message-offer"),
    ),
    (
        "another key for the last time",
        replace(REFUSED, missed=MENU_PROMPTS - 1),
        heard(WrongKey),
        Step.ENDED,
        HangUp,
        ("goodbye",),
    ),
    ("says nothing more", REFUSED, heard(Silence), Step.ENDED, HangUp, ("goodbye",)),
    # Ringing.
    ("connected", RINGING, heard(AttemptEnded, result="connected"), Step.ENDED, HangUp, ("goodbye",)),
    *(
        (result, RINGING, heard(AttemptEnded, result=result), Step.RINGING, RingTechnician, ("ringing-next",))
        for result in ("no-answer", "busy", "failed", "declined", "unconfirmed", "accepted")
    ),
    (
        "the second pass",
        replace(RINGING, tried=(ANNA.phone, DARIO.phone)),
        heard(AttemptEnded),
        Step.RINGING,
        RingTechnician,
        ("ringing-next",),
    ),
    (
        "nobody in two passes",
        replace(RINGING, tried=(ANNA.phone, DARIO.phone), ringing_pass=2),
        heard(AttemptEnded),
        Step.MESSAGE,
        TakeMessage,
        ("nobody-answered", "message-technician"),
    ),
    (
        "no new attempt after the limit",
        RINGING,
        heard(AttemptEnded, at=NIGHT + timedelta(seconds=240)),
        Step.MESSAGE,
        TakeMessage,
        ("nobody-answered", "message-technician"),
    ),
    # Messages and the end.
    ("a message", MESSAGE, heard(MessageLeft), Step.ENDED, HangUp, ("message-taken", "goodbye")),
    ("an empty message", MESSAGE, heard(MessageLeft, seconds=0), Step.ENDED, HangUp, ("goodbye",)),
    ("no message", MESSAGE, heard(Silence), Step.ENDED, HangUp, ("goodbye",)),
    ("after the end", ENDED, heard(Silence), Step.ENDED, HangUp, ("goodbye",)),
    # The caller hangs up.
    *(
        (f"hung up at {name}", call, heard(Left, gone=True), Step.ENDED, HangUp, ())
        for name, call in STATES.items()
    ),
    ("hung up while ringing", RINGING, heard(AttemptEnded, gone=True), Step.ENDED, HangUp, ()),
    ("hung up after a message", MESSAGE, heard(MessageLeft, gone=True), Step.ENDED, HangUp, ()),
]


@pytest.mark.parametrize(
    ("call", "what", "step", "then", "says"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_one_turn(call: Call, what: Heard, step: Step, then: type, says: tuple[str, ...]) -> None:
    turn = take_turn(call, what)
    assert (turn.call.step, type(turn.then), told(turn)) == (step, then, says)


@pytest.mark.parametrize(
    ("call", "kind", "gone"),
    [(call, kind, gone) for call, kind, gone in product(STATES.values(), kinds(), (False, True))],
    ids=[f"{name}, {kind.__name__}, {gone}" for name, kind, gone in product(STATES, kinds(), ("", "gone"))],
)
def test_every_combination_has_an_answer(call: Call, kind: type[Heard], gone: bool) -> None:
    turn = take_turn(call, heard(kind, gone=gone))
    # Never silence: it ends, or the network is asked to do something that comes back to us.
    assert isinstance(turn.then, AskPin | AskKey | RingOffice | RingTechnician | TakeMessage | HangUp)
    if gone:
        assert turn.call.step is Step.ENDED
    elif not isinstance(turn.then, RingOffice | RingTechnician):
        assert told(turn)
    if isinstance(turn.then, HangUp):
        assert turn.call.step is Step.ENDED


def test_nobody_but_an_accepted_caller_reaches_a_technician() -> None:
    for call, kind in product(STATES.values(), kinds()):
        turn = take_turn(call, heard(kind))
        if isinstance(turn.then, RingTechnician):
            assert turn.call.case is not None
            assert call.step is Step.RINGING or (call.step, kind) == (Step.URGENCY, UrgencyChosen)


# -- what a turn remembers and causes -----------------------------------------------------------------


def test_an_accepted_urgency_opens_a_case_in_the_turn_that_rings() -> None:
    turn = take_turn(KNOWN, heard(UrgencyChosen))
    assert turn.effects == (OpenCase(),)
    assert turn.then == RingTechnician(ANNA)
    assert (turn.call.urgency, turn.call.case, turn.call.ladder) == ("P1+", CASE, (ANNA, DARIO))
    assert (turn.call.outcome, turn.call.ringing_since, turn.call.tried) == (
        Outcome.ACCEPTED,
        NIGHT,
        (ANNA.phone,),
    )


def test_with_nobody_on_duty_a_case_is_opened_all_the_same() -> None:
    turn = take_turn(KNOWN, heard(UrgencyChosen, ladder=()))
    assert turn.effects == (OpenCase(), HandOn("notice.nobody-answered"))
    assert turn.call.outcome is Outcome.NOBODY_ANSWERED


@pytest.mark.parametrize(
    ("call", "what", "effects", "outcome"),
    [
        (PIN, heard(PinAccepted), (PinUsed(),), None),
        (PIN, heard(PinAccepted, covered=False), (PinUsed(),), Outcome.NO_CONTRACT),
        (PIN, heard(NoPin), (), Outcome.NO_PIN),
        (KNOWN, heard(NotUrgent), (), Outcome.NOT_COVERED),
        (
            replace(KNOWN, missed=2),
            heard(Silence),
            (HandOn("notice.no-urgency"),),
            Outcome.NO_URGENCY,
        ),
        (RINGING, heard(AttemptEnded, result="connected"), (), Outcome.CONNECTED),
        (RINGING, heard(AttemptEnded), (), Outcome.ACCEPTED),
        (
            replace(RINGING, tried=(ANNA.phone, DARIO.phone), ringing_pass=2),
            heard(AttemptEnded),
            (HandOn("notice.nobody-answered"),),
            Outcome.NOBODY_ANSWERED,
        ),
        (OFFICE, heard(OfficeAnswered), (), Outcome.OFFICE),
        (MESSAGE, heard(MessageLeft), (HandOn("message.deliver"),), Outcome.MESSAGE),
        (MESSAGE, heard(MessageLeft, seconds=0), (), Outcome.NO_PIN),
        # A message is one thing more; an accepted emergency stays what it was.
        (MESSAGE_OF_A_CASE, heard(MessageLeft), (HandOn("message.deliver"),), Outcome.NOBODY_ANSWERED),
        # He has hung up: what happened still counts.
        (RINGING, heard(AttemptEnded, result="connected", gone=True), (), Outcome.CONNECTED),
        (RINGING, heard(AttemptEnded, result="accepted", gone=True), (), Outcome.ACCEPTED),
        (OFFICE, heard(OfficeAnswered, gone=True), (), Outcome.OFFICE),
        (OFFICE, heard(OfficeMissed, gone=True), (), Outcome.HUNG_UP),
        (MESSAGE, heard(MessageLeft, gone=True), (HandOn("message.deliver"),), Outcome.MESSAGE),
        (MESSAGE, heard(MessageLeft, gone=True, seconds=0), (), Outcome.NO_PIN),
        (
            MESSAGE_OF_A_CASE,
            heard(MessageLeft, gone=True),
            (HandOn("message.deliver"),),
            Outcome.NOBODY_ANSWERED,
        ),
        (PIN, heard(Left, gone=True), (), Outcome.HUNG_UP),
        (REFUSED, heard(Left, gone=True), (), Outcome.NOT_COVERED),
    ],
)
def test_what_a_turn_causes(
    call: Call, what: Heard, effects: tuple[object, ...], outcome: Outcome | None
) -> None:
    turn = take_turn(call, what)
    assert turn.effects == effects
    assert turn.call.outcome is outcome


def test_the_pin_phase_is_counted_from_its_first_question() -> None:
    turn = take_turn(NEW, heard(ArrivedByNight))
    assert turn.call.pin_phase_ends == NIGHT + timedelta(seconds=180)
    again = take_turn(turn.call, heard(PinWrong, at=NIGHT + timedelta(seconds=100)))
    assert again.call.pin_phase_ends == NIGHT + timedelta(seconds=180)
    assert again.call.wrong_pins == 1


def test_three_wrong_pins_or_four_missed_prompts_and_never_fewer() -> None:
    for kind, tries in ((PinWrong, 3), (Silence, 4), (PinMalformed, 4)):
        call, turns = PIN, 0
        while call.step is Step.PIN:
            call, turns = take_turn(call, heard(kind)).call, turns + 1
            assert turns < 20
        assert (turns, call.step) == (tries, Step.REFUSED)


def test_silence_is_no_guess() -> None:
    assert take_turn(PIN, heard(Silence)).call.wrong_pins == 0
    assert take_turn(PIN, heard(PinMalformed)).call.wrong_pins == 0
    assert take_turn(PIN, heard(PinWrong)).call.missed == 0


def test_a_late_hash_is_expected_only_after_a_full_length_pin() -> None:
    for kind in (PinWrong, PinAccepted):
        assert take_turn(PIN, heard(kind, full_length=True)).call.hash_may_follow
        assert not take_turn(PIN, heard(kind, full_length=False)).call.hash_may_follow
    waiting = replace(PIN, hash_may_follow=True, missed=1)
    after = take_turn(waiting, heard(StrayHash)).call
    assert (after.hash_may_follow, after.missed, after.wrong_pins) == (False, 1, 0)


def test_a_right_pin_starts_the_menu_s_count_anew_and_takes_the_customer_s_language() -> None:
    speaks_german = replace(ACME, language="de")
    turn = take_turn(replace(PIN, missed=3), heard(PinAccepted, customer=speaks_german))
    assert (turn.call.missed, turn.call.language, turn.call.customer) == (0, "de", speaks_german)
    assert not turn.call.billable
    assert take_turn(PIN, heard(PinAccepted)).call.language == "it"


def test_whoever_is_connected_without_a_contract_is_billed() -> None:
    turn = take_turn(PIN, heard(PinAccepted, covered=False, connect_without_contract=True))
    assert turn.call.billable


def test_the_caller_s_own_phone_is_never_rung() -> None:
    by_anna = replace(KNOWN, caller=ANNA.phone)
    assert take_turn(by_anna, heard(UrgencyChosen)).then == RingTechnician(DARIO)
    alone = take_turn(by_anna, heard(UrgencyChosen, ladder=(ANNA,)))
    assert isinstance(alone.then, TakeMessage)


def test_whoever_is_on_another_call_is_passed_over_while_others_remain() -> None:
    busy = frozenset({ANNA.phone})
    turn = take_turn(KNOWN, heard(UrgencyChosen, engaged=busy))
    assert turn.then == RingTechnician(DARIO)
    # Then Anna after all: better a busy phone than none.
    assert take_turn(turn.call, heard(AttemptEnded, engaged=busy)).then == RingTechnician(ANNA)
    assert take_turn(KNOWN, heard(UrgencyChosen, ladder=(ANNA,), engaged=busy)).then == RingTechnician(ANNA)


def rung(call: Call, **facts: Any) -> list[str]:
    """Whom a call rings, one after the other, if nobody ever answers."""
    turn, people = take_turn(call, heard(UrgencyChosen, **facts)), []
    while isinstance(turn.then, RingTechnician):
        people.append(turn.then.place.technician)
        assert len(people) < 20
        turn = take_turn(turn.call, heard(AttemptEnded))
    return people


def test_two_passes_and_each_phone_once_in_each() -> None:
    assert rung(KNOWN) == ["anna", "dario", "anna", "dario"]
    also_dario = replace(DARIO, rung=3)
    assert rung(KNOWN, ladder=(ANNA, DARIO, also_dario)) == ["anna", "dario", "anna", "dario"]
    assert rung(KNOWN, ladder=(ANNA,)) == ["anna", "anna"]
    assert rung(KNOWN, ladder=()) == []


def test_an_attempt_may_begin_up_to_the_limit_and_not_at_it() -> None:
    for seconds, then in ((239, RingTechnician), (240, TakeMessage), (241, TakeMessage)):
        turn = take_turn(RINGING, heard(AttemptEnded, at=NIGHT + timedelta(seconds=seconds)))
        assert isinstance(turn.then, then)


# -- the technician ----------------------------------------------------------------------------------

LEG = Leg(SID, SID, 1, "it", "P1+", "Acme", "4712", CASE.due_at)


@pytest.mark.parametrize(
    ("leg", "what", "then", "says"),
    [
        (LEG, "picked-up", FIRST_WAIT, ("technician-announce",)),
        (LEG, "silence", SECOND_WAIT, ("technician-short",)),
        (replace(LEG, silences=1), "silence", HangUp(), ()),
        (LEG, "repeat", FIRST_WAIT, ("technician-announce",)),
        (LEG, "wrong-key", FIRST_WAIT, ("technician-announce",)),
        (replace(LEG, repeats=REPEATS), "wrong-key", HangUp(), ()),
        (LEG, "accepted", Bridge(), ("technician-connecting",)),
        (LEG, "passed", HangUp(), ("technician-passed",)),
        (LEG, "too-late", HangUp(), ("technician-too-late",)),
        *(
            (replace(LEG, ended=True), what, HangUp(), ())
            for what in ("picked-up", "accepted", "passed", "repeat", "wrong-key", "silence", "too-late")
        ),
    ],
)
def test_one_turn_of_a_technician(leg: Leg, what: Any, then: object, says: tuple[str, ...]) -> None:
    turn = technician_flow.take_turn(leg, what)
    asked = turn.then.lines if isinstance(turn.then, AskKey) else ()
    assert tuple(line.name for line in (*turn.says, *asked)) == says
    assert (turn.then.timeout if isinstance(turn.then, AskKey) else turn.then) == then
    # Only his key connects him; everything else asks again or hangs up.
    assert isinstance(turn.then, Bridge) == (what == "accepted" and not leg.ended)


def test_a_voicemail_costs_ten_seconds_of_silence_at_most() -> None:
    turn = technician_flow.take_turn(LEG, "picked-up")
    waited = 0
    while isinstance(turn.then, AskKey):
        waited += turn.then.timeout
        assert waited <= 10
        turn = technician_flow.take_turn(turn.leg, "silence")
    assert waited == FIRST_WAIT + SECOND_WAIT == 10
    assert isinstance(turn.then, HangUp)


def test_a_child_that_plays_with_the_phone_ends_too() -> None:
    turn, turns = technician_flow.take_turn(LEG, "picked-up"), 0
    while isinstance(turn.then, AskKey):
        turn, turns = technician_flow.take_turn(turn.leg, "wrong-key"), turns + 1
        assert turns < 20
    assert turns == REPEATS + 1

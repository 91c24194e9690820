"""The conversation, step by step: what is said and done after each thing that can be heard."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from making import NIGHT, SID

from ivr import technician_flow
from ivr.flow import take_turn
from ivr.technician_flow import FIRST_WAIT, REPEATS, SECOND_WAIT, AskTechnician, Bridge, Leg, LegTurn
from ivr.vocabulary import (
    ArrivedBlocked,
    ArrivedByDay,
    ArrivedByNight,
    ArrivedInFlood,
    AskDigits,
    AskKey,
    AskPin,
    AttemptEnded,
    Call,
    CannotVerify,
    Clock,
    CodeChecked,
    CustomerFacts,
    Day,
    Definitions,
    Digits,
    DigitsWrong,
    Effect,
    HandOn,
    HangUp,
    Heard,
    JoinCase,
    KeepsWaiting,
    KnownCase,
    LadderPlace,
    Left,
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
    Recorded,
    RingOffice,
    RingTechnician,
    SameProblem,
    Silence,
    Step,
    StillWaiting,
    StrayHash,
    TakeMessage,
    TakeName,
    Turn,
    UrgencyAgain,
    UrgencyChosen,
    UrgencyMenu,
    Value,
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
)

OPENS = NIGHT + timedelta(hours=10)
PIN_ENDS = NIGHT + timedelta(seconds=180)
ACME = CustomerFacts(1, "ACME", "Acme", None)
DUE = NIGHT + timedelta(hours=1)
CASE = NewCase("2026-00001", "4712", DUE)
OPEN_CASE = KnownCase(
    7, "2026-00007", "8341", NIGHT - timedelta(hours=2), NIGHT + timedelta(hours=3), None, None
)
TAKEN_CASE = replace(OPEN_CASE, technician="dario", technician_name="Dario Neri")
JOINED_DUE = NIGHT + timedelta(minutes=45)
JOINED = NewCase("2026-00007", "8341", JOINED_DUE)
ANNA = LadderPlace(1, "anna", "Anna Rossi", "Anna Rossi", "+393331234501", 25)
DARIO = LadderPlace(2, "dario", "Dario Neri", "Dario Neri", "+393331234504", 25)
BOTH = (ANNA.phone, DARIO.phone)
HIS_NUMBER = "+393471112201"
LAST_DAY = date(2026, 3, 17)
HIS_NAME = "RE" + "0" * 31 + "1"
# A caller without a verified PIN is promised nothing: no deadline.
NO_PROMISE = NewCase("2026-00001", "4712", None)

# -- the realistic states of a call, by the step it stands at ------------------------------------------

NEW = Call(SID, HIS_NUMBER, "+390461825060", "it", languages=("it", "en", "de"))
CHALLENGED = replace(NEW, step=Step.CHALLENGE, challenge="47")
OFFICE = replace(NEW, step=Step.OFFICE, office=(("+390461000002",),))
LAST_OFFICE = replace(OFFICE, office=())
MISSED = replace(NEW, step=Step.OFFICE_MISSED, outcome=Outcome.OFFICE_MISSED)
PIN = replace(NEW, step=Step.PIN, pin_phase_ends=PIN_ENDS)
PASSED = replace(PIN, challenge="47", hash_may_follow=True)
BLOCKED = replace(PIN, blocked=True)
KNOWN = replace(PIN, step=Step.URGENCY, customer=ACME)
VERIFYING = replace(KNOWN, step=Step.VERIFYING)
SAME = replace(KNOWN, step=Step.SAME_CASE, urgency="P1+", known_case=OPEN_CASE)
SAME_TAKEN = replace(SAME, known_case=TAKEN_CASE)
REFUSED = replace(KNOWN, step=Step.REFUSED, outcome=Outcome.NOT_COVERED, refused="not-covered")
NO_CONTRACT = replace(REFUSED, outcome=Outcome.NO_CONTRACT, refused="no-contract", billable=True)
NO_PIN = replace(PIN, step=Step.REFUSED, outcome=Outcome.NO_PIN, refused="no-pin")
ACCEPTED = replace(
    KNOWN,
    step=Step.ACCEPTED,
    urgency="P1+",
    case=CASE,
    ladder=(ANNA, DARIO),
    ringing_since=NIGHT,
    outcome=Outcome.ACCEPTED,
    case_id=1,
)
RINGING = replace(ACCEPTED, step=Step.RINGING, tried=(ANNA.phone,), attempt_id=1)
ALL_TRIED = replace(RINGING, tried=BOTH)
LAST_PASS = replace(ALL_TRIED, ringing_pass=2)
BETWEEN = replace(RINGING, step=Step.BETWEEN_RINGS)
NUMBER = replace(RINGING, step=Step.CALL_BACK_NUMBER)
SHORT = replace(ALL_TRIED, step=Step.TALK_WAS_SHORT, ringing_pass=2, outcome=Outcome.CONNECTED)
MESSAGE = replace(PIN, step=Step.MESSAGE, outcome=Outcome.NO_PIN)
NAMING = replace(PIN, step=Step.SCREENING_NAME, outcome=Outcome.NO_PIN, wrong_pins=3, screen=True)
WAITING = replace(NAMING, step=Step.SCREENING_WAIT, name_recording=HIS_NAME, screening_since=NIGHT)
STRANGER = replace(
    WAITING,
    step=Step.RINGING,
    outcome=Outcome.SCREENED,
    case=NO_PROMISE,
    case_id=1,
    attempt_id=1,
    ladder=(ANNA, DARIO),
    ringing_since=NIGHT,
    tried=(ANNA.phone,),
)
STRANGER_ALL_TRIED = replace(STRANGER, tried=BOTH)
STRANGER_SHORT = replace(STRANGER_ALL_TRIED, step=Step.TALK_WAS_SHORT, outcome=Outcome.CONNECTED)
STRANGER_MESSAGE = replace(STRANGER_ALL_TRIED, step=Step.MESSAGE, outcome=Outcome.NOBODY_ANSWERED)
MESSAGE_OF_A_CASE = replace(LAST_PASS, step=Step.MESSAGE, outcome=Outcome.NOBODY_ANSWERED)
ENDED = replace(PIN, step=Step.ENDED)
STATES = {
    "new": NEW,
    "new, screened by choice": replace(NEW, screen=True),
    "to key two digits": CHALLENGED,
    "to key two digits, last prompt": replace(CHALLENGED, missed=1),
    "pin, has keyed two digits": PASSED,
    "pin, blocked": BLOCKED,
    "pin, blocked, last prompt": replace(BLOCKED, missed=1),
    "pin, blocked, last try": replace(BLOCKED, wrong_pins=2),
    "pin, blocked, he may have a right one": replace(BLOCKED, screen=True),
    "office": OFFICE,
    "last office": LAST_OFFICE,
    "office missed": MISSED,
    "pin": PIN,
    "pin, last try": replace(PIN, wrong_pins=2),
    "pin, hash may follow": replace(PIN, hash_may_follow=True),
    "pin, more time": replace(PIN, more_time_given=True),
    "pin, he may have a right one": replace(PIN, screen=True),
    "pin, he may have a right one, last try": replace(PIN, screen=True, wrong_pins=2),
    "known": KNOWN,
    "known, last prompt": replace(KNOWN, missed=2),
    "verifying": VERIFYING,
    "verifying, last code": replace(VERIFYING, codes_tried=2),
    "same case": SAME,
    "same case, taken": SAME_TAKEN,
    "refused": REFUSED,
    "refused, no contract": NO_CONTRACT,
    "refused, no customer": NO_PIN,
    "accepted": ACCEPTED,
    "ringing": RINGING,
    "ringing, all tried": ALL_TRIED,
    "ringing, last pass": LAST_PASS,
    "between rings": BETWEEN,
    "call-back number": NUMBER,
    "call-back number, last prompt": replace(NUMBER, missed=1),
    "talk was short": SHORT,
    "message": MESSAGE,
    "message of a case": MESSAGE_OF_A_CASE,
    "says who he is": NAMING,
    "waits to be heard": WAITING,
    "waits to be heard, said nothing": replace(WAITING, name_recording=None),
    "unverified, ringing": STRANGER,
    "unverified, all tried": STRANGER_ALL_TRIED,
    "unverified, talk was short": STRANGER_SHORT,
    "unverified, message": STRANGER_MESSAGE,
    "unverified, message, nobody was rung": replace(WAITING, step=Step.MESSAGE),
    "ended": ENDED,
}


# -- what can be heard -------------------------------------------------------------------------------


def heard(kind: type[Heard], **more: Any) -> Heard:
    """One of its kind, with typical facts where none are given."""
    ringing = {"passes": 2, "no_new_attempt_after": 240}
    facts: dict[type[Heard], dict[str, Any]] = {
        ArrivedByDay: {"office": (("+390461000001",), ("+390461000002",))},
        ArrivedInFlood: {"digits": "47"},
        PinWrong: {"why": "unknown", "full_length": False},
        PinAccepted: {"customer": ACME, "pin_id": 1, "covered": True, "full_length": False},
        UrgencyChosen: {"code": "P1+", "case": CASE, "ladder": (ANNA, DARIO)},
        UrgencyAgain: {"code": "P1+", "known": OPEN_CASE},
        SameProblem: {"due_at": JOINED_DUE, "ladder": (ANNA, DARIO)},
        CodeChecked: {"known": OPEN_CASE},
        AttemptEnded: {"result": "no-answer"},
        WantsCallBack: {"number": HIS_NUMBER},
        NumberGiven: {"number": HIS_NUMBER},
        MessageLeft: {"seconds": 12, "recording": HIS_NAME},
        ReadyToScreen: {"case": NO_PROMISE, "ladder": (ANNA, DARIO), "passes": 1},
    }
    own = (ringing if issubclass(kind, WhileRinging) else {}) | facts.get(kind, {})
    return kind(**{"at": NIGHT, "reopens": OPENS, **own, **more})


def kinds(base: type[Heard] = Heard) -> list[type[Heard]]:
    return [each for kind in base.__subclasses__() for each in (kind, *kinds(kind))]


def lines(turn: Turn) -> tuple[Line, ...]:
    """Everything that is said, in order, the prompts of a question included."""
    asked = turn.then.lines if isinstance(turn.then, AskPin | AskKey | AskDigits) else ()
    return (*turn.says, *asked)


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


# -- the table ---------------------------------------------------------------------------------------


class Row(NamedTuple):
    """Standing as `call` stands, `what` is heard: the step then, what comes next, the lines' names.

    `outcome` and what else is remembered are as they were where a row does not say.
    """

    name: str
    call: Call
    what: Heard
    step: Step
    then: type
    says: str = ""
    effects: tuple[Effect, ...] = ()
    outcome: Outcome | None = None
    now: dict[str, Any] = {}  # noqa: RUF012 (never changed)


MISS = {"missed": 1}
MISSED_PIN: tuple[Effect, ...] = (PinMissed(),)
NOBODY: tuple[Effect, ...] = (PursueNow(), HandOn("notice.nobody-answered"))
IN_VAIN: tuple[Effect, ...] = (HandOn("notice.screened-in-vain"),)
TAKEN: tuple[Effect, ...] = (HandOn("message.deliver"),)
WITH_ALL = {"tried": BOTH}
RANG = {"case": CASE, "urgency": "P1+", "ladder": (ANNA, DARIO), "ringing_since": NIGHT}
JOINS = {"case": JOINED, "case_id": 7, "ladder": (ANNA, DARIO), "ringing_since": NIGHT}
HELP = "reopens message-offer"
UNHELPED = "nobody-answered message-technician"

ASKED_IN_ALL = "challenge challenge challenge"
STRANGERS = [
    Row(
        "flooded",
        NEW,
        heard(ArrivedInFlood),
        Step.CHALLENGE,
        AskDigits,
        ASKED_IN_ALL,
        now={"challenge": "47"},
    ),
    Row(
        "flooded, we speak one language",
        replace(NEW, languages=()),
        heard(ArrivedInFlood),
        Step.CHALLENGE,
        AskDigits,
        "challenge",
        now={"challenge": "47"},
    ),
    Row("other digits", CHALLENGED, heard(DigitsWrong), Step.CHALLENGE, AskDigits, ASKED_IN_ALL, now=MISS),
    Row(
        "other digits again",
        replace(CHALLENGED, missed=1),
        heard(DigitsWrong),
        Step.ENDED,
        HangUp,
        "challenge-failed challenge-failed challenge-failed reopens goodbye",
        outcome=Outcome.NO_DIGITS,
    ),
    Row(
        "other digits again, while the office is open",
        replace(CHALLENGED, missed=1, languages=()),
        heard(DigitsWrong, reopens=None),
        Step.ENDED,
        HangUp,
        "challenge-failed goodbye",
        outcome=Outcome.NO_DIGITS,
    ),
    Row(
        "the digits, by night",
        replace(CHALLENGED, missed=1),
        heard(ArrivedByNight),
        Step.PIN,
        AskPin,
        "welcome-night language-offer",
        now={"missed": 0, "pin_phase_ends": PIN_ENDS, "hash_may_follow": True},
    ),
    Row(
        "the digits, by day",
        replace(CHALLENGED, missed=1),
        heard(ArrivedByDay),
        Step.OFFICE,
        RingOffice,
        "welcome-day",
        now={"missed": 0, "office": (("+390461000002",),)},
    ),
    Row(
        "a late # after the digits",
        PASSED,
        heard(StrayHash),
        Step.PIN,
        AskPin,
        "welcome-night language-offer",
        now={"hash_may_follow": False},
    ),
    Row(
        "a late # after a wrong PIN",
        replace(PASSED, wrong_pins=1),
        heard(StrayHash),
        Step.PIN,
        AskPin,
        "pin-wrong pin-again",
        now={"hash_may_follow": False},
    ),
    Row(
        "blocked",
        replace(NEW, screen=True),
        heard(ArrivedBlocked),
        Step.PIN,
        AskPin,
        "blocked language-offer",
        now={"blocked": True, "screen": False, "pin_phase_ends": PIN_ENDS},
    ),
    Row(
        "blocked, another language",
        BLOCKED,
        heard(WantsLanguage),
        Step.PIN,
        AskPin,
        "blocked language-offer",
        now={"language": "en"},
    ),
    Row(
        "blocked, silent",
        BLOCKED,
        heard(Silence),
        Step.PIN,
        AskPin,
        "pin-silence pin-again pin-time-offer",
        now=MISS,
    ),
    Row(
        "blocked, silent again",
        replace(BLOCKED, missed=1),
        heard(Silence),
        Step.ENDED,
        HangUp,
        "blocked-end goodbye",
        outcome=Outcome.BLOCKED,
        now={"missed": 2},
    ),
    Row(
        "blocked, has none",
        BLOCKED,
        heard(NoPin),
        Step.ENDED,
        HangUp,
        "blocked-end goodbye",
        outcome=Outcome.BLOCKED,
    ),
    Row(
        "blocked, wrong for the last time",
        replace(BLOCKED, wrong_pins=2),
        heard(PinWrong),
        Step.ENDED,
        HangUp,
        "blocked-end goodbye",
        MISSED_PIN,
        Outcome.BLOCKED,
        {"wrong_pins": 3},
    ),
    Row(
        "blocked, wrong for the last time, and it may be right",
        replace(BLOCKED, wrong_pins=2),
        heard(PinWrong, may_be_right=True),
        Step.MESSAGE,
        TakeMessage,
        "screening-full message-technician",
        (*MISSED_PIN, *IN_VAIN),
        Outcome.BLOCKED,
        {"wrong_pins": 3, "screen": True},
    ),
    Row(
        "blocked, right",
        BLOCKED,
        heard(PinAccepted),
        Step.URGENCY,
        AskKey,
        "greeting urgency-menu",
        (PinUsed(),),
        now={"customer": ACME},
    ),
]

BY_DAY = [
    Row(
        "a call",
        NEW,
        heard(ArrivedByDay),
        Step.OFFICE,
        RingOffice,
        "welcome-day",
        now={"office": (("+390461000002",),)},
    ),
    Row(
        "a call, no office",
        NEW,
        heard(ArrivedByDay, office=()),
        Step.OFFICE_MISSED,
        AskKey,
        "welcome-day office-missed",
        outcome=Outcome.OFFICE_MISSED,
    ),
    Row(
        "a call, no office and no PIN",
        NEW,
        heard(ArrivedByDay, office=(), pin_offered=False),
        Step.MESSAGE,
        TakeMessage,
        "welcome-day office-missed-no-pin message-office",
        outcome=Outcome.OFFICE_MISSED,
        now={"pin_offered": False},
    ),
    Row("answered", OFFICE, heard(OfficeAnswered), Step.ENDED, HangUp, "goodbye", outcome=Outcome.OFFICE),
    Row("missed, another", OFFICE, heard(OfficeMissed), Step.OFFICE, RingOffice, now={"office": ()}),
    Row(
        "missed",
        LAST_OFFICE,
        heard(OfficeMissed),
        Step.OFFICE_MISSED,
        AskKey,
        "office-missed",
        outcome=Outcome.OFFICE_MISSED,
    ),
    Row(
        "missed, no PIN offered",
        replace(LAST_OFFICE, pin_offered=False),
        heard(OfficeMissed),
        Step.MESSAGE,
        TakeMessage,
        "office-missed-no-pin message-office",
        outcome=Outcome.OFFICE_MISSED,
    ),
    Row("anything else at the office", OFFICE, heard(Silence), Step.ENDED, HangUp, "goodbye"),
    Row(
        "has an emergency",
        MISSED,
        heard(WantsPin),
        Step.PIN,
        AskPin,
        "pin-ask",
        now={"pin_phase_ends": PIN_ENDS},
    ),
    Row("stays on the line", MISSED, heard(Silence), Step.MESSAGE, TakeMessage, "message-office"),
    Row("another key", MISSED, heard(WrongKey), Step.MESSAGE, TakeMessage, "message-office"),
]

AGAIN = "pin-again pin-time-offer"
NOW_NO_PIN = {"refused": "no-pin"}
AT_PIN = [
    Row(
        "a call by night",
        NEW,
        heard(ArrivedByNight),
        Step.PIN,
        AskPin,
        "welcome-night language-offer",
        now={"pin_phase_ends": PIN_ENDS},
    ),
    Row(
        "we speak one language",
        replace(NEW, languages=("it",)),
        heard(ArrivedByNight),
        Step.PIN,
        AskPin,
        "welcome-night",
        now={"pin_phase_ends": PIN_ENDS},
    ),
    Row(
        "we speak two",
        replace(NEW, languages=("it", "en")),
        heard(ArrivedByNight),
        Step.PIN,
        AskPin,
        "welcome-night language-offer",
        now={"pin_phase_ends": PIN_ENDS},
    ),
    Row(
        "another language",
        PIN,
        heard(WantsLanguage),
        Step.PIN,
        AskPin,
        "welcome-night language-offer",
        now={"language": "en"},
    ),
    Row(
        "the first language after the last",
        replace(PIN, language="de"),
        heard(WantsLanguage, at=PIN_ENDS - seconds(1)),
        Step.PIN,
        AskPin,
        "welcome-night language-offer",
        now={"language": "it"},
    ),
    Row(
        "a language that is not in the circle",
        replace(PIN, language="fr"),
        heard(WantsLanguage),
        Step.PIN,
        AskPin,
        "welcome-night language-offer",
    ),
    Row(
        "another language when the time is up",
        PIN,
        heard(WantsLanguage, at=PIN_ENDS),
        Step.REFUSED,
        AskKey,
        f"no-pin {HELP}",
        outcome=Outcome.NO_PIN,
        now=NOW_NO_PIN,
    ),
    Row(
        "more time",
        PIN,
        heard(WantsMoreTime),
        Step.PIN,
        AskPin,
        "pin-more-time",
        now={"more_time_given": True, "pin_phase_ends": PIN_ENDS + seconds(60)},
    ),
    Row(
        "more time again",
        replace(PIN, more_time_given=True),
        heard(WantsMoreTime),
        Step.PIN,
        AskPin,
        "pin-malformed pin-again",
        now=MISS,
    ),
    Row(
        "right",
        replace(PIN, missed=3, hash_may_follow=True),
        heard(PinAccepted),
        Step.URGENCY,
        AskKey,
        "greeting urgency-menu",
        (PinUsed(),),
        now={"customer": ACME, "missed": 0, "hash_may_follow": False},
    ),
    Row(
        "right, in full length, of somebody who speaks German",
        PIN,
        heard(PinAccepted, full_length=True, customer=replace(ACME, language="de")),
        Step.URGENCY,
        AskKey,
        "greeting urgency-menu",
        (PinUsed(),),
        now={"customer": replace(ACME, language="de"), "language": "de", "hash_may_follow": True},
    ),
    Row(
        "right, and another takes its place",
        PIN,
        heard(PinAccepted, last_day=LAST_DAY),
        Step.URGENCY,
        AskKey,
        "greeting pin-ends urgency-menu",
        (PinUsed(),),
        now={"customer": ACME, "pin_last_day": LAST_DAY},
    ),
    Row(
        "right, and another takes its place, contract ended",
        PIN,
        heard(PinAccepted, last_day=LAST_DAY, covered=False),
        Step.REFUSED,
        AskKey,
        f"greeting pin-ends no-contract {HELP}",
        (PinUsed(),),
        Outcome.NO_CONTRACT,
        {"customer": ACME, "billable": True, "refused": "no-contract", "pin_last_day": LAST_DAY},
    ),
    Row(
        "right, after wrong ones while the budget was spent",
        replace(PIN, screen=True, wrong_pins=2),
        heard(PinAccepted),
        Step.URGENCY,
        AskKey,
        "greeting urgency-menu",
        (PinUsed(),),
        now={"customer": ACME},
    ),
    Row(
        "contract ended",
        PIN,
        heard(PinAccepted, covered=False),
        Step.REFUSED,
        AskKey,
        f"greeting no-contract {HELP}",
        (PinUsed(),),
        Outcome.NO_CONTRACT,
        {"customer": ACME, "billable": True, "refused": "no-contract"},
    ),
    Row(
        "contract ended, connected all the same",
        PIN,
        heard(PinAccepted, covered=False, connect_without_contract=True),
        Step.URGENCY,
        AskKey,
        "greeting subject-to-billing urgency-menu",
        (PinUsed(),),
        now={"customer": ACME, "billable": True},
    ),
    *(
        Row(
            f"{why}, full length: {full}",
            replace(PIN, hash_may_follow=not full),
            heard(PinWrong, why=why, full_length=full, at=PIN_ENDS - seconds(1)),
            Step.PIN,
            AskPin,
            "pin-wrong pin-again",
            MISSED_PIN,
            now={"wrong_pins": 1, "hash_may_follow": full},
        )
        for why, full in product(("unknown", "revoked", "expired", "not evaluated"), (True, False))
    ),
    Row(
        "wrong for the second time",
        replace(PIN, wrong_pins=1, missed=3),
        heard(PinWrong),
        Step.PIN,
        AskPin,
        "pin-wrong pin-again",
        MISSED_PIN,
        now={"wrong_pins": 2},
    ),
    Row(
        "wrong for the last time",
        replace(PIN, wrong_pins=2, missed=3),
        heard(PinWrong),
        Step.REFUSED,
        AskKey,
        f"no-pin {HELP}",
        MISSED_PIN,
        Outcome.NO_PIN,
        {"wrong_pins": 3, "missed": 0, "refused": "no-pin"},
    ),
    Row(
        "wrong when the time is up",
        PIN,
        heard(PinWrong, at=PIN_ENDS),
        Step.REFUSED,
        AskKey,
        f"no-pin {HELP}",
        MISSED_PIN,
        Outcome.NO_PIN,
        {"wrong_pins": 1, "refused": "no-pin"},
    ),
    Row(
        "a late #",
        replace(PIN, hash_may_follow=True, missed=1),
        heard(StrayHash),
        Step.PIN,
        AskPin,
        "pin-wrong pin-again",
        now={"hash_may_follow": False},
    ),
    Row(
        "has none",
        PIN,
        heard(NoPin),
        Step.REFUSED,
        AskKey,
        f"no-pin {HELP}",
        outcome=Outcome.NO_PIN,
        now=NOW_NO_PIN,
    ),
    Row(
        "has none, no opening in sight",
        PIN,
        heard(NoPin, reopens=None),
        Step.REFUSED,
        AskKey,
        "no-pin message-offer",
        outcome=Outcome.NO_PIN,
        now=NOW_NO_PIN,
    ),
    *(
        row
        for kind, why in (
            (PinMalformed, "pin-malformed"),
            (Silence, "pin-silence"),
            (WrongKey, "pin-silence"),
        )
        for row in (
            Row(
                f"{kind.__name__}",
                replace(PIN, hash_may_follow=True, wrong_pins=2),
                heard(kind, at=PIN_ENDS - seconds(1)),
                Step.PIN,
                AskPin,
                f"{why} {AGAIN}",
                now={"missed": 1, "hash_may_follow": False},
            ),
            Row(
                f"{kind.__name__}, more time given before",
                replace(PIN, more_time_given=True, missed=2),
                heard(kind),
                Step.PIN,
                AskPin,
                f"{why} pin-again",
                now={"missed": 3},
            ),
            Row(
                f"{kind.__name__} for the last time",
                replace(PIN, missed=3),
                heard(kind),
                Step.REFUSED,
                AskKey,
                f"no-pin {HELP}",
                outcome=Outcome.NO_PIN,
                now={"missed": 0, "refused": "no-pin"},
            ),
            Row(
                f"{kind.__name__} when the time is up",
                PIN,
                heard(kind, at=PIN_ENDS),
                Step.REFUSED,
                AskKey,
                f"no-pin {HELP}",
                outcome=Outcome.NO_PIN,
                now=NOW_NO_PIN,
            ),
        )
    ),
]

# Whoever may hold a right PIN all the same is not refused: a person decides.
MAY_HAVE_ONE = replace(PIN, screen=True)
SCREENING = [
    Row(
        "wrong, but it may have been right",
        PIN,
        heard(PinWrong, why="not evaluated", lane="unread", may_be_right=True),
        Step.PIN,
        AskPin,
        "pin-wrong pin-again",
        MISSED_PIN,
        now={"wrong_pins": 1, "screen": True},
    ),
    Row(
        "wrong for the last time, but it may have been right",
        replace(PIN, wrong_pins=2),
        heard(PinWrong, may_be_right=True),
        Step.SCREENING_NAME,
        TakeName,
        "screening-name",
        MISSED_PIN,
        Outcome.NO_PIN,
        {"wrong_pins": 3, "screen": True},
    ),
    Row(
        "wrong for the last time, one before may have been right",
        replace(MAY_HAVE_ONE, wrong_pins=2),
        heard(PinWrong),
        Step.SCREENING_NAME,
        TakeName,
        "screening-name",
        MISSED_PIN,
        Outcome.NO_PIN,
        {"wrong_pins": 3},
    ),
    Row(
        "wrong when the time is up, but it may have been right",
        PIN,
        heard(PinWrong, may_be_right=True, at=PIN_ENDS),
        Step.SCREENING_NAME,
        TakeName,
        "screening-name",
        MISSED_PIN,
        Outcome.NO_PIN,
        {"wrong_pins": 1, "screen": True},
    ),
    *(
        Row(
            f"{kind.__name__} {when}, one before may have been right",
            replace(MAY_HAVE_ONE, missed=3),
            heard(kind, at=at),
            Step.SCREENING_NAME,
            TakeName,
            "screening-name",
            outcome=Outcome.NO_PIN,
            now={} if kind is NoPin else {"missed": 4},
        )
        for kind in (NoPin, Silence, PinMalformed, WantsLanguage)
        for when, at in (("for the last time", NIGHT), ("when the time is up", PIN_ENDS))
        if kind is not WantsLanguage or at == PIN_ENDS
    ),
    Row(
        "could not be checked",
        replace(PIN, missed=3, wrong_pins=2),
        heard(PinUnchecked, at=PIN_ENDS - seconds(1)),
        Step.PIN,
        AskPin,
        "pin-unchecked pin-again",
        now={"screen": True},
    ),
    Row(
        "could not be checked, and the time is up",
        PIN,
        heard(PinUnchecked, at=PIN_ENDS),
        Step.SCREENING_NAME,
        TakeName,
        "screening-name",
        outcome=Outcome.NO_PIN,
        now={"screen": True},
    ),
    Row(
        "arrives while no PIN can be checked",
        NEW,
        heard(CannotVerify),
        Step.SCREENING_NAME,
        TakeName,
        "pins-unavailable screening-name",
        outcome=Outcome.NO_PIN,
        now={"screen": True},
    ),
    Row(
        "is blocked, and no PIN can be checked",
        replace(PIN, blocked=True),
        heard(CannotVerify),
        Step.MESSAGE,
        TakeMessage,
        "screening-full message-technician",
        (HandOn("notice.screened-in-vain"),),
        outcome=Outcome.BLOCKED,
        now={"screen": True},
    ),
    Row(
        "keys a PIN while none can be checked",
        replace(PIN, hash_may_follow=True),
        heard(CannotVerify),
        Step.SCREENING_NAME,
        TakeName,
        "pins-unavailable screening-name",
        outcome=Outcome.NO_PIN,
        now={"screen": True, "hash_may_follow": False},
    ),
    Row(
        "says who he is",
        NAMING,
        heard(MessageLeft, at=NIGHT + seconds(9)),
        Step.SCREENING_WAIT,
        AskKey,
        "screening-wait",
        now={"name_recording": HIS_NAME, "screening_since": NIGHT + seconds(9)},
    ),
    Row(
        "says nothing of himself",
        NAMING,
        heard(MessageLeft, seconds=0, recording=None),
        Step.SCREENING_WAIT,
        AskKey,
        "screening-wait",
        now={"screening_since": NIGHT},
    ),
    Row("what he said is not here yet", WAITING, heard(StillWaiting), Step.SCREENING_WAIT, AskKey),
    Row(
        "a technician may hear him",
        WAITING,
        heard(ReadyToScreen, at=NIGHT + seconds(5)),
        Step.RINGING,
        RingTechnician,
        "ringing-first",
        (WakeUp(),),
        Outcome.SCREENED,
        {
            "case": NO_PROMISE,
            "ladder": (ANNA, DARIO),
            "ringing_since": NIGHT + seconds(5),
            "tried": (ANNA.phone,),
        },
    ),
    Row(
        "a technician may hear him, the first is talking",
        WAITING,
        heard(ReadyToScreen, engaged=frozenset({ANNA.phone})),
        Step.RINGING,
        RingTechnician,
        "ringing-first",
        (WakeUp(),),
        Outcome.SCREENED,
        {"case": NO_PROMISE, "ladder": (ANNA, DARIO), "ringing_since": NIGHT, "tried": (DARIO.phone,)},
    ),
    *(
        Row(
            f"a technician may hear him, but {why}",
            replace(WAITING, caller=caller),
            heard(ReadyToScreen, ladder=ladder),
            Step.MESSAGE,
            TakeMessage,
            "screening-nobody message-technician",
            IN_VAIN,
        )
        for why, caller, ladder in (
            ("nobody is on duty", HIS_NUMBER, ()),
            ("only his own phone is", ANNA.phone, (ANNA,)),
        )
    ),
    Row(
        "too many were woken",
        WAITING,
        heard(NoMoreWakeUps),
        Step.MESSAGE,
        TakeMessage,
        "screening-full message-technician",
        IN_VAIN,
    ),
    Row(
        "a technician heard him",
        STRANGER,
        heard(AttemptEnded, result="connected", talked=20),
        Step.ENDED,
        HangUp,
        "goodbye",
        outcome=Outcome.CONNECTED,
    ),
    Row(
        "a technician heard him for a moment",
        STRANGER,
        heard(AttemptEnded, result="connected", talked=19),
        Step.TALK_WAS_SHORT,
        AskKey,
        "talk-was-short",
        outcome=Outcome.CONNECTED,
    ),
    # No call-back is offered, whatever became of the ringing: the next phone rings at once.
    *(
        Row(
            f"unverified: {result}",
            STRANGER,
            heard(AttemptEnded, result=result, passes=1),
            Step.RINGING,
            RingTechnician,
            "ringing-next",
            now=WITH_ALL,
        )
        for result in ("no-answer", "busy", "failed", "unconfirmed", "declined", "accepted")
    ),
    *(
        Row(
            f"unverified: nobody, {result}",
            call,
            heard(AttemptEnded, result=result, passes=1, at=at),
            Step.MESSAGE,
            TakeMessage,
            "screening-nobody message-technician",
            IN_VAIN,
            Outcome.NOBODY_ANSWERED,
        )
        for result in ("no-answer", "declined", "accepted")
        for call, at in ((STRANGER_ALL_TRIED, NIGHT), (STRANGER, NIGHT + seconds(240)))
        if call is STRANGER_ALL_TRIED or result == "no-answer"
    ),
    Row(
        "unverified: the same technician again",
        STRANGER_SHORT,
        heard(WantsReconnect, passes=1),
        Step.RINGING,
        RingTechnician,
        "ringing-again",
        outcome=Outcome.CONNECTED,
        now={"reconnects": 1, "ladder": (DARIO,), "tried": (DARIO.phone,)},
    ),
    Row(
        "unverified: again, and it is his own phone that would ring",
        replace(STRANGER_SHORT, ladder=(ANNA,), tried=(ANNA.phone,), caller=ANNA.phone),
        heard(WantsReconnect, passes=1),
        Step.MESSAGE,
        TakeMessage,
        "screening-nobody message-technician",
        IN_VAIN,
        Outcome.NOBODY_ANSWERED,
        {"reconnects": 1, "ladder": (ANNA,), "tried": ()},
    ),
    Row(
        "unverified: a message",
        STRANGER_MESSAGE,
        heard(MessageLeft),
        Step.ENDED,
        HangUp,
        "message-taken goodbye",
        TAKEN,
        Outcome.MESSAGE,
    ),
    Row(
        "unverified: a message, and he hangs up",
        STRANGER_MESSAGE,
        heard(MessageLeft, gone=True),
        Step.ENDED,
        HangUp,
        "",
        TAKEN,
        Outcome.MESSAGE,
    ),
    Row(
        "says who he is and hangs up",
        NAMING,
        heard(MessageLeft, gone=True),
        Step.ENDED,
        HangUp,
        "",
        TAKEN,
        Outcome.MESSAGE,
    ),
    Row("says nothing and hangs up", NAMING, heard(MessageLeft, gone=True, seconds=0), Step.ENDED, HangUp),
    Row(
        "unverified: after the talk",
        STRANGER,
        heard(AttemptEnded, result="connected", gone=True),
        Step.ENDED,
        HangUp,
        outcome=Outcome.CONNECTED,
    ),
    *(
        Row(
            f"unverified: hangs up, {result}",
            STRANGER,
            heard(AttemptEnded, result=result, gone=True),
            Step.ENDED,
            HangUp,
            effects=IN_VAIN,
        )
        for result in ("accepted", "unconfirmed", "no-answer")
    ),
]

TOLD_AGAIN = {"codes_tried": 1}
AT_URGENCY = [
    Row(
        "urgent",
        KNOWN,
        heard(UrgencyChosen),
        Step.ACCEPTED,
        AskKey,
        "accepted ringing-first",
        (OpenCase(),),
        Outcome.ACCEPTED,
        RANG,
    ),
    Row(
        "urgent, nobody on duty",
        KNOWN,
        heard(UrgencyChosen, ladder=()),
        Step.MESSAGE,
        TakeMessage,
        f"accepted {UNHELPED}",
        (OpenCase(), *NOBODY),
        Outcome.NOBODY_ANSWERED,
        RANG | {"ladder": ()},
    ),
    Row(
        "urgent, only his own phone on duty",
        replace(KNOWN, caller=ANNA.phone),
        heard(UrgencyChosen, ladder=(ANNA,)),
        Step.MESSAGE,
        TakeMessage,
        f"accepted {UNHELPED}",
        (OpenCase(), *NOBODY),
        Outcome.NOBODY_ANSWERED,
        RANG | {"ladder": (ANNA,)},
    ),
    Row(
        "urgent again",
        replace(KNOWN, missed=2),
        heard(UrgencyAgain),
        Step.SAME_CASE,
        AskKey,
        "same-case",
        now={"urgency": "P1+", "known_case": OPEN_CASE, "missed": 0},
    ),
    Row(
        "urgent again, somebody has it",
        KNOWN,
        heard(UrgencyAgain, known=TAKEN_CASE),
        Step.SAME_CASE,
        AskKey,
        "same-case-taken",
        now={"urgency": "P1+", "known_case": TAKEN_CASE},
    ),
    *(
        Row(
            f"definitions, heard {before} times",
            replace(KNOWN, definitions_heard=before, missed=1),
            heard(WantsDefinitions),
            Step.URGENCY,
            AskKey,
            "definitions verify-offer urgency-menu",
            now={"definitions_heard": before + 1},
        )
        for before in (0, 1)
    ),
    Row(
        "definitions once too often",
        replace(KNOWN, definitions_heard=2),
        heard(WantsDefinitions),
        Step.URGENCY,
        AskKey,
        "key-wrong urgency-menu",
        now=MISS,
    ),
    Row("verify", KNOWN, heard(WantsToVerify), Step.VERIFYING, AskDigits, "code-ask"),
    Row(
        "verify for the last time",
        replace(KNOWN, codes_tried=2),
        heard(WantsToVerify),
        Step.VERIFYING,
        AskDigits,
        "code-ask",
    ),
    Row(
        "verify once too often",
        replace(KNOWN, codes_tried=3),
        heard(WantsToVerify),
        Step.URGENCY,
        AskKey,
        "key-wrong urgency-menu",
        now=MISS,
    ),
    *(
        Row(
            f"no code: {kind.__name__}",
            VERIFYING,
            heard(kind),
            Step.URGENCY,
            AskKey,
            "urgency-menu",
            now=TOLD_AGAIN,
        )
        for kind in (Silence, WrongKey)
    ),
    Row(
        "verify, at the code",
        VERIFYING,
        heard(WantsToVerify),
        Step.URGENCY,
        AskKey,
        "urgency-menu",
        now=TOLD_AGAIN,
    ),
    Row(
        "a code of nobody's",
        VERIFYING,
        heard(CodeChecked, known=None),
        Step.URGENCY,
        AskKey,
        "code-unknown urgency-menu",
        now=TOLD_AGAIN,
    ),
    Row(
        "a code of his",
        VERIFYING,
        heard(CodeChecked),
        Step.URGENCY,
        AskKey,
        "code-known urgency-menu",
        now=TOLD_AGAIN,
    ),
    Row(
        "a code of his, somebody has it",
        VERIFYING,
        heard(CodeChecked, known=TAKEN_CASE),
        Step.URGENCY,
        AskKey,
        "code-known-taken urgency-menu",
        now=TOLD_AGAIN,
    ),
    Row(
        "not urgent",
        replace(KNOWN, missed=2),
        heard(NotUrgent),
        Step.REFUSED,
        AskKey,
        f"not-covered {HELP}",
        outcome=Outcome.NOT_COVERED,
        now={"missed": 0, "refused": "not-covered"},
    ),
    Row(
        "a late # after the PIN",
        replace(KNOWN, hash_may_follow=True, missed=2),
        heard(StrayHash),
        Step.URGENCY,
        AskKey,
        "greeting urgency-menu",
        now={"hash_may_follow": False},
    ),
    *(
        row
        for kind, why in ((Silence, "key-silence"), (WrongKey, "key-wrong"))
        for row in (
            Row(
                f"{kind.__name__}", KNOWN, heard(kind), Step.URGENCY, AskKey, f"{why} urgency-menu", now=MISS
            ),
            Row(
                f"{kind.__name__} for the second time",
                replace(KNOWN, missed=1),
                heard(kind),
                Step.URGENCY,
                AskKey,
                f"{why} urgency-menu",
                now={"missed": 2},
            ),
            Row(
                f"{kind.__name__} for the last time",
                replace(KNOWN, missed=2),
                heard(kind),
                Step.MESSAGE,
                TakeMessage,
                "no-urgency message-office",
                (HandOn("notice.no-urgency"),),
                Outcome.NO_URGENCY,
            ),
        )
    ),
]

AT_SAME_CASE = [
    Row(
        "the same",
        SAME,
        heard(SameProblem),
        Step.ACCEPTED,
        AskKey,
        "joined ringing-first",
        (JoinCase(),),
        Outcome.ACCEPTED,
        JOINS,
    ),
    Row(
        "the same, somebody has it",
        SAME_TAKEN,
        heard(SameProblem),
        Step.ACCEPTED,
        AskKey,
        "joined-taken ringing-first",
        (JoinCase(),),
        Outcome.ACCEPTED,
        JOINS,
    ),
    Row(
        "the same, nobody on duty",
        SAME,
        heard(SameProblem, ladder=()),
        Step.MESSAGE,
        TakeMessage,
        f"joined {UNHELPED}",
        (JoinCase(), *NOBODY),
        Outcome.NOBODY_ANSWERED,
        JOINS | {"ladder": ()},
    ),
    Row(
        "another",
        SAME,
        heard(UrgencyChosen),
        Step.ACCEPTED,
        AskKey,
        "accepted ringing-first",
        (OpenCase(),),
        Outcome.ACCEPTED,
        RANG | {"known_case": None},
    ),
    Row("neither", SAME, heard(WrongKey), Step.SAME_CASE, AskKey, "same-case", now=MISS),
    Row(
        "neither, somebody has it",
        SAME_TAKEN,
        heard(WrongKey),
        Step.SAME_CASE,
        AskKey,
        "same-case-taken",
        now=MISS,
    ),
]

AT_REFUSED = [
    Row(
        "wants to leave a message", REFUSED, heard(WantsMessage), Step.MESSAGE, TakeMessage, "message-office"
    ),
    Row(
        "a late #",
        replace(REFUSED, hash_may_follow=True, missed=1),
        heard(StrayHash),
        Step.REFUSED,
        AskKey,
        f"greeting not-covered {HELP}",
        now={"hash_may_follow": False},
    ),
    Row(
        "a late #, no contract",
        replace(NO_CONTRACT, hash_may_follow=True),
        heard(StrayHash),
        Step.REFUSED,
        AskKey,
        f"greeting no-contract {HELP}",
        now={"hash_may_follow": False},
    ),
    Row(
        "a late #, billed",
        replace(REFUSED, hash_may_follow=True, billable=True),
        heard(StrayHash),
        Step.REFUSED,
        AskKey,
        f"greeting subject-to-billing not-covered {HELP}",
        now={"hash_may_follow": False},
    ),
    Row(
        "a late #, no customer, no opening in sight",
        replace(NO_PIN, hash_may_follow=True),
        heard(StrayHash, reopens=None),
        Step.REFUSED,
        AskKey,
        "no-pin message-offer",
        now={"hash_may_follow": False},
    ),
    Row(
        "another key",
        replace(REFUSED, missed=1),
        heard(WrongKey),
        Step.REFUSED,
        AskKey,
        "key-wrong message-offer",
        now={"missed": 2},
    ),
    Row(
        "another key for the last time",
        replace(REFUSED, missed=2),
        heard(WrongKey),
        Step.ENDED,
        HangUp,
        "goodbye",
    ),
    Row("says nothing more", REFUSED, heard(Silence), Step.ENDED, HangUp, "goodbye"),
]

AT_RINGING = [
    Row(
        "the first phone",
        ACCEPTED,
        heard(KeepsWaiting),
        Step.RINGING,
        RingTechnician,
        now={"tried": (ANNA.phone,)},
    ),
    Row(
        "the first phone, and another machine's clock has it that the time is over",
        ACCEPTED,
        heard(KeepsWaiting, at=NIGHT + seconds(600)),
        Step.RINGING,
        RingTechnician,
        now={"tried": (ANNA.phone,)},
    ),
    Row("accepted, and no ringing facts", ACCEPTED, heard(Silence), Step.ENDED, HangUp, "goodbye"),
    Row(
        "connected",
        RINGING,
        heard(AttemptEnded, result="connected", talked=20),
        Step.ENDED,
        HangUp,
        "goodbye",
        outcome=Outcome.CONNECTED,
    ),
    Row(
        "connected for a moment",
        replace(RINGING, reconnects=1),
        heard(AttemptEnded, result="connected", talked=19),
        Step.TALK_WAS_SHORT,
        AskKey,
        "talk-was-short",
        outcome=Outcome.CONNECTED,
    ),
    Row(
        "connected for a moment once too often",
        replace(RINGING, reconnects=2),
        heard(AttemptEnded, result="connected", talked=19),
        Step.ENDED,
        HangUp,
        "goodbye",
        outcome=Outcome.CONNECTED,
    ),
    *(
        Row(
            result,
            RINGING,
            heard(AttemptEnded, result=result),
            Step.RINGING,
            RingTechnician,
            "ringing-next",
            now=WITH_ALL,
        )
        for result in ("declined", "accepted")
    ),
    Row(
        "picked up and hung up",
        RINGING,
        heard(AttemptEnded, result="unconfirmed", hung_up=True),
        Step.RINGING,
        RingTechnician,
        "ringing-next",
        now=WITH_ALL,
    ),
    *(
        Row(
            result,
            RINGING,
            heard(AttemptEnded, result=result, at=NIGHT + seconds(239)),
            Step.BETWEEN_RINGS,
            AskKey,
            "ringing-missed",
        )
        for result in ("no-answer", "busy", "failed", "unconfirmed")
    ),
    Row("the end of a pass", ALL_TRIED, heard(AttemptEnded), Step.BETWEEN_RINGS, AskKey, "ringing-missed"),
    Row(
        "the second pass",
        ALL_TRIED,
        heard(AttemptEnded, result="declined"),
        Step.RINGING,
        RingTechnician,
        "ringing-next",
        now={"ringing_pass": 2, "tried": (ANNA.phone,)},
    ),
    *(
        Row(
            f"{name}, {result}",
            call,
            heard(AttemptEnded, result=result, **facts),
            Step.MESSAGE,
            TakeMessage,
            UNHELPED,
            NOBODY,
            Outcome.NOBODY_ANSWERED,
        )
        for name, call, facts in (
            ("nobody in two passes", LAST_PASS, {}),
            ("nobody in one", ALL_TRIED, {"passes": 1}),
            ("no new attempt at the limit", RINGING, {"at": NIGHT + seconds(240)}),
        )
        for result in ("no-answer", "declined")
    ),
    Row("keeps waiting", BETWEEN, heard(KeepsWaiting), Step.RINGING, RingTechnician, now=WITH_ALL),
    Row(
        "keeps waiting beyond the limit",
        BETWEEN,
        heard(KeepsWaiting, at=NIGHT + seconds(240)),
        Step.MESSAGE,
        TakeMessage,
        UNHELPED,
        NOBODY,
        Outcome.NOBODY_ANSWERED,
    ),
    Row(
        "call me back",
        BETWEEN,
        heard(WantsCallBack),
        Step.ENDED,
        HangUp,
        "call-back-promised goodbye",
        (PursueNow(call_back=HIS_NUMBER),),
        Outcome.CALL_BACK,
    ),
    Row(
        "call me back, no number",
        replace(BETWEEN, missed=2),
        heard(WantsCallBack, number=None),
        Step.CALL_BACK_NUMBER,
        AskDigits,
        "number-ask",
        now={"missed": 0},
    ),
    Row(
        "a number",
        NUMBER,
        heard(NumberGiven),
        Step.ENDED,
        HangUp,
        "call-back-promised goodbye",
        (PursueNow(call_back=HIS_NUMBER),),
        Outcome.CALL_BACK,
    ),
    Row(
        "no number that can be dialled",
        NUMBER,
        heard(NumberGiven, number=None),
        Step.CALL_BACK_NUMBER,
        AskDigits,
        "number-wrong number-ask",
        now=MISS,
    ),
    Row(
        "no number, twice",
        replace(NUMBER, missed=1),
        heard(NumberGiven, number=None),
        Step.RINGING,
        RingTechnician,
        now={"tried": BOTH},
    ),
    Row(
        "the same technician again",
        replace(SHORT, reconnects=1),
        heard(WantsReconnect, at=NIGHT + seconds(300)),
        Step.RINGING,
        RingTechnician,
        "ringing-again",
        (PursueAgain(),),
        Outcome.CONNECTED,
        {
            "reconnects": 2,
            "ladder": (DARIO, ANNA),
            "tried": (DARIO.phone,),
            "ringing_pass": 1,
            "ringing_since": NIGHT + seconds(300),
        },
    ),
    Row(
        "again, and it is his own phone that would ring",
        replace(SHORT, ladder=(ANNA,), tried=(ANNA.phone,), caller=ANNA.phone),
        heard(WantsReconnect, passes=1),
        Step.MESSAGE,
        TakeMessage,
        UNHELPED,
        (PursueAgain(), *NOBODY),
        Outcome.NOBODY_ANSWERED,
        {"reconnects": 1, "ladder": (ANNA,), "tried": (), "ringing_pass": 1},
    ),
    Row("the talk was over", SHORT, heard(Silence), Step.ENDED, HangUp, "goodbye"),
]

AT_THE_END = [
    Row(
        "a message",
        MESSAGE,
        heard(MessageLeft, seconds=1),
        Step.ENDED,
        HangUp,
        "message-taken goodbye",
        TAKEN,
        Outcome.MESSAGE,
    ),
    # A message is one thing more; an accepted emergency stays what it was.
    Row(
        "a message of a case",
        MESSAGE_OF_A_CASE,
        heard(MessageLeft),
        Step.ENDED,
        HangUp,
        "message-taken goodbye",
        TAKEN,
    ),
    Row("an empty message", MESSAGE, heard(MessageLeft, seconds=0), Step.ENDED, HangUp, "goodbye"),
    Row("no message", MESSAGE, heard(Silence), Step.ENDED, HangUp, "goodbye"),
    Row("after the end", ENDED, heard(Silence), Step.ENDED, HangUp, "goodbye"),
]

PURSUED = {Step.ACCEPTED, Step.RINGING, Step.BETWEEN_RINGS, Step.CALL_BACK_NUMBER}


def left_behind(call: Call) -> tuple[Effect, ...]:
    """What a caller leaves who hangs up: pursuit of what was promised him, else a word to who was rung."""
    if call.step is Step.SCREENING_WAIT:
        return IN_VAIN
    if call.step not in PURSUED:
        return ()
    return (PursueNow(),) if call.customer else IN_VAIN


HE_HANGS_UP = [
    *(
        Row(
            f"at {name}",
            call,
            heard(Left, gone=True),
            Step.ENDED,
            HangUp,
            "",
            left_behind(call),
            Outcome.HUNG_UP if call.outcome is None else call.outcome,
        )
        for name, call in STATES.items()
    ),
    # What happened still counts.
    Row(
        "after the talk",
        RINGING,
        heard(AttemptEnded, result="connected", gone=True),
        Step.ENDED,
        HangUp,
        outcome=Outcome.CONNECTED,
    ),
    Row(
        "after the key, before the bridge",
        RINGING,
        heard(AttemptEnded, result="accepted", gone=True),
        Step.ENDED,
        HangUp,
        effects=(PursueNow(),),
    ),
    Row(
        "talking to the office",
        OFFICE,
        heard(OfficeAnswered, gone=True),
        Step.ENDED,
        HangUp,
        outcome=Outcome.OFFICE,
    ),
    Row(
        "the office rings",
        OFFICE,
        heard(OfficeMissed, gone=True),
        Step.ENDED,
        HangUp,
        outcome=Outcome.HUNG_UP,
    ),
    Row(
        "after his message",
        MESSAGE,
        heard(MessageLeft, gone=True, seconds=1),
        Step.ENDED,
        HangUp,
        "",
        TAKEN,
        Outcome.MESSAGE,
    ),
    Row("without a message", MESSAGE, heard(MessageLeft, gone=True, seconds=0), Step.ENDED, HangUp),
    Row(
        "after a message of a case",
        MESSAGE_OF_A_CASE,
        heard(MessageLeft, gone=True),
        Step.ENDED,
        HangUp,
        "",
        TAKEN,
    ),
]

TABLE = {
    f"{title}: {row.name}": row
    for title, rows in {
        "strangers": STRANGERS,
        "by day": BY_DAY,
        "PIN": AT_PIN,
        "screening": SCREENING,
        "urgency": AT_URGENCY,
        "same case?": AT_SAME_CASE,
        "refused": AT_REFUSED,
        "ringing": AT_RINGING,
        "the end": AT_THE_END,
        "he hangs up": HE_HANGS_UP,
    }.items()
    for row in rows
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_one_turn(row: Row) -> None:
    turn = take_turn(row.call, row.what)
    said = " ".join(line.name for line in lines(turn))
    assert (turn.call.step, type(turn.then), said) == (row.step, row.then, row.says)
    assert turn.effects == row.effects
    outcome = row.call.outcome if row.outcome is None else row.outcome
    assert turn.call == replace(row.call, step=row.step, outcome=outcome, **row.now)


# What goes into the sentences, and how long a question waits: the same wherever it comes in the table.
VALUES: dict[str, dict[str, Value]] = {
    "challenge": {"digits": Digits("47")},
    "greeting": {"customer": "Acme"},
    "pin-ends": {"until": Day(LAST_DAY)},
    "reopens": {"at": Clock(OPENS)},
    "urgency-menu": {"levels": UrgencyMenu()},
    "definitions": {"levels": Definitions()},
    "code-known": {"since": Clock(OPEN_CASE.opened_at)},
    "code-known-taken": {"since": Clock(OPEN_CASE.opened_at), "technician": "Dario Neri"},
    "same-case": {"since": Clock(OPEN_CASE.opened_at)},
    "same-case-taken": {"since": Clock(OPEN_CASE.opened_at), "technician": "Dario Neri"},
    "accepted": {"code": Digits("4712"), "due": Clock(DUE)},
    "joined": {"code": Digits("8341"), "due": Clock(JOINED_DUE)},
    "joined-taken": {"code": Digits("8341"), "technician": "Dario Neri"},
    "call-back-promised": {"number": Digits("201")},
}
WAITS = {
    "office-missed": 5,
    "pin-more-time": 60,
    "code-ask": 5,
    "ringing-first": 1,
    "screening-wait": 1,
    # Nothing is asked: he waits a second, in company of what he heard before.
    "": 1,
    "ringing-missed": 2,
    "number-ask": 10,
    "talk-was-short": 6,
}
MOST_DIGITS = {"challenge": 2, "code-ask": 5, "number-ask": 15}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_what_goes_into_the_sentences_and_how_long_a_question_waits(row: Row) -> None:
    turn = take_turn(row.call, row.what)
    for line in lines(turn):
        if line.name == "nobody-answered":
            assert turn.call.case is not None
            assert turn.call.case.due_at is not None
            assert dict(line.values) == {"due": Clock(turn.call.case.due_at)}
        else:
            assert dict(line.values) == VALUES.get(line.name, {})
        in_itself = ("language-offer", "challenge", "challenge-failed")
        assert (line.language is not None) == (line.name in in_itself)
    if isinstance(turn.then, AskPin | AskKey | AskDigits):
        asked = turn.then.lines[-1].name if turn.then.lines else ""
        assert turn.then.timeout == WAITS.get(asked, 10 if isinstance(turn.then, AskPin) else 8)
        # What is asked may be keyed over: nothing is said that is not part of the question.
        assert turn.says == () or row.call.step in (Step.ARRIVAL, Step.OFFICE)
    if isinstance(turn.then, AskDigits):
        assert turn.then.most == MOST_DIGITS[turn.then.lines[-1].name]


def test_the_next_language_is_offered_in_itself() -> None:
    offered, call = [], NEW
    for kind in (ArrivedByNight, WantsLanguage, WantsLanguage, WantsLanguage):
        turn = take_turn(call, heard(kind))
        call = turn.call
        offered += [(call.language, line.language) for line in lines(turn) if line.name == "language-offer"]
    assert offered == [("it", "en"), ("en", "de"), ("de", "it"), ("it", "en")]


def test_two_digits_are_asked_for_in_every_language() -> None:
    turn = take_turn(NEW, heard(ArrivedInFlood))
    assert [line.language for line in lines(turn)] == ["it", "en", "de"]


def test_a_blocked_caller_wakes_nobody_without_a_right_pin() -> None:
    """Whatever he keys: no name is recorded for a technician to hear, and none is rung."""
    for call, kind, late in product([each for each in STATES.values() if each.blocked], kinds(), (0, 180)):
        turn = take_turn(call, heard(kind, at=NIGHT + seconds(late)))
        assert turn.call.step in (Step.PIN, Step.MESSAGE, Step.ENDED) or turn.call.customer == ACME


def test_the_office_s_phones_are_rung_in_order() -> None:
    turn = take_turn(NEW, heard(ArrivedByDay))
    assert turn.then == RingOffice(("+390461000001",))
    turn = take_turn(turn.call, heard(OfficeMissed))
    assert turn.then == RingOffice(("+390461000002",))
    assert isinstance(take_turn(turn.call, heard(OfficeMissed)).then, AskKey)


# -- whatever is heard ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STATES)
def test_every_combination_has_an_answer(name: str) -> None:
    call = STATES[name]
    for kind, gone, late in product(kinds(), (False, True), (0, 179, 180, 100_000)):
        turn = take_turn(call, heard(kind, gone=gone, at=NIGHT + seconds(late)))
        # Never silence: it ends, or the network is asked to do something that comes back to us.
        assert (turn.call.step is Step.ENDED) == isinstance(turn.then, HangUp)
        if gone:
            assert (turn.call.step, turn.says) == (Step.ENDED, ())
        elif turn.call.step is Step.SCREENING_WAIT and not lines(turn):
            # A second of quiet while what he said is on its way; the desk ends it after eight.
            assert call.step in (Step.SCREENING_NAME, Step.SCREENING_WAIT)
            assert turn.then == AskKey((), timeout=1)
        elif not isinstance(turn.then, RingOffice | RingTechnician):
            assert lines(turn)


def test_every_step_is_among_the_states_and_every_kind_in_the_table() -> None:
    assert {call.step for call in STATES.values()} == set(Step)
    assert {type(row.what) for row in TABLE.values()} == set(kinds()) - {WhileRinging}
    # What the stand-in served went by no conversation of ours.
    assert {row.outcome for row in TABLE.values()} == {None, *Outcome} - {Outcome.STAND_IN}


def test_nobody_but_an_accepted_caller_or_one_to_be_screened_reaches_a_technician() -> None:
    for call, kind in product(STATES.values(), kinds()):
        turn = take_turn(call, heard(kind))
        if isinstance(turn.then, RingTechnician):
            assert turn.call.case is not None
            assert call.step in {*PURSUED, Step.TALK_WAS_SHORT, Step.SCREENING_WAIT}


# What is said to whoever was promised something.
PROMISES = {"accepted", "joined", "joined-taken", "nobody-answered", "ringing-missed", "call-back-promised"}


@pytest.mark.parametrize("name", [name for name, call in STATES.items() if call.customer is None])
def test_nothing_is_promised_to_a_caller_without_a_verified_pin(name: str) -> None:
    """No case of his is pursued, no call-back offered, and he is counted before a technician is rung."""
    call = STATES[name]
    for kind, gone, late, result in product(
        kinds(), (False, True), (0, 180), ("declined", "accepted", "no-answer", "connected")
    ):
        more: dict[str, Any] = {"result": result} if issubclass(kind, AttemptEnded) else {}
        turn = take_turn(call, heard(kind, gone=gone, at=NIGHT + seconds(late), **more))
        if turn.call.customer is not None:
            assert kind is PinAccepted
            continue
        assert [e for e in turn.effects if isinstance(e, OpenCase | JoinCase | PursueNow | PursueAgain)] == []
        assert turn.call.step not in (Step.ACCEPTED, Step.BETWEEN_RINGS, Step.CALL_BACK_NUMBER)
        assert {line.name for line in lines(turn)} & PROMISES == set()
        woken = [effect for effect in turn.effects if isinstance(effect, WakeUp)]
        if isinstance(turn.then, RingTechnician):
            # Before the first phone rings, and never again: who reconnects was counted when he came.
            assert len(woken) == (call.case is None)
        else:
            assert woken == []
        if turn.call.case is not None:
            assert turn.call.case.due_at is None


def test_he_is_rung_for_once_and_in_one_pass() -> None:
    turn, people = take_turn(WAITING, heard(ReadyToScreen)), []
    while isinstance(turn.then, RingTechnician):
        people.append(turn.then.place.technician)
        turn = take_turn(turn.call, heard(AttemptEnded, passes=1))
    assert people == ["anna", "dario"]


def test_every_wrong_pin_is_counted_once_and_nothing_else_is() -> None:
    for call, kind, late in product(STATES.values(), kinds(), (0, 180)):
        for may_be_right in (False, True) if kind is PinWrong else (None,):
            more = {} if may_be_right is None else {"may_be_right": may_be_right}
            turn = take_turn(call, heard(kind, at=NIGHT + seconds(late), **more))
            counted = [effect for effect in turn.effects if isinstance(effect, PinMissed)]
            assert len(counted) == (kind is PinWrong and call.step is Step.PIN)


def test_whoever_may_hold_a_right_pin_is_never_refused_for_the_lack_of_one() -> None:
    for call, kind, late in product(STATES.values(), kinds(), (0, 180)):
        if call.step is Step.PIN and call.screen:
            turn = take_turn(call, heard(kind, at=NIGHT + seconds(late)))
            assert turn.call.refused != "no-pin"
            # Not even a blocked one: he leaves a message, and the technician on duty hears of it.
            assert turn.call.step is not Step.ENDED


# -- no call goes on for ever ------------------------------------------------------------------------

MENU_KEYS = (Silence, WrongKey, StrayHash)
ASKED_FOR_PIN = (
    CannotVerify,
    PinMalformed,
    PinUnchecked,
    NoPin,
    WantsMoreTime,
    WantsLanguage,
    Silence,
    StrayHash,
)
# What can be heard at a step, as the desk gathers it.
HEARABLE: dict[Step, list[Heard]] = {
    Step.ARRIVAL: [
        heard(kind) for kind in (ArrivedByNight, ArrivedByDay, ArrivedBlocked, ArrivedInFlood, CannotVerify)
    ],
    Step.CHALLENGE: [heard(DigitsWrong), heard(ArrivedByNight), heard(ArrivedByDay)],
    Step.OFFICE: [heard(OfficeAnswered), heard(OfficeMissed)],
    Step.OFFICE_MISSED: [heard(WantsPin), heard(Silence), heard(WrongKey)],
    Step.PIN: [
        *(heard(kind) for kind in ASKED_FOR_PIN),
        *(heard(kind, full_length=full) for kind in (PinWrong, PinAccepted) for full in (True, False)),
        heard(PinWrong, may_be_right=True),
        heard(PinAccepted, covered=False, full_length=True),
    ],
    Step.URGENCY: [
        *(heard(kind) for kind in (*MENU_KEYS, NotUrgent, WantsDefinitions, WantsToVerify)),
        heard(UrgencyChosen),
        heard(UrgencyAgain),
    ],
    Step.VERIFYING: [heard(CodeChecked), heard(CodeChecked, known=None), *(heard(k) for k in MENU_KEYS)],
    Step.SAME_CASE: [heard(SameProblem), heard(UrgencyChosen), heard(WrongKey)],
    Step.ACCEPTED: [heard(KeepsWaiting)],
    Step.REFUSED: [heard(WantsMessage), *(heard(kind) for kind in MENU_KEYS)],
    Step.RINGING: [
        *(heard(AttemptEnded, result=each) for each in ("connected", "accepted", "declined", "no-answer"))
    ],
    Step.BETWEEN_RINGS: [heard(KeepsWaiting), heard(WantsCallBack), heard(WantsCallBack, number=None)],
    Step.CALL_BACK_NUMBER: [heard(NumberGiven), heard(NumberGiven, number=None)],
    Step.TALK_WAS_SHORT: [heard(WantsReconnect), heard(Silence)],
    Step.SCREENING_NAME: [heard(MessageLeft), heard(MessageLeft, seconds=0, recording=None)],
    # Not StillWaiting: the desk says so for eight seconds and not longer.
    Step.SCREENING_WAIT: [heard(ReadyToScreen), heard(ReadyToScreen, ladder=()), heard(NoMoreWakeUps)],
    Step.MESSAGE: [heard(MessageLeft), heard(MessageLeft, seconds=0), heard(Silence)],
    Step.ENDED: [],
}


def hearable(call: Call) -> Iterator[Heard]:
    for each in HEARABLE[call.step]:
        # A `#` is a stray one only while one may follow, and whoever was asked twice means the same case.
        if isinstance(each, StrayHash) and not call.hash_may_follow:
            continue
        if call.step is Step.SAME_CASE and call.missed and isinstance(each, WrongKey):
            continue
        yield each


def essence(call: Call) -> Call:
    """The call without what no later step looks at: fewer states to walk through."""
    if call.step is not Step.PIN:
        call = replace(call, wrong_pins=0, more_time_given=False, pin_phase_ends=None)
    if call.case is not None:
        call = replace(call, definitions_heard=0, codes_tried=0, hash_may_follow=False)
    return call


def circle(start: Call, *, without: tuple[type[Heard], ...]) -> list[str]:
    """What to say to stand again where one stood, time standing still; nothing if that cannot be."""
    done: set[Call] = set()
    path: dict[Call, str] = {essence(start): ""}
    ways = [hearable(essence(start))]
    while ways:
        here = next(reversed(path))
        what = next(ways[-1], None)
        if what is None:
            ways.pop()
            done.add(here)
            del path[here]
            continue
        if isinstance(what, without):
            continue
        there = essence(take_turn(here, what).call)
        if there in path:
            return [f"{here.step}: {type(what).__name__} after", *path.values()]
        if there not in done:
            path[there] = f"{here.step}: {type(what).__name__}"
            ways.append(hearable(there))
    return []


@pytest.mark.parametrize("name", STATES)
def test_no_call_goes_round_in_circles(name: str) -> None:
    """Every way through, exhaustively; `*` alone leads round, and a PIN that there is no time to check.
    Both the clock ends: see the table.
    """
    assert circle(STATES[name], without=(WantsLanguage, PinUnchecked)) == []


@settings(max_examples=200, deadline=None)
@given(name=some.sampled_from(sorted(STATES)), source=some.randoms(use_true_random=False))
def test_whatever_he_does_to_stay_on_the_line_the_call_ends(name: str, source: random.Random) -> None:
    call, at = STATES[name], NIGHT
    for _ in range(400):
        if call.step is Step.ENDED:
            return
        what = replace(source.choice(list(hearable(call))), at=at)
        # He tries what leads to an end only if a second thought does.
        if take_turn(call, what).call.step in (Step.ENDED, Step.MESSAGE):
            what = replace(source.choice(list(hearable(call))), at=at)
        call = take_turn(call, what).call
        at += seconds(source.randint(1, 40))
    raise AssertionError("still on the line")


# -- at some length ------------------------------------------------------------------------------------


def test_the_pin_phase_is_counted_from_its_first_question() -> None:
    turn = take_turn(NEW, heard(ArrivedByNight))
    again = take_turn(turn.call, heard(PinWrong, at=NIGHT + seconds(100)))
    assert again.call.pin_phase_ends == PIN_ENDS


def test_three_wrong_pins_or_four_missed_prompts_and_never_fewer() -> None:
    for kind, tries in ((PinWrong, 3), (Silence, 4), (PinMalformed, 4)):
        call, turns = PIN, 0
        while call.step is Step.PIN:
            call, turns = take_turn(call, heard(kind)).call, turns + 1
        assert (turns, call.step) == (tries, Step.REFUSED)


def test_the_caller_s_own_phone_is_never_rung() -> None:
    by_anna = replace(ACCEPTED, caller=ANNA.phone)
    assert take_turn(by_anna, heard(KeepsWaiting)).then == RingTechnician(DARIO)


def test_whoever_is_on_another_call_is_passed_over_while_others_remain() -> None:
    busy = frozenset({ANNA.phone})
    turn = take_turn(ACCEPTED, heard(KeepsWaiting, engaged=busy))
    assert turn.then == RingTechnician(DARIO)
    # Then Anna after all: better a busy phone than none.
    declined = heard(AttemptEnded, result="declined", engaged=busy)
    assert take_turn(turn.call, declined).then == RingTechnician(ANNA)
    # In the second pass she is last again.
    again = take_turn(ALL_TRIED, declined)
    assert (again.then, again.call.tried) == (RingTechnician(DARIO), (DARIO.phone,))


def test_of_several_the_first_who_is_free_is_rung_and_of_the_engaged_the_first() -> None:
    carla = replace(ANNA, technician="carla", phone="+393331234503")
    three = replace(ACCEPTED, ladder=(ANNA, DARIO, carla))
    engaged = {ANNA.phone, DARIO.phone, carla.phone}
    for busy, first in (((), ANNA), ((ANNA.phone,), DARIO), (engaged, ANNA)):
        assert take_turn(three, heard(KeepsWaiting, engaged=frozenset(busy))).then == RingTechnician(first)


def rung(call: Call, **facts: Any) -> list[str]:
    """Whom a call rings, one after the other, if nobody ever answers."""
    turn, people = take_turn(call, heard(UrgencyChosen, **facts)), []
    while not isinstance(turn.then, TakeMessage):
        if isinstance(turn.then, RingTechnician):
            people.append(turn.then.place.technician)
            assert len(people) < 20
        ringing = turn.call.step is Step.RINGING
        turn = take_turn(turn.call, heard(AttemptEnded if ringing else KeepsWaiting))
    return people


ANNA_AT_HOME = replace(ANNA, phone="+390461777001")
SEVERAL = (ANNA, ANNA_AT_HOME, DARIO)


@pytest.mark.parametrize(
    ("result", "hung_up", "following"),
    [
        ("declined", False, DARIO),
        ("accepted", False, ANNA_AT_HOME),
        ("unconfirmed", True, ANNA_AT_HOME),
    ],
)
def test_whoever_says_no_says_it_for_all_his_phones(
    result: str, hung_up: bool, following: LadderPlace
) -> None:
    call = replace(RINGING, ladder=SEVERAL)
    heard = AttemptEnded(at=NIGHT, passes=2, no_new_attempt_after=240, result=result, hung_up=hung_up)
    assert take_turn(call, heard).then == RingTechnician(following)


def test_after_a_miss_his_next_phone_rings_before_the_next_person() -> None:
    call = replace(BETWEEN, ladder=SEVERAL)
    heard = KeepsWaiting(at=NIGHT, passes=2, no_new_attempt_after=240)
    assert take_turn(call, heard).then == RingTechnician(ANNA_AT_HOME)


def test_in_the_next_pass_he_is_rung_again_on_all_of_them() -> None:
    call = replace(RINGING, ladder=SEVERAL, tried=(ANNA.phone, ANNA_AT_HOME.phone, DARIO.phone))
    heard = KeepsWaiting(at=NIGHT, passes=2, no_new_attempt_after=240)
    turn = take_turn(replace(call, step=Step.BETWEEN_RINGS), heard)
    assert (turn.then, turn.call.tried) == (RingTechnician(ANNA), (ANNA.phone,))


@pytest.mark.parametrize("engaged", [ANNA.phone, ANNA_AT_HOME.phone])
def test_somebody_who_talks_on_one_phone_is_not_rung_on_another(engaged: str) -> None:
    call = replace(ACCEPTED, ladder=SEVERAL)
    heard = KeepsWaiting(at=NIGHT, passes=2, no_new_attempt_after=240, engaged=frozenset({engaged}))
    assert take_turn(call, heard).then == RingTechnician(DARIO)


def test_a_technician_who_calls_is_rung_on_none_of_his_phones() -> None:
    call = replace(ACCEPTED, ladder=SEVERAL, caller=ANNA_AT_HOME.phone)
    heard = KeepsWaiting(at=NIGHT, passes=2, no_new_attempt_after=240)
    assert take_turn(call, heard).then == RingTechnician(DARIO)


def test_two_passes_and_each_phone_once_in_each() -> None:
    assert rung(KNOWN) == ["anna", "dario", "anna", "dario"]
    also_dario = replace(DARIO, rung=3)
    assert rung(KNOWN, ladder=(ANNA, DARIO, also_dario)) == ["anna", "dario", "anna", "dario"]
    assert rung(KNOWN, ladder=(ANNA,)) == ["anna", "anna"]
    assert rung(KNOWN, ladder=()) == []


def test_the_technician_he_was_talking_to_is_rung_again_then_the_others_in_their_order() -> None:
    carla = replace(ANNA, technician="carla", phone="+393331234503")
    call = replace(SHORT, ladder=(ANNA, carla, DARIO), tried=(ANNA.phone, carla.phone, DARIO.phone))
    turn = take_turn(call, heard(WantsReconnect))
    assert turn.then == RingTechnician(DARIO)
    assert turn.call.ladder == (DARIO, ANNA, carla)
    # If he leaves now, the case is pursued like any other.
    assert take_turn(turn.call, heard(AttemptEnded, gone=True)).effects == (PursueNow(),)


# -- the technician ----------------------------------------------------------------------------------

LEG = Leg(SID, SID, 1, "it", "P1+", "Acme", "4712", DUE)
# The caller has no verified PIN: what he said of himself, else his number, if he shows one.
NUMBER_LEG = Leg(SID, SID, 1, "it", None, None, "4712", None, caller=HIS_NUMBER)
WITHHELD_LEG = replace(NUMBER_LEG, caller="")
NAME_LEG = replace(NUMBER_LEG, name_recording=HIS_NAME)
UNVERIFIED = {
    "said who he is": (NAME_LEG, ("technician-screened", HIS_NAME, "technician-keys")),
    "said who he is, number withheld": (
        replace(NAME_LEG, caller=""),
        ("technician-screened", HIS_NAME, "technician-keys"),
    ),
    "said nothing": (NUMBER_LEG, ("technician-screened-number", "technician-keys")),
    "said nothing, number withheld": (WITHHELD_LEG, ("technician-screened-withheld", "technician-keys")),
}


def told(turn: LegTurn) -> tuple[str, ...]:
    """What a technician hears: names of sentences, sids of recordings."""
    asked = turn.then.lines if isinstance(turn.then, AskTechnician) else ()
    return tuple(each.sid if isinstance(each, Recorded) else each.name for each in (*turn.says, *asked))


@pytest.mark.parametrize(
    ("leg", "what", "then", "says"),
    [
        (LEG, "picked-up", FIRST_WAIT, ("technician-announce",)),
        (LEG, "silence", SECOND_WAIT, ("technician-short",)),
        (replace(LEG, silences=1), "silence", HangUp(), ()),
        (LEG, "repeat", FIRST_WAIT, ("technician-announce",)),
        (LEG, "wrong-key", FIRST_WAIT, ("technician-announce",)),
        (replace(LEG, repeats=REPEATS), "wrong-key", HangUp(), ()),
        *(
            row
            for leg, says in UNVERIFIED.values()
            for row in (
                (leg, "picked-up", FIRST_WAIT, says),
                (leg, "repeat", FIRST_WAIT, says),
                (leg, "wrong-key", FIRST_WAIT, says),
                (replace(leg, repeats=REPEATS), "wrong-key", HangUp(), ()),
                # No short repeat: what he said of himself took its time.
                (leg, "silence", HangUp(), ()),
            )
        ),
        *(
            row
            for leg in (LEG, NAME_LEG, NUMBER_LEG, WITHHELD_LEG)
            for row in (
                (leg, "accepted", Bridge(), ("technician-connecting",)),
                (leg, "passed", HangUp(), ("technician-passed",)),
                (leg, "too-late", HangUp(), ("technician-too-late",)),
            )
        ),
        *(
            (replace(leg, ended=True), what, HangUp(), ())
            for leg in (LEG, NAME_LEG)
            for what in ("picked-up", "accepted", "passed", "repeat", "wrong-key", "silence", "too-late")
        ),
    ],
)
def test_one_turn_of_a_technician(leg: Leg, what: Any, then: object, says: tuple[str, ...]) -> None:
    turn = technician_flow.take_turn(leg, what)
    assert told(turn) == says
    assert (turn.then.timeout if isinstance(turn.then, AskTechnician) else turn.then) == then
    # Only his key connects him; everything else asks again or hangs up.
    assert isinstance(turn.then, Bridge) == (what == "accepted" and not leg.ended)


def test_his_number_is_spoken_digit_by_digit() -> None:
    (number, _) = technician_flow.announce(NUMBER_LEG)
    assert isinstance(number, Line)
    assert dict(number.values) == {"number": Digits(HIS_NUMBER)}


@pytest.mark.parametrize(("leg", "silence"), [(LEG, FIRST_WAIT + SECOND_WAIT), (NAME_LEG, FIRST_WAIT)])
def test_a_voicemail_costs_ten_seconds_of_silence_at_most(leg: Leg, silence: int) -> None:
    turn = technician_flow.take_turn(leg, "picked-up")
    waited = 0
    while isinstance(turn.then, AskTechnician):
        waited += turn.then.timeout
        turn = technician_flow.take_turn(turn.leg, "silence")
    assert waited == silence <= 10
    assert isinstance(turn.then, HangUp)


@pytest.mark.parametrize("leg", [LEG, NAME_LEG])
def test_a_child_that_plays_with_the_phone_ends_too(leg: Leg) -> None:
    turn, turns = technician_flow.take_turn(leg, "picked-up"), 0
    while isinstance(turn.then, AskTechnician):
        turn, turns = technician_flow.take_turn(turn.leg, "wrong-key"), turns + 1
    assert turns == REPEATS + 1

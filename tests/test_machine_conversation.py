"""The conversation as a machine: several calls at once, whose requests come in any order, twice, or never.

`test_random_conversations.py` plays a network that keeps its word. Here nobody does: the desks are asked
whatever can be asked of them, and what must always hold is looked at after every request.
"""

from __future__ import annotations

import os
import random
import re
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from fuzzing.asking import FORM, HOST, Asked, encoded, put, signed
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from making import ACCOUNT, ACTOR, NIGHT, TOKEN, configuration, fresh_database, staff, utc
from sqlalchemy import select
from whole import Ledger

from console.house import House, pin_index
from console.processes.doors import webhook_app
from ivr import journal
from ivr.tables import wake_ups
from ivr.vocabulary import Step
from oncall.cases import cases
from oncall.cases import casework as oncall_casework
from pins import customers, registry, throttle
from storage import due

FULL = os.environ.get("FULL") == "1"
RIGHT, SECOND, WRONG = "38205917", "46213925", "57382914"
CALLERS = ("+393471112201", "+393480000001", "", "+393331234501", "+390461402406")
KEYS = (
    "",
    "1",
    "1",
    "2",
    "3",
    "4",
    "0",
    "9",
    "#",
    "*",
    "12",
    RIGHT,
    RIGHT,
    RIGHT,
    SECOND,
    WRONG,
    WRONG,
    RIGHT + "\n",
)
STATUSES = ("completed", "no-answer", "busy", "failed", "canceled", "answered", "", None)
# A caller who does nothing any more is done with after so many requests.
MOST_SILENCE = 60
PUBLIC = "https://ivr.example.net"


@dataclass(frozen=True)
class Answer:
    """What was answered, as far as it matters here."""

    body: str

    @property
    def waits_for(self) -> str:
        """The verb that it ends with: Gather, Dial, Record or Hangup; "" if it merely ends."""
        verbs = re.findall(r"<(Gather|Dial|Record|Hangup)\b", self.body)
        return verbs[-1] if verbs else ""

    @property
    def hangs_up(self) -> bool:
        return self.body.endswith("<Response><Hangup /></Response>")

    def address(self, name: str = "action") -> str:
        """The address that the network is told to ask next."""
        found = re.search(rf'\b{name}="([^"]+)"', self.body)
        assert found is not None, self.body
        return found[1].replace("&amp;", "&").removeprefix(PUBLIC)


@dataclass
class Leg:
    """A technician's phone that was picked up. `paths` is where each turn was or will be asked."""

    sid: str
    parent: str
    turn: int = 0
    paths: list[str] = field(default_factory=list)
    answered: dict[int, Answer] = field(default_factory=dict)
    pressed: str = ""


@dataclass
class Caller:
    """A call as the network would know it."""

    sid: str
    number: str
    caller: str
    answered: dict[int, Answer] = field(default_factory=dict)
    paths: list[str] = field(default_factory=lambda: ["/voice"])
    next_turn: int = 0
    right_pin: bool = False
    bridged_after_key: bool = False
    told_over: bool = False
    legs: list[Leg] = field(default_factory=list)

    @property
    def last(self) -> Answer:
        return self.answered[max(self.answered)]

    @property
    def over(self) -> bool:
        return self.last.waits_for == "Hangup"


class Conversation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.at = NIGHT
        self.open = ExitStack()
        folder = Path(self.open.enter_context(tempfile.TemporaryDirectory()))
        self.database = self.open.enter_context(fresh_database(folder))
        self.mine = configuration(folder)
        house = House(self.mine, self.database)
        self.app = webhook_app(house, lambda: self.at, random.Random(1))
        self.ledger = Ledger(self.database)
        self.open.callback(self.ledger.close)
        self.calls: list[Caller] = []
        self.sids = 0
        self.budget_spent = False
        index = pin_index(self.mine)
        with self.database.write() as connection:
            staff(connection, utc("2026-01-01 00:00"))
            for code, pin, phone in (("ACME", RIGHT, CALLERS[0]), ("MALGA", SECOND, "+393471112202")):
                customers.add_customer(connection, ACTOR, NIGHT, code.title(), code=code, phones=[phone])
                new = registry.NewPin(pin, tuple(index.digests(pin)))
                registry.issue(connection, ACTOR, NIGHT, code, new)

    def teardown(self) -> None:
        try:
            self.everybody_falls_silent()
        finally:
            self.open.close()

    # -- requests ---------------------------------------------------------------------------------

    def new_sid(self) -> str:
        self.sids += 1
        return f"CA{self.sids:032x}"

    def post(self, path: str, **form: str | None) -> Answer:
        """What the door answers to a form that Twilio has signed."""
        target, _, query = path.partition("?")
        pairs = [
            ("AccountSid", ACCOUNT),
            *((name, value) for name, value in form.items() if value is not None),
        ]
        asked = Asked("POST", target, query, (("Host", HOST), ("Content-Type", FORM)), encoded(pairs))
        answered = put(self.app, signed(asked, TOKEN, PUBLIC))
        assert answered.status in (200, 204)
        return Answer(answered.body.decode())

    def ask(
        self, call: Caller, turn: int, *, path: str | None = None, gone: bool = False, **more: str | None
    ) -> Answer:
        """One request of a caller, and what always holds of its answer."""
        status = "completed" if gone else "in-progress"
        about = {"CallSid": call.sid, "From": call.caller, "To": call.number, "Direction": "inbound"}
        answer = self.post(path or call.paths[turn], **about, CallStatus=status, **more)
        assert answer.waits_for, "no document merely ends"
        if turn in call.answered:
            assert answer == call.answered[turn]
        elif not (answer.hangs_up and turn != call.next_turn):
            call.answered[turn] = answer
            call.next_turn = turn + 1
            over = answer.waits_for == "Hangup"
            call.paths.append(f"/voice/turn/{turn + 1}" if over else answer.address())
        return answer

    def ask_leg(self, leg: Leg, turn: int, digits: str | None = None, *, gone: bool = False) -> Answer:
        about = {"CallSid": leg.sid, "ParentCallSid": leg.parent, "Direction": "outbound-dial"}
        status = "completed" if gone else "in-progress"
        answer = self.post(leg.paths[turn], **about, CallStatus=status, Digits=digits)
        if turn in leg.answered and not gone:
            assert answer == leg.answered[turn]
        assert answer.waits_for in ("Gather", "Hangup") or leg.pressed == "1" or digits == "1", (
            "a key connects"
        )
        return answer

    def one(self, which: int) -> Caller:
        return self.calls[which % len(self.calls)]

    # -- what may happen --------------------------------------------------------------------------

    @initialize()
    def somebody_calls(self) -> None:
        self.rings(0, 0)

    @precondition(lambda self: len(self.calls) < 8)
    @rule(caller=st.integers(0, len(CALLERS) - 1), number=st.integers(0, 2))
    def rings(self, caller: int, number: int) -> None:
        call = Caller(self.new_sid(), self.mine.our_numbers[number], CALLERS[caller])
        self.calls.append(call)
        self.ask(call, 0)

    @rule(which=st.integers(0, 7), keys=st.sampled_from(KEYS))
    def keys(self, which: int, keys: str) -> None:
        call = self.one(which)
        asked_for_pin = self.step(call) is Step.PIN
        self.ask(call, call.next_turn, Digits=keys)
        call.right_pin |= asked_for_pin and keys in (RIGHT, SECOND)

    @rule(which=st.integers(0, 7))
    def goes_through(self, which: int) -> None:
        """The right PIN and an urgency: most calls should get that far."""
        self.keys(which, RIGHT)
        self.keys(which, "1")
        self.keys(which, "")

    @rule(
        which=st.integers(0, 7), status=st.sampled_from(STATUSES), bridged=st.booleans(), gone=st.booleans()
    )
    def dial_ends(self, which: int, status: str | None, bridged: bool, gone: bool) -> None:
        call = self.one(which)
        assume(call.last.waits_for == "Dial")
        pressed = any(leg.pressed == "1" for leg in call.legs)
        call.bridged_after_key |= bridged and pressed
        told = "true" if bridged else "false"
        self.ask(call, call.next_turn, DialCallStatus=status, DialBridged=told, gone=gone)

    @rule(which=st.integers(0, 7))
    def a_technician_picks_up(self, which: int) -> None:
        call = self.one(which)
        assume(call.last.waits_for == "Dial" and ' url="' in call.last.body)
        leg = Leg(self.new_sid(), call.sid, paths=[call.last.address("url")])
        answer = self.ask_leg(leg, 0)
        if not answer.hangs_up:
            self.goes_on(leg, answer)
            call.legs.append(leg)

    @staticmethod
    def goes_on(leg: Leg, answer: Answer) -> None:
        leg.answered[leg.turn] = answer
        leg.turn += 1
        following = re.sub(r"technician/[0-9]+", f"technician/{leg.turn}", leg.paths[-1])
        leg.paths.append(answer.address() if answer.waits_for == "Gather" else following)

    @rule(
        which=st.integers(0, 7),
        key=st.sampled_from(["", "1", "1", "2", "9", "5", "12", None]),
        turn=st.integers(0, 3),
    )
    def a_technician_presses(self, which: int, key: str | None, turn: int) -> None:
        call = self.one(which)
        assume(call.legs)
        leg = call.legs[-1]
        turn = leg.turn if turn else turn  # sometimes the first one again
        answer = self.ask_leg(leg, turn, key)
        if turn not in leg.answered and not answer.hangs_up:
            self.goes_on(leg, answer)
            leg.pressed = leg.pressed or ("1" if key == "1" else "2" if key == "2" else "")

    @rule(which=st.integers(0, 7))
    def a_technician_is_gone(self, which: int) -> None:
        call = self.one(which)
        assume(call.legs)
        self.ask_leg(call.legs[-1], call.legs[-1].turn, gone=True)

    @rule(which=st.integers(0, 7), seconds=st.integers(0, 130), gone=st.booleans())
    def speaks(self, which: int, seconds: int, gone: bool) -> None:
        call = self.one(which)
        assume(call.last.waits_for == "Record")
        sid = f"RE{self.sids:032x}"
        said = {"RecordingSid": sid, "RecordingUrl": f"https://api.twilio.com/{sid}"} if seconds else {}
        length = str(seconds) if seconds else None
        self.ask(call, call.next_turn, Digits="#", gone=gone, RecordingDuration=length, **said)

    @rule(which=st.integers(0, 7), gone=st.booleans())
    def hangs_up(self, which: int, gone: bool) -> None:
        """The end is told; with `gone` the verb under way is asked about first, or afterwards, or never."""
        call = self.one(which)
        if gone:
            self.ask(call, call.next_turn, Digits="", gone=True)
        self.post("/voice/status", CallSid=call.sid, From=call.caller, To=call.number, CallStatus="completed")
        call.told_over = True

    @rule(which=st.integers(0, 7), turn=st.integers(0, 12), keys=st.sampled_from(KEYS), bridged=st.booleans())
    def asks_again(self, which: int, turn: int, keys: str, bridged: bool) -> None:
        """An answered turn, with other words: its answer, and no effect."""
        call = self.one(which)
        turn = sorted(call.answered)[turn % len(call.answered)]
        before = self.ledger.whole()
        told = "true" if bridged else "false"
        self.ask(call, turn, Digits=keys, DialCallStatus="completed", DialBridged=told)
        assert not self.ledger.whole().unlike(before)

    @rule(which=st.integers(0, 7), ahead=st.integers(1, 40), keys=st.sampled_from(KEYS))
    def skips_ahead(self, which: int, ahead: int, keys: str) -> None:
        call = self.one(which)
        before = self.ledger.whole()
        turn = call.next_turn + ahead
        path = re.sub(r"turn/[0-9]+", f"turn/{turn}", call.paths[-1])
        assert self.ask(call, turn, path=path, Digits=keys).hangs_up
        assert not self.ledger.whole().unlike(before)

    @rule(which=st.integers(0, 7))
    def asks_the_fallback(self, which: int) -> None:
        call = self.one(which)
        before = self.ledger.whole()
        about = {"CallSid": call.sid, "From": call.caller, "To": call.number}
        assert self.post("/voice/fallback", **about, CallStatus="in-progress") == call.last
        assert not self.ledger.whole().unlike(before)

    @rule(seconds=st.integers(1, 300))
    def time_passes(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)

    @precondition(lambda self: len(self.calls) < 12)
    @rule(calls=st.integers(1, 5))
    def several_are_heard_by_a_person(self, calls: int) -> None:
        """Callers without a right PIN, when guesses are no longer looked at: each says who he is."""
        if not self.budget_spent:
            self.somebody_guesses_all_evening()
        for _ in range(calls):
            self.rings(2, 0)
            call = self.calls[-1]
            for _ in range(10):
                if call.last.waits_for in ("Dial", "Hangup"):
                    break
                if call.last.waits_for == "Record":
                    self.speaks(len(self.calls) - 1, 3, False)
                else:
                    self.ask(call, call.next_turn, Digits=WRONG if self.step(call) is Step.PIN else "")
                self.at += timedelta(seconds=3)

    @precondition(lambda self: not self.budget_spent)
    @rule()
    def somebody_guesses_all_evening(self) -> None:
        self.budget_spent = True
        with self.database.write() as connection:
            for _ in range(throttle.BUDGET_HOUR):
                throttle.missed(connection, self.at, "", throttle.Lane.SHARED)

    @rule(which=st.integers(0, 7), act=st.sampled_from(["take", "pass", "close"]))
    def a_person_acts(self, which: int, act: str) -> None:
        """By the case link or the console, in the midst of it."""
        with self.database.write() as connection:
            case = cases.of_call(connection, self.one(which).sid)
            if case is None or case.closed_at is not None:
                return
            if act == "take":
                oncall_casework.take(connection, ACTOR, self.at, case, "bruno")
            elif act == "pass" and oncall_casework.holder(connection, case):
                oncall_casework.pass_on(connection, ACTOR, self.at, case)

    # -- what always holds --------------------------------------------------------------------------

    def step(self, call: Caller) -> Step | None:
        with self.database.read() as connection:
            standing = journal.glance(connection, call.sid, 0)
        return standing.call.step if standing else None

    @invariant()
    def nobody_is_connected_without_right(self) -> None:
        with self.database.read() as connection:
            for call in self.calls:
                record = journal.call(connection, call.sid)
                case = cases.of_call(connection, call.sid)
                if case is not None and not case.screened:
                    assert call.right_pin, "a case without a right PIN"
                if case is not None and case.screened:
                    assert case.due_at is None, "something was promised to who was not verified"
                if record.outcome == "connected":
                    assert call.bridged_after_key, "connected without a key and a bridge"

    @invariant()
    def an_accepted_case_is_pursued_until_somebody_has_it(self) -> None:
        with self.database.read() as connection:
            for case in cases.recent(connection):
                pursued = due.pending(connection, cases.PURSUE, case.number)
                has_it = oncall_casework.holder(connection, case) is not None
                if case.screened:
                    assert not pursued
                elif case.closed_at is None:
                    assert pursued or has_it, f"case {case.number} is nobody's"

    @invariant()
    def few_are_woken_for_nobody_knows_whom(self) -> None:
        with self.database.read() as connection:
            woken = sorted(connection.execute(select(wake_ups.c.at)).scalars())
        for first, fifth in zip(woken, woken[journal.WAKE_UPS_AN_HOUR :], strict=False):
            assert fifth - first >= timedelta(hours=1)

    def everybody_falls_silent(self) -> None:
        """No loop without an end: whoever does nothing any more is done with."""
        for call in self.calls:
            for _ in range(MOST_SILENCE):
                if call.over:
                    break
                self.at += timedelta(seconds=10)
                rings = call.last.waits_for == "Dial"
                self.ask(
                    call, call.next_turn, **({"DialCallStatus": "no-answer"} if rings else {"Digits": ""})
                )
            assert call.over, f"turn {call.next_turn} and no end: {call.last.body}"
        self.an_accepted_case_is_pursued_until_somebody_has_it()
        self.few_are_woken_for_nobody_knows_whom()


Conversation.TestCase.settings = settings(
    max_examples=150 if FULL else 6,
    stateful_step_count=60 if FULL else 30,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=list(HealthCheck),
)
TestConversation = Conversation.TestCase

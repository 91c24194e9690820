"""Cases as a machine: several of them, opened, joined, rung for, taken, passed on, reclassified, merged,
closed and reopened in any order. Each is remembered in a few plain values, and stands as these say.

`test_casework.py` does the same to one case alone, with the minutes of its package.
"""

from __future__ import annotations

import os
import random
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from making import ACTOR, EXAMPLE, NIGHT, RINGING, a_call, a_sid, fresh_database, staff, utc
from sqlalchemy import Connection

from console.settings import load
from ivr import casework
from ivr.settings import UrgencySettings
from oncall.cases import cases
from oncall.cases.cases import Case, CaseRefusal
from oncall.cases.closing import merge
from oncall.people import RosterRefusal
from oncall.reaching import attempts
from pins import customers
from storage import due

FULL = os.environ.get("FULL") == "1"
PEOPLE = ("anna", "bruno", "dario")
CODES = ("ACME", "MALGA")
WITHIN = {"P1+": timedelta(hours=1), "P1": timedelta(hours=2), "P2": timedelta(hours=4), "P3": None}


@dataclass
class Known:
    """What is remembered of a case."""

    id: int
    opened: datetime
    customer: int | None
    # What was promised to its caller; None if nothing was.
    due: datetime | None
    screened: bool
    closed: datetime | None = None
    merged: bool = False
    # The row as it stood when it was closed.
    rests_as: Case | None = None
    before: Case | None = None


@cache
def urgency() -> UrgencySettings:
    return load(EXAMPLE, {}).urgency


class Cases(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        folder = Path(self.open.enter_context(tempfile.TemporaryDirectory()))
        self.database = self.open.enter_context(fresh_database(folder))
        self.at = NIGHT
        self.known: list[Known] = []
        self.sids = 0
        self.customers: dict[str, int] = {}
        with self.database.write() as connection:
            staff(connection, utc("2026-01-01 00:00"))
            for code in CODES:
                made = customers.add_customer(connection, ACTOR, NIGHT, code.title(), code=code)
                self.customers[code] = made.id

    def teardown(self) -> None:
        self.open.close()

    def one(self, which: int) -> Known:
        return self.known[which % len(self.known)]

    def now(self, connection: Connection, known: Known) -> Case:
        return cases.find(connection, cases.number_of(connection, known.id))

    def call(self, connection: Connection) -> str:
        self.sids += 1
        return a_call(connection, a_sid(self.sids), self.at)

    # -- what happens -----------------------------------------------------------------------------

    @initialize()
    def the_first(self) -> None:
        self.opens("ACME", "P1+")

    @precondition(lambda self: len(self.known) < 6)
    @rule(code=st.sampled_from([*CODES, None]), level=st.sampled_from(["P1+", "P1", "P2"]))
    def opens(self, code: str | None, level: str) -> None:
        """None: a caller without a verified PIN, who is promised nothing."""
        promised = WITHIN[level] if code else None
        due_at = self.at + promised if promised else None
        with self.database.write() as connection:
            number = cases.next_number(connection, 2026)
            case_id = cases.open_case(
                connection,
                self.at,
                number=number,
                code=cases.free_code(connection, self.at, random.Random(self.sids)),
                call_sid=self.call(connection),
                customer_id=self.customers[code] if code else None,
                rota="duty",
                urgency=level if code else None,
                due_at=due_at,
                pursue_at=self.at + timedelta(seconds=270) if code else None,
                billable=False,
            )
        self.known.append(
            Known(case_id, self.at, self.customers[code] if code else None, due_at, screened=code is None)
        )

    @rule(which=st.integers(0, 9), level=st.sampled_from(["P1+", "P1", "P2"]))
    def joins(self, which: int, level: str) -> None:
        """The customer calls again about the same problem."""
        known = self.one(which)
        within = WITHIN[level]
        if known.closed or known.customer is None or within is None:
            return
        sooner = self.at + within
        with self.database.write() as connection:
            cases.join(
                connection,
                self.at,
                known.id,
                call_sid=self.call(connection),
                urgency=level,
                due_at=sooner,
                pursue_at=self.at + timedelta(seconds=270),
            )
        known.due = sooner if known.due is None else min(known.due, sooner)

    @rule(
        which=st.integers(0, 9),
        who=st.sampled_from(PEOPLE),
        key=st.sampled_from(["accepted", "declined", None]),
        bridged=st.booleans(),
    )
    def is_rung_for(self, which: int, who: str, key: str | None, bridged: bool) -> None:
        known = self.one(which)
        if known.closed:
            return
        with self.database.write() as connection:
            sid = cases.calls_of(connection, known.id)[-1]
            attempt = attempts.begin_attempt(connection, self.at, known.id, sid, who, "+39333", 1)
            attempts.picked_up(connection, self.at, attempt)
            if key is not None:
                attempts.press(connection, self.at, attempt, key)  # type: ignore[arg-type]
            result = attempts.settle(connection, self.at, attempt, "completed", bridged=bridged)
            assert (result == "connected") == (key == "accepted" and bridged)

    @rule(
        which=st.integers(0, 9),
        deed=st.sampled_from(["hand", "link", "text", "let go", "pass", "note", "name", "P1+", "P2", "P3"]),
        who=st.sampled_from(PEOPLE),
        stale=st.booleans(),
    )
    def somebody_acts(self, which: int, deed: str, who: str, stale: bool) -> None:
        """With `stale`, upon a page that was shown before others acted."""
        known = self.one(which)
        with self.database.read() as connection:
            now = self.now(connection, known)
        seen = known.before if stale and known.before is not None else now
        known.before = now
        try:
            with self.database.write() as connection:
                self.act(connection, seen, deed, who)
        except (CaseRefusal, RosterRefusal):
            return
        assert known.closed is None or deed == "let go", f"{deed} was done to a closed case"
        if deed == "name":
            known.customer = self.customers["MALGA"]
        if deed in WITHIN:
            within, promised = WITHIN[deed], not known.screened or known.due is not None
            known.due = known.opened + within if within is not None and promised else None

    def act(self, connection: Connection, seen: Case, deed: str, who: str) -> None:
        match deed:
            case "hand" | "link":
                casework.take(connection, ACTOR, self.at, seen, who, deed)  # type: ignore[arg-type]
            case "text":
                casework.take(connection, ACTOR, self.at, seen, who, "text", RINGING)
            case "let go":
                # The worker lets go and pursues; where nobody is to be pursued for, nothing follows.
                casework.by_hand.let_go(connection, self.at, seen)
            case "pass":
                casework.pass_on(connection, ACTOR, self.at, seen)
            case "note":
                casework.by_hand.note(connection, ACTOR, self.at, seen, "x")
            case "name":
                casework.name_customer(connection, ACTOR, self.at, seen, "MALGA", urgency())
            case level:
                casework.reclassify(connection, ACTOR, self.at, seen, level, "x", urgency())

    @rule(which=st.integers(0, 9))
    def is_closed(self, which: int) -> None:
        known = self.one(which)
        try:
            with self.database.write() as connection:
                casework.close(connection, ACTOR, self.at, self.now(connection, known), "x", 5)
        except CaseRefusal:
            assert known.closed is not None
            return
        assert known.closed is None
        self.rests(known)

    @rule(which=st.integers(0, 9))
    def is_reopened(self, which: int) -> None:
        known = self.one(which)
        may = known.closed is not None and not known.merged and self.at - known.closed <= timedelta(hours=24)
        try:
            with self.database.write() as connection:
                casework.reopen(connection, ACTOR, self.at, self.now(connection, known))
        except CaseRefusal:
            assert not may
            return
        assert may
        known.closed = known.rests_as = None

    @rule(which=st.integers(0, 9), other=st.integers(0, 9))
    def are_merged(self, which: int, other: int) -> None:
        one, two = sorted((self.one(which), self.one(other)), key=lambda each: each.id)
        owners = {one.customer, two.customer} - {None}
        may = one is not two and not one.closed and not two.closed and len(owners) < 2
        try:
            with self.database.write() as connection:
                merge(connection, ACTOR, self.at, self.now(connection, two), self.now(connection, one))
        except CaseRefusal:
            assert not may
            return
        assert may
        promises = [each.due for each in (one, two) if each.due is not None]
        one.due = min(promises) if promises else None
        one.customer = two.customer = next(iter(owners), None)
        one.screened = one.screened and two.screened
        two.merged = True
        self.rests(two)

    @rule(minutes=st.integers(1, 600))
    def time_passes(self, minutes: int) -> None:
        self.at += timedelta(minutes=minutes)

    def rests(self, known: Known) -> None:
        with self.database.read() as connection:
            known.closed, known.rests_as = self.at, self.now(connection, known)

    # -- what always holds --------------------------------------------------------------------------

    @invariant()
    def each_stands_as_remembered(self) -> None:
        with self.database.read() as connection:
            for known in self.known:
                now = self.now(connection, known)
                assert (now.closed_at is not None) == (known.closed is not None)
                assert now.customer_id == known.customer
                assert (now.merged_into is not None) == known.merged
                if known.rests_as is not None:
                    # A talk that was under way may still be learnt of.
                    assert now == replace(known.rests_as, connected_at=now.connected_at)
                else:
                    assert now.due_at == known.due

    @invariant()
    def whoever_nobody_has_is_pursued(self) -> None:
        with self.database.read() as connection:
            for known in self.known:
                now = self.now(connection, known)
                pursued = due.pending(connection, cases.PURSUE, now.number)
                held = casework.by_hand.holder(connection, now) is not None
                if known.closed is not None or known.due is None:
                    assert not pursued, now.number
                else:
                    assert pursued or held, now.number
                    # A text may be forged: it holds for a while only, if nobody has talked to him since.
                    talked = now.connected_at and now.taken_at and now.connected_at >= now.taken_at
                    assert pursued or now.taken_via != "text" or talked, now.number

    @invariant()
    def spoken_codes_name_one_case(self) -> None:
        with self.database.read() as connection:
            spoken = [case.code for case in cases.recent(connection, still_open=True)]
        assert len(spoken) == len(set(spoken))


Cases.TestCase.settings = settings(
    max_examples=150 if FULL else 8,
    stateful_step_count=60 if FULL else 40,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=list(HealthCheck),
)
TestCases = Cases.TestCase

"""The life of PINs as a machine: whatever is issued, rotated, revoked, purged and put under other keys, in
any order, a PIN opens a call at an instant exactly when a few lines of plain Python say so.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from making import ACTOR, PEPPER, configuration, fresh_database, utc
from pydantic import SecretStr
from sqlalchemy import delete

from console.house import House, pin_index
from console.processes.doors import desks
from ivr import journal
from ivr.vocabulary import Received, Step
from pins import customers, registry, rekey
from pins.customers import RegistryRefusal
from pins.registry import NewPin, PinUsedBefore
from pins.tables import pin_tries

FULL = os.environ.get("FULL") == "1"
HOUR = timedelta(hours=1)
# A Monday evening; no holiday lies between, and the clocks are not changed: Rome is an hour ahead.
FROM, UNTIL = utc("2026-01-12 18:00"), utc("2026-03-27 12:00")
CODES = ("ACME", "MALGA")


@dataclass
class Known:
    """What is remembered of a PIN."""

    digits: str
    code: str
    expires: date | None
    revoked: bool = False
    replaced: bool = False
    purged: bool = False

    def opens(self, at: datetime) -> bool:
        """Whether it opens a call: unless it was revoked, or the office has opened since its end."""
        return not (self.revoked or self.purged) and (self.expires is None or self.expires >= opened(at))

    def status(self, at: datetime) -> str:
        if self.revoked:
            return "revoked"
        return (
            "active" if self.opens(at) and not self.replaced else "overlap" if self.opens(at) else "expired"
        )


def local(at: datetime) -> datetime:
    return (at + HOUR).replace(tzinfo=None)


def opened(at: datetime) -> date:
    """The day on which the office last opened: from Monday to Friday, at eight."""
    day = local(at).date() - (timedelta(days=1) if local(at).hour < 8 else timedelta())
    return day - timedelta(days=max(0, day.weekday() - 4))


def pin_is_asked(at: datetime) -> bool:
    here = local(at)
    minute = here.hour * 60 + here.minute
    return here.weekday() >= 5 or not 480 <= minute < 1110 or 780 <= minute < 840


class Pins(RuleBasedStateMachine):
    """Issue, rotate, revoke, purge, other keys; and callers who key what they have."""

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        folder = Path(self.open.enter_context(tempfile.TemporaryDirectory()))
        self.database = self.open.enter_context(fresh_database(folder))
        self.mine = configuration(folder)
        self.peppers = [PEPPER]
        self.at = FROM
        self.known: dict[int, Known] = {}
        self.drawn = self.calls = 0
        with self.database.write() as connection:
            for code in CODES:
                customers.add_customer(connection, ACTOR, self.at, code.title(), code=code)
        self.serve()

    def teardown(self) -> None:
        self.open.close()

    def serve(self) -> None:
        """A process begins to serve, with the keys as they are now."""
        pins = self.mine.pins.model_copy(update={"peppers": [SecretStr(each) for each in self.peppers]})
        house = House(self.mine.model_copy(update={"pins": pins}), self.database)
        self.index, self.desk, self.pin_settings = pin_index(house.configuration), desks(house).caller, pins

    def draw(self) -> NewPin:
        """Strong digits that nobody has had."""
        self.drawn += 1
        return self.hashed(f"{38205917 + 7919 * self.drawn:08d}")

    def hashed(self, digits: str) -> NewPin:
        return NewPin(digits, tuple(self.index.digests(digits)))

    @property
    def today(self) -> date:
        return local(self.at).date()

    # -- what people do -------------------------------------------------------------------------

    @initialize()
    def the_first_one(self) -> None:
        self.issued("ACME", None)

    @rule(code=st.sampled_from(CODES), lasts=st.none() | st.integers(0, 20))
    def issue(self, lasts: int | None, code: str) -> None:
        self.issued(code, None if lasts is None else self.today + timedelta(days=lasts))

    def issued(self, code: str, expires: date | None) -> None:
        new = self.draw()
        with self.database.write() as connection:
            pin_id = registry.issue(connection, ACTOR, self.at, code, new, expires=expires)
        assert pin_id not in self.known
        self.known[pin_id] = Known(new.pin, code, expires)

    @rule(which=st.integers(0, 99), overlap=st.integers(0, 9))
    def rotate(self, which: int, overlap: int) -> None:
        pin_id, old = self.chosen(which)
        over = old.expires is not None and old.expires < self.today
        new = self.draw()
        if old.purged or old.revoked or old.replaced or over:
            with pytest.raises(RegistryRefusal), self.database.write() as connection:
                registry.rotate(connection, ACTOR, self.at, pin_id, new, overlap, self.today)
            return
        with self.database.write() as connection:
            new_id = registry.rotate(connection, ACTOR, self.at, pin_id, new, overlap, self.today)
        ends = self.today + timedelta(days=overlap)
        old.replaced, old.revoked = True, overlap == 0
        old.expires = ends if old.expires is None else min(old.expires, ends)
        self.known[new_id] = Known(new.pin, old.code, None)

    @rule(which=st.integers(0, 99))
    def revoke(self, which: int) -> None:
        pin_id, pin = self.chosen(which)
        if pin.revoked or pin.purged:
            with pytest.raises(RegistryRefusal), self.database.write() as connection:
                registry.revoke(connection, ACTOR, self.at, pin_id)
            return
        with self.database.write() as connection:
            registry.revoke(connection, ACTOR, self.at, pin_id, "lost")
        pin.revoked = True

    @rule(which=st.integers(0, 99))
    def purge(self, which: int) -> None:
        pin_id, pin = self.chosen(which)
        over = pin.expires is not None and pin.expires + timedelta(days=31) < self.at.date()
        if pin.purged or not (pin.revoked or over):
            with pytest.raises(RegistryRefusal), self.database.write() as connection:
                registry.purge_record(connection, ACTOR, self.at, pin_id)
            return
        with self.database.write() as connection:
            registry.purge_record(connection, ACTOR, self.at, pin_id)
        pin.purged = True
        self.issue_again(which, pin.code)

    @rule(which=st.integers(0, 99), code=st.sampled_from(CODES))
    def issue_again(self, which: int, code: str) -> None:
        """Digits that anybody ever had are nobody's any more, whatever became of them and of the keys."""
        _, pin = self.chosen(which)
        with pytest.raises(PinUsedBefore), self.database.write() as connection:
            registry.issue(connection, ACTOR, self.at, code, self.hashed(pin.digits))

    @rule(hours=st.integers(1, 90))
    def time_passes(self, hours: int) -> None:
        self.at = min(self.at + hours * HOUR, UNTIL)

    @rule(days=st.integers(20, 35))
    def weeks_pass(self, days: int) -> None:
        assume(self.at + timedelta(days=days) < UNTIL)
        self.at += timedelta(days=days)

    @rule(
        which=st.integers(0, 99), hour=st.sampled_from([7, 13, 19, 23]), later=st.sampled_from([0, 0, 1, 3])
    )
    def the_last_days_of_one(self, which: int, hour: int, later: int) -> None:
        """The evening of its last day, the morning after, the weekend."""
        _, pin = self.chosen(which)
        if pin.expires is None:
            return
        day = pin.expires + timedelta(days=later)
        then = datetime(day.year, day.month, day.day, hour, tzinfo=UTC) - HOUR
        if self.at < then < UNTIL:
            self.at = then
        if pin_is_asked(self.at):
            self.keys_his_pin(pin)

    # -- keys -----------------------------------------------------------------------------------

    @precondition(lambda self: len(self.peppers) < 4)
    @rule()
    def a_new_key(self) -> None:
        self.peppers.append(bytes(range(len(self.peppers) * 40, len(self.peppers) * 40 + 32)).hex())
        self.serve()

    @rule(batches=st.integers(1, 3), size=st.integers(1, 4))
    def rekey(self, batches: int, size: int) -> None:
        """Some rows are put under the newest key, perhaps not all of them."""
        peppers = rekey.peppers_of(self.pin_settings)
        for _ in range(batches):
            with self.database.read() as connection:
                batch = rekey.next_batch(connection, peppers, size)
            if batch is None:
                break
            with self.database.write() as connection:
                assert rekey.write_batch(connection, batch, len(peppers)) == len(batch.rows)

    # -- callers --------------------------------------------------------------------------------

    @invariant()
    def somebody_keys_his_pin(self) -> None:
        """After each act one of them, in turn, whenever a PIN is asked."""
        if self.known and pin_is_asked(self.at):
            self.keys_his_pin(self.chosen(self.calls)[1])

    def keys_his_pin(self, pin: Known) -> None:
        call = self.keyed(pin.digits)
        assert (call.step is Step.URGENCY) == pin.opens(self.at), (pin, self.at)
        if pin.opens(self.at):
            assert call.customer is not None
            assert call.customer.code == pin.code
            assert (call.pin_last_day is not None) == pin.replaced
            if pin.replaced and pin.expires is not None:
                assert call.pin_last_day == max(pin.expires, self.today)

    @rule(number=st.integers(0, 99_999_999))
    def somebody_guesses(self, number: int) -> None:
        assume(pin_is_asked(self.at))
        digits = f"{number:08d}"
        assume(all(pin.digits != digits for pin in self.known.values()))
        assert self.keyed(digits).step is Step.PIN

    def keyed(self, digits: str) -> journal.Call:
        """A call as it stands after these digits. The throttle has tests of its own: here it forgets."""
        self.calls += 1
        sid, number = f"CA{self.calls:032x}", self.mine.our_numbers[0]
        caller = f"+39347{self.calls:07d}"
        with self.database.write() as connection:
            connection.execute(delete(pin_tries))
        self.desk.answer(Received(sid, caller, number, 0), self.at)
        self.desk.answer(Received(sid, caller, number, 1, digits=digits), self.at)
        with self.database.read() as connection:
            standing = journal.glance(connection, sid, 0)
        assert standing is not None
        return standing.call

    def chosen(self, which: int) -> tuple[int, Known]:
        return list(self.known.items())[which % len(self.known)]

    # -- what always holds ----------------------------------------------------------------------

    @invariant()
    def the_list_says_the_same(self) -> None:
        with self.database.read() as connection:
            listed = {each.id: each.status(opened(self.at)) for each in registry.all_pins(connection)}
            live = registry.live_pins(connection, opened(self.at))
        assert listed == {key: pin.status(self.at) for key, pin in self.known.items() if not pin.purged}
        assert live == sum(pin.opens(self.at) for pin in self.known.values())


Pins.TestCase.settings = settings(
    max_examples=200 if FULL else 8,
    stateful_step_count=50 if FULL else 25,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=list(HealthCheck),
)
TestPins = Pins.TestCase

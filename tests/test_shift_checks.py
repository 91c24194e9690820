"""Whoever is about to begin a turn is asked whether he can be reached, and somebody else knows if not."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from making import ACTOR, ROTA, configuration, fresh_database, opened_at, rome, staff
from sqlalchemy import insert, select, update
from telephones import Telephones
from test_watch import Killed, Mortal

from console.house import House
from console.processes.doors import desks
from console.processes.worker import LEASE, tick
from console.work import HANDLERS
from ivr.answer import Answer
from ivr.outgoing_flow import OutgoingReceived
from ivr.tables import outgoing
from oncall.notices import notices as told_by
from oncall.notices.channels import ChannelFailed, Channels, TextOut
from oncall.reaching import reached, watch
from oncall.reaching.reached import CHECK
from oncall.rota import roster
from oncall.tables import notice_sends, notices, shift_checks, technicians
from storage import due
from storage.alarms import ALARM
from storage.engine import Database
from storage.tables import due_work

ANNA, BRUNO, DARIO = "+393331234501", "+393331234502", "+393331234504"
MINUTE = timedelta(minutes=1)
# Bruno's turn begins then; he is asked an hour before.
BEGINS = rome("2026-03-09 18:30")
ASKED = BEGINS - 60 * MINUTE
ONLY = {kind: HANDLERS[kind] for kind in (watch.WATCH, CHECK)}
ALONE = ROTA.partition('  [[rota.rung]]\n  people = ["dario"]')[0]


class Texts:
    """Satisfies oncall.notices.channels.Texts; sends nothing."""

    def send(self, text: TextOut) -> str:
        raise NotImplementedError

    def find(self, text: TextOut, since: datetime) -> str | None:
        raise NotImplementedError

    def status(self, sid: str) -> str | None:
        raise NotImplementedError


@dataclass
class Scene:
    """A house whose worker looks at the rota and the checks, its telephones, and the instant."""

    house: House
    network: Telephones
    at: datetime

    def until(self, at: datetime) -> None:
        """The worker does all that is due up to then, when it is due."""
        while (following := self.next_due()) is not None and following <= at:
            self.at = max(self.at, following)
            tick(self.house, self.at, ONLY)
        self.at = at

    def next_due(self) -> datetime | None:
        waits = select(due_work.c.due_at).where(due_work.c.kind.in_(ONLY), due_work.c.state == due.PENDING)
        with self.house.database.read() as connection:
            return connection.execute(waits.order_by(due_work.c.due_at)).scalars().first()

    def checks(self) -> list[Any]:
        with self.house.database.read() as connection:
            return list(connection.execute(select(shift_checks).order_by(shift_checks.c.id)))

    def told(self, kind: str) -> list[tuple[datetime, str]]:
        rows = select(notices).where(notices.c.kind == kind).order_by(notices.c.id)
        with self.house.database.read() as connection:
            return [(row.created_at, row.recipient) for row in connection.execute(rows)]

    def alarms(self) -> list[str]:
        with self.house.database.read() as connection:
            keys = select(due_work.c.key).where(due_work.c.kind == ALARM)
            return sorted(connection.execute(keys).scalars())

    def asks(self, turn: int, digits: str | None = None) -> Answer:
        """The network asks what to say in the call placed last."""
        got = OutgoingReceived(self.network.sids[-1], self.last(), turn, digits)
        return desks(self.house, random.Random(1)).outgoing.answer(got, self.at)

    def ends(self, status: str) -> None:
        desks(self.house).outgoing.ended(self.last(), self.network.sids[-1], status, self.at)

    def last(self) -> int:
        with self.house.database.read() as connection:
            found = connection.execute(select(outgoing.c.id).order_by(outgoing.c.id.desc())).scalars().first()
            assert found is not None
            return found


def set_up(database: Any, folder: Path, network: Telephones, rota: str = ROTA, **notice: object) -> Scene:
    made = configuration(folder)
    wanted = {"confirm": "call", "managers": ["m@example.net"], **notice}
    made = made.model_copy(update={"notices": made.notices.model_copy(update=wanted)})
    house = House(made, database, outward=Channels(telephone=network, texts=Texts()))
    with database.write() as connection:
        staff(connection, ASKED - timedelta(days=2), rota)
        watch.seed(connection, ASKED - timedelta(hours=5))
    return Scene(house, network, ASKED - timedelta(hours=5))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as opened:
        yield opened


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Database]:
    with fresh_database(tmp_path) as opened:
        yield opened


# -- by telephone ----------------------------------------------------------------------------------


def test_he_is_called_and_confirms(database: Database, tmp_path: Path) -> None:
    scene = set_up(database, tmp_path, Telephones())
    scene.until(ASKED - MINUTE)
    assert scene.network.phones == []
    scene.until(ASKED)
    assert scene.network.phones == [BRUNO]  # not Dario, who goes on
    assert "18:30" in scene.asks(0).texts()[0]
    scene.asks(1, "1")
    scene.ends("completed")
    scene.until(BEGINS + 60 * MINUTE)
    (check,) = scene.checks()
    assert (check.technician, check.shift_at, check.asked_at, check.confirmed_at, check.given_up_at) == (
        "bruno",
        BEGINS,
        ASKED,
        ASKED,
        None,
    )
    assert scene.network.phones == [BRUNO]
    assert scene.told("shift-unconfirmed") == []


def test_three_calls_and_then_the_next_rung_is_told(database: Database, tmp_path: Path) -> None:
    scene = set_up(database, tmp_path, Telephones())
    for call in range(3):
        scene.until(ASKED + call * 3 * MINUTE)
        assert scene.network.phones == [BRUNO] * (call + 1)
        scene.at += 25 * timedelta(seconds=1)
        scene.ends("no-answer")
        with database.write() as connection:  # not at once again, whatever makes it due
            due.move(connection, CHECK, str(scene.checks()[0].id), scene.at)
        tick(scene.house, scene.at, ONLY)
        assert scene.network.phones == [BRUNO] * (call + 1)
    scene.until(BEGINS + 60 * MINUTE)
    assert scene.network.phones == [BRUNO] * 3
    over = ASKED + 15 * MINUTE
    assert scene.told("shift-unconfirmed") == [
        (over, "manager:m@example.net"),
        (over, "technician:dario"),
    ]
    assert scene.alarms() == []
    with database.read() as connection:
        row = connection.execute(select(notices).where(notices.c.kind == "shift-unconfirmed")).first()
        assert row is not None
        assert row.loud
        assert (row.facts["who"], row.facts["starts"], row.facts["rota"]) == (
            "bruno",
            BEGINS.isoformat(),
            "duty",
        )


def test_a_late_confirmation_is_still_noted(sqlite: Database, tmp_path: Path) -> None:
    scene = set_up(sqlite, tmp_path, Telephones())
    scene.until(ASKED + 20 * MINUTE)
    (check,) = scene.checks()
    with sqlite.write() as connection:
        reached.can(connection, scene.at, check.id)
    scene.until(BEGINS)
    assert scene.checks()[0].confirmed_at == ASKED + 20 * MINUTE
    assert len(scene.told("shift-unconfirmed")) == 2


def test_whoever_says_no_is_passed_over_at_once(sqlite: Database, tmp_path: Path) -> None:
    scene = set_up(sqlite, tmp_path, Telephones())
    scene.until(ASKED)
    scene.asks(0)
    scene.at += MINUTE
    scene.asks(1, "2")
    scene.ends("completed")
    scene.until(BEGINS)
    said = ASKED + MINUTE
    assert scene.told("shift-unconfirmed") == [
        (said, "manager:m@example.net"),
        (said, "technician:dario"),
    ]
    assert scene.network.phones == [BRUNO]


def test_if_there_is_nobody_else_the_admins_hear_of_it(sqlite: Database, tmp_path: Path) -> None:
    scene = set_up(sqlite, tmp_path, Telephones(), rota=ALONE)
    scene.until(ASKED + 15 * MINUTE)
    assert [who for _, who in scene.told("shift-unconfirmed")] == ["manager:m@example.net"]
    assert scene.alarms() == [f"shift-unconfirmed:rota:duty:{BEGINS.isoformat()}"]


def test_whoever_has_nobody_behind_him_any_more_is_told(sqlite: Database, tmp_path: Path) -> None:
    """The last rung cannot be reached: the rung before it hears so."""
    turned = ROTA.replace('people = ["dario"]', 'people = ["x"]').replace(
        'people = ["anna", "bruno"]', 'people = ["dario"]'
    )
    head, dates, tail = turned.partition('  starts = 2026-01-05\n  handover = "18:30"\n  every = "1 week"\n')
    turned = head + tail.replace('people = ["x"]', 'people = ["anna", "bruno"]') + dates
    scene = set_up(sqlite, tmp_path, Telephones(), rota=turned, managers=[])
    scene.until(ASKED + 15 * MINUTE)
    assert [who for _, who in scene.told("shift-unconfirmed")] == ["technician:dario"]
    assert scene.checks()[0].rung == 2


def test_of_several_rungs_the_next_is_told(sqlite: Database, tmp_path: Path) -> None:
    carla = '[[technician]]\nkey = "carla"\nname = "Carla Verdi"\nphone = "+393331234503"\n'
    first = '  [[rota.rung]]\n  people = ["carla"]\n'
    head, rung, tail = ROTA.partition("  [[rota.rung]]\n")
    scene = set_up(sqlite, tmp_path, Telephones(), rota=carla + head + first + rung + tail, managers=[])
    scene.until(ASKED + 15 * MINUTE)
    assert scene.checks()[0].rung == 2
    assert [who for _, who in scene.told("shift-unconfirmed")] == ["technician:dario"]


def test_each_of_his_phones_is_tried(sqlite: Database, tmp_path: Path) -> None:
    scene = set_up(sqlite, tmp_path, Telephones())
    with sqlite.write() as connection:
        bruno = update(technicians).where(technicians.c.key == "bruno")
        connection.execute(bruno.values(other_phones=["+390461555002"]))
    scene.network.says = "no-answer"  # the network is asked about calls whose end it did not tell
    scene.until(BEGINS)
    assert scene.network.phones == [BRUNO, "+390461555002", BRUNO]


def test_a_phone_in_use_is_not_called(sqlite: Database, tmp_path: Path) -> None:
    scene = set_up(sqlite, tmp_path, Telephones())
    with sqlite.write() as connection:
        other = connection.execute(
            insert(outgoing).values(
                purpose="test",
                technician="bruno",
                phone=BRUNO,
                number="+390461825060",
                asked_at=ASKED - MINUTE,
                turn=0,
                state="{}",
            )
        ).inserted_primary_key
        assert other is not None
    scene.until(ASKED + 90 * timedelta(seconds=1))
    assert scene.network.phones == []
    with sqlite.write() as connection:
        connection.execute(update(outgoing).values(ended_at=scene.at))
    scene.until(ASKED + 2 * MINUTE)
    assert scene.network.phones == [BRUNO]


def test_a_call_that_cannot_be_placed_counts_as_one(sqlite: Database, tmp_path: Path) -> None:
    scene = set_up(sqlite, tmp_path, Telephones())
    scene.network.fails = [ChannelFailed("21215"), ChannelFailed("time-out", maybe_done=True)]
    scene.until(BEGINS)
    # The second may have rung, and the network says that it still talks.
    assert scene.network.phones == [BRUNO]
    assert len(scene.told("shift-unconfirmed")) == 2


# -- by text message -------------------------------------------------------------------------------


def test_he_is_asked_by_text_message_and_answers(database: Database, tmp_path: Path) -> None:
    scene = set_up(database, tmp_path, Telephones(), confirm="text")
    scene.until(ASKED)
    assert scene.told("shift-confirm") == [(ASKED, "technician:bruno")]
    (check,) = scene.checks()
    scene.at += 2 * MINUTE
    with database.write() as connection:
        reached.can(connection, scene.at, check.id)
    scene.until(BEGINS)
    assert scene.told("shift-unconfirmed") == []
    assert scene.network.phones == []
    with database.read() as connection:
        row = connection.execute(select(notices).where(notices.c.kind == "shift-confirm")).one()
        # Nobody telephones to ask again what he has answered.
        assert row.settled_at is not None
        assert row.loud
        assert not due.pending(connection, told_by.NOTICE, str(row.id))


def test_no_answer_by_text_message(sqlite: Database, tmp_path: Path) -> None:
    scene = set_up(sqlite, tmp_path, Telephones(), confirm="text")
    scene.until(BEGINS)
    over = ASKED + 15 * MINUTE
    assert [at for at, _ in scene.told("shift-unconfirmed")] == [over, over]


def test_whoever_pressed_a_key_when_it_was_read_to_him_has_confirmed(
    sqlite: Database, tmp_path: Path
) -> None:
    scene = set_up(sqlite, tmp_path, Telephones(), confirm="text")
    scene.until(ASKED)
    with sqlite.write() as connection:
        notice = connection.execute(
            select(notices.c.id).where(notices.c.kind == "shift-confirm")
        ).scalar_one()
        send = connection.execute(
            insert(notice_sends).values(
                notice_id=notice, channel="voice", address=BRUNO, state="sent", tried_at=ASKED
            )
        ).inserted_primary_key
        assert send is not None
        reached.heard(connection, ASKED + 4 * MINUTE, send[0])
    scene.until(BEGINS)
    assert scene.checks()[0].confirmed_at is not None
    assert scene.told("shift-unconfirmed") == []


@pytest.mark.parametrize("why", ["a landline", "nobody can answer the sender"])
def test_whom_no_text_message_reaches_is_called(sqlite: Database, tmp_path: Path, why: str) -> None:
    sender = "CLOUDFABRIC" if why == "nobody can answer the sender" else "called"
    scene = set_up(sqlite, tmp_path, Telephones(), confirm="text", text_sender=sender)
    if why == "a landline":
        with sqlite.write() as connection:
            bruno = update(technicians).where(technicians.c.key == "bruno")
            connection.execute(bruno.values(phone="+390461555002"))
    scene.until(ASKED)
    assert len(scene.network.phones) == 1
    assert scene.told("shift-confirm") == []


# -- turns that change -----------------------------------------------------------------------------


def test_nobody_is_asked_of_a_turn_that_is_no_longer_his(sqlite: Database, tmp_path: Path) -> None:
    """Dario takes it over in time; and when it is Bruno's again, Bruno is asked again."""
    scene = set_up(sqlite, tmp_path, Telephones(), confirm="text")
    scene.until(ASKED + MINUTE)
    with sqlite.write() as connection:
        taken = roster.override(connection, ACTOR, scene.at, "duty", 1, BEGINS, BEGINS + 60 * MINUTE, "dario")
        watch.wake(connection, scene.at, "duty")
    scene.until(ASKED + 20 * MINUTE)
    assert scene.told("shift-unconfirmed") == [(ASKED + 16 * MINUTE, "manager:m@example.net")], "dario's own"
    bruno, dario, later = scene.checks()
    assert (bruno.technician, bruno.asked_at, bruno.confirmed_at) == ("bruno", None, None)
    assert (dario.technician, dario.rung) == ("dario", 1)
    assert (later.technician, later.shift_at) == ("bruno", BEGINS + 60 * MINUTE)
    with sqlite.write() as connection:
        roster.withdraw_override(connection, ACTOR, scene.at, taken)
        watch.wake(connection, scene.at, "duty")
    asked = [at for at, who in scene.told("shift-confirm") if who == "technician:bruno"]
    scene.until(scene.at + MINUTE)
    again = [at for at, who in scene.told("shift-confirm") if who == "technician:bruno"]
    assert again == [*asked, ASKED + 20 * MINUTE]


def test_a_turn_that_is_moved_is_asked_about_anew(sqlite: Database, tmp_path: Path) -> None:
    scene = set_up(sqlite, tmp_path, Telephones(), confirm="text")
    scene.until(ASKED - 30 * MINUTE)
    assert len(scene.checks()) == 1
    with sqlite.write() as connection:
        roster.override(
            connection, ACTOR, scene.at, "duty", 1, BEGINS - 20 * MINUTE, BEGINS + MINUTE, "bruno"
        )
        watch.wake(connection, scene.at, "duty")
    scene.until(BEGINS)
    assert scene.told("shift-confirm") == [(ASKED - 20 * MINUTE, "technician:bruno")]


def test_a_turn_that_has_begun_is_not_asked_about(sqlite: Database, tmp_path: Path) -> None:
    """The worker slept."""
    scene = set_up(sqlite, tmp_path, Telephones())
    scene.until(ASKED - MINUTE)
    scene.at = BEGINS + MINUTE
    scene.until(BEGINS + 30 * MINUTE)
    assert scene.network.phones == []
    assert scene.told("shift-unconfirmed") == []


def test_nobody_is_asked_when_it_is_switched_off(sqlite: Database, tmp_path: Path) -> None:
    scene = set_up(sqlite, tmp_path, Telephones(), confirm="off")
    scene.until(BEGINS)
    assert scene.checks() == []
    # And if it is switched off while a check waits, it is dropped.
    scene = set_up(sqlite, tmp_path, Telephones())
    with sqlite.write() as connection:
        check = connection.execute(
            insert(shift_checks).values(
                rota="duty", rung=1, technician="anna", shift_at=BEGINS + timedelta(days=7)
            )
        ).inserted_primary_key
        assert check is not None
        due.add(connection, BEGINS, CHECK, str(check[0]), BEGINS, {})
    off = scene.house.configuration.notices.model_copy(update={"confirm": "off"})
    scene.house = House(
        scene.house.configuration.model_copy(update={"notices": off}), sqlite, scene.house.outward
    )
    scene.until(BEGINS)
    assert scene.network.phones == []


# -- a worker that dies ------------------------------------------------------------------------------


@pytest.mark.parametrize("before_commit", [True, False])
@pytest.mark.parametrize("dies", range(2, 7))
def test_a_worker_that_dies_calls_nobody_twice_at_once_and_tells_once(
    sqlite: Database, tmp_path: Path, dies: int, before_commit: bool
) -> None:
    network = Telephones()
    scene = set_up(sqlite, tmp_path, network)
    network.says = "no-answer"
    scene.until(ASKED - MINUTE)
    mortal: Any = Mortal(sqlite, dies, before_commit)
    living = scene.house
    scene.house = House(living.configuration, mortal, living.outward)
    scene.at = ASKED
    with_checks = {CHECK: HANDLERS[CHECK]}
    died = False
    try:
        tick(scene.house, ASKED, with_checks)
    except Killed:
        died = True
    # Claimed; written down; within the day's cap; named by the network; postponed.
    assert died == (dies <= 5)
    scene.house = living
    before = len(network.placed)
    assert before <= 1
    tick(living, ASKED + LEASE, with_checks)
    # Within three minutes his phone rings once, whatever happened; a call that was written down counts.
    assert len(network.placed) <= 1
    scene.at = ASKED + LEASE
    scene.until(BEGINS)
    assert 2 <= len(network.placed) <= 3
    assert Counter(who for _, who in scene.told("shift-unconfirmed")) == {
        "technician:dario": 1,
        "manager:m@example.net": 1,
    }

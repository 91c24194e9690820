"""A case nobody has is pursued: whom it phones, in which order, when, and what ends it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from making import ACTOR, NIGHT, ROTA, Opened, a_call, a_case, a_sid, case, configuration, opened_at, staff
from pydantic import TypeAdapter
from sqlalchemy import select, update
from telephones import Telephones

from console.house import House
from console.processes.doors import desks
from console.processes.worker import tick
from console.work import HANDLERS
from ivr import answer as answers
from ivr import casework as joined
from ivr import placed
from ivr.answer import Answer
from ivr.outgoing_desk import WATCH
from ivr.outgoing_flow import OutgoingReceived
from ivr.tables import calls, outgoing
from ivr.vocabulary import Call, Step
from oncall.cases import cases, casework
from oncall.cases.cases import PURSUE
from oncall.notices.channels import ChannelFailed, Channels
from oncall.reaching import attempts, pursuit, reminders
from oncall.tables import case_log, notices, passes, technicians
from oncall.tables import cases as case_rows
from pins import customers
from storage import due
from storage.tables import due_work

ANNA, BRUNO, DARIO = "+393331234501", "+393331234502", "+393331234504"
CUSTOMER = "+390461555001"
# When the pursuit of a case opened at NIGHT is due.
DUE = NIGHT + timedelta(seconds=270)
SECOND = timedelta(seconds=1)
ONLY = {kind: HANDLERS[kind] for kind in (PURSUE, reminders.REMIND, WATCH)}


@dataclass
class Scene:
    """A house, its telephones, and the instant."""

    house: House
    network: Telephones
    at: datetime

    def works(self, *, after: timedelta = timedelta(0), only: tuple[str, ...] = (PURSUE,)) -> int:
        """The worker does what is due `after` a while."""
        self.at += after
        return tick(self.house, self.at, {kind: ONLY[kind] for kind in only})

    def last(self) -> int:
        with self.house.database.read() as connection:
            found: int = (
                connection.execute(select(outgoing.c.id).order_by(outgoing.c.id.desc())).scalars().first()
                or 0
            )
            return found

    def asks(self, turn: int, digits: str | None = None, **told: object) -> Answer:
        """The network asks what to say in the call placed last."""
        desk = desks(self.house, random.Random(1)).outgoing
        got = OutgoingReceived(self.network.sids[-1], self.last(), turn, digits, **told)  # type: ignore[arg-type]
        return desk.answer(got, self.at)

    def ends(self, status: str) -> None:
        """The call placed last is over."""
        desks(self.house).outgoing.ended(self.last(), self.network.sids[-1], status, self.at)

    def misses(self) -> None:
        """Nobody answers for 25 s; the worker goes on."""
        self.at += timedelta(seconds=25)
        self.ends("no-answer")
        self.works()

    def pending(self, opened: Opened) -> bool:
        with self.house.database.read() as connection:
            return due.pending(connection, PURSUE, opened.number)

    def due_at(self, opened: Opened) -> datetime:
        with self.house.database.read() as connection:
            row = select(due_work.c.due_at).where(due_work.c.key == opened.number, due_work.c.kind == PURSUE)
            found: datetime = connection.execute(row).scalar_one()
            return found

    def results(self, opened: Opened) -> list[tuple[str, str | None]]:
        with self.house.database.read() as connection:
            return [(a.phone, a.result) for a in attempts.attempts_of(connection, opened.id)]


@pytest.fixture
def scene(database_url: str, tmp_path: object) -> Iterator[Scene]:
    with opened_at(database_url) as database:
        with database.write() as connection:
            staff(connection, rota=ROTA.replace("2026-01-05", "2026-01-12"))  # anna's week
        network = Telephones()
        house = House(configuration(tmp_path), database, outward=Channels(telephone=network))  # type: ignore[arg-type]
        yield Scene(house, network, DUE)


@pytest.fixture
def opened(scene: Scene) -> Opened:
    return another(scene, 1)


def another(scene: Scene, number: int, minutes: int = 60) -> Opened:
    """A case of a call of its own, to be taken in charge within so many minutes."""
    with scene.house.database.write() as connection:
        found = a_case(connection, sid=a_sid(number))
        connection.execute(
            update(calls).where(calls.c.sid == found.sid).values(caller=CUSTOMER, ended_at=NIGHT)
        )
        connection.execute(
            update(case_rows)
            .where(case_rows.c.id == found.id)
            .values(due_at=NIGHT + timedelta(minutes=minutes))
        )
        return found


def test_the_ladder_is_phoned_one_after_the_other(scene: Scene, opened: Opened) -> None:
    assert scene.works(after=-SECOND) == 0
    assert scene.works(after=SECOND) == 1
    assert scene.network.phones == [ANNA]
    (call,) = scene.network.placed
    assert (call.shows, call.rings) == ("+390461825060", 25)
    assert call.answered_at.startswith("https://ivr.example.net/voice/out/0?l=")
    assert call.ended_at.startswith("https://ivr.example.net/voice/out/status?l=")
    # Nobody else while hers rings.
    assert scene.works(after=timedelta(seconds=20)) == 0
    scene.misses()
    assert scene.network.phones == [ANNA, DARIO]
    scene.misses()
    assert scene.network.phones == [ANNA, DARIO]
    ended = scene.at
    # The next pass begins three minutes after the end of this one.
    assert scene.due_at(opened) == ended + timedelta(minutes=3)
    scene.works(after=timedelta(minutes=3) - SECOND)
    assert scene.network.phones == [ANNA, DARIO]
    scene.works(after=SECOND)
    assert scene.network.phones == [ANNA, DARIO, ANNA]
    assert scene.results(opened) == [(ANNA, "no-answer"), (DARIO, "no-answer"), (ANNA, None)]


def test_whoever_presses_1_has_the_case_and_the_customer_is_dialled(scene: Scene, opened: Opened) -> None:
    scene.works()
    announced = scene.asks(0)
    assert "Acme" in announced.texts()[0]
    assert " ".join(opened.code) in announced.texts()[0]
    scene.at += timedelta(seconds=8)
    connecting = scene.asks(1, "1")
    (dial,) = [part for part in connecting.parts if isinstance(part, answers.Dial)]
    assert [target.address for target in dial.targets] == [CUSTOMER]
    assert dial.targets[0].whisper is None
    assert dial.caller_id == "+390461825060"
    with scene.house.database.read() as connection:
        now = case(connection, opened)
        assert (now.taken_by, now.taken_at, now.taken_via) == ("anna", scene.at, "phone")
        assert now.connected_at is None
    assert not scene.pending(opened)
    taken = scene.at
    scene.at += timedelta(minutes=10)
    goodbye = scene.asks(2, dial_status="completed", bridged=True, talked=590)
    assert answers.HangUp() in goodbye.parts
    scene.ends("completed")
    assert scene.results(opened) == [(ANNA, "connected")]
    with scene.house.database.read() as connection:
        assert case(connection, opened).connected_at == taken
    assert scene.works(after=timedelta(days=1)) == 0


def test_a_customer_who_does_not_answer_is_tried_again_on_request(scene: Scene, opened: Opened) -> None:
    scene.works()
    scene.asks(0)
    scene.asks(1, "1")
    missed = scene.asks(2, dial_status="no-answer")
    assert "Il caso resta suo" in missed.texts()[0]
    again = scene.asks(3, "1")
    assert any(isinstance(part, answers.Dial) for part in again.parts)
    for turn in (4, 6, 8):
        scene.asks(turn, dial_status="busy")
        last = scene.asks(turn + 1, "1")
    # Five times for a case, whoever asks.
    assert any(isinstance(part, answers.Dial) for part in last.parts)
    scene.asks(10, dial_status="busy")
    assert "troppe volte" in scene.asks(11, "1").texts()[0]
    with scene.house.database.read() as connection:
        assert connection.execute(select(case_rows.c.customer_calls)).scalar_one() == 5
    assert scene.results(opened) == [(ANNA, None)]
    scene.ends("completed")
    assert scene.results(opened) == [(ANNA, "accepted")]
    assert not scene.pending(opened)


def test_passing_rings_the_next_and_none_of_his_other_phones(scene: Scene, opened: Opened) -> None:
    with scene.house.database.write() as connection:
        anna = update(technicians).where(technicians.c.key == "anna")
        connection.execute(anna.values(other_phones=["+393331239999"]))
    scene.works()
    scene.asks(0)
    scene.asks(1, "2")
    scene.ends("completed")
    scene.works()
    assert scene.network.phones == [ANNA, DARIO]
    assert scene.results(opened)[0] == (ANNA, "declined")


def test_all_of_a_persons_phones_are_tried_before_the_next_person(scene: Scene, opened: Opened) -> None:
    with scene.house.database.write() as connection:
        anna = update(technicians).where(technicians.c.key == "anna")
        connection.execute(anna.values(other_phones=["+393331239999"]))
    scene.works()
    scene.misses()
    scene.misses()
    assert scene.network.phones == [ANNA, "+393331239999", DARIO]


def test_a_voicemail_is_no_taking(scene: Scene, opened: Opened) -> None:
    scene.works()
    scene.asks(0)
    scene.asks(1, "")
    assert answers.HangUp() in scene.asks(2, "").parts
    scene.ends("completed")
    scene.works()
    assert scene.results(opened)[0] == (ANNA, "unconfirmed")
    assert scene.network.phones == [ANNA, DARIO]
    assert scene.pending(opened)


def test_a_case_taken_meanwhile_is_not_given_twice(scene: Scene, opened: Opened) -> None:
    scene.works()
    with scene.house.database.write() as connection:
        casework.take(connection, ACTOR, scene.at, case(connection, opened), "dario")
    assert "già seguito" in scene.asks(0).texts()[0]
    with scene.house.database.read() as connection:
        assert case(connection, opened).taken_by == "dario"
    scene.ends("completed")
    assert scene.works(after=timedelta(hours=1)) == 0


def test_a_case_taken_while_he_listens_is_not_given_twice(scene: Scene, opened: Opened) -> None:
    scene.works()
    scene.asks(0)
    with scene.house.database.write() as connection:
        casework.take(connection, ACTOR, scene.at, case(connection, opened), "dario")
    late = scene.asks(1, "1")
    assert "già seguito" in late.texts()[0]
    assert not any(isinstance(part, answers.Dial) for part in late.parts)


def test_a_request_asked_twice_has_one_effect(scene: Scene, opened: Opened) -> None:
    scene.works()
    first = scene.asks(0)
    assert scene.asks(0) == first
    dialled = scene.asks(1, "1")
    assert scene.asks(1, "2") == dialled
    with scene.house.database.read() as connection:
        assert connection.execute(select(case_rows.c.customer_calls)).scalar_one() == 1


def test_a_call_that_is_not_ours_is_hung_up(scene: Scene, opened: Opened) -> None:
    scene.works()
    scene.asks(0)
    desk = desks(scene.house).outgoing
    stranger = OutgoingReceived(a_sid(99), scene.last(), 1, "1")
    assert desk.answer(stranger, scene.at) == answers.HANG_UP
    assert desk.answer(OutgoingReceived(a_sid(99), 4711, 0), scene.at) == answers.HANG_UP
    assert scene.pending(opened)


# -- one pass at a time ----------------------------------------------------------------------------


def test_the_most_urgent_case_of_a_rota_comes_first_and_one_at_a_time(scene: Scene, opened: Opened) -> None:
    urgent = another(scene, 2, minutes=30)
    for _ in range(4):
        scene.works(after=SECOND)
    assert scene.network.phones == [ANNA]
    assert scene.results(opened) == []
    assert scene.results(urgent) == [(ANNA, None)]
    scene.misses()
    scene.works(after=timedelta(seconds=11))
    assert scene.results(opened) == []
    scene.misses()  # the pass of the urgent one is over
    scene.works(after=timedelta(seconds=11))
    assert scene.results(opened) == [(ANNA, None)]
    assert scene.results(urgent) == [(ANNA, "no-answer"), (DARIO, "no-answer")]


def test_a_phone_that_rings_or_talks_is_never_phoned(scene: Scene, opened: Opened) -> None:
    with scene.house.database.write() as connection:
        other = a_case(connection, sid=a_sid(7))
        due.move(connection, PURSUE, other.number, DUE + timedelta(days=1))
        attempts.begin_attempt(connection, DUE - SECOND, other.id, other.sid, "anna", ANNA, 1)
    scene.works()
    assert scene.network.phones == [DARIO]


def test_a_live_call_pauses_the_pursuit(scene: Scene, opened: Opened) -> None:
    """The customer calls again: his call rings the ladder, the pursuit waits and a running pass ends."""
    scene.works()
    with scene.house.database.write() as connection:
        cases.pursue(connection, scene.at, opened.id, scene.at + timedelta(seconds=270))
    other = another(scene, 3, minutes=240)
    scene.at += timedelta(seconds=25)
    desks(scene.house).outgoing.ended(scene.last(), scene.network.sids[-1], "no-answer", scene.at)
    with scene.house.database.write() as connection:
        cases.pursue(connection, scene.at, opened.id, scene.at + timedelta(seconds=270))
    scene.works(after=timedelta(seconds=11))
    # The paused case holds up nobody else.
    assert scene.results(other) == [(ANNA, None)]


# -- who was at it -----------------------------------------------------------------------------------


def rung_before(scene: Scene, opened: Opened, *, seconds: int, pressed: bool) -> None:
    """Dario's phone rang in the caller's own call until he hung up."""
    with scene.house.database.write() as connection:
        attempt = attempts.begin_attempt(connection, NIGHT, opened.id, opened.sid, "dario", DARIO, 2)
        if pressed:
            assert attempts.picked_up(connection, NIGHT, attempt)
            assert attempts.press(connection, NIGHT, attempt, "accepted")
        ended = NIGHT + timedelta(seconds=seconds)
        attempts.settle(connection, ended, attempt, "canceled", bridged=False)


@pytest.mark.parametrize(
    ("seconds", "pressed", "first"), [(10, False, DARIO), (10, True, DARIO), (25, False, ANNA)]
)
def test_whoever_was_at_it_is_phoned_first(
    scene: Scene, opened: Opened, seconds: int, pressed: bool, first: str
) -> None:
    rung_before(scene, opened, seconds=seconds, pressed=pressed)
    scene.works()
    assert scene.network.phones == [first]
    assert ("ha riagganciato" in scene.asks(0).texts()[0]) == (first == DARIO)
    with scene.house.database.read() as connection:
        told = connection.execute(select(notices.c.kind, notices.c.recipient)).all()
    assert told == ([("hung-up-ringing", "technician:dario")] if first == DARIO else [])
    scene.misses()
    assert scene.network.phones == [first, ANNA if first == DARIO else DARIO]
    scene.misses()
    scene.works(after=timedelta(minutes=3))
    assert scene.network.phones[-1] == ANNA  # in the second pass the ladder's order holds


# -- what goes wrong -----------------------------------------------------------------------------------


def test_a_number_the_network_refuses_makes_way_for_the_next(scene: Scene, opened: Opened) -> None:
    scene.network.fails = [ChannelFailed("21211", for_good=True)]
    scene.works()
    scene.works()
    assert scene.network.phones == [DARIO]
    assert scene.results(opened) == [(ANNA, "failed"), (DARIO, None)]


def test_nobody_knows_whether_it_rings_so_the_network_is_asked(scene: Scene, opened: Opened) -> None:
    scene.network.fails = [ChannelFailed("time-out", maybe_done=True)]
    scene.works()
    assert scene.results(opened) == [(ANNA, None)]
    scene.works(after=timedelta(seconds=70))
    assert scene.results(opened) == [(ANNA, None)]  # it is in progress
    scene.network.says = "completed"
    scene.works(after=timedelta(seconds=15))
    scene.works()
    assert (
        scene.results(opened) == [(ANNA, "failed"), (DARIO, None)] or scene.results(opened)[0][1] is not None
    )
    assert scene.network.phones == [ANNA, DARIO]


def test_a_worker_that_died_before_it_placed_the_call_loses_a_minute_and_no_more(
    scene: Scene, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(scene.network, "place", dies)
    with pytest.raises(Killed):
        scene.works()
    monkeypatch.undo()
    assert scene.results(opened) == [(ANNA, None)]
    # The lease has to pass, then the network is asked and knows of no such call.
    for _ in range(20):
        scene.works(after=timedelta(seconds=10))
    assert scene.results(opened)[:2] == [(ANNA, "failed"), (DARIO, None)]
    assert scene.network.phones == [DARIO]


def test_a_lost_callback_is_asked_for(scene: Scene, opened: Opened) -> None:
    scene.works()
    scene.network.says = "no-answer"
    scene.works(after=timedelta(seconds=69))
    assert scene.network.phones == [ANNA]
    scene.works(after=timedelta(seconds=1))
    scene.works()
    assert scene.network.phones == [ANNA, DARIO]
    assert scene.results(opened)[0] == (ANNA, "no-answer")


def test_a_network_that_answers_nothing_does_not_stop_the_pursuit(scene: Scene, opened: Opened) -> None:
    scene.works()
    with scene.network.out():
        for _ in range(30):
            scene.works(after=timedelta(seconds=10))
    assert scene.network.phones[:2] == [ANNA, DARIO]
    assert scene.pending(opened)


def test_a_lost_end_of_a_call_that_was_taken_holds_up_no_other_case(scene: Scene, opened: Opened) -> None:
    """Anna has the first case and talks, and nobody ever says that she has hung up: the second is pursued."""
    scene.works()
    scene.asks(0)
    scene.asks(1, "1")
    other = another(scene, 2)
    scene.works(after=timedelta(seconds=30))
    assert scene.results(other) == [(DARIO, None)]
    with scene.house.database.read() as connection:
        running = connection.execute(select(passes).where(passes.c.ended_at.is_(None))).all()
    assert [row.case_id for row in running] == [other.id]


def test_another_case_asks_about_an_attempt_that_lost_its_end(scene: Scene, opened: Opened) -> None:
    """The first case is taken by hand while a phone rings for it, and the end of that ring is lost."""
    scene.works()
    other = another(scene, 2)
    with scene.house.database.write() as connection:
        casework.take(connection, ACTOR, scene.at, case(connection, opened), "bruno")
    scene.network.says = "no-answer"
    for _ in range(10):
        scene.works(after=timedelta(seconds=10))
    assert scene.results(opened) == [(ANNA, "no-answer")]
    assert scene.results(other) == [(ANNA, None)]


def test_a_phone_counts_as_engaged_until_the_network_is_asked(scene: Scene, opened: Opened) -> None:
    """The end of a call is lost after which nothing else would ask: its phone is not avoided for hours."""
    scene.works()
    scene.asks(0)
    scene.asks(1, "1")
    scene.network.says = "in-progress"
    watched = (WATCH,)
    assert scene.works(after=timedelta(minutes=2) - SECOND, only=watched) == 0
    assert scene.works(after=SECOND, only=watched) == 1
    with scene.house.database.read() as connection:
        assert ANNA in placed.engaged(connection, scene.at, "")
    scene.network.says = "completed"
    assert scene.works(after=timedelta(minutes=1), only=watched) == 1
    with scene.house.database.read() as connection:
        assert ANNA not in placed.engaged(connection, scene.at, "")
    assert scene.results(opened) == [(ANNA, "accepted")]
    assert scene.works(after=timedelta(days=1), only=watched) == 0


def test_a_talk_is_not_over_because_the_network_does_not_answer_once(scene: Scene, opened: Opened) -> None:
    scene.works()
    scene.asks(0)
    scene.asks(1, "1")
    with scene.network.out():
        scene.works(after=timedelta(minutes=10), only=(WATCH,))
    with scene.house.database.read() as connection:
        assert ANNA in placed.engaged(connection, scene.at, "")


def test_an_end_that_was_told_is_not_asked_for(scene: Scene, opened: Opened) -> None:
    scene.works()
    scene.misses()
    with scene.house.database.read() as connection:
        states = select(due_work.c.state).where(due_work.c.kind == WATCH).order_by(due_work.c.id)
        assert connection.execute(states).scalars().all() == [due.CANCELLED, due.PENDING]


def in_a_call(scene: Scene, opened: Opened, *, pressed: bool) -> int:
    """In the caller's own call dario's phone was rung; what came of it was never told."""
    with scene.house.database.write() as connection:
        attempt = attempts.begin_attempt(connection, NIGHT, opened.id, opened.sid, "dario", DARIO, 2)
        assert attempts.picked_up(connection, NIGHT, attempt)
        assert not pressed or attempts.press(connection, NIGHT, attempt, "accepted")
        ringing = Call(opened.sid, CUSTOMER, "+390461825060", "it", ("it",), step=Step.RINGING)
        state = TypeAdapter(Call).dump_json(ringing).decode()
        connection.execute(update(calls).where(calls.c.sid == opened.sid).values(ended_at=None, state=state))
        return attempt


def test_nobody_is_phoned_while_a_technician_talks_to_the_caller(scene: Scene, opened: Opened) -> None:
    """A talk that lasts longer than the 270 s after which lost callbacks are made up for."""
    attempt = in_a_call(scene, opened, pressed=True)
    scene.network.says = "in-progress"
    for _ in range(20):
        scene.works(after=timedelta(seconds=15))
    assert scene.network.phones == []
    assert scene.pending(opened)
    with scene.house.database.write() as connection:
        attempts.settle(connection, scene.at, attempt, "completed", bridged=True)
    assert not scene.pending(opened)


def test_whoever_called_during_a_talk_is_pursued_after_it(scene: Scene, opened: Opened) -> None:
    """A second call about the case came while the first caller talked: that talk was not with the second."""
    attempt = in_a_call(scene, opened, pressed=True)
    with scene.house.database.write() as connection:
        a_call(connection, a_sid(2))
        cases.join(
            connection,
            scene.at,
            opened.id,
            call_sid=a_sid(2),
            urgency="P1+",
            due_at=scene.at + timedelta(hours=1),
            pursue_at=scene.at + timedelta(seconds=270),
        )
        attempts.settle(connection, scene.at + SECOND, attempt, "completed", bridged=True)
    assert scene.results(opened) == [(DARIO, "connected")]
    assert scene.pending(opened)
    scene.works(after=timedelta(seconds=270))
    assert scene.network.phones == [ANNA]
    scene.asks(0)
    scene.asks(1, "1")
    scene.asks(2, dial_status="completed", bridged=True, talked=60)
    assert not scene.pending(opened)


def test_a_case_that_is_passed_on_during_the_talk_stays_pursued(scene: Scene, opened: Opened) -> None:
    scene.works()
    scene.asks(0)
    scene.asks(1, "1")
    scene.at += SECOND
    with scene.house.database.write() as connection:
        casework.pass_on(connection, "technician:anna", scene.at, case(connection, opened))
    scene.at += SECOND
    scene.asks(2, dial_status="completed", bridged=True, talked=60)
    assert scene.results(opened) == [(ANNA, "connected")]
    assert scene.pending(opened)


@pytest.mark.parametrize("pressed", [True, False])
def test_a_callers_call_that_lost_its_end_is_asked_about(scene: Scene, opened: Opened, pressed: bool) -> None:
    """Neither the end of the Dial nor that of the call was told: the network knows that it is over."""
    in_a_call(scene, opened, pressed=pressed)
    scene.network.says = "completed"
    scene.works()
    assert scene.results(opened) == [(DARIO, "accepted" if pressed else "unconfirmed")]
    scene.works()
    assert scene.network.phones == [DARIO if pressed else ANNA]


def test_a_network_that_says_nothing_of_a_callers_call_is_asked_again(scene: Scene, opened: Opened) -> None:
    in_a_call(scene, opened, pressed=True)
    with scene.network.out():
        for _ in range(5):
            scene.works(after=timedelta(seconds=30))
    assert scene.network.phones == []
    scene.network.says = None  # it knows of no such call
    scene.works(after=timedelta(seconds=30))
    scene.works()
    assert scene.network.phones == [DARIO]


@pytest.mark.parametrize(
    ("pressed", "minutes", "engaged"), [(False, 4, True), (False, 6, False), (True, 200, True)]
)
def test_how_long_a_phone_is_taken_for_engaged(
    scene: Scene, opened: Opened, pressed: bool, minutes: int, engaged: bool
) -> None:
    in_a_call(scene, opened, pressed=pressed)
    with scene.house.database.read() as connection:
        found = placed.engaged(connection, NIGHT + timedelta(minutes=minutes), "")
    assert (DARIO in found) == engaged


def test_without_a_telephone_the_case_stays_pursued(scene: Scene, opened: Opened) -> None:
    deaf = House(scene.house.configuration, scene.house.database, outward=Channels())
    for minute in range(10):
        tick(deaf, DUE + timedelta(minutes=minute), ONLY)
    assert scene.pending(opened)


def test_nobody_on_duty_is_an_alarm_and_no_end(scene: Scene, opened: Opened) -> None:
    with scene.house.database.write() as connection:
        connection.execute(update(technicians).values(retired_at=NIGHT - SECOND))
    scene.works()
    assert scene.network.phones == []
    assert scene.due_at(opened) == DUE + timedelta(minutes=3)
    with scene.house.database.read() as connection:
        alarms = connection.execute(select(due_work.c.key).where(due_work.c.kind == "alarm")).scalars().all()
    assert alarms == ["nobody-on-duty:rota:duty"]


def test_nothing_but_people_ends_it(scene: Scene, opened: Opened) -> None:
    """Whatever the network says for a night, the case is pursued."""
    drawn = random.Random(5)
    for _ in range(300):
        scene.works(after=timedelta(seconds=drawn.randrange(1, 60)))
        if scene.network.sids and drawn.random() < 0.5:
            scene.ends(drawn.choice(["busy", "failed", "no-answer", "completed", "canceled"]))
    assert scene.pending(opened)
    assert len(scene.network.placed) > 20
    with scene.house.database.read() as connection:
        running = connection.execute(select(passes).where(passes.c.ended_at.is_(None))).all()
        assert len(running) <= 1


def test_a_closed_case_ends_its_pass(scene: Scene, opened: Opened) -> None:
    scene.works()
    with scene.house.database.write() as connection:
        found = case(connection, opened)
        joined.close(connection, ACTOR, scene.at, found)
        now = case(connection, opened)
        assert (
            pursuit.decide(connection, scene.at, scene.house.configuration.ringing, now, ()) == pursuit.Over()
        )
        assert connection.execute(select(passes).where(passes.c.ended_at.is_(None))).all() == []


# -- what calls the customer ---------------------------------------------------------------------------


def number_of(scene: Scene, opened: Opened) -> str | None:
    with scene.house.database.read() as connection:
        return desks(scene.house).outgoing.customer_number(connection, case(connection, opened))


def test_the_customer_is_called_where_he_asked_to_be(scene: Scene, opened: Opened) -> None:
    assert number_of(scene, opened) == CUSTOMER
    with scene.house.database.write() as connection:
        connection.execute(update(case_rows).values(call_back_to="+390461555077"))
    assert number_of(scene, opened) == "+390461555077"


def test_a_number_that_may_not_be_dialled_makes_way_for_one_on_file(scene: Scene, opened: Opened) -> None:
    with scene.house.database.write() as connection:
        connection.execute(update(calls).values(caller="+39899123456"))
    assert number_of(scene, opened) is None
    with scene.house.database.write() as connection:
        customers.change(connection, ACTOR, NIGHT, "ACME", phones=["+390461555088"])
    assert number_of(scene, opened) == "+390461555088"


def test_a_screened_callers_own_number_is_never_dialled(scene: Scene, opened: Opened) -> None:
    with scene.house.database.write() as connection:
        connection.execute(update(case_rows).values(screened=True, customer_id=None, call_back_to=CUSTOMER))
    assert number_of(scene, opened) is None


def test_without_a_number_the_case_is_his_all_the_same(scene: Scene, opened: Opened) -> None:
    with scene.house.database.write() as connection:
        connection.execute(update(calls).values(caller="anonymous"))
    scene.works()
    scene.asks(0)
    told = scene.asks(1, "1")
    assert "non conosciamo un numero" in told.texts()[0]
    assert not any(isinstance(part, answers.Dial) for part in told.parts)
    with scene.house.database.read() as connection:
        assert case(connection, opened).taken_by == "anna"


# -- reminders ---------------------------------------------------------------------------------------


def reminded(scene: Scene) -> list[str]:
    with scene.house.database.read() as connection:
        rows = connection.execute(
            select(notices.c.recipient, notices.c.facts).where(notices.c.kind == "case-reminder")
        )
        return sorted(f"{row.facts['percent']} {row.recipient}" for row in rows)


def test_reminders_go_further_each_time(scene: Scene, opened: Opened) -> None:
    managed = scene.house.configuration.notices.model_copy(update={"managers": ["chief@example.net"]})
    house = House(
        scene.house.configuration.model_copy(update={"notices": managed}),
        scene.house.database,
        outward=scene.house.outward,
    )
    only = {reminders.REMIND: ONLY[reminders.REMIND]}
    tick(house, NIGHT + timedelta(minutes=30) - SECOND, only)
    assert reminded(scene) == []
    tick(house, NIGHT + timedelta(minutes=30), only)
    assert reminded(scene) == ["50 technician:anna"]
    tick(house, NIGHT + timedelta(minutes=48), only)
    assert reminded(scene) == ["50 technician:anna", "80 technician:anna", "80 technician:dario"]
    tick(house, NIGHT + timedelta(minutes=60), only)
    late = ["100 manager:chief@example.net", "100 technician:anna", "100 technician:dario"]
    assert reminded(scene)[:3] == late
    assert tick(house, NIGHT + timedelta(days=1), only) == 0
    with scene.house.database.read() as connection:
        row = connection.execute(select(case_rows)).one()
        assert row.breached_at == NIGHT + timedelta(minutes=60)
        log = connection.execute(select(case_log.c.act)).scalars().all()
    assert log == ["reminded", "reminded", "breached", "reminded"]


def test_a_case_that_somebody_has_is_not_reminded_of(scene: Scene, opened: Opened) -> None:
    with scene.house.database.write() as connection:
        casework.take(connection, ACTOR, NIGHT, case(connection, opened), "anna")
    scene.works(after=timedelta(days=1), only=(reminders.REMIND,))
    assert reminded(scene) == []


def test_a_worker_that_slept_reminds_once(scene: Scene, opened: Opened) -> None:
    scene.works(after=timedelta(days=1), only=(reminders.REMIND,))
    assert reminded(scene) == ["100 technician:anna", "100 technician:dario"]


def test_placed_calls_are_found_by_case(scene: Scene, opened: Opened) -> None:
    scene.works()
    scene.asks(0)
    with scene.house.database.read() as connection:
        (found,) = placed.of_case(connection, opened.id)
        turns = placed.turns_of(connection, found.id)
    assert [turn.heard for turn in turns] == ["picked up"]


# -- what people are told of it ------------------------------------------------------------------------


def told(scene: Scene) -> list[tuple[str, str]]:
    with scene.house.database.read() as connection:
        rows = connection.execute(select(notices.c.kind, notices.c.recipient).order_by(notices.c.id))
        return [(row.kind, row.recipient) for row in rows]


def test_whoever_is_phoned_first_reads_that_the_caller_wants_to_be_called(
    scene: Scene, opened: Opened
) -> None:
    with scene.house.database.write() as connection:
        connection.execute(update(case_rows).values(call_back_to=CUSTOMER))
    scene.works()
    assert told(scene) == [("call-back-wanted", "technician:anna")]
    scene.misses()
    assert told(scene) == [("call-back-wanted", "technician:anna")]


def test_whoever_takes_a_case_gets_its_link_at_once(scene: Scene, opened: Opened) -> None:
    scene.works()
    scene.asks(0)
    scene.asks(1, "1")
    scene.asks(2, dial_status="no-answer")
    scene.asks(3, "1")
    assert told(scene) == [("case-yours", "technician:anna")]


def test_managers_are_told_once_of_a_talk_that_lasts_an_hour(scene: Scene, opened: Opened) -> None:
    managed = scene.house.configuration.notices.model_copy(update={"managers": ["chief@example.net"]})
    scene.house = House(
        scene.house.configuration.model_copy(update={"notices": managed}),
        scene.house.database,
        outward=scene.house.outward,
    )
    with scene.house.database.write() as connection:
        connection.execute(update(calls).values(ended_at=None))
        attempt = attempts.begin_attempt(connection, NIGHT, opened.id, opened.sid, "anna", ANNA, 1)
        attempts.picked_up(connection, NIGHT, attempt)
        attempts.press(connection, NIGHT, attempt, "accepted")
    for minute in (10, 50, 5, 30):
        scene.works(after=timedelta(minutes=minute))
    assert told(scene) == [("talk-long", "manager:chief@example.net")]
    assert scene.network.placed == []


@pytest.mark.parametrize(("pressed", "phoned"), [(False, True), (True, False)])
def test_a_network_that_cannot_be_asked_does_not_hide_a_lost_end(
    scene: Scene, opened: Opened, pressed: bool, phoned: bool
) -> None:
    """A ring is over after a while, whatever nobody says; a talk may last."""
    with scene.house.database.write() as connection:
        state = TypeAdapter(Call).dump_json(Call(opened.sid, CUSTOMER, "+390461825060", "it")).decode()
        connection.execute(update(calls).values(ended_at=None, state=state))
        attempt = attempts.begin_attempt(connection, NIGHT, opened.id, opened.sid, "anna", ANNA, 1)
        if pressed:
            attempts.picked_up(connection, NIGHT, attempt)
            attempts.press(connection, NIGHT, attempt, "accepted")
    with scene.network.out():
        for _ in range(10):
            scene.works(after=timedelta(seconds=30))
    assert (scene.network.placed != []) == phoned


def test_the_phone_that_he_holds_is_not_dialled_as_the_customer_s(scene: Scene, opened: Opened) -> None:
    """Somebody keyed a customer's PIN on a technician's phone."""
    with scene.house.database.write() as connection:
        connection.execute(update(calls).values(caller=ANNA))
    scene.works()
    scene.asks(0)
    told = scene.asks(1, "1")
    assert "non conosciamo un numero" in told.texts()[0]
    assert not any(isinstance(part, answers.Dial) for part in told.parts)

"""Swaps: who may say what when, what is checked twice, and what exactly is exchanged."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some
from making import ACTOR, NIGHT, RINGING, ROME, fresh_database, opened_at, rome, staff
from sqlalchemy import Connection, select

from oncall import people
from oncall.rota import absences, planning, roster, swaps
from oncall.rota.exchange import Handing, exchanged, objection
from oncall.rota.roster import RosterRefusal, UnknownRota, UnknownTechnician
from oncall.rota.rota import Absence, Book, OnDuty, Override, Rotation, Rules, Rung, Version
from oncall.rota.swaps import Back, SwapRefusal, UnknownSwap
from oncall.rota.validation import Person
from oncall.settings import NoticeSettings
from oncall.tables import notices, rota_overrides
from storage import audit
from storage.engine import Database
from storage.tables import due_work

ROTA = """
[[technician]]
key = "anna"
name = "Anna Rossi"
phone = "+393331234501"
[[technician]]
key = "bruno"
name = "Bruno Bianchi"
phone = "+393331234502"
[[technician]]
key = "carla"
name = "Carla Verdi"
phone = "+393331234503"
[[technician]]
key = "dario"
name = "Dario Neri"
phone = "+393331234504"
[[rota]]
key = "duty"
  [rota.swaps]
  ahead_hours = 2
  [[rota.rung]]
  people = ["anna", "bruno", "carla"]
  starts = 2026-01-05
  handover = "18:30"
  every = "1 week"
  [[rota.rung]]
  people = ["dario"]
"""
APPLIED = rome("2025-12-20 10:00")
NOTICES = NoticeSettings(admins=["admin@example.net"])
HOUR = timedelta(hours=1)
# Anna's week, and the one after it, which is bruno's.
GIVE = (rome("2026-03-12 18:30"), rome("2026-03-13 18:30"))
TAKE = (rome("2026-03-19 18:30"), rome("2026-03-20 18:30"))
BACK = Back(1, *TAKE)
NOW = rome("2026-03-10 22:00")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    with fresh_database(tmp_path) as database, database.write() as connection:
        staff(connection, APPLIED, ROTA)
        yield connection


def propose(connection: Connection, actor: str = "technician:anna", at: datetime = NOW, **more: Any) -> int:
    given: dict[str, Any] = {
        "rota_key": "duty",
        "rung": 1,
        "proposer": "anna",
        "counterpart": "bruno",
        "start": GIVE[0],
        "end": GIVE[1],
        "back": BACK,
    }
    return swaps.propose(connection, actor, at, RINGING, **(given | more))


def answer(
    connection: Connection,
    swap: int,
    said: Any = "accept",
    actor: str = "technician:bruno",
    at: datetime = NOW,
    reason: str | None = None,
) -> str:
    return swaps.answer(connection, actor, at, RINGING, NOTICES, swap, said, reason=reason)


def with_approval(connection: Connection) -> None:
    staff(connection, APPLIED, ROTA.replace("ahead_hours = 2", "ahead_hours = 2\n  approval = true"))


def first(connection: Connection, at: datetime) -> tuple[str, str]:
    """Who is rung first, found in both ways there are."""
    contact = roster.ladder(connection, RINGING, "duty", at)[0]
    duty = roster.book(connection, "duty").ladder(at)[0]
    assert (contact.technician, contact.because) == (duty.technician, duty.because)
    return contact.technician, contact.because


def told(connection: Connection) -> list[tuple[str, str]]:
    """Notices that are still to be brought: kind and recipient."""
    open_ = select(notices.c.kind, notices.c.recipient).where(notices.c.settled_at.is_(None))
    return [(row.kind, row.recipient) for row in connection.execute(open_.order_by(notices.c.id))]


def acts(connection: Connection, swap: int) -> list[str]:
    return [act.act for act in reversed(audit.acts(connection, [f"swap:{swap}"]))]


# -- the ordinary course -----------------------------------------------------------------------------


def test_both_stretches_are_exchanged_when_it_is_accepted(connection: Connection) -> None:
    swap = propose(connection)
    assert told(connection) == [("swap-proposed", "technician:bruno")]
    assert first(connection, GIVE[0]) == ("anna", "turn")
    assert answer(connection, swap) == "accepted"
    for (start, end), whose, others in ((GIVE, "anna", "bruno"), (TAKE, "bruno", "anna")):
        assert first(connection, start - HOUR) == (whose, "turn")
        assert first(connection, start) == (others, "swap")
        assert first(connection, end - HOUR) == (others, "swap")
        assert first(connection, end) == (whose, "turn")
    assert told(connection) == [
        ("swap-accepted", "technician:anna"),
        ("swap-accepted", "technician:bruno"),
    ]
    assert acts(connection, swap) == ["swap.propose", "swap.accept"]
    rows = connection.execute(select(rota_overrides)).all()
    assert [(row.because, row.swap_id, row.created_by) for row in rows] == [
        ("swap", swap, "technician:bruno")
    ] * 2
    known = swaps.find(connection, swap)
    assert (known.state, known.decided_at, known.decided_by) == ("accepted", NOW, "technician:bruno")


def test_a_turn_may_be_given_for_nothing(connection: Connection) -> None:
    swap = propose(connection, back=None)
    answer(connection, swap)
    assert first(connection, GIVE[0]) == ("bruno", "swap")
    assert first(connection, TAKE[0]) == ("bruno", "turn")
    assert len(connection.execute(select(rota_overrides)).all()) == 1


def test_what_the_other_is_told(connection: Connection) -> None:
    propose(connection)
    (row,) = connection.execute(select(notices))
    assert row.about == "swap:1"
    assert row.loud is False
    assert row.facts == {
        "swap": 1,
        "rota": "duty",
        "rung": 1,
        "start": GIVE[0].isoformat(),
        "end": GIVE[1].isoformat(),
        "proposer": "Anna Rossi",
        "counterpart": "Bruno Bianchi",
        "back_rung": 1,
        "back_start": TAKE[0].isoformat(),
        "back_end": TAKE[1].isoformat(),
    }
    # What begins soon may not wait for the morning.
    propose(connection, at=GIVE[0] - 5 * HOUR)
    assert connection.execute(select(notices.c.loud).order_by(notices.c.id.desc())).scalars().first() is True


def test_declined_nothing_is_exchanged(connection: Connection) -> None:
    swap = propose(connection)
    assert answer(connection, swap, "decline") == "declined"
    assert first(connection, GIVE[0]) == ("anna", "turn")
    assert told(connection) == [("swap-declined", "technician:anna")]
    for said in ("accept", "decline"):
        with pytest.raises(SwapRefusal, match="swap 1 is declined"):
            answer(connection, swap, said)
    assert acts(connection, swap) == ["swap.propose", "swap.decline"]


def test_with_approval_it_holds_when_an_admin_has_approved(connection: Connection) -> None:
    with_approval(connection)
    swap = propose(connection)
    assert answer(connection, swap) == "agreed"
    assert first(connection, GIVE[0]) == ("anna", "turn")
    assert told(connection) == [("swap-to-approve", "admin:admin@example.net")]
    with pytest.raises(SwapRefusal, match="for an admin"):
        swaps.approve(connection, "technician:bruno", NOW, RINGING, swap)
    swaps.approve(connection, ACTOR, NOW, RINGING, swap)
    assert first(connection, GIVE[0]) == ("bruno", "swap")
    assert [kind for kind, _ in told(connection)] == ["swap-accepted"] * 2
    assert acts(connection, swap) == ["swap.propose", "swap.accept", "swap.approve"]


def test_an_admin_may_refuse(connection: Connection) -> None:
    with_approval(connection)
    swap = propose(connection)
    with pytest.raises(SwapRefusal, match="swap 1 is proposed"):
        swaps.refuse(connection, ACTOR, NOW, swap)
    answer(connection, swap)
    with pytest.raises(SwapRefusal, match="for an admin"):
        swaps.refuse(connection, "technician:anna", NOW, swap)
    swaps.refuse(connection, ACTOR, NOW, swap, reason="too tired")
    assert swaps.find(connection, swap).state == "refused"
    assert first(connection, GIVE[0]) == ("anna", "turn")
    # Each is told of the turn that remains his, and by nobody's name.
    assert told(connection) == [("swap-declined", "technician:anna"), ("swap-declined", "technician:bruno")]
    facts = connection.execute(select(notices.c.facts).where(notices.c.kind == "swap-declined")).scalars()
    assert [(each["start"], "counterpart" in each) for each in facts] == [
        (GIVE[0].isoformat(), False),
        (TAKE[0].isoformat(), False),
    ]


# -- who may ---------------------------------------------------------------------------------------


def test_everybody_speaks_for_himself(connection: Connection) -> None:
    with pytest.raises(SwapRefusal, match="for anna to decide"):
        propose(connection, "technician:bruno")
    swap = propose(connection)
    for actor in ("technician:anna", "technician:dario"):
        for said in ("accept", "decline"):
            with pytest.raises(SwapRefusal, match="for bruno to decide"):
                answer(connection, swap, said, actor)
    with pytest.raises(SwapRefusal, match="for anna to decide"):
        swaps.withdraw(connection, "technician:bruno", NOW, swap)
    assert swaps.find(connection, swap).state == "proposed"


def test_an_admin_answers_for_somebody_with_a_reason(connection: Connection) -> None:
    swap = propose(connection, ACTOR)
    with pytest.raises(SwapRefusal, match="give a reason"):
        answer(connection, swap, actor=ACTOR)
    assert answer(connection, swap, actor=ACTOR, reason="he phoned") == "accepted"
    latest = audit.acts(connection, [f"swap:{swap}"], limit=1)[0]
    assert latest.details is not None
    assert (latest.actor, latest.details["reason"]) == (ACTOR, "he phoned")


# -- what is checked -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"counterpart": "anna"}, "between two"),
        ({"end": GIVE[0]}, "ends after it starts"),
        ({"back": Back(1, TAKE[0], TAKE[0])}, "ends after it starts"),
        ({"rung": 2}, "anna does not have rung 2"),
        ({"rung": 3}, "anna does not have rung 3"),
        ({"start": TAKE[0], "end": TAKE[1]}, "anna does not have rung 1"),
        ({"end": TAKE[0]}, "anna does not have rung 1"),
        ({"start": rome("2026-03-09 18:29")}, "the past stays"),
        ({"back": Back(1, *GIVE)}, "bruno does not have rung 1"),
        ({"counterpart": "dario", "back": None}, "dario is on duty on rung 2 of rota duty"),
        ({"at": GIVE[0] - HOUR}, "until 2 hours before"),
        ({"at": GIVE[0]}, "the past stays"),
    ],
)
def test_what_cannot_be_proposed(connection: Connection, given: dict[str, Any], said: str) -> None:
    with pytest.raises(SwapRefusal, match=said):
        propose(connection, **given)
    assert swaps.listed(connection) == []
    assert told(connection) == []


def test_unknown_ones(connection: Connection) -> None:
    with pytest.raises(UnknownTechnician):
        propose(connection, counterpart="zoe")
    with pytest.raises(UnknownRota):
        propose(connection, rota_key="field")
    with pytest.raises(UnknownSwap, match="7"):
        answer(connection, 7)


def test_a_rota_may_allow_no_swaps(connection: Connection) -> None:
    swap = propose(connection)
    staff(connection, APPLIED, ROTA.replace("ahead_hours = 2", "allowed = false"))
    with pytest.raises(SwapRefusal, match="allow no swaps"):
        propose(connection)
    with pytest.raises(SwapRefusal, match="allow no swaps"):
        answer(connection, swap)


def test_the_other_is_away_or_has_left(connection: Connection) -> None:
    identity = absences.add(connection, ACTOR, NOW, "bruno", GIVE[1] - HOUR, GIVE[1], "holiday")
    with pytest.raises(SwapRefusal, match="bruno is absent then"):
        propose(connection)
    absences.withdraw(connection, ACTOR, NOW, identity)
    propose(connection)
    people.retire(connection, ACTOR, NOW, "bruno", on=GIVE[1] - HOUR)
    with pytest.raises(SwapRefusal, match="bruno is not in service"):
        propose(connection, back=None)


def test_the_proposer_must_be_there_for_what_he_takes(connection: Connection) -> None:
    absences.add(connection, ACTOR, NOW, "anna", TAKE[0], TAKE[0] + HOUR, "other")
    with pytest.raises(SwapRefusal, match="anna is absent then"):
        propose(connection)
    propose(connection, back=None)


def test_on_duty_in_another_rota_at_the_same_time(connection: Connection) -> None:
    other = ROTA[ROTA.index("[[rota]]") :].replace('"duty"', '"field"').replace('"dario"', '"bruno"')
    staff(connection, APPLIED, other)
    with pytest.raises(SwapRefusal, match="bruno is on duty on rung 2 of rota field"):
        propose(connection)


def test_everything_is_checked_again_when_it_is_accepted(connection: Connection) -> None:
    with_approval(connection)
    swap, agreed = propose(connection), propose(connection)
    answer(connection, agreed)
    # Anna gave her turn away meanwhile.
    roster.override(connection, ACTOR, NOW, "duty", 1, GIVE[0], GIVE[0] + HOUR, "carla")
    for decide in (
        lambda: answer(connection, swap),
        lambda: swaps.approve(connection, ACTOR, NOW, RINGING, agreed),
    ):
        with pytest.raises(SwapRefusal, match="anna does not have rung 1"):
            decide()
    assert swaps.find(connection, swap).state == "proposed"
    assert swaps.find(connection, agreed).state == "agreed"
    assert first(connection, GIVE[0] + HOUR) == ("anna", "turn")


def test_of_two_offers_of_the_same_turn_one_holds(connection: Connection) -> None:
    to_bruno, to_carla = propose(connection), propose(connection, counterpart="carla", back=None)
    answer(connection, to_carla, actor="technician:carla")
    with pytest.raises(SwapRefusal, match="anna does not have rung 1"):
        answer(connection, to_bruno)
    assert first(connection, GIVE[0]) == ("carla", "swap")
    assert first(connection, TAKE[0]) == ("bruno", "turn")


def test_what_was_swapped_may_be_swapped_on(connection: Connection) -> None:
    answer(connection, propose(connection, back=None))
    again = propose(
        connection, "technician:bruno", proposer="bruno", counterpart="carla", start=GIVE[0] + HOUR, back=None
    )
    answer(connection, again, actor="technician:carla")
    assert first(connection, GIVE[0]) == ("bruno", "swap")
    assert first(connection, GIVE[0] + HOUR) == ("carla", "swap")


def test_two_who_are_on_duty_together_may_change_rungs(connection: Connection) -> None:
    swap = propose(connection, counterpart="dario", back=Back(2, *GIVE))
    answer(connection, swap, actor="technician:dario")
    ladder = roster.ladder(connection, RINGING, "duty", GIVE[0])
    assert [(each.technician, each.because) for each in ladder] == [("dario", "swap"), ("anna", "swap")]


def test_an_admin_may_approve_later_than_technicians_may_agree(connection: Connection) -> None:
    with_approval(connection)
    swap, too_late = propose(connection), propose(connection)
    answer(connection, swap)
    hour_before = GIVE[0] - HOUR
    with pytest.raises(SwapRefusal, match="until 2 hours before"):
        answer(connection, too_late, at=hour_before)
    swaps.approve(connection, ACTOR, hour_before, RINGING, swap)
    assert first(connection, GIVE[0]) == ("bruno", "swap")


# -- taken back, expired -----------------------------------------------------------------------------


def test_an_offer_is_taken_back(connection: Connection) -> None:
    swap = propose(connection)
    swaps.withdraw(connection, "technician:anna", NOW, swap)
    assert swaps.find(connection, swap).state == "withdrawn"
    assert told(connection) == []
    with pytest.raises(SwapRefusal, match="swap 1 is withdrawn"):
        answer(connection, swap)
    with pytest.raises(SwapRefusal, match="swap 1 is withdrawn"):
        swaps.withdraw(connection, "technician:anna", NOW, swap)


def test_a_swap_that_holds_is_undone_by_an_admin_alone_and_whole(connection: Connection) -> None:
    swap = propose(connection)
    answer(connection, swap)
    with pytest.raises(SwapRefusal, match="ask an admin"):
        swaps.withdraw(connection, "technician:anna", NOW, swap)
    with pytest.raises(SwapRefusal, match="give a reason"):
        swaps.withdraw(connection, ACTOR, NOW, swap)
    with pytest.raises(RosterRefusal, match="withdraw the swap"):
        planning.withdraw_override(connection, ACTOR, NOW, 1)
    middle = GIVE[0] + 5 * HOUR
    swaps.withdraw(connection, ACTOR, middle, swap, reason="bruno is ill")
    assert first(connection, middle - HOUR) == ("bruno", "swap")
    assert first(connection, middle) == ("anna", "turn")
    assert first(connection, TAKE[0]) == ("bruno", "turn")
    assert ("swap-declined", "technician:bruno") in told(connection)
    with pytest.raises(SwapRefusal, match="is withdrawn"):
        swaps.withdraw(connection, ACTOR, middle, swap, reason="again")


def test_a_swap_that_is_over_stays(connection: Connection) -> None:
    swap = propose(connection, back=None)
    answer(connection, swap)
    with pytest.raises(SwapRefusal, match="swap 1 is over"):
        swaps.withdraw(connection, ACTOR, GIVE[1], swap, reason="too late")
    assert swaps.find(connection, swap).state == "accepted"


def test_a_hole_that_undoing_opens_is_alarmed(connection: Connection) -> None:
    elena = '[[technician]]\nkey = "elena"\nname = "Elena Blu"\nphone = "+393331234505"\n'
    staff(connection, APPLIED, elena)
    swap = propose(connection, counterpart="elena", back=None)
    answer(connection, swap, actor="technician:elena")
    for key in ("anna", "bruno", "carla", "dario"):
        absences.add(connection, ACTOR, NOW, key, GIVE[0], GIVE[1], "illness")
    alarms = select(due_work.c.key).where(due_work.c.kind == "alarm")
    assert connection.execute(alarms).scalars().all() == []
    swaps.withdraw(connection, ACTOR, NOW, swap, reason="a mistake")
    assert roster.ladder(connection, RINGING, "duty", GIVE[0]) == []
    assert connection.execute(alarms).scalars().all() == [f"rota-hole:rota:duty:{GIVE[0].isoformat()}"]


def test_what_nobody_decided_on_expires_when_it_begins(connection: Connection) -> None:
    with_approval(connection)
    swap, agreed = propose(connection), propose(connection)
    later = propose(connection, start=GIVE[0] + HOUR)
    answer(connection, agreed)
    assert swaps.expire(connection, GIVE[0] - HOUR) == []
    with pytest.raises(SwapRefusal, match="expired"):
        answer(connection, swap, at=GIVE[0])
    with pytest.raises(SwapRefusal, match="expired"):
        swaps.withdraw(connection, ACTOR, GIVE[0], swap)
    assert sorted(swaps.expire(connection, GIVE[0])) == [swap, agreed]
    assert swaps.expire(connection, GIVE[0]) == []
    assert {each.id: each.state for each in swaps.listed(connection)} == {
        swap: "expired",
        agreed: "expired",
        later: "proposed",
    }
    assert acts(connection, swap) == ["swap.propose", "swap.expire"]
    waiting = told(connection)
    assert waiting.count(("swap-proposed", "technician:bruno")) == 1
    assert ("swap-to-approve", "admin:admin@example.net") not in waiting
    assert waiting.count(("swap-declined", "technician:anna")) == 2
    assert first(connection, GIVE[0]) == ("anna", "turn")


def test_it_expires_when_the_earlier_of_the_two_begins(connection: Connection) -> None:
    early = propose(
        connection, "technician:bruno", proposer="bruno", counterpart="anna", start=TAKE[0], end=TAKE[1],
        back=Back(1, *GIVE),
    )  # fmt: skip
    assert swaps.expire(connection, GIVE[0] - HOUR) == []
    assert swaps.expire(connection, GIVE[0]) == [early]


def test_which_there_are(connection: Connection) -> None:
    one, two = propose(connection), propose(connection, counterpart="carla", back=None)
    answer(connection, one, "decline")
    assert [each.id for each in swaps.listed(connection)] == [two, one]
    assert [each.id for each in swaps.listed(connection, swaps.PENDING)] == [two]
    assert [each.id for each in swaps.listed(connection, technician="bruno")] == [one]
    assert [each.id for each in swaps.listed(connection, technician="anna")] == [two, one]


# -- on both databases -----------------------------------------------------------------------------


def test_the_whole_course_on_both_databases(database_url: str) -> None:
    with opened_at(database_url) as database, database.write() as connection:
        with_approval(connection)
        swap, other, late = (propose(connection) for _ in range(3))
        answer(connection, swap)
        answer(connection, other, "decline")
        swaps.approve(connection, ACTOR, NOW, RINGING, swap)
        assert first(connection, TAKE[0]) == ("anna", "swap")
        swaps.withdraw(connection, ACTOR, GIVE[0] + HOUR, swap, reason="a mistake")
        assert first(connection, TAKE[0]) == ("bruno", "turn")
        assert first(connection, GIVE[0]) == ("bruno", "swap")
        assert swaps.expire(connection, GIVE[0] + HOUR) == [late]
        assert [each.state for each in swaps.listed(connection)] == ["expired", "declined", "withdrawn"]


def test_two_who_take_the_same_turn_at_one_instant(database_url: str) -> None:
    """The second waits for the first, and then finds the turn gone."""
    with opened_at(database_url) as database:
        with database.write() as connection:
            staff(connection, APPLIED, ROTA)
            swap = propose(connection, back=None)
            other = propose(connection, counterpart="carla", back=None)
        said: list[str] = []
        begun = threading.Event()

        def carla() -> None:
            begun.set()
            try:
                with database.write() as connection:
                    said.append(answer(connection, other, actor="technician:carla"))
            except SwapRefusal as refused:
                said.append(str(refused))

        second = threading.Thread(target=carla)
        with database.write() as connection:
            answer(connection, swap)
            second.start()
            assert begun.wait(5)
            second.join(0.2)
        second.join(10)
        (outcome,) = said
        assert "anna does not have rung 1" in outcome
        with database.read() as connection:
            assert first(connection, GIVE[0]) == ("bruno", "swap")


# -- invariants ------------------------------------------------------------------------------------

TEAM = ("anna", "bruno", "carla", "dario")
SPRING, SPAN = rome("2026-03-27 12:00"), 16
STEP = timedelta(hours=4)
at_steps = some.integers(0, SPAN - 1)


@some.composite
def books(draw: some.DrawFn) -> Book:
    made = [
        Rung(
            tuple(draw(some.permutations(TEAM))[: draw(some.integers(2, 4))]),
            Rotation(
                date(2026, 3, 1), time(draw(some.sampled_from([0, 2, 8, 20]))), draw(some.integers(1, 2))
            ),
        )
        for _ in range(draw(some.integers(1, 2)))
    ]
    away = [
        Absence(n, draw(some.sampled_from(TEAM)), SPRING + a * STEP, SPRING + (a + 2) * STEP, APPLIED)
        for n, a in enumerate(draw(some.lists(at_steps, max_size=1)), start=1)
    ]
    others = [
        Override(
            n, 1, SPRING + a * STEP, SPRING + (a + 3) * STEP, draw(some.sampled_from(TEAM)), made_at=APPLIED
        )
        for n, a in enumerate(draw(some.lists(at_steps, max_size=1)), start=1)
    ]
    return Book([Version(1, APPLIED, Rules(ROME, tuple(made)))], others, away)


def as_tuples(ladder: list[OnDuty]) -> dict[int, str]:
    return {duty.rung: duty.technician for duty in ladder}


@settings(deadline=None, max_examples=150)
@given(some.data())
def test_inside_the_two_stretches_is_exchanged_and_outside_nothing_changes(data: some.DataObject) -> None:
    """Within turns as they are, at stretches of whatever length: whenever a swap can be, it is this."""
    known = data.draw(books())
    handings = []
    for _ in range(data.draw(some.integers(1, 2))):
        start = SPRING + data.draw(at_steps) * STEP
        end = start + data.draw(some.integers(1, 3)) * STEP
        standing = as_tuples(known.ladder(start))
        rung = data.draw(some.sampled_from(sorted(standing)))
        taker = handings[0].giver if handings else data.draw(some.sampled_from(TEAM))
        handings.append(Handing(rung, start, end, standing[rung], taker))
    assume(len(handings) == 1 or handings[1].giver == handings[0].taker)
    everybody = {key: Person(key) for key in TEAM}
    assume(objection({"duty": known}, everybody, "duty", handings, SPRING) is None)
    after = exchanged(known, handings, SPRING)
    for step in range(-2, (SPAN + 5) * 4):
        at = SPRING + step * STEP / 4
        was, now = known.ladder(at), after.ladder(at)
        wanted = as_tuples(was)
        for each in handings:
            if each.start <= at < each.end:
                assert wanted[each.rung] == each.giver
                wanted[each.rung] = each.taker
        assert as_tuples(now) == wanted, at
        for duty in now:
            swapped = any(h.rung == duty.rung and h.start <= at < h.end for h in handings)
            assert swapped == (duty.because == "swap" and duty not in was), at
        # Nobody is on two rungs because of it.
        touched = {h.taker for h in handings if h.start <= at < h.end}
        for person in touched:
            assert list(as_tuples(now).values()).count(person) == 1


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    folder: Path = tmp_path_factory.mktemp("swaps")
    with fresh_database(folder) as database:
        with database.write() as connection:
            staff(connection, APPLIED, ROTA)
        yield database


class _Enough(Exception):
    """Thrown out of the transaction, so that nothing of an example stays."""


@contextmanager
def rolled_back(database: Database) -> Iterator[Connection]:
    with suppress(_Enough), database.write() as connection:
        yield connection
        raise _Enough


@settings(deadline=None, max_examples=30)
@given(
    some.lists(
        some.tuples(
            some.sampled_from(["absence", "override", "swap"]),
            some.integers(0, 40),
            some.integers(1, 40),
            some.sampled_from(TEAM),
            some.sampled_from(TEAM),
        ),
        max_size=6,
    ),
    some.integers(0, 50),
)
def test_withdrawing_everything_restores_the_ladder_from_then_on(
    shared: Database, done: list[tuple[str, int, int, str, str]], after: int
) -> None:
    four = timedelta(hours=4)
    instants = [NIGHT + n * four / 2 for n in range(-2, 200)]

    def ladders(connection: Connection) -> list[dict[int, tuple[str, str]]]:
        known = roster.book(connection, "duty")
        return [{d.rung: (d.technician, d.because) for d in known.ladder(at)} for at in instants]

    with rolled_back(shared) as connection:
        untouched = ladders(connection)
        made: list[tuple[str, int]] = []
        for number, (what, begin, length, one, other) in enumerate(done):
            now = NIGHT + timedelta(minutes=number)
            start, end = NIGHT + timedelta(hours=3) + begin * four, NIGHT + (begin + length + 1) * four
            try:
                if what == "absence":
                    made.append((what, absences.add(connection, ACTOR, now, one, start, end, "other")))
                elif what == "override":
                    made.append((what, roster.override(connection, ACTOR, now, "duty", 1, start, end, one)))
                else:
                    rung = 1 + begin % 2
                    swap = swaps.propose(
                        connection, ACTOR, now, RINGING, "duty", rung, one, other, start, end
                    )
                    answer(connection, swap, actor=ACTOR, at=now, reason="so that it holds")
                    made.append((what, swap))
            except RosterRefusal:
                continue
        changed = ladders(connection)
        then = NIGHT + timedelta(hours=1) + after * four
        for what, identity in made:
            # What is over by then cannot be withdrawn, nor need it be.
            try:
                if what == "absence":
                    absences.withdraw(connection, ACTOR, then, identity)
                elif what == "override":
                    planning.withdraw_override(connection, ACTOR, then, identity)
                else:
                    swaps.withdraw(connection, ACTOR, then, identity, reason="it was a mistake")
            except RosterRefusal as refused:
                if "the past stays" not in str(refused):
                    raise
        for at, was, with_changes, now_is in zip(
            instants, untouched, changed, ladders(connection), strict=True
        ):
            assert now_is == (was if at >= then else with_changes), at

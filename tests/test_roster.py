"""Technicians, rules stored with their validity, overrides: the verbs against a real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from making import ACTOR, NIGHT, RINGING, ROTA, opened_at, rome, staff
from sqlalchemy import Connection, func, select

from oncall import roster, rota_file
from oncall.phones import NumberRefused
from oncall.roster import RosterRefusal, UnknownRota, UnknownTechnician
from oncall.rota_file import TechnicianEntry
from oncall.tables import rota_versions
from storage import audit
from storage.engine import Database

APPLIED = rome("2025-12-20 10:00")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with opened_at(database_url) as database:
        yield database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        yield connection


@pytest.fixture
def staffed(connection: Connection) -> Connection:
    staff(connection, APPLIED)
    return connection


def who(connection: Connection, at: datetime) -> list[str]:
    """The ladder, found in both ways there are: by three look-ups, and from the whole book."""
    ladder = roster.ladder(connection, RINGING, "duty", at)
    assert [(c.rung, c.technician, c.because) for c in ladder] == [
        (duty.rung, duty.technician, duty.because) for duty in roster.book(connection, "duty").ladder(at)
    ]
    return [contact.technician for contact in ladder]


def entry(key: str = "elena", phone: str = "+393331234505", **more: str) -> TechnicianEntry:
    return TechnicianEntry(key=key, name="Elena Blu", phone=phone, **more)  # type: ignore[arg-type]


def rules(text: str) -> rota_file.RotaFile:
    return rota_file.read(f'[[rota]]\nkey = "duty"\n[[rota.rung]]\n{text}')


def acts(connection: Connection) -> list[tuple[str, str]]:
    return [(act.act, act.subject) for act in reversed(audit.acts(connection))]


# -- technicians ---------------------------------------------------------------------------------


def test_a_technician_is_added_changed_and_left_alone(connection: Connection) -> None:
    def put(wanted: TechnicianEntry) -> str:
        return roster.put_technician(connection, ACTOR, NIGHT, RINGING, wanted)

    assert put(entry()) == "added"
    assert put(entry()) == "unchanged"
    assert put(entry(spoken_name="Elena", email="elena@example.net")) == "changed"
    found = roster.technician(connection, "elena")
    assert (found.spoken_name, found.email, found.retired_at) == ("Elena", "elena@example.net", None)
    assert acts(connection) == [
        ("technician.add", "technician:elena"),
        ("technician.change", "technician:elena"),
    ]


@pytest.mark.parametrize(
    "phone", ["+39899123456", "+39199123456", "+39112", "+870773111632", "+18765551234", "+393331234501,,1"]
)
def test_a_phone_that_may_not_be_dialled_is_refused_with_the_reason(staffed: Connection, phone: str) -> None:
    with pytest.raises(NumberRefused, match="'\\" + phone):
        roster.put_technician(staffed, ACTOR, NIGHT, RINGING, entry(phone=phone))
    text = ROTA.replace("+393331234502", phone)
    with pytest.raises(RosterRefusal, match="technician bruno: '\\" + phone):
        roster.apply(staffed, ACTOR, NIGHT, RINGING, rota_file.read(text))
    assert roster.technician(staffed, "bruno").phone == "+393331234502"


def test_nobody_unknown_is_retired(connection: Connection) -> None:
    with pytest.raises(UnknownTechnician, match="'zoe'"):
        roster.retire(connection, ACTOR, NIGHT, "zoe")


def test_whoever_stands_in_the_rules_is_not_retired(staffed: Connection) -> None:
    with pytest.raises(RosterRefusal, match="rota duty"):
        roster.retire(staffed, ACTOR, NIGHT, "anna")
    assert roster.technician(staffed, "anna").retired_at is None


def test_whoever_has_a_coming_override_is_not_retired(staffed: Connection) -> None:
    roster.put_technician(staffed, ACTOR, NIGHT, RINGING, entry())
    end = NIGHT + timedelta(hours=8)
    roster.override(staffed, ACTOR, NIGHT, "duty", 1, NIGHT, end, "elena")
    with pytest.raises(RosterRefusal, match="override"):
        roster.retire(staffed, ACTOR, end - timedelta(seconds=1), "elena")
    roster.retire(staffed, ACTOR, end, "elena")
    assert roster.technician(staffed, "elena").retired_at == end


def test_whoever_stands_in_rules_still_to_come_is_not_retired(connection: Connection) -> None:
    """Or their beginning would open a hole into the rota, silently."""
    before = rome("2026-01-01 12:00")
    staff(connection, before)  # the first turn begins on the 5th
    roster.put_technician(connection, ACTOR, before, RINGING, entry())
    with pytest.raises(RosterRefusal, match="rota duty"):
        roster.retire(connection, ACTOR, before, "anna")
    later = rome("2026-02-01 00:00")
    roster.apply(connection, ACTOR, before, RINGING, rules('people = ["elena"]'), start=later)
    with pytest.raises(RosterRefusal, match="rota duty"):
        roster.retire(connection, ACTOR, before, "elena")


def test_whoever_stands_only_in_rules_of_the_past_is_retired(staffed: Connection) -> None:
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rules('people = ["dario"]'))
    roster.retire(staffed, ACTOR, NIGHT + timedelta(seconds=1), "anna")
    assert who(staffed, NIGHT) == ["dario"]
    with pytest.raises(RosterRefusal, match="no technician anna in service"):
        roster.apply(staffed, ACTOR, NIGHT, RINGING, rules('people = ["anna"]'))


def test_whoever_is_retired_had_the_turns_of_the_past(staffed: Connection) -> None:
    before = rome("2026-01-06 12:00")
    assert who(staffed, before) == ["anna", "dario"]
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rules('people = ["dario"]'))
    roster.retire(staffed, ACTOR, NIGHT, "anna")
    assert who(staffed, before) == ["anna", "dario"]


# -- rules ---------------------------------------------------------------------------------------


def test_first_rules_hold_from_their_first_turn(staffed: Connection) -> None:
    assert who(staffed, rome("2026-01-05 18:29:59")) == []
    assert who(staffed, rome("2026-01-05 18:30:00")) == ["anna", "dario"]
    assert who(staffed, rome("2026-01-12 18:30:00")) == ["bruno", "dario"]


def test_first_rules_without_turns_hold_always(connection: Connection) -> None:
    roster.put_technician(connection, ACTOR, NIGHT, RINGING, entry("dario"))
    roster.apply(connection, ACTOR, NIGHT, RINGING, rules('people = ["dario"]'))
    assert who(connection, rome("2000-01-01 00:00")) == ["dario"]


def test_first_rules_may_begin_later_than_their_turns(connection: Connection) -> None:
    start = rome("2026-03-20 00:00")
    roster.apply(connection, ACTOR, NIGHT, RINGING, rota_file.read(ROTA), start=start)
    assert who(connection, start - timedelta(seconds=1)) == []
    assert who(connection, start) == ["anna", "dario"]


def test_the_past_stays_when_rules_change(staffed: Connection) -> None:
    instants = [rome("2026-01-05 18:30") + timedelta(hours=7 * step) for step in range(300)]
    before = {at: who(staffed, at) for at in instants}
    change = rome("2026-02-10 11:00")
    assert roster.apply(staffed, ACTOR, change, RINGING, rules('people = ["dario"]')) == ["rota duty applied"]
    for at in instants:
        assert who(staffed, at) == (before[at] if at < change else ["dario"])


def test_rules_may_hold_from_a_later_instant(staffed: Connection) -> None:
    later = NIGHT + timedelta(days=3)
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rules('people = ["dario"]'), start=later)
    assert who(staffed, later - timedelta(seconds=1)) == ["bruno", "dario"]
    assert who(staffed, later) == ["dario"]


def test_rules_are_never_put_into_the_past(staffed: Connection) -> None:
    with pytest.raises(RosterRefusal, match="past"):
        roster.apply(
            staffed, ACTOR, NIGHT, RINGING, rules('people = ["dario"]'), start=NIGHT - timedelta(seconds=1)
        )
    assert staffed.execute(select(func.count()).select_from(rota_versions)).scalar() == 1


def test_a_rota_names_people_in_service_only(staffed: Connection) -> None:
    with pytest.raises(RosterRefusal, match="rota duty, rung 1: no technician zoe in service"):
        roster.apply(staffed, ACTOR, NIGHT, RINGING, rules('people = ["zoe"]'))


def test_a_refused_file_leaves_nothing_behind(database: Database) -> None:
    text = ROTA.replace('people = ["dario"]', 'people = ["zoe"]')
    with pytest.raises(RosterRefusal), database.write() as connection:
        roster.apply(connection, ACTOR, NIGHT, RINGING, rota_file.read(text))
    with database.read() as connection:
        assert roster.all_technicians(connection) == []
        assert roster.rota_keys(connection) == []
        assert acts(connection) == []


def test_applying_tells_what_changed(connection: Connection) -> None:
    assert roster.apply(connection, ACTOR, NIGHT, RINGING, rota_file.read(ROTA)) == [
        "technician anna added",
        "technician bruno added",
        "technician dario added",
        "rota duty applied",
    ]
    text = ROTA.replace("+393331234502", "+393331234599")
    assert roster.apply(connection, ACTOR, NIGHT, RINGING, rota_file.read(text)) == [
        "technician bruno changed",
        "rota duty applied",
    ]


def test_the_rules_in_force_are_shown_as_they_were_applied(staffed: Connection) -> None:
    document = roster.document(staffed, "duty", NIGHT)
    assert document == {
        "time_zone": "Europe/Rome",
        "rung": [
            {"people": ["anna", "bruno"], "starts": "2026-01-05", "handover": "18:30", "every": "1 week"},
            {"people": ["dario"]},
        ],
    }
    with pytest.raises(UnknownRota):
        roster.document(staffed, "other", NIGHT)
    with pytest.raises(UnknownRota):
        roster.document(staffed, "duty", rome("2026-01-05 18:29"))


def test_a_ladder_carries_what_is_needed_to_ring(staffed: Connection) -> None:
    first, second = roster.ladder(staffed, RINGING, "duty", NIGHT)
    assert (first.technician, first.name, first.phone, first.because, first.rings) == (
        "bruno",
        "Bruno Bianchi",
        "+393331234502",
        "turn",
        RINGING.rings,
    )
    assert second.rung == 2
    assert roster.ladder(staffed, RINGING, "nowhere", NIGHT) == []


def test_rotas_are_named_in_the_order_of_their_first_application(staffed: Connection) -> None:
    text = '[[rota]]\nkey = "alps"\n[[rota.rung]]\npeople = ["dario"]'
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rota_file.read(text))
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rota_file.read(ROTA))
    assert roster.rota_keys(staffed) == ["duty", "alps"]


# -- overrides -----------------------------------------------------------------------------------


def test_an_override_replaces_whoever_has_the_turn(staffed: Connection) -> None:
    start, end = NIGHT + timedelta(hours=1), NIGHT + timedelta(hours=2)
    roster.override(staffed, ACTOR, NIGHT, "duty", 1, start, end, "anna")
    assert who(staffed, start - timedelta(seconds=1)) == ["bruno", "dario"]
    assert who(staffed, start) == ["anna", "dario"]
    assert who(staffed, end) == ["bruno", "dario"]
    roster.override(staffed, ACTOR, NIGHT, "duty", 1, start, end, "dario")
    assert who(staffed, start) == ["dario", "dario"]
    assert roster.ladder(staffed, RINGING, "duty", start)[0].because == "override"


def test_an_override_does_not_rewrite_what_was(staffed: Connection) -> None:
    roster.override(
        staffed, ACTOR, NIGHT, "duty", 1, NIGHT - timedelta(hours=5), NIGHT + timedelta(hours=1), "anna"
    )
    assert who(staffed, NIGHT - timedelta(seconds=1)) == ["bruno", "dario"]
    assert who(staffed, NIGHT) == ["anna", "dario"]


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("rota", "rung", "start", "end", "person", "error", "why"),
    [
        ("duty", 1, NIGHT + HOUR, NIGHT + HOUR, "anna", RosterRefusal, "ends after it starts"),
        ("duty", 1, NIGHT + HOUR, NIGHT, "anna", RosterRefusal, "ends after it starts"),
        ("duty", 1, NIGHT - 2 * HOUR, NIGHT - HOUR, "anna", RosterRefusal, "past"),
        ("duty", 1, NIGHT - HOUR, NIGHT, "anna", RosterRefusal, "past"),
        ("duty", 0, NIGHT, NIGHT + HOUR, "anna", RosterRefusal, "rungs 1 to 2"),
        ("duty", 3, NIGHT, NIGHT + HOUR, "anna", RosterRefusal, "rungs 1 to 2"),
        ("day", 1, NIGHT, NIGHT + HOUR, "anna", UnknownRota, "'day'"),
        ("duty", 1, NIGHT, NIGHT + HOUR, "zoe", UnknownTechnician, "'zoe'"),
        ("duty", 1, NIGHT, NIGHT + HOUR, "elena", RosterRefusal, "no longer in service"),
    ],
)
def test_an_override_that_cannot_be(
    staffed: Connection,
    rota: str,
    rung: int,
    start: datetime,
    end: datetime,
    person: str,
    error: type[Exception],
    why: str,
) -> None:
    roster.put_technician(staffed, ACTOR, APPLIED, RINGING, entry())
    roster.retire(staffed, ACTOR, APPLIED, "elena")
    before = roster.book(staffed, "duty").overrides
    with pytest.raises(error, match=why):
        roster.override(staffed, ACTOR, NIGHT, rota, rung, start, end, person)
    assert roster.book(staffed, "duty").overrides == before


def test_every_act_is_in_the_audit(staffed: Connection) -> None:
    assert acts(staffed) == [
        *(("technician.add", f"technician:{key}") for key in ("anna", "bruno", "dario")),
        ("rota.apply", "rota:duty"),
    ]


def test_an_act_says_who_why_and_what(staffed: Connection) -> None:
    why = "her telephone was stolen"
    new = TechnicianEntry(key="anna", name="Anna Rossi", phone="+393331234599")
    roster.put_technician(staffed, "cli:rita", NIGHT, RINGING, new, reason=why)
    roster.override(staffed, "cli:rita", NIGHT, "duty", 1, NIGHT, NIGHT + HOUR, "bruno", reason=why)
    roster.put_technician(staffed, "cli:rita", NIGHT, RINGING, entry())
    roster.retire(staffed, "cli:rita", NIGHT, "elena", reason=why)
    roster.put_technician(staffed, "cli:rita", NIGHT + HOUR, RINGING, entry())
    rota = rules('people = ["dario"]')
    roster.apply(staffed, "cli:rita", NIGHT + HOUR, RINGING, rota, reason=why)
    told = {(act.act, act.subject): act for act in audit.acts(staffed, limit=6)}
    assert {act.actor for act in told.values()} == {"cli:rita"}
    assert told["technician.change", "technician:anna"].details == {
        "phone": ["+393331234501", "+393331234599"],
        "reason": why,
    }
    replaced = told["rota.override", "rota:duty"].details
    assert replaced == {
        "override": roster.book(staffed, "duty").overrides[0].id,
        "rung": 1,
        "from": NIGHT.isoformat(),
        "to": (NIGHT + HOUR).isoformat(),
        "technician": "bruno",
        "reason": why,
    }
    assert told["technician.retire", "technician:elena"].details == {"reason": why}
    assert told["technician.change", "technician:elena"].details == {"back": True}
    applied = told["rota.apply", "rota:duty"].details or {}
    assert (applied["reason"], applied["rules"]["rung"]) == (why, [{"people": ["dario"]}])

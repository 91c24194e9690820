"""Technicians, rules stored with their validity, overrides: the verbs against a real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from making import ACTOR, NIGHT, RINGING, ROTA, opened_at, rome, staff
from sqlalchemy import Connection, func, insert, select

from oncall import people
from oncall.rota import roster, rota_file
from oncall.rota.roster import RosterRefusal, UnknownOverride, UnknownRota, UnknownTechnician
from oncall.rota.rota_file import TechnicianEntry
from oncall.tables import absences, rota_versions
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


# -- rules ---------------------------------------------------------------------------------------


def test_first_rules_hold_from_their_first_turn(staffed: Connection) -> None:
    assert who(staffed, rome("2026-01-05 18:29:59")) == []
    assert who(staffed, rome("2026-01-05 18:30:00")) == ["anna", "dario"]
    assert who(staffed, rome("2026-01-12 18:30:00")) == ["bruno", "dario"]


def test_first_rules_without_turns_hold_always(connection: Connection) -> None:
    people.put_technician(connection, ACTOR, NIGHT, RINGING, entry("dario"))
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


def test_first_rules_may_name_whoever_was_there_then(connection: Connection) -> None:
    """A rota that is entered late tells the truth about its past, too."""
    text = ROTA.replace('name = "Anna Rossi"', 'name = "Anna Rossi"\nuntil = 2026-02-01')
    roster.apply(connection, ACTOR, NIGHT, RINGING, rota_file.read(text))
    assert who(connection, rome("2026-01-07 12:00")) == ["anna", "dario"]
    assert who(connection, rome("2026-02-18 12:00")) == ["bruno", "dario"]


def test_nor_may_first_rules_be_of_people_who_have_all_left(connection: Connection) -> None:
    text = ROTA.replace('name = "Dario Neri"', 'name = "Dario Neri"\nuntil = 2026-02-01')
    with pytest.raises(RosterRefusal, match="rota duty, rung 2: no technician dario in service"):
        roster.apply(connection, ACTOR, NIGHT, RINGING, rota_file.read(text))


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
    people.put_technician(staffed, ACTOR, APPLIED, RINGING, entry())
    people.retire(staffed, ACTOR, APPLIED, "elena")
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
    people.put_technician(staffed, "cli:rita", NIGHT, RINGING, new, reason=why)
    roster.override(staffed, "cli:rita", NIGHT, "duty", 1, NIGHT, NIGHT + HOUR, "bruno", reason=why)
    people.put_technician(staffed, "cli:rita", NIGHT, RINGING, entry())
    people.retire(staffed, "cli:rita", NIGHT, "elena", reason=why)
    people.put_technician(staffed, "cli:rita", NIGHT + HOUR, RINGING, entry())
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
    assert told["technician.change", "technician:elena"].details == {
        "back": True,
        "retired_at": [str(NIGHT), None],
    }
    applied = told["rota.apply", "rota:duty"].details or {}
    assert (applied["reason"], applied["rules"]["rung"]) == (why, [{"people": ["dario"]}])


# -- withdrawn -----------------------------------------------------------------------------------


def test_a_withdrawn_override_counts_until_then(staffed: Connection) -> None:
    override = roster.override(staffed, ACTOR, NIGHT, "duty", 1, NIGHT, NIGHT + 4 * HOUR, "anna")
    roster.withdraw_override(staffed, "cli:rita", NIGHT + HOUR, override, reason="she is back")
    assert who(staffed, NIGHT + HOUR - timedelta(seconds=1)) == ["anna", "dario"]
    assert who(staffed, NIGHT + HOUR) == ["bruno", "dario"]
    (act, *_) = audit.acts(staffed)
    assert (act.act, act.subject, act.actor) == ("rota.withdraw", "rota:duty", "cli:rita")
    assert act.details == {"override": override, "rung": 1, "technician": "anna", "reason": "she is back"}


def test_one_withdrawn_before_it_begins_never_was(staffed: Connection) -> None:
    override = roster.override(staffed, ACTOR, NIGHT, "duty", 1, NIGHT + HOUR, NIGHT + 2 * HOUR, "anna")
    roster.withdraw_override(staffed, ACTOR, NIGHT, override)
    assert who(staffed, NIGHT + HOUR) == ["bruno", "dario"]


def test_what_cannot_be_withdrawn(staffed: Connection) -> None:
    override = roster.override(staffed, ACTOR, NIGHT, "duty", 1, NIGHT, NIGHT + HOUR, "anna")
    with pytest.raises(UnknownOverride, match="999"):
        roster.withdraw_override(staffed, ACTOR, NIGHT, 999)
    with pytest.raises(RosterRefusal, match="has ended"):
        roster.withdraw_override(staffed, ACTOR, NIGHT + HOUR, override)
    roster.withdraw_override(staffed, ACTOR, NIGHT, override)
    with pytest.raises(RosterRefusal, match="withdrawn before"):
        roster.withdraw_override(staffed, ACTOR, NIGHT, override)


# -- absences ------------------------------------------------------------------------------------


def absent(
    connection: Connection,
    key: str,
    start: datetime,
    end: datetime,
    recorded: datetime,
    withdrawn: datetime | None = None,
) -> None:
    connection.execute(
        insert(absences).values(
            technician=key,
            starts_at=start,
            ends_at=end,
            kind="holiday",
            created_at=recorded,
            created_by=ACTOR,
            withdrawn_at=withdrawn,
        )
    )


def because(connection: Connection, at: datetime) -> tuple[str, str]:
    who(connection, at)
    first = roster.ladder(connection, RINGING, "duty", at)[0]
    return first.technician, first.because


def test_the_turn_of_who_is_absent_passes_on(staffed: Connection) -> None:
    absent(staffed, "bruno", NIGHT, NIGHT + 2 * HOUR, NIGHT - HOUR)
    assert because(staffed, NIGHT - timedelta(seconds=1)) == ("bruno", "turn")
    assert because(staffed, NIGHT) == ("anna", "absence")
    assert because(staffed, NIGHT + 2 * HOUR) == ("bruno", "turn")


def test_an_absence_counts_from_when_it_was_recorded_until_it_was_withdrawn(staffed: Connection) -> None:
    absent(staffed, "bruno", NIGHT, NIGHT + 8 * HOUR, NIGHT + HOUR, NIGHT + 3 * HOUR)
    assert because(staffed, NIGHT + HOUR - timedelta(seconds=1)) == ("bruno", "turn")
    assert because(staffed, NIGHT + HOUR) == ("anna", "absence")
    assert because(staffed, NIGHT + 3 * HOUR) == ("bruno", "turn")


def test_an_override_made_in_knowledge_of_an_absence_counts(staffed: Connection) -> None:
    end = NIGHT + 8 * HOUR
    roster.override(staffed, ACTOR, NIGHT - HOUR, "duty", 1, NIGHT, end, "anna")
    absent(staffed, "anna", NIGHT, end, NIGHT)
    assert because(staffed, NIGHT) == ("bruno", "absence")
    roster.override(staffed, ACTOR, NIGHT + HOUR, "duty", 1, NIGHT, end, "anna", because="swap")
    assert because(staffed, NIGHT) == ("bruno", "absence")
    assert because(staffed, NIGHT + HOUR) == ("anna", "swap")


def test_with_everybody_away_the_rung_is_left_out(staffed: Connection) -> None:
    for key in ("anna", "bruno"):
        absent(staffed, key, NIGHT, NIGHT + HOUR, NIGHT)
        absent(staffed, key, NIGHT - HOUR, NIGHT + HOUR, NIGHT)
    assert who(staffed, NIGHT) == ["dario"]


def test_somebody_is_not_overridden_to_when_he_is_not_employed(staffed: Connection) -> None:
    days = {"from": date(2026, 3, 12), "until": date(2026, 3, 13)}
    new = TechnicianEntry.model_validate({"key": "elena", "name": "E", "phone": "+393331234505"} | days)
    people.put_technician(staffed, ACTOR, NIGHT, RINGING, new)
    begins, ends = rome("2026-03-12 00:00"), rome("2026-03-14 00:00")
    with pytest.raises(RosterRefusal, match="not in service yet"):
        roster.override(staffed, ACTOR, NIGHT, "duty", 1, begins - HOUR, ends, "elena")
    with pytest.raises(RosterRefusal, match="no longer in service"):
        roster.override(staffed, ACTOR, NIGHT, "duty", 1, begins, ends + HOUR, "elena")
    roster.override(staffed, ACTOR, NIGHT, "duty", 1, begins, ends, "elena")
    assert who(staffed, ends - HOUR)[0] == "elena"


def test_an_override_may_be_of_a_rung_that_is_still_to_come(staffed: Connection) -> None:
    three = "\n[[rota.rung]]\n".join(['people = ["anna"]'] * 3)
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rules(three), start=NIGHT + 2 * HOUR)
    with pytest.raises(RosterRefusal, match="rungs 1 to 2"):
        roster.override(staffed, ACTOR, NIGHT, "duty", 3, NIGHT, NIGHT + HOUR, "bruno")
    roster.override(staffed, ACTOR, NIGHT, "duty", 3, NIGHT, NIGHT + 3 * HOUR, "bruno")
    assert who(staffed, NIGHT + 2 * HOUR) == ["anna", "anna", "bruno"]


# -- what else a ladder carries ------------------------------------------------------------------


def test_other_phones_and_how_long_they_ring(staffed: Connection) -> None:
    text = ROTA.replace('name = "Dario Neri"', 'name = "Dario Neri"\nother_phones = ["+390461234567"]')
    text = text.replace('name = "Bruno Bianchi"', 'name = "Bruno Bianchi"\nrings = 40')
    text = text.replace('people = ["dario"]', 'people = ["dario"]\nrings = 15')
    text = text.replace('people = ["anna", "bruno"]', 'people = ["anna", "bruno"]\nrings = 20')
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rota_file.read(text))
    first, second = roster.ladder(staffed, RINGING, "duty", NIGHT)
    assert (first.technician, first.rings, first.other_phones) == ("bruno", 40, ())
    assert (second.technician, second.rings, second.other_phones) == ("dario", 15, ("+390461234567",))
    alone = roster.contact(staffed, RINGING, "dario", NIGHT)
    assert alone is not None
    assert (alone.rung, alone.rings, alone.other_phones) == (0, RINGING.rings, ("+390461234567",))


def test_whoever_took_a_case_is_rung_first_while_he_is_employed(staffed: Connection) -> None:
    absent(staffed, "anna", NIGHT, NIGHT + HOUR, NIGHT)
    assert roster.contact(staffed, RINGING, "anna", NIGHT) is not None
    people.retire(staffed, ACTOR, NIGHT, "anna")
    assert roster.contact(staffed, RINGING, "anna", NIGHT) is None
    assert roster.contact(staffed, RINGING, "zoe", NIGHT) is None


def test_how_turns_may_be_swapped(connection: Connection) -> None:
    before = rome("2026-01-01 12:00")
    text = ROTA.replace('key = "duty"', 'key = "duty"\n[rota.swaps]\napproval = true\nahead_hours = 24')
    staff(connection, before, text)
    # Before the first rules hold, by these.
    for at in (before, NIGHT):
        found = roster.swap_rules(connection, "duty", at)
        assert (found.allowed, found.approval, found.ahead_hours) == (True, True, 24)
    roster.apply(connection, ACTOR, NIGHT, RINGING, rota_file.read(ROTA))
    assert roster.swap_rules(connection, "duty", NIGHT).approval is False
    assert roster.swap_rules(connection, "duty", NIGHT - HOUR).approval is True
    with pytest.raises(UnknownRota):
        roster.swap_rules(connection, "other", NIGHT)

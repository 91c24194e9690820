"""Technicians: what is kept of them, from when to when they serve, and that the past stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from making import ACTOR, NIGHT, RINGING, ROTA, opened_at, rome, staff
from sqlalchemy import Connection

from oncall import people
from oncall.people import RosterRefusal, UnknownTechnician
from oncall.phones import NumberRefused
from oncall.rota import roster, rota_file
from oncall.rota.rota_file import TechnicianEntry
from storage import audit

APPLIED = rome("2025-12-20 10:00")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with opened_at(database_url) as database, database.write() as connection:
        yield connection


@pytest.fixture
def staffed(connection: Connection) -> Connection:
    staff(connection, APPLIED)
    return connection


def entry(key: str = "elena", **more: Any) -> TechnicianEntry:
    return TechnicianEntry.model_validate(
        {"key": key, "name": f"{key.title()} Blu", "phone": "+393331234505"} | more
    )


def put(connection: Connection, at: datetime = NIGHT, key: str = "elena", **more: Any) -> str:
    return people.put_technician(connection, ACTOR, at, RINGING, entry(key, **more))


def who(connection: Connection, at: datetime) -> list[str]:
    """The ladder, found in both ways there are."""
    ladder = roster.ladder(connection, RINGING, "duty", at)
    assert [(c.rung, c.technician, c.because) for c in ladder] == [
        (duty.rung, duty.technician, duty.because) for duty in roster.book(connection, "duty").ladder(at)
    ]
    return [contact.technician for contact in ladder]


def rules(rung: str) -> rota_file.RotaFile:
    return rota_file.read(f'[[rota]]\nkey = "duty"\n[[rota.rung]]\n{rung}')


def acts(connection: Connection) -> list[tuple[str, str]]:
    return [(act.act, act.subject) for act in reversed(audit.acts(connection))]


# -- added and changed ---------------------------------------------------------------------------


def test_a_technician_is_added_changed_and_left_alone(connection: Connection) -> None:
    assert put(connection) == "added"
    assert put(connection) == "unchanged"
    assert put(connection, spoken_name="Elena", email="elena@example.net") == "changed"
    found = people.technician(connection, "elena")
    assert (found.spoken_name, found.email, found.retired_at) == ("Elena", "elena@example.net", None)
    assert acts(connection) == [
        ("technician.add", "technician:elena"),
        ("technician.change", "technician:elena"),
    ]


def test_everything_that_an_entry_says_is_kept_and_what_it_leaves_out_is_cleared(
    connection: Connection,
) -> None:
    more = {
        "other_phones": ["+390461234567", "+393331234506"],
        "rings": 40,
        "language": "de",
        "services": ["matrix"],
        "from": date(2026, 1, 1),
        "until": date(2026, 12, 31),
    }
    put(connection, APPLIED, **more)
    found = people.technician(connection, "elena")
    assert found.phones == ("+393331234505", "+390461234567", "+393331234506")
    assert (found.rings, found.language, found.services) == (40, "de", ("matrix",))
    assert (found.starts_at, found.retired_at) == (rome("2026-01-01 00:00"), rome("2027-01-01 00:00"))
    assert people.all_technicians(connection) == [found]
    assert put(connection, **more) == "unchanged"
    assert people.as_entry(connection, NIGHT, "elena") == {
        "key": "elena",
        "name": "Elena Blu",
        "phone": "+393331234505",
        **more,
    }
    assert put(connection) == "changed"
    bare = people.technician(connection, "elena")
    assert (bare.phones, bare.rings, bare.language, bare.services, bare.retired_at) == (
        ("+393331234505",),
        None,
        None,
        (),
        None,
    )


def test_days_begin_at_midnight_where_the_service_is(connection: Connection) -> None:
    said = entry(**{"from": date(2026, 6, 1), "until": date(2026, 6, 30)})
    zone = ZoneInfo("America/New_York")
    people.put_technician(connection, ACTOR, NIGHT, RINGING, said, zone=zone)
    found = people.technician(connection, "elena")
    assert found.starts_at == datetime(2026, 6, 1, tzinfo=zone)
    assert found.retired_at == datetime(2026, 7, 1, tzinfo=zone)
    assert found.starts_at is not None
    assert not found.serves(found.starts_at - timedelta(seconds=1))
    assert found.serves(found.starts_at)
    assert found.serves(found.retired_at - timedelta(seconds=1))
    assert not found.serves(found.retired_at)


@pytest.mark.parametrize(
    "phone", ["+39899123456", "+39199123456", "+39112", "+870773111632", "+18765551234", "+393331234501,,1"]
)
def test_a_phone_that_may_not_be_dialled_is_refused_with_the_reason(staffed: Connection, phone: str) -> None:
    with pytest.raises(NumberRefused, match="'\\" + phone):
        put(staffed, phone=phone)
    with pytest.raises(NumberRefused, match="'\\" + phone):
        put(staffed, other_phones=["+390461234567", phone])
    text = ROTA.replace("+393331234502", phone)
    with pytest.raises(RosterRefusal, match="technician bruno: '\\" + phone):
        roster.apply(staffed, ACTOR, NIGHT, RINGING, rota_file.read(text))
    assert people.technician(staffed, "bruno").phone == "+393331234502"


def test_a_sip_phone_needs_its_domain_allowed(connection: Connection) -> None:
    allowed = RINGING.model_copy(update={"sip_domains": ["pbx.example.net"]})
    said = entry(other_phones=["sip:elena@pbx.example.net"])
    with pytest.raises(NumberRefused, match="domain"):
        people.put_technician(connection, ACTOR, NIGHT, RINGING, said)
    assert people.put_technician(connection, ACTOR, NIGHT, allowed, said) == "added"


# -- from and until ------------------------------------------------------------------------------


def test_before_his_first_day_and_after_his_last_the_turn_passes_on(staffed: Connection) -> None:
    put(staffed, APPLIED, **{"from": date(2026, 3, 1), "until": date(2026, 3, 20)})
    team = 'people = ["elena", "dario"]\nstarts = 2026-01-05\nhandover = "18:30"\nevery = "1 day"'
    roster.apply(staffed, ACTOR, APPLIED, RINGING, rules(team))
    begins, ends = rome("2026-03-01 00:00"), rome("2026-03-21 00:00")
    days = [begins + hours * HOUR for hours in range(-72, 24 * 23, 6)]
    assert {at for at in days if who(staffed, at) == ["elena"]} == {
        at for at in days if begins <= at < ends and ((at - rome("2026-01-05 18:30")) // DAY) % 2 == 0
    }
    (waiting,) = roster.ladder(staffed, RINGING, "duty", begins - 5 * HOUR)
    assert (waiting.technician, waiting.because) in {("dario", "turn"), ("dario", "absence")}


def test_the_past_stays_when_first_and_last_day_change(staffed: Connection) -> None:
    """Whatever an entry says of days that are over, who was on duty then stays."""
    instants = [rome("2026-01-05 18:30") + 17 * step * HOUR for step in range(300)]
    before = all_at(staffed, instants)
    change = rome("2026-03-01 00:00")
    for more, later in (
        ({"from": date(2026, 2, 10)}, None),
        ({"until": date(2026, 2, 10)}, "bruno"),
        ({}, None),
        ({"from": date(2026, 4, 1)}, "bruno"),
        ({"from": date(2026, 4, 1)}, "bruno"),
        ({}, None),
        ({"from": date(2026, 4, 1), "until": date(2026, 4, 15)}, None),
        ({"until": date(2026, 3, 2)}, None),
        ({}, None),
    ):
        put(staffed, change, "anna", **more)
        for at, names in all_at(staffed, instants).items():
            if at < change:
                assert names == before[at], (more, at)
            elif later:
                assert names[0] == later or at >= rome("2026-04-01 00:00")
        change += HOUR
    after = all_at(staffed, instants)
    assert all(after[at] == before[at] for at in instants if at >= change)


def all_at(connection: Connection, instants: list[datetime]) -> dict[datetime, list[str]]:
    book = roster.book(connection, "duty")
    assert who(connection, instants[-1]) == [duty.technician for duty in book.ladder(instants[-1])]
    return {at: [duty.technician for duty in book.ladder(at)] for at in instants}


def test_who_comes_back_was_away_meanwhile(staffed: Connection) -> None:
    """The turns that passed on while he was retired stay with those who had them."""
    hers = rome("2026-03-18 12:00")
    assert who(staffed, hers)[0] == "anna"
    people.retire(staffed, ACTOR, hers, "anna")
    assert who(staffed, hers)[0] == "bruno"
    assert who(staffed, hers - timedelta(seconds=1))[0] == "anna"
    assert put(staffed, hers + DAY, "anna") == "brought back"
    assert who(staffed, hers + DAY - timedelta(seconds=1))[0] == "bruno"
    assert who(staffed, hers + DAY)[0] == "anna"
    assert put(staffed, hers + DAY, "anna") == "unchanged"


def test_who_comes_back_later_is_away_until_then(staffed: Connection) -> None:
    people.retire(staffed, ACTOR, NIGHT, "anna")
    said = {"from": date(2026, 3, 20)}
    assert put(staffed, NIGHT + DAY, "anna", **said) == "brought back"
    assert put(staffed, NIGHT + DAY + HOUR, "anna", **said) == "unchanged"
    assert people.as_entry(staffed, NIGHT + DAY, "anna")["from"] == date(2026, 3, 20)
    assert who(staffed, rome("2026-03-19 23:59"))[0] == "bruno"
    assert who(staffed, rome("2026-03-20 00:00"))[0] == "anna"
    assert put(staffed, rome("2026-03-20 00:00"), "anna", **said) == "unchanged"


def test_a_last_day_in_the_past_counts_from_now_and_is_then_left_alone(staffed: Connection) -> None:
    """A file that is applied again and again says nothing new."""
    said = {"until": date(2026, 2, 1)}
    before = who(staffed, NIGHT - HOUR)
    put(staffed, NIGHT, "anna")
    assert put(staffed, NIGHT, "anna", **said) == "changed"
    assert people.technician(staffed, "anna").retired_at == NIGHT
    assert put(staffed, NIGHT + DAY, "anna", **said) == "unchanged"
    assert put(staffed, NIGHT + 2 * DAY, "anna", **said) == "unchanged"
    assert who(staffed, NIGHT - HOUR) == before


def test_whoever_has_yet_to_begin_may_begin_another_day(connection: Connection) -> None:
    put(connection, **{"from": date(2026, 4, 1)})
    put(connection, **{"from": date(2026, 5, 1)})
    assert people.technician(connection, "elena").starts_at == rome("2026-05-01 00:00")
    put(connection)
    assert people.technician(connection, "elena").starts_at == NIGHT


# -- retired -------------------------------------------------------------------------------------


def test_nobody_unknown_is_retired(connection: Connection) -> None:
    with pytest.raises(UnknownTechnician, match="'zoe'"):
        people.retire(connection, ACTOR, NIGHT, "zoe")


def test_whoever_is_retired_had_the_turns_of_the_past(staffed: Connection) -> None:
    before = rome("2026-01-06 12:00")
    assert who(staffed, before) == ["anna", "dario"]
    people.retire(staffed, ACTOR, NIGHT, "anna")
    assert who(staffed, before) == ["anna", "dario"]
    assert who(staffed, before + 14 * DAY * 10) == ["bruno", "dario"]


def test_nobody_retires_twice_or_in_the_past(staffed: Connection) -> None:
    with pytest.raises(RosterRefusal, match="past"):
        people.retire(staffed, ACTOR, NIGHT, "anna", on=NIGHT - timedelta(seconds=1))
    people.retire(staffed, ACTOR, NIGHT, "anna")
    with pytest.raises(RosterRefusal, match="no longer in service"):
        people.retire(staffed, ACTOR, NIGHT + HOUR, "anna")
    assert people.technician(staffed, "anna").retired_at == NIGHT


def test_a_last_instant_may_lie_ahead_and_be_moved(staffed: Connection) -> None:
    people.retire(staffed, ACTOR, NIGHT, "anna", on=NIGHT + 30 * DAY)
    people.retire(staffed, ACTOR, NIGHT, "anna", on=NIGHT + 40 * DAY)
    assert people.technician(staffed, "anna").retired_at == NIGHT + 40 * DAY
    # An entry that names the same day keeps the hour.
    assert put(staffed, NIGHT, "anna", until=date(2026, 4, 19)) == "changed"
    assert people.technician(staffed, "anna").retired_at == NIGHT + 40 * DAY
    assert audit.acts(staffed)[1].details == {"on": (NIGHT + 40 * DAY).isoformat()}


def refused(connection: Connection, key: str, why: str, on: datetime = NIGHT) -> None:
    """Neither `retire` nor an entry with a last day takes him out; whoever asked rolls back."""
    for act in (
        lambda: people.retire(connection, ACTOR, NIGHT, key, on=on),
        lambda: put(connection, NIGHT, key, until=on.date()),
    ):
        savepoint = connection.begin_nested()
        with pytest.raises(RosterRefusal, match=why):
            act()
        savepoint.rollback()
    assert people.technician(connection, key).retired_at is None


def test_whoever_is_alone_on_a_rung_does_not_retire(staffed: Connection) -> None:
    refused(staffed, "dario", "dario stands in rota duty, rung 2, where nobody else")
    refused(staffed, "dario", "rung 2", NIGHT + 300 * DAY)
    people.retire(staffed, ACTOR, NIGHT, "anna")
    refused(staffed, "bruno", "bruno stands in rota duty, rung 1")


def test_those_who_leave_later_are_nobody_to_pass_on_to(staffed: Connection) -> None:
    people.retire(staffed, ACTOR, NIGHT, "anna", on=NIGHT + 30 * DAY)
    refused(staffed, "bruno", "rung 1", NIGHT + 10 * DAY)
    refused(staffed, "bruno", "rung 1", NIGHT + 40 * DAY)


def test_rules_still_to_come_count(connection: Connection) -> None:
    before = rome("2026-01-01 12:00")
    staff(connection, before)  # the first turn begins on the 5th
    put(connection, before)
    with pytest.raises(RosterRefusal, match="rung 2"):
        people.retire(connection, ACTOR, before, "dario")
    put(connection, before, "dario")
    later = rome("2026-02-01 00:00")
    roster.apply(connection, ACTOR, before, RINGING, rules('people = ["elena"]'), start=later)
    with pytest.raises(RosterRefusal, match="rota duty"):
        people.retire(connection, ACTOR, before, "elena")
    put(connection, before)
    people.retire(connection, ACTOR, later, "dario")


def test_rules_that_end_before_he_leaves_do_not_count(staffed: Connection) -> None:
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rules('people = ["bruno"]'), start=NIGHT + DAY)
    people.retire(staffed, ACTOR, NIGHT, "dario", on=NIGHT + DAY)


def test_whoever_stands_only_in_rules_of_the_past_retires(staffed: Connection) -> None:
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rules('people = ["dario"]'))
    people.retire(staffed, ACTOR, NIGHT + HOUR, "anna")
    assert who(staffed, NIGHT) == ["dario"]
    with pytest.raises(RosterRefusal, match="rung 1: no technician anna in service"):
        roster.apply(staffed, ACTOR, NIGHT + HOUR, RINGING, rules('people = ["anna"]'))


def test_an_override_holds_him_only_where_nobody_else_is(staffed: Connection) -> None:
    put(staffed)
    end = NIGHT + 8 * HOUR
    roster.override(staffed, ACTOR, NIGHT, "duty", 1, NIGHT, end, "elena")
    people.retire(staffed, ACTOR, NIGHT + HOUR, "elena")
    assert who(staffed, NIGHT)[0] == "elena"
    assert roster.ladder(staffed, RINGING, "duty", NIGHT + HOUR)[0].because == "absence"
    assert who(staffed, NIGHT + HOUR)[0] == "bruno"


def test_a_hole_that_was_there_before_holds_nobody(staffed: Connection) -> None:
    put(staffed, NIGHT, "fabio", **{"from": date(2026, 6, 1)})
    text = 'people = ["anna", "bruno"]\nstarts = 2026-01-05\nhandover = "18:30"\nevery = "1 week"\n'
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rules(text + '[[rota.rung]]\npeople = ["fabio"]'))
    people.retire(staffed, ACTOR, NIGHT, "anna")
    assert who(staffed, NIGHT) == ["bruno"]


def test_an_override_that_alone_fills_a_rung_holds_him(staffed: Connection) -> None:
    put(staffed, NIGHT, "fabio", **{"from": date(2026, 6, 1)})
    put(staffed)
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rules('people = ["fabio"]'))
    roster.override(staffed, ACTOR, NIGHT, "duty", 1, NIGHT, NIGHT + 8 * DAY, "elena")
    refused(staffed, "elena", "rung 1", NIGHT + DAY)


def test_a_pattern_nobody_else_covers_holds_him(staffed: Connection) -> None:
    put(staffed)
    lunch = '[[rota.rung.pattern]]\nfrom = "13:00"\nto = "14:00"\npeople = ["elena"]\n'
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rules(lunch))
    refused(staffed, "elena", "rung 1")
    # With somebody behind the pattern the turn passes on.
    roster.apply(staffed, ACTOR, NIGHT, RINGING, rules('people = ["bruno"]\n' + lunch))
    people.retire(staffed, ACTOR, NIGHT, "elena")
    assert who(staffed, rome("2026-03-11 13:30")) == ["bruno"]


def test_a_file_whose_last_day_leaves_a_rung_to_nobody_is_refused(staffed: Connection) -> None:
    text = ROTA.replace('name = "Dario Neri"', 'name = "Dario Neri"\nuntil = 2026-06-30')
    savepoint = staffed.begin_nested()
    with pytest.raises(RosterRefusal, match="rung 2"):
        roster.apply(staffed, ACTOR, NIGHT, RINGING, rota_file.read(text))
    savepoint.rollback()
    # Together with rules that do not need him it is fine.
    text = text.replace('people = ["dario"]', 'people = ["bruno"]')
    assert "technician dario changed" in roster.apply(staffed, ACTOR, NIGHT, RINGING, rota_file.read(text))

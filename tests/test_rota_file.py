"""The rota file: everything malformed is reported, at once, with its path and what is expected."""

from __future__ import annotations

import json
from datetime import date, time

import pytest
from making import ROTA, rome

from oncall.rota import rota_file
from oncall.rota.rota import BEGINNING_OF_TIME, Pattern
from oncall.rota.rota_file import RotaFileRefused

PERSON = '[[technician]]\nkey = "anna"\nname = "Anna Rossi"\nphone = "+393331234501"\n'
TURN = 'people = ["anna", "bruno"]\nstarts = 2026-01-05\nhandover = "18:30"\nevery = "1 week"\n'


def rota(rung: str, more: str = "") -> str:
    return f'[[rota]]\nkey = "duty"\n{more}\n[[rota.rung]]\n{rung}'


def test_a_whole_file_is_read_and_stored_without_loss() -> None:
    plan = rota_file.read(ROTA)
    assert [person.key for person in plan.technician] == ["anna", "bruno", "dario"]
    (entry,) = plan.rota
    stored = json.loads(json.dumps(rota_file.to_document(entry)))
    rules = rota_file.to_rules(stored)
    assert rules.zone.key == "Europe/Rome"
    first, second = rules.rungs
    assert first.people == ("anna", "bruno")
    assert first.rotation is not None
    assert (first.rotation.starts, first.rotation.handover, first.rotation.period) == (
        date(2026, 1, 5),
        time(18, 30),
        7,
    )
    assert (second.people, second.rotation, second.rings) == (("dario",), None, None)
    assert rules.first_instant() == rome("2026-01-05 18:30")


def test_rings_and_zone_are_kept() -> None:
    (entry,) = rota_file.read(rota('people = ["anna"]\nrings = 40', 'time_zone = "Europe/Dublin"')).rota
    rules = rota_file.to_rules(rota_file.to_document(entry))
    assert (rules.zone.key, rules.rungs[0].rings) == ("Europe/Dublin", 40)
    assert rules.first_instant() == BEGINNING_OF_TIME


LUNCH = '[[rota.rung.pattern]]\nfrom = "13:00"\nto = "14:00"\n'


def test_patterns_are_kept() -> None:
    turns = 'people = ["anna", "bruno"]\nstarts = 2026-01-05\nevery = "1 week"\n'
    text = rota(TURN + LUNCH + 'people = ["carla"]\n' + LUNCH + 'days = ["saturday", "sunday"]\n' + turns)
    (entry,) = rota_file.read(text).rota
    stored = json.loads(json.dumps(rota_file.to_document(entry)))
    assert stored["rung"][0]["pattern"][0] == {"from": "13:00", "to": "14:00", "people": ["carla"]}
    (rung,) = rota_file.to_rules(stored).rungs
    assert rung.people == ("anna", "bruno")
    assert rung.patterns == (
        Pattern(frozenset(range(7)), time(13), time(14), ("carla",)),
        Pattern(frozenset({5, 6}), time(13), time(14), ("anna", "bruno"), date(2026, 1, 5), 7),
    )


def test_a_rung_may_be_of_patterns_alone() -> None:
    (entry,) = rota_file.read(rota(LUNCH + 'people = ["carla"]\n')).rota
    (rung,) = rota_file.to_rules(rota_file.to_document(entry)).rungs
    assert (rung.people, rung.rotation, len(rung.patterns)) == ((), None, 1)


def test_what_is_said_of_a_technician_is_kept() -> None:
    more = """
other_phones = ["+390461234567"]
rings = 40
language = "de"
services = ["matrix"]
from = 2026-01-01
until = 2026-12-31
"""
    (person,) = rota_file.read(PERSON + more).technician
    assert (person.other_phones, person.rings, person.language) == (["+390461234567"], 40, "de")
    assert (person.services, person.first_day, person.last_day) == (
        ["matrix"],
        date(2026, 1, 1),
        date(2026, 12, 31),
    )


def test_how_turns_may_be_swapped_is_kept() -> None:
    def rules(swaps: str) -> rota_file.SwapRules:
        (entry,) = rota_file.read(rota('people = ["anna"]', swaps)).rota
        return rota_file.to_swap_rules(json.loads(json.dumps(rota_file.to_document(entry))))

    shipped = rules("")
    assert (shipped.allowed, shipped.approval, shipped.ahead_hours) == (True, False, 12)
    said = rules("[rota.swaps]\nallowed = false\napproval = true\nahead_hours = 336")
    assert (said.allowed, said.approval, said.ahead_hours) == (False, True, 336)


def test_a_file_may_hold_technicians_alone() -> None:
    assert rota_file.read(PERSON).rota == []


MALFORMED = {
    "not TOML": ("[[rota", "not TOML"),
    "an unknown table": ("[[shift]]\nx = 1", "shift: "),
    "an unknown key of a technician": (PERSON + 'pager = "1"', "technician.0.pager: "),
    "an unknown key of a rota": (rota('people = ["anna"]', 'colour = "red"'), "rota.0.colour: "),
    "an unknown key of a rung": (rota('people = ["anna"]\nweight = 3'), "rota.0.rung.0.weight: "),
    "no key": ('[[technician]]\nname = "A"\nphone = "+393331234501"', "technician.0.key: "),
    "a key with capitals": (PERSON.replace('"anna"', '"Anna"'), "technician.0.key: "),
    "a key with a line end": (PERSON.replace('"anna"', r'"anna\n"'), "technician.0.key: "),
    "no name": (PERSON.replace("Anna Rossi", ""), "technician.0.name: "),
    "no phone": ('[[technician]]\nkey = "anna"\nname = "A"', "technician.0.phone: "),
    "an e-mail address without @": (PERSON + 'email = "anna.example.net"', "technician.0.email: "),
    "the second of two": (PERSON + PERSON.replace('"anna"', '"B"'), "technician.1.key: "),
    "a technician twice": (PERSON + PERSON, "technician anna stands more than once"),
    "a rota twice": (rota('people = ["anna"]\n') * 2, "rota duty stands more than once"),
    "a rota without rungs": ('[[rota]]\nkey = "duty"', "rota.0.rung: "),
    "a rung without people": (rota("people = []"), "rota.0.rung.0.people: "),
    "a person who is no key": (rota('people = ["Anna Rossi"]'), "rota.0.rung.0.people.0: "),
    "a zone that does not exist": (
        rota('people = ["anna"]', 'time_zone = "Europe/Trent"'),
        "rota.0.time_zone: ",
    ),
    "a zone that is a path": (rota('people = ["anna"]', 'time_zone = "../etc/passwd"'), "rota.0.time_zone: "),
    "several people without turns": (rota('people = ["anna", "bruno"]'), "rota.0.rung.0: "),
    "starts alone": (rota('people = ["anna"]\nstarts = 2026-01-05'), "rota.0.rung.0: "),
    "no handover": (rota(TURN.replace('handover = "18:30"\n', "")), "rota.0.rung.0: "),
    "no every": (rota(TURN.replace('every = "1 week"\n', "")), "rota.0.rung.0: "),
    "24:00": (rota(TURN.replace("18:30", "24:00")), "rota.0.rung.0.handover: "),
    "a TOML time": (rota(TURN.replace('"18:30"', "18:30:00")), "rota.0.rung.0.handover: "),
    "every month": (rota(TURN.replace("1 week", "1 month")), "rota.0.rung.0.every: "),
    "every zero days": (rota(TURN.replace("1 week", "0 days")), "rota.0.rung.0.every: "),
    "a day that does not exist": (rota(TURN.replace("2026-01-05", '"2026-02-30"')), "rota.0.rung.0.starts: "),
    "a date with a time": (rota(TURN.replace("2026-01-05", "2026-01-05T18:30:00")), "rota.0.rung.0.starts: "),
    "ringing for ever": (rota('people = ["anna"]\nrings = 600'), "rota.0.rung.0.rings: "),
    "a phone twice": (PERSON + 'other_phones = ["+393331234501"]', "technician.0: "),
    "too many phones": (
        PERSON + f"other_phones = {['1', '2', '3', '4', '5', '6']}",
        "technician.0.other_phones: ",
    ),
    "a technician who rings for ever": (PERSON + "rings = 61", "technician.0.rings: "),
    "a language nobody wrote": (PERSON + 'language = "fr"', "technician.0.language: "),
    "a service that is no name": (PERSON + 'services = ["My Pager"]', "technician.0.services.0: "),
    "the same service twice": (PERSON + 'services = ["a", "a"]', "technician.0: "),
    "a last day before the first": (PERSON + "from = 2026-02-01\nuntil = 2026-01-31", "technician.0: "),
    "a first day that does not exist": (PERSON + 'from = "2026-02-30"', "technician.0.from: "),
    "a last day out of reach": (PERSON + "until = 9999-12-31", "technician.0.until: "),
    "a beginning out of reach": (rota(TURN.replace("2026-01-05", "0001-01-01")), "rota.0.rung.0.starts: "),
    "turns of nobody": (
        rota(TURN.replace('people = ["anna", "bruno"]\n', "") + LUNCH + 'people = ["anna"]'),
        "rota.0.rung.0: ",
    ),
    "neither people nor patterns": (rota("rings = 20"), "rota.0.rung.0: "),
    "a pattern of nobody": (rota(LUNCH), "rota.0.rung.0.pattern.0.people: "),
    "a pattern without an end": (
        rota('[[rota.rung.pattern]]\nfrom = "13:00"\npeople = ["anna"]'),
        "rota.0.rung.0.pattern.0.to: ",
    ),
    "a pattern until 24:00": (
        rota(LUNCH.replace("14:00", "24:00") + 'people = ["anna"]'),
        "rota.0.rung.0.pattern.0.to: ",
    ),
    "a day of no week": (
        rota(LUNCH + 'days = ["lunedi"]\npeople = ["anna"]'),
        "rota.0.rung.0.pattern.0.days.0: ",
    ),
    "no days": (rota(LUNCH + 'days = []\npeople = ["anna"]'), "rota.0.rung.0.pattern.0.days: "),
    "several people of a pattern without turns": (
        rota(LUNCH + 'people = ["anna", "bruno"]'),
        "rota.0.rung.0.pattern.0: ",
    ),
    "a pattern with starts alone": (
        rota(LUNCH + 'people = ["anna"]\nstarts = 2026-01-05'),
        "rota.0.rung.0.pattern.0: ",
    ),
    "a pattern every month": (
        rota(LUNCH + 'people = ["anna"]\nstarts = 2026-01-05\nevery = "1 month"'),
        "rota.0.rung.0.pattern.0.every: ",
    ),
    "an unknown key of a pattern": (
        rota(LUNCH + 'people = ["anna"]\nhandover = "13:00"'),
        "rota.0.rung.0.pattern.0.handover: ",
    ),
    "swaps too far ahead": (
        rota('people = ["anna"]', "[rota.swaps]\nahead_hours = 337"),
        "rota.0.swaps.ahead_hours: ",
    ),
    "an unknown key of swaps": (
        rota('people = ["anna"]', "[rota.swaps]\nforbidden = true"),
        "rota.0.swaps.forbidden: ",
    ),
    "ringing not at all": (rota('people = ["anna"]\nrings = 0'), "rota.0.rung.0.rings: "),
}


@pytest.mark.parametrize(("text", "path"), MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_malformed_is_named_by_its_path(text: str, path: str) -> None:
    with pytest.raises(RotaFileRefused) as refused:
        rota_file.read(text)
    (mistake,) = refused.value.mistakes
    assert path in mistake
    # A path, and then an expectation.
    assert len(mistake) > len(path) + 10


def test_every_mistake_is_reported_at_once() -> None:
    text = (
        PERSON.replace('"anna"', '"Anna"')
        + rota(TURN.replace("18:30", "25:00").replace("1 week", "soon"))
        + "\n[[rota.rung]]\npeople = []\n"
    )
    with pytest.raises(RotaFileRefused) as refused:
        rota_file.read(text)
    paths = [mistake.split(":")[0] for mistake in refused.value.mistakes]
    assert paths == [
        "technician.0.key",
        "rota.0.rung.0.handover",
        "rota.0.rung.0.every",
        "rota.0.rung.1.people",
    ]

"""Planning in the console: absences, swaps, rules, calendars, the first rota; on either database."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from making import configuration, opened_at, rome
from planning import SATURDAY, confirm, how_many, on_duty, preview, text
from sqlalchemy import delete
from visitors import Clock, Console, console_in

from console.house import House
from oncall.rota import absences, roster, rota_file
from oncall.tables import feeds, rota_versions, technicians
from oncall.tables import swaps as swap_rows

# -- absences, swaps ---------------------------------------------------------------------------


def test_the_hole_an_absence_opens_stands_in_red_before_it_is_recorded(console: Console) -> None:
    away = {"from": "2026-03-21T08:00", "to": "2026-03-22T03:00", "kind": "illness", "rota": "duty"}
    with console.house.database.write() as connection:
        for who in ("anna", "bruno", "carla"):
            absences.record(
                connection,
                "x",
                console.clock.now(),
                who,
                rome("2026-03-21 08:00"),
                rome("2026-03-22 03:00"),
                "other",
            )
    visitor = console.visitor()
    page = preview(visitor, "/rota/absence/preview", who="dario", **away)
    assert 'class="card alarm"' in page
    assert "duty: nessuno di turno da sab 21 mar 08:00 a dom 22 mar 03:00 (19 h)" in page
    # Drawn too: all of a hole's lanes, in the colour of alarms.
    assert 'class="bar hole"' in page
    assert confirm(visitor, page, "/rota/absence/save").status_code == 303
    assert on_duty(console, rome("2026-03-21 12:00")) == []
    listed = visitor.page("/rota/absences")
    assert "malattia" in listed
    assert "Dario Neri" in listed
    # Of an illness no reason is taken, and its kind is in no address.
    refused = preview(visitor, "/rota/absence/preview", 422, who="dario", **{**away, "reason": "flu"})
    assert "Di una malattia si conserva solo il tipo" in refused


def test_an_absence_without_a_beginning_counts_from_now(console: Console) -> None:
    visitor = console.visitor()
    fields = {"rota": "duty", "who": "anna", "kind": "other", "from": "", "to": "2026-03-11T08:00"}
    page = preview(visitor, "/rota/absence/preview", **fields)
    assert confirm(visitor, page, "/rota/absence/save").status_code == 303
    assert on_duty(console, console.clock.now() + timedelta(seconds=1)) == ["bruno", "dario"]
    made = re.search(r"/rota/absences/(\d+)/preview", visitor.page("/rota/absences"))
    assert made
    page = preview(visitor, f"/rota/absences/{made[1]}/preview", rota="duty")
    assert confirm(visitor, page, f"/rota/absences/{made[1]}/withdraw").status_code == 303
    assert on_duty(console, console.clock.now() + timedelta(seconds=1)) == ["anna", "dario"]


SWAP = {
    "rota": "duty",
    "rung": "1",
    "who": "anna",
    "other": "bruno",
    "from": "2026-03-12T18:30",
    "to": "2026-03-13T18:30",
    "back-rung": "1",
    "back-from": "2026-03-18T18:30",
    "back-to": "2026-03-19T18:30",
}


def test_a_swap_is_proposed_answered_and_undone(console: Console) -> None:
    visitor = console.visitor("dispatcher")
    page = preview(visitor, "/rota/swap/preview", **SWAP)
    # What it would come to if it is accepted; both ways.
    assert page.count("Livello 1") >= 2
    assert how_many(console, swap_rows) == 0
    assert confirm(visitor, page, "/rota/swap/save").status_code == 303
    assert on_duty(console, rome("2026-03-13 12:00")) == ["anna", "dario"]
    assert "attende risposta" in visitor.page("/rota/swaps")
    number = 1
    act = f"/rota/swaps/{number}/preview"
    assert "Scriva perché" in preview(visitor, act, 422, rota="duty", act="accept")
    page = preview(visitor, act, rota="duty", act="accept", reason="al telefono")
    assert confirm(visitor, page, f"/rota/swaps/{number}/decide").status_code == 303
    assert on_duty(console, rome("2026-03-13 12:00")) == ["bruno", "dario"]
    assert on_duty(console, rome("2026-03-19 12:00")) == ["anna", "dario"]
    assert "Lo scambio vale" in visitor.page(f"/rota/swaps/{number}")
    page = preview(visitor, act, rota="duty", act="withdraw", reason="un errore")
    assert confirm(visitor, page, f"/rota/swaps/{number}/decide").status_code == 303
    assert on_duty(console, rome("2026-03-13 12:00")) == ["anna", "dario"]
    assert "Nel frattempo è già stato deciso" in preview(
        visitor, act, 422, rota="duty", act="accept", reason="x"
    )


def test_a_swap_that_cannot_be_is_refused_in_words(console: Console) -> None:
    visitor = console.visitor()
    said = preview(visitor, "/rota/swap/preview", 422, **{**SWAP, "other": "anna"})
    assert "due persone diverse" in said
    busy = preview(
        visitor, "/rota/swap/preview", 422, **{**SWAP, "other": "dario", "back-from": "", "back-to": ""}
    )
    assert "ne ha già un altro in quel tempo" in busy
    soon = {**SWAP, "from": "2026-03-11T08:00", "to": "2026-03-11T09:00", "back-from": "", "back-to": ""}
    assert "più anticipo" in html.unescape(preview(visitor, "/rota/swap/preview", 422, **soon))


# -- rules -------------------------------------------------------------------------------------


def test_rules_are_changed_by_a_form(console: Console) -> None:
    visitor = console.visitor()
    shown = visitor.page("/rota/rules/form")
    assert shown.index('value="anna" selected') < shown.index('value="bruno" selected')
    form = {
        "rota": "duty",
        "zone": "Europe/Rome",
        "swaps-allowed": "yes",
        "swaps-ahead": "24",
        "rungs": "2",
        "r0-people": ["anna", "bruno", ""],
        "r0-starts": "2026-01-05",
        "r0-handover": "18:30",
        "r0-number": "1",
        "r0-unit": "week",
        "r0-rings": "",
        "r0-patterns": "1",
        "r0p0-days": ["5", "6"],
        "r0p0-from": "08:00",
        "r0p0-to": "08:00",
        "r0p0-people": ["carla", ""],
        "r1-people": ["dario"],
        "r1-patterns": "0",
        "holds": "2026-03-23T12:00",
    }
    # A button that only changes the form: Bruno before Anna.
    moved = preview(visitor, "/rota/rules/form/preview", **form, do="up-0-1")
    assert moved.index('value="bruno" selected') < moved.index('value="anna" selected')
    page = preview(visitor, "/rota/rules/form/preview", **form, do="preview")
    assert "segue nuove regole da lun 23 mar 12:00" in page
    assert how_many(console, rota_versions) == 1
    assert confirm(visitor, page, "/rota/rules/save").status_code == 303
    assert on_duty(console, rome("2026-03-28 12:00")) == ["carla", "dario"]
    assert on_duty(console, rome("2026-03-22 12:00"))[0] != "carla"
    rules = visitor.page("/rota/rules")
    assert "sab, dom, 08:00–08:00" in rules
    assert "Da lun 23 mar 12:00" in rules
    wrong = {**form, "r0-handover": "25:00", "r0p0-days": [], "zone": "Mars/Base"}
    said = html.unescape(preview(visitor, "/rota/rules/form/preview", 422, **wrong, do="preview"))
    for each in ("un'ora come 18:30", "Scelga almeno un giorno", "un fuso orario come Europe/Rome"):
        assert each in said


def test_the_form_keeps_every_rule_it_shows(console: Console) -> None:
    """Shown and saved without a change, rules stay what they were."""
    from werkzeug.datastructures import MultiDict

    from console.web.shown import rota_rules

    written = """
[[rota]]
key = "duty"
time_zone = "Europe/Vienna"
  [rota.swaps]
  allowed = true
  approval = true
  ahead_hours = 48
  [[rota.rung]]
  people = ["anna", "bruno"]
  starts = 2026-01-05
  handover = "08:00"
  every = "2 weeks"
  rings = 20
    [[rota.rung.pattern]]
    days = ["monday", "saturday"]
    from = "13:00"
    to = "14:00"
    people = ["carla", "dario"]
    starts = 2026-01-05
    every = "3 days"
  [[rota.rung]]
    [[rota.rung.pattern]]
    from = "18:00"
    to = "08:00"
    people = ["dario"]
"""
    entry = rota_file.read(written).rota[0]
    form = rota_rules.of_document("duty", rota_file.to_document(entry))
    assert rota_rules.check(form) == {}
    again = rota_file.read(rota_rules.to_toml(rota_rules.to_entry(form))).rota[0]
    assert rota_file.to_rules(rota_file.to_document(again)) == rota_file.to_rules(
        rota_file.to_document(entry)
    )
    assert again.swaps == entry.swaps
    rota_rules.change(form, "rung-up-1")
    rota_rules.change(form, "pattern-remove-1-0")
    rota_rules.change(form, "rung-remove-99")
    assert [len(rung.patterns) for rung in form.rungs] == [1, 0]
    assert rota_rules.of_form(MultiDict({"rungs": "9999"})).rungs[0].people == []


def test_rules_are_changed_as_text(console: Console) -> None:
    visitor = console.visitor()
    shown = re.search(r"<textarea[^>]*>(.*?)</textarea>", visitor.page("/rota/rules/text"), re.DOTALL)
    assert shown
    downloaded = visitor.get("/rota/rules/file").get_data(as_text=True)
    assert shown[1].strip() == downloaded.strip()
    assert rota_file.read(downloaded).rota[0].key == "duty"
    page = preview(
        visitor, "/rota/rules/text/preview", rota="duty", text=downloaded.replace('"anna", ', ""), holds=""
    )
    assert "segue nuove regole da subito" in page
    assert confirm(visitor, page, "/rota/rules/save").status_code == 303
    assert on_duty(console, console.clock.now() + timedelta(seconds=1))[0] != "anna"


WRONG_TEXTS = [
    ("[[rota", "non è TOML valido"),
    ('[[rota]]\nkey = "duty"\n', "rota.0.rung: manca"),
    ('[[rota]]\nkey = "duty"\n[[rota.rung]]\npeople = ["anna", "bruno"]\n', "più persone richiedono"),
    ('[[rota]]\nkey = "duty"\ncolour = 1\n[[rota.rung]]\npeople = ["anna"]\n', "voce sconosciuta"),
    (
        '[[rota]]\nkey="duty"\n[[rota.rung]]\npeople=["anna"]\nstarts=2026-01-05\n'
        'handover="25:00"\nevery="1 week"',
        "un'ora come 18:30",
    ),
    ("", "non nomina nessuna turnazione"),
    ('[[rota]]\nkey = "duty"\n[[rota.rung]]\npeople = ["zoe"]\n', "senza nessuno in servizio"),
    ('[[technician]]\nkey="zoe"\nname="Zoe"\nphone="+39899123456"\n', "non è un normale cellulare"),
]


def test_what_is_wrong_with_a_text_is_said_in_words(console: Console) -> None:
    for written, said in WRONG_TEXTS:
        page = html.unescape(
            preview(console.visitor(), "/rota/rules/text/preview", 422, rota="duty", text=written)
        )
        assert said in page
        assert "expected" not in page


HOLE = """
[[rota]]
key = "duty"
  [[rota.rung]]
    [[rota.rung.pattern]]
    days = ["monday"]
    from = "08:00"
    to = "18:00"
    people = ["anna"]
"""


def test_rules_that_leave_nobody_on_duty_ask_whether_that_is_known(console: Console) -> None:
    visitor = console.visitor()
    page = preview(visitor, "/rota/rules/text/preview", rota="duty", text=HOLE)
    assert "Nessuno sarebbe di turno" in page
    refused = confirm(visitor, page, "/rota/rules/save")
    assert refused.status_code == 422
    assert "Per procedere, confermi" in text(refused)
    assert how_many(console, rota_versions) == 1
    anew = refused.get_data(as_text=True)
    assert confirm(visitor, anew, "/rota/rules/save", holes="yes").status_code == 303
    assert how_many(console, rota_versions) == 2


# -- feeds -------------------------------------------------------------------------------------


def test_a_calendar_address_is_shown_once(console: Console) -> None:
    visitor = console.visitor()
    page = visitor.get("/rota/feeds").get_data(as_text=True)
    form = next(
        f for f in re.findall(r"<form.*?</form>", page, re.DOTALL) if 'name="technician" value="anna"' in f
    )
    data = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))
    answer = visitor.client.post("/rota/feeds/issue", data=data, base_url="http://localhost:8081")
    found = re.search(r"https://ivr\.example\.net/cal/[A-Za-z0-9_-]{32}\.ics", text(answer))
    assert found
    assert found[0] not in visitor.page("/rota/feeds")
    sent_again = visitor.client.post("/rota/feeds/issue", data=data, base_url="http://localhost:8081")
    assert sent_again.status_code == 409
    assert "è revocato" in visitor.done("/rota/feeds/revoke", rota="duty", technician="anna")
    assert console.visitor("reader").get("/rota/feeds").status_code == 403


# -- the first rota ----------------------------------------------------------------------------


def test_the_first_rota_is_made_by_whoever_has_none(console: Console) -> None:
    with console.house.database.write() as connection:
        for table in (feeds, rota_versions, technicians):
            connection.execute(delete(table))
    visitor = console.visitor()
    page = visitor.page("/rota")
    assert "Bastano due passi" in page
    assert "/rota/rules/form" not in page
    assert "Nuovo tecnico" not in console.visitor("reader").page("/rota")
    added = visitor.done(
        "/technicians/add", "/technicians/new", name="Rosa Nova", phone="333 1234505", other_phones=""
    )
    assert "Rosa Nova" in added
    assert "/rota/rules/form?new=1" in visitor.page("/rota")
    form = visitor.page("/rota/rules/form?new=1")
    # The rota that the numbers ring is proposed.
    assert 'name="key" type="text" value="duty"' in form
    fields = {
        "key": "duty",
        "zone": "Europe/Rome",
        "swaps-allowed": "yes",
        "swaps-ahead": "12",
        "rungs": "1",
        "r0-people": ["rosa"],
        "r0-patterns": "0",
        "holds": "",
    }
    seen = preview(visitor, "/rota/rules/form/preview", **fields, do="preview")
    assert "Comincia la turnazione duty" in seen
    answer = confirm(visitor, seen, "/rota/rules/save")
    assert answer.status_code == 303
    assert "Le regole sono salvate" in visitor.page(answer.headers["Location"])
    assert on_duty(console, console.clock.now()) == ["rosa"]


# -- on either database ------------------------------------------------------------------------


@pytest.fixture
def on_both(tmp_path: Path, database_url: str) -> Iterator[Console]:
    """The console on SQLite, and on PostgreSQL."""
    with opened_at(database_url) as database:
        yield console_in(tmp_path, House(configuration(tmp_path), database), Clock())


def test_everything_is_planned_on_either_database(on_both: Console) -> None:
    visitor = on_both.visitor()
    page = preview(visitor, "/rota/override/preview", rota="duty", rung="1", who="bruno", **SATURDAY)
    stale = preview(visitor, "/rota/override/preview", rota="duty", rung="1", who="carla", **SATURDAY)
    assert confirm(visitor, page, "/rota/override/save").status_code == 303
    assert confirm(visitor, stale, "/rota/override/save").status_code == 409
    assert on_duty(on_both, rome("2026-03-14 12:00")) == ["bruno", "dario"]
    page = preview(
        visitor,
        "/rota/absence/preview",
        **{
            "rota": "duty",
            "who": "bruno",
            "kind": "holiday",
            "from": "2026-03-17T08:00",
            "to": "2026-03-18T08:00",
        },
    )
    assert confirm(visitor, page, "/rota/absence/save").status_code == 303
    page = preview(
        visitor, "/rota/swap/preview", **{**SWAP, "other": "carla", "back-from": "", "back-to": ""}
    )
    assert confirm(visitor, page, "/rota/swap/save").status_code == 303
    with on_both.house.database.write() as connection:
        plan_at = on_both.clock.now()
        for n in range(60):
            start = rome("2026-04-01 08:00") + timedelta(hours=n)
            roster.override(connection, "x", plan_at, "duty", 2, start, start + timedelta(hours=1), "anna")
    listed = visitor.page("/rota/overrides")
    onward = re.search(r'href="(/rota/overrides\?[^"]*after=[^"]+)" rel="next"', listed)
    assert onward
    assert visitor.page(onward[1]).count("/preview") == 11
    for path in (
        "/rota",
        "/rota/week",
        "/rota/gaps",
        "/rota/absences",
        "/rota/swaps",
        "/rota/rules",
        "/technicians",
    ):
        visitor.page(path)
    fields = visitor.fields("/technicians/anna", "/technicians/anna/test")
    for status in (303, 409):
        answer = visitor.client.post("/technicians/anna/test", data=fields, base_url="http://localhost:8081")
        assert answer.status_code == status
    assert "chiamata in corso" in visitor.page("/technicians/anna")

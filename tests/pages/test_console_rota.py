"""The rota in the console: what the picture shows, and that nothing changes that was not seen before."""

from __future__ import annotations

import html
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from making import rome
from sqlalchemy import delete, func, insert, select
from visitors import Console, Visitor
from werkzeug.test import TestResponse

from oncall import absences, roster, rota_file, swaps
from oncall.tables import absences as absence_rows
from oncall.tables import feeds, rota_overrides, rota_versions, technicians
from oncall.tables import swaps as swap_rows

SATURDAY = {"from": "2026-03-14T08:00", "to": "2026-03-15T20:00"}


def text(answer: TestResponse) -> str:
    return html.unescape(answer.get_data(as_text=True))


def hidden(page: str, action: str) -> dict[str, str]:
    """The hidden fields of the form of a page that is sent to `action`."""
    form = next(f for f in re.findall(r"<form.*?</form>", page, re.DOTALL) if f'action="{action}"' in f)
    return dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))


def confirm(visitor: Visitor, page: str, action: str, **more: str) -> TestResponse:
    """Send the form by which a preview is confirmed."""
    data = {name: html.unescape(value) for name, value in hidden(page, action).items()}
    return visitor.client.post(action, data=data | more, base_url="http://localhost:8081")


def preview(visitor: Visitor, action: str, status: int = 200, **fields: Any) -> str:
    data = {"form-token": visitor.token("/nothing"), **fields}
    answer = visitor.client.post(action, data=data, base_url="http://localhost:8081")
    page = answer.get_data(as_text=True)
    assert answer.status_code == status, (answer.status_code, page[:3000])
    return page


def override(console: Console, who: str, start: datetime, end: datetime, rung: int = 1) -> int:
    with console.house.database.write() as connection:
        return roster.override(connection, "user:giulia", console.clock.now(), "duty", rung, start, end, who)


def on_duty(console: Console, at: datetime) -> list[str]:
    with console.house.database.read() as connection:
        return [duty.technician for duty in roster.book(connection, "duty").ladder(at)]


def how_many(console: Console, table: Any = rota_overrides) -> int:
    with console.house.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


# -- the picture -------------------------------------------------------------------------------


def test_a_month_says_who_has_which_rung_from_when_to_when(console: Console) -> None:
    page = console.visitor().page("/rota?month=2026-03")
    assert "marzo 2026" in page
    assert 'aria-label="Anna Rossi, livello 1, da lun 9 mar 18:30 a lun 16 mar 18:30"' in page
    assert 'aria-label="Bruno Bianchi, livello 1, da lun 16 mar 18:30 a lun 23 mar 18:30"' in page
    # From the first day that is shown to the last one.
    assert 'aria-label="Dario Neri, livello 2, da lun 23 feb 00:00 a lun 6 apr 00:00"' in page
    assert "Oggi" in page


def test_an_override_a_swap_an_absence_carry_their_signs(console: Console) -> None:
    override(console, "dario", rome("2026-03-14 08:00"), rome("2026-03-15 20:00"))
    settings = console.house.configuration
    with console.house.database.write() as connection:
        at = console.clock.now()
        absences.record(
            connection, "x", at, "bruno", rome("2026-03-20 08:00"), rome("2026-03-21 08:00"), "illness"
        )
        made = swaps.propose(
            connection,
            "technician:carla",
            at,
            settings.ringing,
            "duty",
            1,
            "carla",
            "bruno",
            rome("2026-03-26 18:30"),
            rome("2026-03-27 18:30"),
        )
        swaps.answer(connection, "technician:bruno", at, settings.ringing, settings.notices, made, "accept")
    page = console.visitor("reader").page("/rota?month=2026-03")
    assert "Dario Neri, livello 1, da sab 14 mar 08:00 a dom 15 mar 20:00 (sostituzione)" in page
    assert "Bruno Bianchi, livello 1, da gio 26 mar 18:30 a ven 27 mar 18:30 (scambio)" in page
    assert (
        "Carla Verdi, livello 1, da ven 20 mar 08:00 a sab 21 mar 08:00 (al posto di chi è assente)" in page
    )
    for sign in ("✱", "⇄", "+"):
        assert f'<tspan class="sign">{sign}</tspan>' in page
    assert "Bruno Bianchi: assenza da ven 20 mar 08:00 a sab 21 mar 08:00" in page
    # That somebody is ill is for those who plan.
    assert "malattia" not in page
    assert "malattia" in console.visitor("dispatcher").page("/rota/absences")
    assert "malattia" not in console.visitor("reader").page("/rota/absences")


def places(page: str, label: str) -> tuple[float, float]:
    found = re.search(
        rf'aria-label="{re.escape(label)}".*?<svg class="bar[^"]*" x="([0-9.]+)%" width="([0-9.]+)%"',
        page,
        re.DOTALL,
    )
    assert found, label
    return float(found[1]), float(found[2])


def test_a_bar_lies_where_its_hours_are(console: Console) -> None:
    override(console, "carla", rome("2026-03-12 12:00"), rome("2026-03-14 18:00"))
    page = console.visitor().page("/rota?month=2026-03")
    x, width = places(page, "Carla Verdi, livello 1, da gio 12 mar 12:00 a sab 14 mar 18:00 (sostituzione)")
    assert x == pytest.approx(100 / 7 * 3.5, abs=0.01)
    assert width == pytest.approx(100 / 7 * 2.25, abs=0.01)


def test_a_month_in_which_the_clock_is_set(console: Console) -> None:
    """A day of 25 hours is as wide as others; the hour that comes twice says which it is."""
    second = rome("2026-10-25 02:30", fold=1)
    override(console, "dario", rome("2026-10-25 02:30"), second)
    page = console.visitor().page("/rota?month=2026-10")
    assert "25 ore: cambia l'ora" in page
    label = "Dario Neri, livello 1, da dom 25 ott 02:30 CEST a dom 25 ott 02:30 CET (sostituzione)"
    x, width = places(page, label)
    assert x == pytest.approx(100 / 7 * (6 + 2.5 / 25), abs=0.01)
    assert width == pytest.approx(100 / 7 / 25, abs=0.01)
    # A turn that lasts over that night ends at its time of day.
    assert "da lun 19 ott 18:30 a dom 25 ott 02:30 CEST" in page
    assert "23 ore: cambia l'ora" in console.visitor().page("/rota?month=2026-03")


def test_a_hole_is_told_in_words(console: Console) -> None:
    with console.house.database.write() as connection:
        for who in ("anna", "bruno", "carla", "dario"):
            absences.record(
                connection,
                "x",
                console.clock.now(),
                who,
                rome("2026-03-21 08:00"),
                rome("2026-03-22 03:00"),
                "holiday",
            )
    page = console.visitor().page("/rota?month=2026-03")
    assert "⚠ Nessuno di turno da sab 21 mar 08:00 a dom 22 mar 03:00 (19 h)" in page
    assert "comincia sab 21 mar 08:00" in page
    # By day, for a narrow screen.
    assert "Nessuno di turno 08:00–24:00" in page
    assert "Nessuno di turno 00:00–03:00" in page
    assert "da sab 21 mar 08:00 a dom 22 mar 03:00 (19 h)" in console.visitor().page("/rota/gaps")


def test_holidays_and_the_load_of_each(console: Console) -> None:
    page = console.visitor().page("/rota?month=2026-04")
    assert "Lunedì dell'Angelo" in page or "Lunedì di Pasqua" in page
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    dario = next(row for row in rows if "Dario Neri" in row)
    figures = [
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", cell)).strip()
        for cell in re.findall(r"<td.*?</td>", dario, re.DOTALL)
    ]
    # 30 days; eight days of weekends, Easter Monday, and the 25th on a Saturday.
    assert figures == ["2", "720", "30", "9"]


def test_a_turn_tells_why_and_who_made_it(console: Console) -> None:
    made = override(console, "dario", rome("2026-03-14 08:00"), rome("2026-03-15 20:00"))
    visitor = console.visitor()
    page = visitor.page("/rota/turn?rung=1&at=2026-03-14T20:00%2B00:00")
    assert "Turno di Dario Neri" in page
    assert "sab 14 mar 08:00" in page
    assert "dom 15 mar 20:00" in page
    assert "mar 10 mar 22:00, Giulia Moser" in page
    assert f"/rota/overrides/{made}/preview" in page
    assert "/preview" not in console.visitor("reader").page("/rota/turn?rung=1&at=2026-03-14T20:00%2B00:00")
    for wrong in ("rung=9&at=2026-03-14T20:00%2B00:00", "rung=1&at=yesterday", "rung=1", ""):
        assert visitor.get(f"/rota/turn?{wrong}").status_code == 404


@pytest.mark.parametrize("address", ["month=2026-13", "month=x", "month=9999-01", "rota=other"])
def test_what_does_not_exist_is_not_found(console: Console, address: str) -> None:
    assert console.visitor().get(f"/rota?{address}").status_code == 404


def plan_much(console: Console) -> None:
    at = console.clock.now()
    with console.house.database.write() as connection:
        for n in range(60):
            start = rome("2026-03-12 08:00") + timedelta(hours=6 * n)
            until = start + timedelta(hours=5)
            roster.override(connection, "x", at, "duty", 1, start, until, ("dario", "anna")[n % 2])
            connection.execute(
                insert(absence_rows).values(
                    technician="carla",
                    starts_at=start,
                    ends_at=until,
                    kind="other",
                    created_at=at,
                    created_by="x",
                )
            )


def test_queries_do_not_grow_with_what_was_planned(console: Console) -> None:
    visitor = console.visitor()
    paths = ["/rota?month=2026-03", "/rota/week", "/rota/overrides", "/rota/absences", "/rota/gaps"]
    counts = []
    for round_ in range(2):
        for path in paths:
            with console.statements() as found:
                visitor.page(path)
            counts.append((round_, path, len(found)))
        if round_ == 0:
            plan_much(console)
    before = [count for round_, _, count in counts if round_ == 0]
    assert before == [count for round_, _, count in counts if round_ == 1]
    first = visitor.page("/rota/overrides")
    onward = re.search(r'href="(/rota/overrides\?[^"]*after=[^"]+)" rel="next"', first)
    assert onward
    second = visitor.page(onward[1])
    assert (first.count("/preview"), second.count("/preview")) == (50, 10)


# -- overrides ---------------------------------------------------------------------------------


def test_an_override_is_seen_before_it_is_saved(console: Console) -> None:
    visitor = console.visitor("dispatcher")
    page = html.unescape(
        preview(visitor, "/rota/override/preview", rota="duty", rung="1", who="bruno", **SATURDAY)
    )
    assert "Bruno Bianchi prende il livello 1 da sab 14 mar 08:00 a dom 15 mar 20:00." in page
    changes = re.search(r"Che cosa cambia</h2>.*?</table>", page, re.DOTALL)
    assert changes
    assert changes[0].index("Anna Rossi") < changes[0].index("Bruno Bianchi")
    # Hours of each in the month, before and after; whoever is told, outside the quiet hours.
    moved = re.findall(r'<span class="quiet">([0-9,]+)</span> → <strong>([0-9,]+)</strong>', page)
    lost, won = (float(b.replace(",", ".")) - float(a.replace(",", ".")) for a, b in (moved[0], moved[3]))
    assert sorted([lost, won]) == [-36, 36]
    assert "Bruno Bianchi, ven 13 mar 20:45: il turno al livello 1 comincia sab 14 mar 08:00." in page
    assert how_many(console) == 0
    answer = confirm(visitor, page, "/rota/override/save")
    assert answer.status_code == 303
    assert "La sostituzione è salvata" in visitor.page(answer.headers["Location"])
    assert on_duty(console, rome("2026-03-14 12:00")) == ["bruno", "dario"]
    # Sent a second time it is not done again.
    assert confirm(visitor, page, "/rota/override/save").status_code == 409
    assert how_many(console) == 1


def test_a_preview_that_is_no_longer_so_is_shown_anew(console: Console) -> None:
    visitor = console.visitor()
    page = preview(visitor, "/rota/override/preview", rota="duty", rung="1", who="bruno", **SATURDAY)
    override(console, "carla", rome("2026-03-14 00:00"), rome("2026-03-15 12:00"))
    answer = confirm(visitor, page, "/rota/override/save")
    assert answer.status_code == 409
    anew = text(answer)
    assert "Nel frattempo i turni sono cambiati: nulla è stato salvato" in anew
    assert "Carla Verdi" in anew
    assert how_many(console) == 1
    # What is confirmed now is what is seen now.
    assert confirm(visitor, anew, "/rota/override/save").status_code == 303
    assert on_duty(console, rome("2026-03-14 12:00")) == ["bruno", "dario"]


def test_a_forged_fingerprint_saves_nothing(console: Console) -> None:
    visitor = console.visitor()
    page = preview(visitor, "/rota/override/preview", rota="duty", rung="1", who="bruno", **SATURDAY)
    assert confirm(visitor, page, "/rota/override/save", seen="0" * 64).status_code == 409
    assert how_many(console) == 0


def test_double_duty_is_said(console: Console) -> None:
    page = preview(
        console.visitor(), "/rota/override/preview", rota="duty", rung="1", who="dario", **SATURDAY
    )
    assert "Dario Neri: due turni insieme" in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"who": ""}, "Scelga una persona"),
        ({"rung": "7"}, "Questo livello non c'è"),
        ({"from": ""}, "Indichi quando"),
        ({"from": "soon"}, "Non è una data con l'ora"),
        ({"from": "2026-03-16T08:00"}, "La fine deve venire dopo l'inizio"),
        ({"from": "2026-03-01T08:00", "to": "2026-03-02T08:00"}, "Il passato resta com'è"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(console: Console, fields: dict[str, str], said: str) -> None:
    wanted = {"rota": "duty", "rung": "1", "who": "bruno", **SATURDAY, **fields}
    page = html.unescape(preview(console.visitor(), "/rota/override/preview", 422, **wanted))
    assert said in page
    assert 'aria-invalid="true"' in page
    # What was typed is kept.
    assert f'value="{wanted["to"]}"' in page


@pytest.mark.parametrize(
    ("typed", "said", "choices"),
    [
        ("2026-10-25T02:30", "quest'ora c'è due volte", ["dom 25 ott 02:30 CEST", "dom 25 ott 02:30 CET"]),
        ("2026-03-29T02:30", "quest'ora non c'è", ["dom 29 mar 01:30 CET", "dom 29 mar 03:30 CEST"]),
    ],
)
def test_a_time_of_the_night_the_clock_is_set_is_asked_for(
    console: Console, typed: str, said: str, choices: list[str]
) -> None:
    visitor = console.visitor()
    day = typed[:10]
    wanted = {"rota": "duty", "rung": "1", "who": "bruno", "from": typed, "to": f"{day}T09:00"}
    page = html.unescape(preview(visitor, "/rota/override/preview", 422, **wanted))
    assert said in page
    offered = re.findall(r'name="from-is" value="([^"]+)"> ([^<]+)</label>', page)
    assert [label for _, label in offered] == choices
    chosen = offered[1][0]
    page = preview(visitor, "/rota/override/preview", **wanted, **{"from-is": chosen})
    assert confirm(visitor, page, "/rota/override/save").status_code == 303
    with console.house.database.read() as connection:
        starts = connection.execute(select(rota_overrides.c.starts_at)).scalar_one()
    assert starts == datetime.fromisoformat(chosen)


def test_an_override_is_withdrawn(console: Console) -> None:
    made = override(console, "bruno", rome("2026-03-14 08:00"), rome("2026-03-15 20:00"))
    visitor = console.visitor()
    page = preview(visitor, f"/rota/overrides/{made}/preview", rota="duty")
    assert on_duty(console, rome("2026-03-14 12:00")) == ["bruno", "dario"]
    assert "Anna Rossi" in page
    assert confirm(visitor, page, f"/rota/overrides/{made}/withdraw").status_code == 303
    assert on_duty(console, rome("2026-03-14 12:00")) == ["anna", "dario"]
    again = preview(visitor, f"/rota/overrides/{made}/preview", 422, rota="duty")
    assert "È già stata ritirata" in again


def test_whoever_may_not_plan_plans_nothing(console: Console) -> None:
    reader = console.visitor("reader")
    assert reader.get("/rota/override").status_code == 403
    fields = {"form-token": reader.token("/nothing"), "rota": "duty", "rung": "1", "who": "bruno", **SATURDAY}
    for path in ("/rota/override/preview", "/rota/override/save"):
        assert reader.client.post(path, data=fields, base_url="http://localhost:8081").status_code == 403
    assert "Nuova sostituzione" not in reader.page("/rota")
    assert how_many(console) == 0


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


@pytest.mark.parametrize(
    ("written", "said"),
    [
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
    ],
)
def test_what_is_wrong_with_a_text_is_said_in_words(console: Console, written: str, said: str) -> None:
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
    assert "occorre confermare" in text(refused)
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

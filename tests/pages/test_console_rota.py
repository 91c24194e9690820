"""The rota in the console: what the picture shows, and that nothing changes that was not seen before."""

from __future__ import annotations

import html
import re
from datetime import datetime

import pytest
from making import rome
from planning import SATURDAY, confirm, how_many, on_duty, override, plan_much, preview, text
from sqlalchemy import select
from visitors import Console

from oncall.rota import absences, swaps
from oncall.tables import rota_overrides

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


NOWHERE = ["month=2026-13", "month=x", "month=9999-01", "rota=other"]


def test_what_does_not_exist_is_not_found(console: Console) -> None:
    for address in NOWHERE:
        assert console.visitor().get(f"/rota?{address}").status_code == 404


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


WRONG = [
    ({"who": ""}, "Scelga una persona"),
    ({"rung": "7"}, "Questo livello non c'è"),
    ({"from": ""}, "Indichi quando"),
    ({"from": "soon"}, "Non è una data con l'ora"),
    ({"from": "2026-03-16T08:00"}, "La fine deve venire dopo l'inizio"),
    ({"from": "2026-03-01T08:00", "to": "2026-03-02T08:00"}, "Il passato resta com'è"),
]


def test_what_cannot_be_is_said_at_its_field(console: Console) -> None:
    for fields, said in WRONG:
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

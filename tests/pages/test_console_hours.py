"""The hours in the console: a year as computed, days in words, instants answered as the command does."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from click.testing import CliRunner
from making import rome
from screens import Screen
from visitors import Console

from console.commands import ivr
from console.house import House
from console.web.context import KEY
from ivr.settings import SpecialDay
from oncall.rota import roster


def changed(console: Console, **hours: object) -> None:
    """Let the console serve with other hours."""
    configuration = console.house.configuration
    other = configuration.model_copy(update={"hours": configuration.hours.model_copy(update=hours)})
    put(console, dataclasses.replace(console.house, configuration=other))


def put(console: Console, house: House) -> None:
    console.house = console.app.extensions[KEY] = house


def row(page: str, day: str) -> str:
    """The words that stand at a day of the year."""
    found = re.search(rf'data-day="{day}".*?</a>', page, re.DOTALL)
    assert found, day
    return " ".join(re.sub(r"<[^>]*>", " ", found[0].partition(">")[2]).split())


def test_a_year_says_of_each_day_when_a_pin_is_asked(console: Console) -> None:
    changed(
        console,
        special_day=[
            SpecialDay.model_validate({"date": "2026-12-24", "open": ["08:00-12:00"]}),
        ],
    )
    page = console.visitor("reader").page("/hours?year=2026")
    assert len(re.findall("data-day=", page)) == 365
    assert row(page, "2026-03-10") == "mar 10 PIN 00:00–08:00, 13:00–14:00, 18:30–24:00"
    assert row(page, "2026-03-14") == "sab 14 PIN tutto il giorno · giorno di chiusura"
    assert row(page, "2026-12-25") == "ven 25 PIN tutto il giorno Natale"
    assert row(page, "2026-12-24").endswith("Giorno particolare: PIN 00:00–08:00, 12:00–24:00")
    assert "cambio d'ora, giorno di 23 h" in row(page, "2026-03-29")
    assert "cambio d'ora, giorno di 25 h" in row(page, "2026-10-25")


def test_the_first_page_is_of_the_twelve_months_from_now(console: Console) -> None:
    page = console.visitor("reader").page("/hours")
    days = re.findall(r'data-day="([0-9-]+)"', page)
    assert (days[0], days[-1], len(days)) == ("2026-03-01", "2027-02-28", 365)
    assert re.search(r'data-day="2026-03-10" aria-current="date"', page)


@pytest.mark.parametrize("year", ["1899", "2200", "next", "-1", "20260"])
def test_years_out_of_reach(console: Console, year: str) -> None:
    console.visitor("reader").page(f"/hours?year={year}", status=404)


def test_numbers_with_other_holidays_stand_apart(console: Console) -> None:
    visitor = console.visitor("reader")
    assert "Gli orari valgono per tutti i numeri: Trento, Trento Nord, Tione." in visitor.page("/hours")
    configuration = console.house.configuration
    third = configuration.number[2].model_copy(update={"holidays": "IT"})
    other = configuration.model_copy(update={"number": [*configuration.number[:2], third]})
    put(console, dataclasses.replace(console.house, configuration=other))
    page = visitor.page("/hours?year=2026")
    assert ">Trento, Trento Nord</a>" in page
    assert ">Tione</a>" in page
    assert "San Vigilio" in row(page, "2026-06-26")
    tione = visitor.page("/hours?year=2026&number=%2B390465324963")
    assert row(tione, "2026-06-26") == "ven 26 PIN 00:00–08:00, 13:00–14:00, 18:30–24:00"
    visitor.page("/hours?number=%2B390461999999", status=404)


def test_a_day_in_words_with_whoever_is_on_duty(console: Console) -> None:
    with console.house.database.write() as connection:
        start, end = rome("2026-03-16 13:30"), rome("2026-03-16 15:00")
        roster.override(connection, "test", console.clock.now(), "duty", 1, start, end, "bruno")
    page = console.visitor("reader").page("/hours/day/2026-03-16")
    text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert "00:00 – 08:00 PIN richiesto Motivo: notte Anna Rossi +393331234501 · di turno Dario Neri" in text
    assert "08:00 – 13:00 risponde l'ufficio Motivo: ufficio aperto Trento: +390461000001" in text
    assert "13:30 – 14:00 Bruno Bianchi +393331234502 · per una sostituzione" in text
    assert "Motivo: pausa pranzo" in text


def test_a_long_day_says_so(console: Console) -> None:
    assert "questo giorno dura 25 h" in console.visitor("reader").page("/hours/day/2026-10-25")


@pytest.mark.parametrize("day", ["tomorrow", "2026-02-30", "1899-12-31", "2200-01-01"])
def test_days_that_are_none(console: Console, day: str) -> None:
    console.visitor("reader").page(f"/hours/day/{day}", status=404)


@pytest.mark.parametrize(
    ("when", "which", "utc"),
    [
        ("2026-12-25 03:00", "", "2026-12-25T03:00+01:00"),
        ("2026-03-10 10:00", "", "2026-03-10T10:00+01:00"),
        ("2026-03-10 13:59", "", "2026-03-10T13:59+01:00"),
        ("2026-10-25 02:30", "0", "2026-10-25T02:30+02:00"),
        ("2026-10-25 02:30", "1", "2026-10-25T02:30+01:00"),
        ("2026-03-29 02:30", "1", "2026-03-29T03:30+02:00"),
        ("2020-03-10 22:00", "", "2020-03-10T22:00+01:00"),
    ],
)
def test_an_instant_is_answered_as_the_command_does(
    console: Console, when: str, which: str, utc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.commands.common.load", lambda path: console.house.configuration)
    told = CliRunner().invoke(ivr, ["explain", "--json", "--at", utc, "--number", "+390465324963"])
    assert told.exit_code == 0, told.output
    wanted = json.loads(told.stdout)
    day, _, clock = when.partition(" ")
    page = console.visitor("reader").page(
        f"/hours/instant?date={day}&time={clock}&which={which}&number=%2B390465324963"
    )
    text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert ("Si chiede il PIN" in text, "Il PIN non si chiede" in text) == (wanted["pin"], not wanted["pin"])
    if wanted["name"]:
        assert wanted["name"] in text
    year, _, number = wanted["until"][:10].split("-")
    assert re.search(rf"Fino a \w+ {int(number)} \w+ {year}, {wanted['until'][11:16]}", text), text
    phones = re.findall(r"\+39333\d+", text)
    assert phones == [each["phone"] for each in wanted["ladder"]]
    assert ("Nessuno è di turno" in text) == (not wanted["ladder"])


@pytest.mark.parametrize(
    ("when", "says", "offers"),
    [
        (
            "date=2026-10-25&time=02:30",
            "segna le 02:30 due volte",
            ["02:30 (ora legale, UTC+02)", "02:30 (ora solare, UTC+01)"],
        ),
        (
            "date=2026-03-29&time=02:30",
            "le 02:30 non ci sono",
            ["01:30 (ora solare, UTC+01)", "03:30 (ora legale, UTC+02)"],
        ),
    ],
)
def test_of_a_night_with_two_clocks_both_instants_are_offered(
    console: Console, when: str, says: str, offers: list[str]
) -> None:
    page = console.visitor("reader").page(f"/hours/instant?{when}")
    assert says in page
    for place, offer in enumerate(offers):
        assert f">{offer}</a>" in page
        assert f"which={place}" in page
    assert "Fino a" not in page


@pytest.mark.parametrize(
    "asked", ["", "date=2026-13-01&time=10:00", "date=2026-03-10&time=25:00", "date=1800-01-01&time=10:00"]
)
def test_what_is_no_instant_is_refused_by_its_field(console: Console, asked: str) -> None:
    page = console.visitor("reader").page(f"/hours/instant?{asked}", status=422)
    assert "Indichi un giorno e un'ora" in page
    assert 'aria-describedby="date-wrong"' in page
    page = console.visitor("reader").page("/hours/instant?date=2026-03-10&time=10:00&number=1", status=422)
    assert "Questo non è uno dei nostri numeri." in page


def test_the_pointer_shows_a_day_and_a_click_holds_it(screen: Screen) -> None:
    page = screen.open("/hours", "reader")
    page.locator("#day h3", has_text="martedì 10 marzo 2026").wait_for()
    page.locator('[data-day="2026-03-14"]').hover()
    page.locator("#day h3", has_text="sabato 14 marzo 2026").wait_for()
    page.locator('[data-day="2026-03-16"]').click()
    page.locator("#day h3", has_text="lunedì 16 marzo 2026").wait_for()
    page.locator("#day h3:focus").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    page.locator("#day h3", has_text="martedì 17 marzo 2026").wait_for()
    page.keyboard.press("ArrowRight")
    page.locator("#day h3", has_text="martedì 24 marzo 2026").wait_for()


def test_on_a_phone_and_without_script_a_day_is_a_page(screen: Screen) -> None:
    for page in (screen.open("/hours", "reader", phone=True), screen.open("/hours", "reader", script=False)):
        page.locator('[data-day="2026-03-16"]').click()
        page.get_by_role("heading", level=1, name="lunedì 16 marzo 2026").wait_for()


def test_a_year_is_quick(console: Console) -> None:
    """Nothing of the database grows with it: a year takes as many statements as any page."""
    visitor = console.visitor("reader")
    with console.statements() as asked:
        visitor.page("/hours?year=2031")
    assert len(asked) <= 3

"""Reports in the console: what the plots and tables say, of which period, to whom, and as files."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import zipfile
from datetime import date
from itertools import pairwise

import pytest
from crowd import Crowd, fill
from making import NIGHT, ROME
from playwright.sync_api import expect
from screens import Screen
from visitors import Console

from console.reports import report_tables
from console.web import plots
from console.web.context import KEY
from console.web.shown import report_span
from console.web.shown.reports import sources
from console.web.words import LANGUAGES, texts
from ivr.records import reports
from ivr.records.figures import GROUPS
from ivr.vocabulary import Outcome
from oncall.reports import KINDS, period

SOME = Crowd(customers=20, calls=300, technicians=5, overrides=4, acts=5, years=0.1)


def by_person(console: Console) -> None:
    """Switch figures by person on."""
    configuration = console.house.configuration
    on = configuration.reports.model_copy(update={"per_person": True})
    configuration = configuration.model_copy(update={"reports": on})
    console.house = dataclasses.replace(console.house, configuration=configuration)
    console.app.extensions[KEY] = console.house


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def span_of(page: str) -> str:
    found = re.search(r'<p class="span"><strong>(.*?)</strong>', page)
    assert found
    return found[1]


def gathered(console: Console, first: date, last: date) -> reports.Report:
    with console.house.database.read() as connection:
        return reports.gather(
            connection, NIGHT, sources(console.house.configuration), period(first, last, ROME)
        )


def test_the_page_says_what_the_command_says(console: Console) -> None:
    fill(console.house, NIGHT, SOME)
    told = gathered(console, date(2026, 2, 9), date(2026, 3, 10))
    (rota,) = told.rotas
    visitor = console.visitor("reader")
    page = words_of(visitor.page("/reports"))
    assert f"Chiamate {rota.calls} " in page
    missed = sum(rota.by_outcome.get(name, 0) for name in ("nobody-answered", "office-missed", "message"))
    assert f"Perse {missed} " in page
    assert f"collegata a un tecnico {rota.by_outcome['connected']}" in page
    cases = words_of(visitor.page("/reports?see=cases"))
    for level, promise in rota.promises.items():
        counted = promise.kept + promise.missed + promise.open
        assert re.search(
            rf"{re.escape(level)} {counted} casi.*?{promise.kept} in tempo, {promise.missed} in ritardo",
            cases,
        )
    customers = words_of(visitor.page("/reports?see=customers"))
    most = max(told.accounts, key=lambda each: each.minutes)
    assert re.search(rf"{most.customer} {most.minutes} {most.billed} {most.prepaid} ", customers)
    duty = words_of(visitor.page("/reports?see=duty"))
    seconds = rota.on_call.rungs[1].night
    assert f"{seconds // 3600}:{seconds % 3600 // 60:02d}" in duty
    everything = words_of(visitor.page("/reports?see=all"))
    for heading in ("Chiamate", "Casi", "Minuti per cliente", "Ore di reperibilità"):
        assert heading in everything


def test_the_heat_map_and_the_plot_have_every_call(console: Console) -> None:
    fill(console.house, NIGHT, SOME)
    page = console.visitor("reader").page("/reports")
    heat = page.split('<table class="heat">')[1].split("</table>")[0]
    cells = [int(each) for each in re.findall(r'<td class="shade-\d">(\d+)</td>', heat)]
    sums = [int(each) for each in re.findall(r'<td class="sum">([\d.]+)</td>', heat)]
    total = gathered(console, date(2026, 2, 9), date(2026, 3, 10)).rotas[0].calls
    assert sum(cells) == sum(sums) == total
    table = page.split("Come sono andate")[-1].split("<tbody>")[1].split("</tbody>")[0]
    assert sum(int(each) for each in re.findall(r'<td class="number">(\d+)</td>', table)) == total


def test_hours_by_person_only_if_switched_on(console: Console) -> None:
    visitor = console.visitor("reader")
    page = visitor.page("/reports?see=duty")
    assert "Livello 1" in page
    assert "Anna Rossi" not in page
    assert "reports.per_person è disattivato" in page
    by_person(console)
    page = words_of(visitor.page("/reports?see=duty"))
    assert re.search(r"Anna Rossi \d+:\d\d", page)
    assert "art. 4 della legge 300/1970" in page
    assert re.search(r"Dario Neri 719:30|Dario Neri 720:00", page)  # always on call, thirty days


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("", "Da lunedì 9 febbraio 2026 a martedì 10 marzo 2026"),
        ("period=week", "Da mercoledì 4 marzo 2026 a martedì 10 marzo 2026"),
        ("period=month", "Da domenica 1 marzo 2026 a martedì 31 marzo 2026"),
        ("period=last-month", "Da domenica 1 febbraio 2026 a sabato 28 febbraio 2026"),
        ("period=quarter", "Da giovedì 1 gennaio 2026 a martedì 31 marzo 2026"),
        ("period=last-quarter", "Da mercoledì 1 ottobre 2025 a mercoledì 31 dicembre 2025"),
        ("period=year", "Da giovedì 1 gennaio 2026 a giovedì 31 dicembre 2026"),
        ("from=2026-01-05&to=2026-01-05", "Da lunedì 5 gennaio 2026 a lunedì 5 gennaio 2026"),
        ("from=2026-03-01", "Da domenica 1 marzo 2026 a martedì 10 marzo 2026"),
    ],
)
def test_of_which_period(console: Console, asked: str, span: str) -> None:
    assert span_of(console.visitor("reader").page(f"/reports?{asked}")) == span


@pytest.mark.parametrize(
    ("asked", "field", "says"),
    [
        ("from=soon", "from", "Indichi il primo e l'ultimo giorno."),
        ("to=2026-03-01", "from", "Indichi il primo e l'ultimo giorno."),
        ("from=2026-03-02&to=2026-03-01", "from", "L'ultimo giorno viene prima del primo."),
        ("from=2020-03-02&to=2026-03-01", "from", "tre anni al massimo"),
        ("of=number:1", "of", "Questo numero non è dei nostri."),
        ("customer=NOBODY", "customer", "Nessun cliente ha questo codice."),
    ],
)
def test_what_is_wrong_is_said_at_its_field(console: Console, asked: str, field: str, says: str) -> None:
    page = console.visitor("reader").page(f"/reports?{asked}", status=422)
    assert f'id="{field}-wrong"' in page
    assert f'aria-describedby="{field}-wrong"' in page
    assert says in page


def test_of_one_number_and_of_one_customer(console: Console) -> None:
    fill(console.house, NIGHT, SOME)
    visitor = console.visitor("reader")
    total = 0
    for number in console.house.configuration.our_numbers:
        page = words_of(visitor.page(f"/reports?of=number:%2B{number[1:]}"))
        found = re.search(r"Chiamate Chiamate ([\d.]+)", page)
        assert found
        total += int(found[1])
    assert total == gathered(console, date(2026, 2, 9), date(2026, 3, 10)).rotas[0].calls
    page = visitor.page("/reports?customer=acme&see=duty")
    assert "ACME S.r.l." in page
    assert "un rapporto su un cliente non ne ha" in page


def test_a_period_without_calls_says_so(console: Console) -> None:
    visitor = console.visitor("reader")
    assert "In questo periodo non ci sono chiamate." in visitor.page("/reports")
    assert "non si è aperto nessun caso" in visitor.page("/reports?see=cases")


def test_who_should_rest_is_named(console: Console) -> None:
    fill(console.house, NIGHT, SOME)
    told = gathered(console, date(2026, 2, 9), date(2026, 3, 10)).rotas[0].rest
    page = console.visitor("reader").page("/reports/rest?period=month")
    recent = [
        each for each in told if each.woken_at >= period(date(2026, 3, 1), date(2026, 3, 10), ROME).start
    ]
    assert page.count("<tr>") - 1 == len(recent) > 0
    assert 'class="badge person' in page


def test_the_files_are_those_of_the_command(console: Console) -> None:
    fill(console.house, NIGHT, SOME)
    dispatcher = console.visitor("dispatcher")
    answer = dispatcher.post("/reports/export", "/reports?period=last-month")
    assert answer.status_code == 200
    assert "report-2026-02-01-2026-02-28.zip" in answer.headers["Content-Disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.get_data()))
    wanted = report_tables.as_csv(gathered(console, date(2026, 2, 1), date(2026, 2, 28)), ROME)
    assert {name: archive.read(name).decode() for name in archive.namelist()} == wanted
    hours = list(csv.DictReader(io.StringIO(wanted["hours.csv"].lstrip("\ufeff")), delimiter=";"))
    assert hours[0]["rota"] == "duty"
    assert "Rapporto esportato" in console.visitor("admin").page("/audit")


def test_the_files_take_both_rights(console: Console) -> None:
    for role in ("reader", "technician"):
        assert console.visitor(role).post("/reports/export").status_code == 403
    assert "Scarica i dati" not in console.visitor("reader").page("/reports")


def test_a_page_asks_as_often_for_many_as_for_few(console: Console) -> None:
    visitor = console.visitor("reader")
    pages = ("/reports?see=all", "/reports/rest?period=month")
    counts: list[list[int]] = []
    for _ in range(2):
        asked = []
        for page in pages:
            visitor.page(page)
            with console.statements() as found:
                visitor.page(page)
            asked.append(len(found))
        counts.append(asked)
        if len(counts) == 1:
            fill(console.house, NIGHT, SOME)
    # An empty house has no late case to name.
    assert all(many <= few + 1 for few, many in zip(*counts, strict=True)), counts


def test_columns_stand_on_the_floor_and_reach_their_figure() -> None:
    plot = plots.columns(("a", "b"), [(10, 0), (30, 20)], ["x", "y"], ["x: 10", "y: 50"])
    tops = {mark.text: mark.at for mark in plot.ticks}
    assert list(tops) == ["0", "10", "20", "30", "40", "50"]
    assert tops["0"] == plot.floor
    a, b = plot.areas
    first, second = re.findall(r"M[\d.]+ ([\d.]+)h[\d.]+v([\d.]+)", a.path)
    assert float(first[0]) == pytest.approx(tops["10"], abs=0.2)
    assert float(second[0]) == pytest.approx(tops["30"], abs=0.2)
    assert [float(top) for top, _ in re.findall(r"M[\d.]+ ([\d.]+)h[\d.]+v([\d.]+)", b.path)] == [
        pytest.approx(tops["50"], abs=0.2)
    ]


@pytest.mark.parametrize("most", [0, 1, 4, 5, 6, 99, 100, 101, 123456])
def test_the_scale_is_round_and_reaches_the_most(most: int) -> None:
    steps = plots._steps(most)
    assert steps[0] == 0
    assert steps[-1] >= max(most, 1)
    assert len(steps) <= 6
    assert len({b - a for a, b in pairwise(steps)}) == 1


def test_long_periods_are_drawn_in_weeks_and_months() -> None:
    def kinds(first: date, last: date) -> tuple[str, int]:
        found = report_span.units(period(first, last, ROME))
        assert found[0].first == first
        assert found[-1].last == last
        return found[0].kind, len(found)

    assert kinds(date(2026, 2, 9), date(2026, 3, 10)) == ("day", 30)
    assert kinds(date(2026, 1, 1), date(2026, 12, 31)) == ("week", 53)
    assert kinds(date(2024, 1, 1), date(2026, 12, 31)) == ("month", 36)


def test_every_series_outcome_and_result_has_words() -> None:
    for language in LANGUAGES:
        known = texts(language)
        wanted = [f"outcome-{each}" for each in (*(outcome.value for outcome in Outcome), "under-way")]
        wanted += [f"series-{each}" for each in (*reports_groups(), *KINDS, "kept", "late", "open")]
        assert [each for each in wanted if f"reports.{each}" not in known] == []


def reports_groups() -> tuple[str, ...]:
    assert {each.value for each in Outcome} == {name for some in GROUPS.values() for name in some} - {""}
    return tuple(GROUPS)


def test_plots_have_a_name_and_a_table_beside_them(screen: Screen) -> None:
    fill(screen.console.house, NIGHT, SOME)
    page = screen.open("/reports?see=all", "reader")
    for plot in page.locator("svg[role=img]").all():
        label = plot.evaluate(
            """plot => plot.getAttribute("aria-labelledby").split(" ")
            .map(id => document.getElementById(id).textContent).join(" ")"""
        )
        assert len(label) > 20
        assert plot.evaluate("e => e.closest('figure').querySelector('details.data table') !== null")
    page.locator("details.data summary").first.click()
    expect(page.locator("details.data table").first).to_be_visible()

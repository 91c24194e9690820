"""Customers in the console: found as one types, changed, ended, exported, erased; sheets, seen before they
are written."""

from __future__ import annotations

import ast
import html
import io
import json
import re
from datetime import date
from urllib.parse import urlencode

import pytest
from making import ACTOR, NIGHT, ROOT, a_case
from playwright.sync_api import expect
from screens import Screen
from visitors import Console, Visitor
from werkzeug.test import TestResponse

from console.web import customer_sheets
from console.web.words import LANGUAGES, texts
from console.web.work_files import folder as work_folder
from pins import customer_import, customers, registry
from pins.customer_card import FIELDS, Contract
from storage import audit

TODAY = NIGHT.date()


def add(console: Console, name: str, **fields: object) -> customers.Customer:
    with console.house.database.write() as connection:
        return customers.add_customer(connection, ACTOR, NIGHT, name, **fields)  # type: ignore[arg-type]


def named(page: str) -> list[str]:
    """The customers in a list, in its order."""
    return re.findall(r'<a href="/customers/([A-Z0-9_-]+)">', page)


def file_of(console: Console, code: str) -> customers.Customer:
    with console.house.database.read() as connection:
        return customers.customer(connection, code)


def wrong(answer: TestResponse) -> dict[str, str]:
    """What a form says of its fields, by their names."""
    page = html.unescape(answer.get_data(as_text=True))
    found = re.findall(r'<(?:input|textarea|select) id="([a-z-]+)"[^>]*aria-invalid="true"', page)
    said = re.findall(r'class="wrong"[^>]*>(.*?)</p>', page)
    assert len(found) == len(said), (found, said)
    return dict(zip(found, said, strict=True))


# -- finding -------------------------------------------------------------------------------------


FINDS = {
    "societa": ["FUNIVIE"],
    "SOCIETÀ brenta": ["FUNIVIE"],
    "brenta societa": ["FUNIVIE"],
    "funi": ["FUNIVIE"],
    "funivie brènta s.p.a.": ["FUNIVIE"],
    "0461 825": ["FUNIVIE"],
    "+39 0461/825": ["FUNIVIE"],
    "0039 0461 825": ["FUNIVIE"],
    "47111": ["ACME", "BAITA", "MELE", "MALGA"],
    "100%": [],
    "_": [],
    "nobody": [],
}


def test_a_few_letters_or_digits_find_him(console: Console) -> None:
    add(console, "Società Funivie Brenta S.p.A.", code="FUNIVIE", phones=["+390461825060"])
    visitor = console.visitor("reader")
    assert {typed: named(visitor.page(f"/customers?{urlencode({'q': typed})}")) for typed in FINDS} == FINDS


def test_a_piece_of_the_page_is_the_list_alone(console: Console) -> None:
    answer = console.visitor("reader").get("/customers?q=ac", headers={"HX-Request": "true"})
    page = answer.get_data(as_text=True)
    assert named(page) == ["ACME"]
    assert "<html" not in page


def test_those_without_a_pin_that_lives(console: Console) -> None:
    house = console.house
    index = registry.PinIndex(house.configuration.pins)
    with house.database.write() as connection:
        for code, expires in (("ACME", None), ("MELE", date(2026, 3, 9)), ("MALGA", TODAY)):
            new = registry.draw(index, 8)
            issued = registry.issue(connection, ACTOR, NIGHT, code, new, expires=expires)
            if code == "MALGA":
                registry.revoke(connection, ACTOR, NIGHT, issued)
    assert named(console.visitor().page("/customers?pin=none")) == ["BAITA", "MELE", "MALGA"]


def test_pages_forward_and_back_show_everybody_once_and_in_order(console: Console) -> None:
    with console.house.database.write() as connection:
        for number in range(75):
            customers.add_customer(connection, ACTOR, NIGHT, f"Nome {number % 9}", code=f"N{number}")
    visitor, seen, pages = console.visitor(), [], []
    path: str | None = "/customers?q=nome"
    while path:
        page = visitor.page(path)
        pages.append(named(page))
        seen += pages[-1]
        found = re.search(r'href="([^"]+)" rel="next"', page)
        path = found[1] if found else None
    assert len(seen) == len(set(seen)) == 75
    assert [int(file_of(console, code).name.split()[1]) for code in seen] == sorted(n % 9 for n in range(75))
    for before in pages[-2::-1]:
        back = re.search(r'href="([^"]+)" rel="prev"', page)
        assert back
        page = visitor.page(back[1])
        assert named(page) == before
    assert 'rel="prev"' not in page


def test_one_finds_while_one_types(screen: Screen) -> None:
    page = screen.open("/customers")
    page.get_by_role("searchbox").press_sequentially("baita")
    expect(page.get_by_role("row")).to_have_count(2)
    expect(page.get_by_role("link", name="Baita Segantini")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?q=baita&standing=$"))
    page.get_by_role("link", name="Baita Segantini").press("Enter")
    expect(page.get_by_role("heading", level=1, name="Baita Segantini")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("combobox").select_option("ended")
    expect(page.get_by_text("Nessun cliente corrisponde")).to_be_visible()


def test_without_script_a_button_finds(screen: Screen) -> None:
    page = screen.open("/customers", script=False)
    page.get_by_role("searchbox").fill("baita")
    page.get_by_role("button", name="Cerca").press("Enter")
    expect(page.get_by_role("row")).to_have_count(2)


# -- one customer --------------------------------------------------------------------------------

WHOLE = {
    "name": "Società Nuova",
    "spoken_name": "Nuova",
    "code": "nuova",
    "language": "de",
    "coverage": "prepaid",
    "contract_from": "2026-01-01",
    "contract_until": "2026-12-31",
    "minutes": "1.200",
    "phones": "0461 123456\r\n+39 347 9999999",
    "sites": "Sede: Via Roma 1, Trento\r\nDeposito",
    "address": "Via Roma 1\r\n38122 Trento",
    "email": "info@example.net",
    "letters_by_email": "1",
    "notes": "Due\r\nrighe",
}


def test_a_customer_is_added_with_all_his_fields(console: Console) -> None:
    page = console.visitor().done("/customers/new", "/customers/new", **WHOLE)
    assert "Il cliente è aggiunto" in page
    assert "pacchetto: 1.200 min" in page
    made = file_of(console, "NUOVA")
    assert made.phones == ("+390461123456", "+393479999999")
    assert made.contract == Contract("prepaid", date(2026, 1, 1), date(2026, 12, 31), 1200)
    assert (made.language, made.letters_by_email, made.notes) == ("de", True, "Due\nrighe")
    assert [str(site) for site in made.sites] == ["Deposito", "Sede: Via Roma 1, Trento"]


def test_without_a_code_one_is_made(console: Console) -> None:
    console.visitor().done("/customers/new", "/customers/new", name="Acme", coverage="contract")
    assert file_of(console, "ACME-2").name == "Acme"


def test_what_is_wrong_is_said_of_each_field_and_nothing_is_lost(console: Console) -> None:
    answer = console.visitor().post(
        "/customers/new",
        "/customers/new",
        name=" ",
        code="a b",
        coverage="contract",
        contract_from="2026-02-30",
        minutes="molti",
        phones="12",
        email="nobody",
        notes="Da non perdere",
    )
    assert answer.status_code == 422
    assert wrong(answer).keys() == {"name", "code", "contract-from", "minutes", "phones", "email"}
    page = html.unescape(answer.get_data(as_text=True))
    assert "Da non perdere</textarea>" in page
    assert 'value="molti"' in page
    assert "6 campi non vanno bene" in page


def test_what_is_another_s_is_refused(console: Console) -> None:
    visitor = console.visitor()
    for fields, field, said in (
        ({"code": "ACME"}, "code", "C'è già un cliente con il codice ACME."),
        ({"phones": "347 1112201"}, "phones", "+393471112201 sta già nella scheda del cliente ACME."),
    ):
        answer = visitor.post("/customers/new", "/customers/new", name="X", coverage="none", **fields)
        assert (answer.status_code, wrong(answer)) == (422, {field: said})


def test_a_file_is_changed_and_its_history_says_what(console: Console) -> None:
    visitor = console.visitor()
    kept = form_of(visitor, "/customers/BAITA/change")
    page = visitor.done(
        "/customers/BAITA/change", "/customers/BAITA/change", **{**kept, "phones": "", "minutes": "60"}
    )
    assert "La scheda è salvata" in page
    assert re.search(r"Minuti:</span> 300 → 60", page)
    assert file_of(console, "BAITA").phones == ()
    assert "Giulia Moser" in page


def form_of(visitor: Visitor, path: str) -> dict[str, str]:
    """What a form shows of a customer, as it would be sent."""
    page = html.unescape(visitor.get(path).get_data(as_text=True))
    inputs = dict(re.findall(r'<input id="([a-z-]+)"[^>]* value="([^"]*)"', page))
    areas = dict(re.findall(r'<textarea id="([a-z-]+)"[^>]*>(.*?)</textarea>', page, re.DOTALL))
    chosen = dict(re.findall(r'<select id="([a-z-]+)".*?<option value="([^"]*)" selected', page, re.DOTALL))
    return {**inputs, **areas, **chosen}


def test_a_form_shown_and_sent_again_changes_nothing(console: Console) -> None:
    visitor = console.visitor()
    visitor.done("/customers/new", "/customers/new", **WHOLE)
    before = file_of(console, "NUOVA")
    path = "/customers/NUOVA/change"
    visitor.done(path, path, **form_of(visitor, path), letters_by_email="1")
    assert file_of(console, "NUOVA") == before


def test_whoever_was_quicker_is_not_overwritten(console: Console) -> None:
    """Minutes are used up while the form is open: they do not come back by being saved."""
    visitor, path = console.visitor(), "/customers/BAITA/change"
    typed = form_of(visitor, path) | {"notes": "Nuova nota"}
    shown = visitor.fields(path, path)
    with console.house.database.write() as connection:
        customers.change(connection, ACTOR, NIGHT, "BAITA", minutes=10)
    answer = visitor.client.post(path, data={**shown, **typed}, base_url="http://localhost:8081")
    page = html.unescape(answer.get_data(as_text=True))
    assert answer.status_code == 409
    assert "Nel frattempo qualcuno ha cambiato questa scheda" in page
    assert "Nuova nota" in page
    assert file_of(console, "BAITA").contract.minutes_left == 10
    version = re.search(r'name="version" value="(\w+)"', page)
    assert version
    assert version[1] != shown["version"]


def test_a_contract_is_ended(console: Console) -> None:
    page = console.visitor().done(
        "/customers/ACME/end", "/customers/ACME/end", on="2026-03-01", reason="Disdetta"
    )
    assert "finito" in page
    assert "Disdetta" in page
    assert file_of(console, "ACME").contract.until == date(2026, 3, 1)
    answer = console.visitor().post("/customers/ACME/end", "/customers/ACME/end", on="2026-02-30")
    assert (answer.status_code, wrong(answer)) == (422, {"on": "Questa data non esiste."})


def test_his_page_leads_to_his_cases_and_calls(console: Console) -> None:
    with console.house.database.write() as connection:
        opened = a_case(connection)
    page = console.visitor("reader").page("/customers/ACME")
    assert f'href="/cases/{opened.number}"' in page
    assert "Modifica" not in page
    assert "Emetti" not in page


# -- taken out, erased ---------------------------------------------------------------------------


def test_everything_that_is_held_is_taken_out_and_it_is_noted(console: Console) -> None:
    answer = console.visitor("dispatcher").post("/customers/ACME/export", "/customers/ACME")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="ACME.json"'
    held = json.loads(answer.get_data(as_text=True))
    assert held["customer"]["phones"] == ["+393471112201"]
    with console.house.database.read() as connection:
        act = audit.acts(connection, limit=1)[0]
    assert (act.act, act.actor, act.subject) == ("customer.export", "user:paolo", "customer:1")


def test_the_sheet_taken_out_is_one_that_changes_nothing(console: Console) -> None:
    add(console, "=HYPERLINK()", code="FORMULA", notes="+1")
    answer = console.visitor("dispatcher").post("/customers/export", "/customers", spreadsheet="1")
    text = answer.get_data()
    assert b"'=HYPERLINK()" in text
    with console.house.database.read() as connection:
        made = customer_import.plan(text, customers.all_customers(connection), str)
    assert (made.mistakes, made.added, made.changed, made.unchanged) == ([], [], [], 5)


def test_he_is_erased_by_whoever_types_his_code(console: Console) -> None:
    visitor, path = console.visitor(), "/customers/ACME/erase"
    answer = visitor.post(path, path, code="ACM")
    assert (answer.status_code, wrong(answer)) == (
        422,
        {"code": "Non è il codice ACME. Nulla è stato cancellato."},
    )
    assert file_of(console, "ACME")
    assert "Il cliente è cancellato" in visitor.post(path, path, code=" acme ").get_data(as_text=True)
    assert visitor.get("/customers/ACME").status_code == 404
    assert named(visitor.page("/customers?q=acme")) == []


# -- sheets --------------------------------------------------------------------------------------


def upload(visitor: Visitor, text: str | bytes) -> str:
    """Upload a sheet and have it checked; the path of its preview."""
    data = text.encode() if isinstance(text, str) else text
    fields = visitor.fields("/customers/import", "/customers/import")
    answer = visitor.client.post(
        "/customers/import",
        data={**fields, "sheet": (io.BytesIO(data), "clienti.csv")},
        base_url="http://localhost:8081",
    )
    assert answer.status_code == 303, answer.get_data(as_text=True)
    visitor.console.work()
    return str(visitor.get(answer.headers["Location"]).headers["Location"])


def confirm(visitor: Visitor, path: str) -> str:
    """Have what the preview shows written; the page of what came of it."""
    answer = visitor.post(path, path)
    assert answer.status_code == 303
    visitor.console.work()
    work = visitor.get(answer.headers["Location"])
    return visitor.page(work.headers.get("Location", answer.headers["Location"]))


SHEET = """\
Codice;Nome;Telefoni
ACME;ACME Nuova;0461 999888
;Del tutto nuovo;
MELE;Frutticoltori Val di Sole;+393471112202
"""


def sheets(console: Console) -> list[str]:
    """Files of long work on the disk."""
    folder = work_folder(console.house, "a" * 32).parent
    return [file.name for file in folder.rglob("*.csv")]


def test_a_sheet_is_seen_before_it_is_written(console: Console) -> None:
    visitor = console.visitor()
    path = upload(visitor, SHEET)
    page = visitor.page(path)
    assert re.findall(r'class="big">(\d+)<', page) == ["1", "1", "1"]
    assert "ACME S.r.l. → ACME Nuova" in page
    assert "+393471112201 → +390461999888" in page
    assert "Del tutto nuovo" in page
    assert file_of(console, "ACME").name == "ACME S.r.l."
    assert sheets(console) == ["sheet.csv"]
    assert "Aggiunti 1, modificati 1, già uguali 1." in confirm(visitor, path)
    assert file_of(console, "ACME").name == "ACME Nuova"
    assert file_of(console, "DELTUTTONUOV").name == "Del tutto nuovo"
    assert sheets(console) == []
    assert "Questo foglio non c'è più" in visitor.page(path)
    with console.house.database.read() as connection:
        assert "customer.import" in {act.act for act in audit.acts(connection)}


def test_every_mistake_is_told_by_its_row_in_one_s_own_words(console: Console) -> None:
    sheet = (
        "Codice;Nome;Minuti;Telefoni;Contratto al;Copertura\n"
        "A;Uno;tre;;;\n"
        "A;;;3,9E+11;31/02/2026;boh\n"
        "C;=A1;;;;\n"
    )
    visitor = console.visitor()
    path = upload(visitor, sheet)
    page = visitor.page(path)
    cells = r'data-label="Riga">(\d+)</th><td data-label="Colonna">(.*?)</td><td[^>]*>(.*?)</td>'
    told = re.findall(cells, page)
    assert sorted((row, column) for row, column, _ in told) == [
        ("2", "Minuti"),
        ("3", "Codice"),
        ("3", "Contratto al"),
        ("3", "Copertura"),
        ("3", "Nome"),
        ("3", "Telefoni"),
        ("4", "Nome"),
    ]
    assert not any("expected" in why or "Questo valore non va bene" in why for _, _, why in told)
    assert "Il foglio ha 7 errori" in page
    assert "Importa</button>" not in page
    # Nor by a form that the page does not show.
    assert visitor.post(path, once="x" * 24).headers["Location"] == path
    console.work()
    with console.house.database.read() as connection:
        assert len(customers.all_customers(connection)) == 4


def test_what_would_be_something_else_by_now_is_not_written(console: Console) -> None:
    visitor = console.visitor()
    path = upload(visitor, SHEET)
    with console.house.database.write() as connection:
        customers.change(connection, ACTOR, NIGHT, "ACME", name="Altro nome")
    assert "l'importazione farebbe altro da ciò che ha visto" in confirm(visitor, path)
    assert file_of(console, "ACME").name == "Altro nome"


def test_what_others_change_elsewhere_does_not_matter(console: Console) -> None:
    visitor = console.visitor()
    path = upload(visitor, SHEET)
    add(console, "Un altro")
    assert "Aggiunti 1, modificati 1" in confirm(visitor, path)


def test_a_sheet_that_calls_would_have_to_wait_for_is_to_be_divided(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer_sheets, "MOST_WRITTEN", 1)
    visitor = console.visitor()
    path = upload(visitor, SHEET)
    page = visitor.page(path)
    assert "Divida il foglio in parti con al massimo 1 clienti" in page
    assert "Importa</button>" not in page
    assert visitor.post(path, once="x" * 24).headers["Location"] == path


def test_a_sheet_is_thrown_away(console: Console) -> None:
    visitor = console.visitor()
    path = upload(visitor, SHEET)
    assert "Il foglio è stato eliminato" in visitor.done(f"{path}/discard", path)
    assert sheets(console) == []
    assert "Questo foglio non c'è più" in visitor.page(path)


def test_no_sheet_is_said(console: Console) -> None:
    answer = console.visitor().post("/customers/import", "/customers/import")
    assert (answer.status_code, wrong(answer)) == (422, {"sheet": "Scelga un foglio che non sia vuoto."})


def test_the_empty_sheet_s_headings_are_known(console: Console) -> None:
    for language in LANGUAGES:
        answer = console.visitor("admin", language).get("/customers/import/example.csv")
        headings = answer.get_data(as_text=True).removeprefix("\ufeff").strip().split(";")
        assert [customer_import.column_of(each) for each in headings] == list(FIELDS)


def test_a_sheet_is_imported_by_hand(screen: Screen) -> None:
    page = screen.open("/customers/import")
    page.get_by_label("Foglio (CSV)").set_input_files(
        {"name": "clienti.csv", "mimeType": "text/csv", "buffer": SHEET.encode()}
    )
    page.get_by_role("button", name="Carica e controlla").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    screen.console.work()
    page.get_by_role("button", name="Importa", exact=True).click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    screen.console.work()
    expect(page.get_by_role("status")).to_have_text("Aggiunti 1, modificati 1, già uguali 1.")


# -- words ---------------------------------------------------------------------------------------


def test_every_reason_has_words() -> None:
    """Whatever may be wrong with a customer's file or sheet is said in every language."""
    places = {"Fault": 2, "Mistake": 3, "Unreadable": 1, "_unreadable": 1}
    reasons = {"code-taken", "phone-taken", "word-coverage", "word-language", "yes-no", "formula", "control"}
    for name in ("customer_card", "customer_csv", "customer_import"):
        tree = ast.parse((ROOT / "pins" / f"{name}.py").read_text(encoding="utf-8"))
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in places:
                given = call.args[places[ast.unparse(call.func)] :]
                if given and isinstance(given[0], ast.Constant):
                    reasons.add(given[0].value)
    assert len(reasons) > 30
    for language in LANGUAGES:
        said = texts(language)
        assert {each for each in reasons if f"customers.fault-{each}" not in said} == set()
        for reason in reasons:
            assert set(re.findall(r"{(\w+)}", said[f"customers.fault-{reason}"])) == set(
                re.findall(r"{(\w+)}", texts("it")[f"customers.fault-{reason}"])
            )

"""Technicians in the console: added, changed, taken out of service and brought back; how they are reached."""

from __future__ import annotations

import html
import re

import pytest
from making import rome
from planning import confirm, on_duty, plan_much, preview, text
from sqlalchemy import insert, select
from visitors import Console

from console.web.shown.technicians import free_key
from ivr.tables import outgoing
from oncall import people
from oncall.rota import roster
from oncall.tables import technicians
from storage.tables import due_work


def stored(console: Console, key: str) -> people.Technician:
    with console.house.database.read() as connection:
        return people.technician(connection, key)


def test_the_list_says_who_is_on_duty_and_who_is_next(console: Console) -> None:
    page = console.visitor("reader").page("/technicians")
    anna = page[page.index("Anna Rossi") :]
    assert anna.index("di turno ora") < anna.index("fino a lun 16 mar 18:30") < anna.index("Bruno Bianchi")
    assert "da lun 16 mar 18:30, livello 1" in anna
    assert "+393331234502" in anna
    assert "Nuovo tecnico" not in page


def test_a_technician_is_added(console: Console) -> None:
    visitor = console.visitor()
    page = visitor.done(
        "/technicians/add",
        "/technicians/new",
        name="Élodie Saint-Just",
        phone="(0461) 82-50 11",
        other_phones="+39 333 1234509\n",
        email="e@example.net",
        language="de",
    )
    assert "Il tecnico è aggiunto" in page
    known = stored(console, "elodie")
    assert known.phones == ("+390461825011", "+393331234509")
    assert (known.email, known.language) == ("e@example.net", "de")


@pytest.mark.parametrize(
    ("name", "key"),
    [("Anna Verdi", "anna-verdi"), ("Gertrud Mayr", "gertrud"), ("Bruno", "bruno-2"), ("王", "technician")],
)
def test_a_key_is_made_of_the_name(name: str, key: str) -> None:
    assert free_key({"anna": 1, "bruno": 1, "anna-rossi": 1}, name) == key


BARRED = [
    ("seven", "non è un numero di telefono"),
    ("+39899123456", "non è un normale cellulare o fisso"),
    ("+441632960961", "è fuori dai paesi che si possono chiamare (IT)"),
    ("+39333123", "non è un numero che possa esistere"),
    ("sip:anna", "sip:nome@dominio"),
    ("sip:anna@pbx.example.net", "il dominio non è fra quelli ammessi"),
    ("", "Scriva almeno un telefono"),
]


def test_a_phone_that_may_not_be_dialled_is_refused_in_words(console: Console) -> None:
    for phone, said in BARRED:
        visitor = console.visitor()
        answer = visitor.post("/technicians/add", "/technicians/new", name="Rosa Nova", phone=phone)
        page = text(answer)
        assert answer.status_code == 422
        assert said in page
        assert 'value="Rosa Nova"' in page
        field = re.search(r'<input id="phone"[^>]*>', page)
        assert field
        assert 'aria-invalid="true"' in field[0]


WRONG = [
    ({"name": " "}, "Scriva il nome"),
    ({"email": "nobody"}, "Non è un indirizzo e-mail"),
    ({"rings": "5"}, "Un numero da 10 a 60"),
    ({"first_day": "2026-05-02", "last_day": "2026-05-01"}, "non può venire prima del primo"),
    ({"other_phones": "333 1234507\n333 1234508"}, "ognuno una volta sola"),
    ({"key": "Anna!"}, "lettere minuscole"),
    ({"key": "anna"}, "Questa sigla c'è già"),
]


def test_what_is_wrong_is_said_at_its_field(console: Console) -> None:
    for fields, said in WRONG:
        visitor = console.visitor()
        wanted = {"name": "Rosa Nova", "phone": "333 1234507", **fields}
        answer = visitor.post("/technicians/add", "/technicians/new", **wanted)
        assert answer.status_code == 422
        assert said in text(answer)


def test_a_change_that_touches_no_turn_is_saved_at_once(console: Console) -> None:
    visitor = console.visitor("dispatcher")
    shown = html.unescape(visitor.page("/technicians/anna/change"))
    assert 'value="+393331234501"' in shown
    page = visitor.done(
        "/technicians/anna/save", "/technicians/anna/change", name="Anna Rossi", phone="333 1234511"
    )
    assert "Le modifiche sono salvate" in page
    assert stored(console, "anna").phone == "+393331234511"


def test_a_last_day_that_changes_turns_is_seen_first(console: Console) -> None:
    visitor = console.visitor()
    fields = {"name": "Anna Rossi", "phone": "+393331234501", "last_day": "2026-03-12"}
    answer = visitor.post("/technicians/anna/save", "/technicians/anna/change", **fields)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "Anteprima" in page
    assert "Bruno Bianchi" in page
    assert stored(console, "anna").retired_at is None
    assert confirm(visitor, page, "/technicians/anna/save").status_code == 303
    assert stored(console, "anna").retired_at == rome("2026-03-13 00:00")
    assert on_duty(console, rome("2026-03-13 12:00")) == ["bruno", "dario"]


def test_somebody_leaves_and_comes_back(console: Console) -> None:
    visitor = console.visitor()
    page = preview(visitor, "/technicians/anna/retire/preview", on="2026-03-12T12:00")
    assert "Anna Rossi lascia il servizio gio 12 mar 12:00." in page
    assert stored(console, "anna").retired_at is None
    assert confirm(visitor, page, "/technicians/anna/retire").status_code == 303
    assert stored(console, "anna").retired_at == rome("2026-03-12 12:00")
    console.clock.forward(days=4)
    visitor = console.visitor()
    assert "Riporta in servizio" in visitor.page("/technicians/anna")
    fields = {"name": "Anna Rossi", "phone": "+393331234501"}
    answer = visitor.post("/technicians/anna/save", "/technicians/anna/back", **fields)
    page = answer.get_data(as_text=True)
    assert "Anna Rossi torna in servizio." in page
    assert confirm(visitor, page, "/technicians/anna/save").status_code == 303
    assert stored(console, "anna").serves(console.clock.now())


def test_the_only_one_of_a_rung_cannot_leave(console: Console) -> None:
    page = preview(console.visitor(), "/technicians/dario/retire/preview", 422, on="")
    assert "Questa persona è l'unica in servizio di un livello" in html.unescape(page)


def test_what_was_given_to_somebody_who_leaves_is_seen_to_go_back(console: Console) -> None:
    at = console.clock.now()
    with console.house.database.write() as connection:
        roster.override(
            connection, "x", at, "duty", 2, rome("2026-03-14 08:00"), rome("2026-03-14 20:00"), "anna"
        )
    page = preview(console.visitor(), "/technicians/anna/retire/preview", on="2026-03-13T08:00")
    changes = page[page.index("Che cosa cambia") :]
    second = changes[changes.index("Livello 2") :]
    assert second.index("Anna Rossi") < second.index("Dario Neri")


def test_a_test_call_is_asked_for_once_and_its_result_shown(console: Console) -> None:
    visitor = console.visitor()
    fields = visitor.fields("/technicians/anna", "/technicians/anna/test")
    assert fields["phone"] == "+393331234501"
    for status in (303, 409):
        answer = visitor.client.post("/technicians/anna/test", data=fields, base_url="http://localhost:8081")
        assert answer.status_code == status
    with console.house.database.read() as connection:
        placed = list(connection.execute(select(outgoing).where(outgoing.c.purpose == "test")))
        work = list(connection.execute(select(due_work).where(due_work.c.kind == "call.place")))
    assert [(row.technician, row.phone) for row in placed] == [("anna", "+393331234501")]
    assert len(work) == 1
    assert "chiamata in corso" in visitor.page("/technicians/anna/tests")
    other = visitor.post("/technicians/anna/test", phone="+393331234502", once="x" * 24)
    assert other.status_code == 422
    reader = console.visitor("reader")
    assert reader.post("/technicians/anna/test", phone="+393331234501").status_code == 403


def test_the_contact_card_holds_our_numbers(console: Console) -> None:
    answer = console.visitor("reader").get("/technicians/anna/card.vcf")
    assert answer.headers["Content-Type"].startswith("text/vcard")
    assert "+390461825060" in answer.get_data(as_text=True)


def test_queries_do_not_grow_with_technicians(console: Console) -> None:
    visitor = console.visitor()
    counts = []
    for round_ in range(2):
        for path in ("/technicians", "/technicians/anna"):
            with console.statements() as found:
                visitor.page(path)
            counts.append((round_, len(found)))
        if round_ == 0:
            plan_much(console)
            with console.house.database.write() as connection:
                for n in range(20):
                    connection.execute(
                        insert(technicians).values(
                            key=f"t{n}",
                            name=f"T {n}",
                            spoken_name=f"T {n}",
                            phone="+393331234501",
                            created_at=console.clock.now(),
                        )
                    )
    assert [n for r, n in counts if r == 0] == [n for r, n in counts if r == 1]


def test_nobody_of_that_name(console: Console) -> None:
    for path in ("", "/change", "/back", "/card.vcf", "/tests"):
        assert console.visitor().get(f"/technicians/nobody{path}").status_code == 404

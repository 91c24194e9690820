"""Rehearsals: a question that plays itself, a call by hand, a saved call; nothing real is touched."""

from __future__ import annotations

import io
import logging
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from making import rome
from playwright.sync_api import Page, expect
from screens import Screen
from sqlalchemy import select
from visitors import Console, Visitor
from werkzeug.test import TestResponse

from console.house import pin_index
from console.rehearsing.store import IDLE, Store, Underway
from pins import customers, registry
from pins.tables import pins as pin_rows
from storage.tables import metadata

ACME = "ACME S.r.l. · ACME"


@pytest.fixture(autouse=True)
def _ended(console: Console) -> Iterator[None]:
    yield
    store(console).close()


def store(console: Console) -> Store:
    found: Store = console.app.extensions["rehearsals"]
    return found


@dataclass
class Play:
    """A rehearsal in somebody's hands, without a script: each move is a form, and a page that follows."""

    visitor: Visitor
    path: str

    def do(self, order: str = "", **fields: Any) -> str:
        return self.visitor.done(f"{self.path}/do", do=order, **fields)

    def refused(self, order: str, **fields: Any) -> str:
        answer = self.visitor.post(f"{self.path}/do", do=order, **fields)
        assert answer.status_code == 422
        return answer.get_data(as_text=True)

    @property
    def page(self) -> str:
        return self.visitor.page(self.path)

    @property
    def saved(self) -> str:
        return self.visitor.get(f"{self.path}/save").get_data(as_text=True)


def began(visitor: Visitor, how: str = "phone", **fields: Any) -> Play:
    """Acme calls Trento on the next night at ten, unless `fields` say otherwise."""
    wanted = {"when": "tomorrow-night", "customer": ACME, "from": "file", "urgency": "P1+", **fields}
    answer = visitor.post(f"/rehearse/{how}", "/rehearse" if how == "ask" else None, **wanted)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return Play(visitor, answer.headers["Location"])


def at(text: str, **more: str) -> dict[str, str]:
    return {"when": "other", "at": text, **more}


def under_way(console: Console, play: Play) -> Underway:
    return store(console)._found[play.path.rpartition("/")[2]]


def answer_of(page: str) -> str:
    found = re.search(r'<section class="card answer.*?</section>', page, re.DOTALL)
    assert found
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0]))


def recorded(page: str) -> str:
    found = re.search(r'<dl class="recorded">.*?</dl>', page, re.DOTALL)
    assert found
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0]))


# -- a call by hand --------------------------------------------------------------------------------


def test_right_pin_first_does_not_answer_second_accepts(console: Console) -> None:
    play = began(console.visitor())
    assert "Digiti il PIN" in play.page
    page = play.do("PIN acme")
    assert "Lei chiama per Acme" in page
    page = play.do(keys="1")
    assert "P1+" in recorded(page)
    assert "aperto" in recorded(page)
    play.do("wait")
    assert "squilla" in play.page
    page = play.do("anna does not answer")
    assert "Anna Rossi: nessuna risposta" in recorded(page)
    play.do("wait")
    assert "Chiamata P1 più da Acme" in play.do("dario answers")
    page = play.do("dario 1")
    assert "lo segue lei" in page, "the worker's text message"
    page = play.do("talk 4")
    assert "in linea 4:00" in page
    page = play.do("dario hangs up")
    assert "parlato con un tecnico" in recorded(page)
    assert "ha parlato 4:00" in page

    again = began_with(console.visitor(), play.saved)
    assert "è andata come è scritta" in again.page


def test_a_pin_is_never_shown_and_a_wrong_one_opens_nothing(console: Console) -> None:
    play = began(console.visitor())
    pin = under_way(console, play).scene.rehearsal.pins["acme"]
    assert "••••" in play.do(keys=pin[:4])
    assert pin[:4] not in play.page
    page = play.do(keys=pin[4:])
    assert "digita il PIN di ACME S.r.l." in page
    assert pin not in page + play.saved
    play.do("h")
    play.do("call")
    for _ in range(3):
        page = play.do("PIN wrong")
    assert "Senza un PIN valido" in page
    assert "senza PIN valido" in recorded(page)
    assert pin not in page + play.saved


def test_by_day_the_office_rings(console: Console) -> None:
    play = began(console.visitor(), **at("2026-03-11T10:30"))
    assert "Ufficio Trento" in play.page
    page = play.do("office answers")
    assert "in linea con ACME S.r.l." in page
    page = play.do("office hangs up")
    assert "ha risposto l'ufficio" in recorded(page)


def test_the_hour_that_comes_twice_is_asked_about(console: Console) -> None:
    visitor = console.visitor()
    answer = visitor.post("/rehearse/phone", customer=ACME, **at("2026-10-25T02:30"))
    assert answer.status_code == 422
    assert 'name="which" value="1"' in answer.get_data(as_text=True)
    both = [rome("2026-10-25 02:30", fold) for fold in (0, 1)]
    assert len(both) == 2
    for place in (0, 1):
        play = began(visitor, **at("2026-10-25T02:30", which=str(place)))
        assert under_way(console, play).scene.cue.at == both[place]
        assert "02:30:00" in play.page
        play.do("PIN acme")
        page = play.do(keys="1")
        assert ("02:30" if place == 0 else "03:30") in recorded(page)


def test_who_calls_and_from_where(console: Console) -> None:
    visitor = console.visitor()
    for fields, shown in (
        ({"from": "unknown"}, "Numero sconosciuto"),
        ({"from": "withheld"}, "Numero nascosto"),
        ({"from": "typed", "typed": "0039 347 999 8877"}, "+393479998877"),
        ({"customer": "frutticoltori"}, "Frutticoltori Val di Sole"),
    ):
        play = began(visitor, **fields)
        assert f">{shown}</h2>" in play.page
        play.do("h")
    for fields in (
        {"customer": "a"},
        {"from": "typed", "typed": "347"},
        at("tomorrow"),
        {"number": "+39999999"},
    ):
        wanted = {"customer": ACME, **fields}
        answer = visitor.post("/rehearse/phone", **wanted)
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.get_data(as_text=True)


def test_customers_are_found_as_one_types(console: Console) -> None:
    visitor = console.visitor()
    assert "Malga Fosca · MALGA" in visitor.page("/rehearse/customers?customer=fosc")
    assert visitor.page("/rehearse/customers?customer=fosc").count("<option") == 1
    assert "Di turno: Anna Rossi, poi Dario Neri" in visitor.page(
        "/rehearse/outlook?when=other&at=2026-03-10T22:00&number=%2B390461825060"
    )
    assert "Natale" in visitor.page("/rehearse/outlook?when=christmas")


def test_only_the_chosen_customer_is_issued_a_pin(console: Console) -> None:
    play = began(console.visitor())
    assert set(under_way(console, play).scene.rehearsal.pins) == {"acme"}


def test_what_is_not_possible_is_said_and_changes_nothing(console: Console) -> None:
    play = began(console.visitor())
    before = play.page
    for order in ("anna answers", "dario 1", "nonsense", "own answers", "quit", "text nobody"):
        assert 'class="warning' in play.refused(order, words="ciao")
    assert 'class="warning' in play.refused("", keys="abc")
    assert re.sub(r"\s+", "", _transcript(before)) == re.sub(r"\s+", "", _transcript(play.page))


def _transcript(page: str) -> str:
    return page[page.index('class="happened"') :].replace(' class="fresh"', "")


# -- time, the worker, whoever is called back ------------------------------------------------------


def test_time_goes_by_and_the_program_works(console: Console) -> None:
    play = began(console.visitor())
    play.do("PIN acme")
    play.do(keys="1")
    page = play.do("pass {n}", n="60")
    assert page.count("il telefono squilla") == 1, "it stops as a phone rings"
    page = play.do("pass {n}", n="60")
    assert "non risponde" in page, "nobody answered in time"
    page = play.do("h")
    assert "il programma telefona: squilla" in page
    assert "do-anna-answers" in page
    play.do("anna answers")
    page = play.do("anna 1")
    assert "Il programma La richiama" in page
    page = play.do("own answers")
    assert "in linea con Anna Rossi" in page
    page = play.do("anna hangs up")
    assert "parlato con un tecnico" in recorded(page)
    again = began_with(console.visitor(), play.saved)
    assert "è andata come è scritta" in again.page


def test_a_technician_takes_the_case_by_text(console: Console) -> None:
    play = began(console.visitor(), "ask", absent=["anna", "dario"])
    found = re.search(r'value="(OK \d{4})"', play.page)
    assert found
    assert "continua da sola" in recorded(play.page)
    page = play.do("text anna", words=found[1])
    assert "manda un SMS" in page
    assert page.count("è suo: ora chiami il cliente") == 2, "in the transcript and on her phone"


def test_a_message_is_left(console: Console) -> None:
    play = began(console.visitor(), customer="")
    play.do(keys="0#")
    play.do(keys="1")
    assert "Si registra" in play.page
    page = play.do("speak {n};#", n="12")
    assert "parla per 12 s, poi preme #" in page
    assert "12 s" in recorded(page)


def test_ticks_let_time_run_and_keep_nothing_alive(console: Console) -> None:
    visitor = console.visitor()
    play = began(visitor)
    used = under_way(console, play).used_at
    console.clock.forward(minutes=5)
    answer = visitor.post(f"{play.path}/tick", n="20")
    assert answer.status_code == 303
    assert "attende" in play.page
    console.clock.forward(minutes=-5)
    assert under_way(console, play).used_at == used + timedelta(minutes=5), "looking did, the tick did not"


# -- what would happen? ----------------------------------------------------------------------------


QUESTIONS: tuple[tuple[dict[str, Any], str], ...] = (
    ({}, "Risponde Anna Rossi, dopo"),
    ({"absent": ["anna"]}, "Risponde Dario Neri, dopo"),
    ({"absent": ["anna", "dario"]}, "Non risponde nessun tecnico"),
    ({"urgency": "P3"}, "questa urgenza non è prevista"),
    ({"customer": ""}, "Senza PIN nessuno viene chiamato"),
    ({"customer": "MALGA"}, "Il contratto non è attivo"),
    (at("2026-03-11T10:30"), "Risponde Ufficio Trento"),
    ({**at("2026-03-11T10:30"), "absent": ["office"]}, "Risponde Anna Rossi"),
    ({**at("2026-12-25T03:00"), "absent": ["bruno"]}, "(giorno festivo: Natale)"),
)


def test_a_question_is_answered(console: Console) -> None:
    visitor = console.visitor()
    answers = [(fields, told, answer_of(began(visitor, "ask", **fields).page)) for fields, told in QUESTIONS]
    assert [(fields, answer) for fields, told, answer in answers if told not in answer] == []


def test_an_unanswered_emergency_is_seen_to_be_pursued(console: Console) -> None:
    page = began(console.visitor(), "ask", absent=["anna", "dario"]).page
    answer = answer_of(page)
    assert "Squilla invano: Anna Rossi" in answer
    assert "2 persone ricevono SMS" in answer
    assert "continua a cercare un tecnico" in answer
    assert page.count("il programma telefona") > 2


def test_a_question_in_every_language(console: Console) -> None:
    for language, told in (("en", "Anna Rossi answers"), ("de", "Anna Rossi antwortet")):
        assert told in answer_of(began(console.visitor("dispatcher", language), "ask").page)


# -- saved calls -----------------------------------------------------------------------------------


def began_with(visitor: Visitor, text: str) -> Play:
    answer = sent(visitor, text)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    return Play(visitor, answer.headers["Location"])


def sent(visitor: Visitor, text: str) -> TestResponse:
    """Upload a saved call."""
    fields = {"form-token": visitor.token("/rehearse"), "file": (io.BytesIO(text.encode()), "a.call")}
    return visitor.client.post(
        "/rehearse/play", data=fields, base_url="http://localhost:8081", content_type="multipart/form-data"
    )


def test_a_saved_question_plays_again_also_after_a_pursuit(console: Console) -> None:
    play = began(console.visitor(), "ask", absent=["anna", "dario"])
    assert "# Una prova fatta nel browser." in play.saved
    assert "è andata come è scritta" in began_with(console.visitor(), play.saved).page


def test_where_a_saved_call_goes_another_way_is_said_and_one_goes_on_from_there(console: Console) -> None:
    text = "@ 2026-03-10 22:00\n* acme calls trento\n> PIN acme\n> 1\n* dario's phone rings\n"
    play = began_with(console.visitor(), text)
    assert "Alla riga 5" in answer_of(play.page)
    assert "dario's phone rings" in answer_of(play.page)
    assert ">ACME S.r.l.</h2>" in play.page
    assert "Lo chiamiamo" in play.page
    assert "risponde" in play.do("anna answers")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Scelga un file"),
        ("@ 2026-03-10 22:00\n> PIN 12345678\n", "La riga 2 non si capisce"),
        ("# much\n" * 500, "È troppo lungo"),
        ("@ 2026-03-10 22:00\n" + "@ +999999h\n" * 100, "non può svolgersi"),
    ],
)
def test_what_cannot_be_played_is_refused(console: Console, text: str, told: str) -> None:
    answer = sent(console.visitor(), text)
    assert answer.status_code == 422
    assert told in answer.get_data(as_text=True)
    assert len(store(console)) == 0


# -- whose, how many, how long ---------------------------------------------------------------------


def test_a_rehearsal_is_its_beginners_alone(console: Console) -> None:
    play = began(console.visitor("admin"))
    other = console.visitor("dispatcher")
    for path in ("", "/save"):
        assert other.get(play.path + path).status_code == 404
    for path in ("/do", "/tick", "/end"):
        assert other.post(play.path + path, do="h").status_code == 404
    assert "Digiti il PIN" in play.page


def test_two_each_and_six_in_all(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = console.visitor()
    first, second = began(visitor), began(visitor)
    answer = visitor.post("/rehearse/phone", customer=ACME)
    assert answer.status_code == 422
    assert "In tutte e due le Sue prove è in corso una chiamata" in answer.get_data(as_text=True)
    first.do("h")
    third = began(visitor)
    assert visitor.get(first.path).status_code == 404, "the one at rest made room"
    assert visitor.get(second.path).status_code == visitor.get(third.path).status_code == 200
    monkeypatch.setattr("console.rehearsing.store.MOST", 2)
    answer = console.visitor("dispatcher").post("/rehearse/phone", customer=ACME)
    assert "Altre persone stanno facendo prove" in answer.get_data(as_text=True)


def test_it_ends_when_nobody_uses_it_and_frees_its_folder(console: Console) -> None:
    visitor = console.visitor()
    play, closed = began(visitor), began(visitor)
    folders = [under_way(console, each).scene.rehearsal.folder for each in (play, closed)]
    assert all(folder.exists() for folder in folders)
    assert "La prova è chiusa" in visitor.done(f"{closed.path}/end")
    assert [folder.exists() for folder in folders] == [True, False]
    console.clock.forward(seconds=IDLE.total_seconds() - 1)
    visitor = console.visitor()
    assert visitor.get("/rehearse").status_code == 200
    console.clock.forward(seconds=1)
    answer = visitor.client.post(
        f"{play.path}/do",
        data={"form-token": visitor.token("/rehearse"), "do": "h"},
        headers={"HX-Request": "true"},
        base_url="http://localhost:8081",
    )
    assert answer.headers["HX-Redirect"] == "/rehearse?m=rehearse.over"
    assert not folders[0].exists()


def test_whatever_is_left_ends_with_the_process(console: Console) -> None:
    play = began(console.visitor())
    folder: Path = under_way(console, play).scene.rehearsal.folder
    store(console).close()
    assert not folder.exists()
    assert len(store(console)) == 0


# -- nothing real ----------------------------------------------------------------------------------


def everything(console: Console) -> dict[str, list[Any]]:
    """What stands in the real database, but for who has logged in and which form was sent."""
    apart = ("console_sessions", "console_forms")
    with console.house.database.read() as connection:
        return {
            table.name: sorted(map(str, connection.execute(select(table))))
            for table in metadata.sorted_tables
            if table.name not in apart
        }


def test_nothing_real_is_touched_and_nothing_leaves(
    console: Console, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    visitor = console.visitor()

    def leaves(*_: object) -> None:
        raise AssertionError("something left the house")

    monkeypatch.setattr(socket.socket, "connect", leaves)
    before, files = everything(console), _files(console)
    with caplog.at_level(logging.INFO):
        play = began(visitor)
        play.do("PIN wrong")
        play.do("PIN acme")
        play.do(keys="1")
        play.do("pass 60")
        play.do("h")
        for _ in range(3):
            play.do("pass 3600")
        began(visitor, "ask", absent=["anna", "dario"])
        began_with(visitor, play.saved)
    assert everything(console) == before
    assert _files(console) == files
    said = [record for record in caplog.records if record.name.startswith("ivr")]
    assert said == [], "a wrong PIN of a rehearsal must not look like one of tonight"


def _files(console: Console) -> set[str]:
    """The names of the files of the house. The database's own come and go."""
    folder = console.house.configuration.folder
    return {str(file) for file in folder.rglob("*") if "ivr.db" not in file.name}


def test_a_copy_of_many_customers_is_quick_to_make(console: Console) -> None:
    """However many they are, one hash is spent, on the caller's PIN."""
    with console.house.database.write() as connection:
        for n in range(60):
            customers.add_customer(connection, "test", console.clock.now(), f"Cliente {n}", code=f"C{n}")
    play = began(console.visitor(), customer="C7")
    rehearsal = under_way(console, play).scene.rehearsal
    assert len(rehearsal.pins) == 1
    assert "Cliente 7" in play.do("PIN c7")


# -- in a real browser -----------------------------------------------------------------------------

# A voice that says everything in no time, and remembers it.
VOICE = """
window.spoken = [];
window.SpeechSynthesisUtterance = class {
  constructor(text) { this.text = text; this.on = {}; }
  addEventListener(name, act) { this.on[name] = act; }
};
const voice = {
  cancel() {},
  speak(said) {
    window.spoken.push([said.lang, said.text]);
    if (said.on.start) said.on.start();
    if (said.on.end) said.on.end();
  },
};
Object.defineProperty(window, "speechSynthesis", { value: voice });
"""


# A key that is pressed as soon as the next scene is there.
PRESSED_AT_ONCE = """(key) => document.addEventListener(
  "htmx:afterSwap",
  () => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })),
  { once: true },
)"""


def spoken(page: Page) -> str:
    return str(page.evaluate("window.spoken.map((each) => each.join(' ')).join(' | ')"))


def hears(page: Page, text: str) -> None:
    """Until the voice says `text`: it speaks when the page has settled, a little after it is there."""
    page.wait_for_function(
        "(text) => window.spoken.map((each) => each.join(' ')).join(' | ').includes(text)", arg=text
    )


def shows(page: Page, selector: str) -> None:
    page.wait_for_selector(selector, state="attached")


def test_a_whole_call_by_mouse(screen: Screen) -> None:
    page = screen.open("/rehearse")
    page.context.add_init_script(VOICE)
    page.get_by_role("button", name="Telefona di persona").click()
    shows(page, "#do-pin")
    hears(page, "it-IT Cloudfabric, emergenze fuori orario")
    hears(page, "en-GB For English")
    page.click("#do-pin")
    shows(page, '[data-move="2"]')
    page.click("#key-1")
    shows(page, '[data-move="3"]')
    page.click("#do-wait")
    page.click("#do-anna-voicemail")
    shows(page, '[data-move="5"]')
    assert "per passare 2" not in spoken(page), "nobody hears what a voicemail is told"
    page.click("#do-wait")
    page.click("#do-dario-answers")
    page.click("#do-dario-1")
    shows(page, "#do-talk")
    hears(page, "it-IT La collego.")
    page.get_by_label("Conversazione di").fill("7")
    page.click("#do-talk")
    page.click("#do-dario-hangs-up")
    page.locator(".handset", has_text="Dario Neri").get_by_text("ha parlato 7:00").wait_for()
    page.locator("#heard", has_text="Arrivederci.").wait_for(state="attached")
    page.click("#voice")
    assert page.get_attribute("#voice", "aria-pressed") == "false"
    before = spoken(page)
    page.click("#do-call")
    page.locator("#heard", has_text="emergenze fuori orario").wait_for(state="attached")
    assert spoken(page) == before
    page.reload()
    assert page.get_attribute("#voice", "aria-pressed") == "false"
    assert spoken(page) == ""


def test_a_whole_call_by_keyboard_alone(screen: Screen) -> None:
    page = screen.open("/rehearse")
    page.context.add_init_script(VOICE)
    page.get_by_label("Dario Neri").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Telefona di persona").focus()
    page.keyboard.press("Enter")
    page.locator("#toolbar").wait_for()  # from here on the page takes keys
    page.keyboard.type("12*#")  # a key pressed over the prompt stops it
    page.get_by_text("Il PIN non è completo").first.wait_for()
    page.locator("#do-pin").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Lei chiama per Acme").first.wait_for()
    # The button is gone: on to what there is to do next.
    page.locator("#key-1:focus").wait_for()
    page.keyboard.press("1")
    page.get_by_text("Lo chiamiamo").first.wait_for()
    page.locator("#do-wait").focus()
    page.keyboard.press("Enter")
    page.locator("#do-anna-answers:focus").wait_for()
    # Pressed at the very moment at which she is asked, and nobody else is: the key is Anna's.
    page.evaluate(PRESSED_AT_ONCE, "1")
    page.keyboard.press("Enter")
    page.locator("#do-talk:focus").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("in linea 4:00").wait_for()
    page.locator("#do-hang-up").focus()
    page.keyboard.press("Enter")
    page.locator("#do-call:focus").wait_for()


def test_a_key_counts_once_and_as_it_goes_down(screen: Screen) -> None:
    """Whoever keys fast still holds the button when the scene is replaced."""
    page = screen.open("/rehearse")
    page.context.add_init_script(VOICE)
    page.get_by_role("button", name="Telefona di persona").click()
    page.click("#do-pin")
    page.get_by_text("Lei chiama per Acme").first.wait_for()
    page.hover("#key-1")
    page.mouse.down()
    page.get_by_text("Lo chiamiamo").first.wait_for()
    page.mouse.up()
    page.click("#do-wait")
    shows(page, "#do-anna-answers")
    assert page.get_attribute("#rehearsal", "data-move") == "4"


def test_time_runs_by_itself(screen: Screen) -> None:
    page = screen.open("/rehearse")
    page.context.add_init_script(VOICE)
    page.get_by_role("button", name="Telefona di persona").click()
    shows(page, "#do-pin")
    page.select_option("#speed", "20")
    page.click("#run")
    page.get_by_text("Non abbiamo ricevuto nulla").first.wait_for()
    page.click("#run")
    assert page.get_attribute("#run", "aria-pressed") == "false"


def test_it_works_without_a_script(screen: Screen) -> None:
    page = screen.open("/rehearse", script=False)
    page.get_by_label("Anna Rossi").check()
    page.get_by_role("button", name="Mostra che cosa accadrebbe").click()
    expect(page.get_by_role("heading", name="Risponde Dario Neri")).to_be_visible()
    assert not page.locator("#toolbar").is_visible()
    page.get_by_role("button", name="Chiama di nuovo").click()
    page.get_by_role("button", name="PIN di ACME").click()
    page.locator(".phone").get_by_text("Lei chiama per Acme").wait_for()
    page.get_by_role("button", name="1", exact=True).click()
    page.locator(".phone").get_by_text("Ha già un caso aperto").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Salva (.call)").click()
    assert download.value.suggested_filename.endswith(".call")


# -- PINs that were issued -----------------------------------------------------------------------


def issued(console: Console) -> str:
    """A PIN of ACME's in the real house."""
    new = registry.draw(pin_index(console.house.configuration), 8)
    with console.house.database.write() as connection:
        registry.issue(connection, "test", console.clock.now(), "ACME", new)
    return new.pin


def key(play: Play, digits: str) -> None:
    for digit in f"{digits}#":
        play.do(keys=digit)


def test_the_pin_that_an_admin_has_issued_is_right_here_too(console: Console) -> None:
    pin = issued(console)
    play = began(console.visitor("admin"))
    key(play, pin)
    assert "Lei chiama per Acme" in play.page
    assert pin not in play.page + play.saved
    with under_way(console, play).held() as scene:
        assert pin not in repr(scene.stage.session.events)


def test_it_is_nobody_s_for_who_may_not_issue_pins(console: Console) -> None:
    """Nobody is to try out PINs in a rehearsal, where nothing counts the misses."""
    pin = issued(console)
    play = began(console.visitor("dispatcher"))
    key(play, pin)
    assert "Lei chiama per Acme" not in play.page
    with under_way(console, play).held() as scene, scene.rehearsal.house.database.read() as connection:
        digests = set(connection.execute(select(pin_rows.c.digest)).scalars())
    with console.house.database.read() as connection:
        assert not digests & set(connection.execute(select(pin_rows.c.digest)).scalars())

"""The page of a case in a real browser, as a technician has it on his phone: by thumb and by keyboard."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from browser import choose
from flask import Response, request
from making import NIGHT, a_case, a_sid, fresh_database
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect
from sqlalchemy import update
from test_case_page import PAYLOAD, Public, everywhere, leave, public, screened
from werkzeug.serving import WSGIRequestHandler, make_server

from oncall.cases import case_log
from oncall.reaching import attempts
from oncall.tables import technicians

PHONE = {"width": 390, "height": 844}
# Of WCAG 2.2: text against what is behind it; and what a thumb needs, in CSS pixels.
CONTRAST, THUMB = 4.5, 44


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        pass


@dataclass
class Phone:
    """A browser's page, and the door behind it. `wrong` is what the browser complained of."""

    door: Public
    page: Page
    address: str
    asked: list[str]
    wrong: list[str]

    def open(self, technician: str | None = "anna") -> None:
        self.page.goto(self.address + self.door.link(technician))

    def says(self, text: str) -> None:
        """Until the page that an act leads to is there, says so, and is whole."""
        expect(self.page.locator("[role=status], [role=alert]").first).to_contain_text(text)
        self.page.wait_for_load_state()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Public]:
    with fresh_database(tmp_path) as database:
        url = str(database.engine.url)
    yield from public(tmp_path, url)


@pytest.fixture(params=["light", "dark"])
def phone(request: pytest.FixtureRequest, chrome: Browser, door: Public) -> Iterator[Phone]:
    server = make_server("127.0.0.1", 0, door.app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    context = chrome.new_context(viewport=PHONE, color_scheme=request.param, java_script_enabled=True)
    page = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []

    def complained(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(message.text)

    def requested(request: Request) -> None:
        asked.append(request.url)

    page.on("console", complained)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(f"dialog {dialog.message}"))
    page.on("request", requested)
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield Phone(door, page, address, asked, wrong)
        assert [url for url in asked if not url.startswith(address)] == []
    finally:
        context.close()
        server.shutdown()
        thread.join()
        server.server_close()


def history(door: Public) -> None:
    """A night's work: two phones rung, a reminder, a note, a message."""
    with door.house.database.write() as connection:
        for number, (who, status) in enumerate((("anna", "no-answer"), ("bruno", "busy"))):
            at = NIGHT + timedelta(seconds=20 * number)
            attempt = attempts.begin_attempt(connection, at, door.case.id, door.case.sid, who, "+39", 1)
            attempts.settle(connection, at, attempt, status, bridged=False)
        case_log.write(connection, NIGHT + timedelta(seconds=50), door.case.id, "ivr", "reminded")
        text = "Il firewall non risponde più.\nIl cliente è in sede."
        case_log.write(connection, NIGHT + timedelta(seconds=55), door.case.id, "cli:ufficio", "note", text)
    leave(door, file=True)


# -- by thumb and by keyboard ---------------------------------------------------------------------------


def test_a_case_is_worked_by_thumb(phone: Phone, tmp_path: Path) -> None:
    history(phone.door)
    phone.open()
    page = phone.page
    page.screenshot(path=tmp_path / "open.png", full_page=True)
    page.get_by_role("button", name="Prenda in carico").click()
    phone.says("Il caso è Suo.")
    assert phone.door.now().taken_by == "anna"

    page.get_by_text("Scriva una nota").click()
    page.get_by_label("Nota", exact=True).fill("Chiamato il provider\n<b>aspetto</b>")
    page.screenshot(path=tmp_path / "note.png", full_page=True)
    page.get_by_role("button", name="Salvi la nota").click()
    phone.says("La nota è salvata.")
    assert "<b>aspetto</b>" in page.get_by_role("list").last.inner_text()

    page.get_by_text("Cambi l'urgenza").click()
    page.get_by_label("Nuova urgenza").select_option("P2")
    page.get_by_label("Motivo", exact=True).fill("solo la posta")
    page.get_by_role("button", name="Registri la nuova urgenza").click()
    phone.says("La nuova urgenza è registrata.")
    assert phone.door.now().final_urgency == "P2"
    page.screenshot(path=tmp_path / "taken.png", full_page=True)

    page.get_by_text("Chiuda il caso").first.click()
    page.get_by_label("Come si è concluso").fill("Riavviato il server")
    page.get_by_label("Minuti di lavoro").fill("35")
    page.get_by_role("button", name="Chiuda il caso").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Il caso è chiuso")
    page.screenshot(path=tmp_path / "closed.png", full_page=True)
    now = phone.door.now()
    assert (now.outcome, now.minutes) == ("Riavviato il server", 35)
    assert [text for text in phone.wrong if "410" not in text] == []


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the element of this name has the focus, as somebody without a mouse would."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => {
                const e = document.activeElement;
                const label = e.labels && e.labels[0] ? e.labels[0].innerText : e.innerText;
                return [label, getComputedStyle(e).outlineStyle];
            }"""
        )
        if (focused[0] or "").strip() == name:
            assert focused[1] == "solid", f"{name} has the focus, and nothing shows it"
            return
    raise AssertionError(f"{name} is not reached by the keyboard")


def test_a_case_is_worked_by_keyboard_alone(phone: Phone) -> None:
    phone.open()
    keys = phone.page.keyboard
    tab_to(phone.page, "Prenda in carico")
    keys.press("Enter")
    phone.page.wait_for_url("**?m=take")

    tab_to(phone.page, "Scriva una nota")
    keys.press("Enter")
    tab_to(phone.page, "Nota")
    keys.type("da tastiera")
    tab_to(phone.page, "Salvi la nota")
    keys.press("Space")
    phone.page.wait_for_url("**?m=note")

    tab_to(phone.page, "Cambi l'urgenza")
    keys.press("Enter")
    tab_to(phone.page, "Nuova urgenza")
    choose(phone.page, "P2")
    tab_to(phone.page, "Motivo")
    keys.type("solo la posta")
    tab_to(phone.page, "Registri la nuova urgenza")
    keys.press("Enter")
    phone.page.wait_for_url("**?m=reclassify")

    tab_to(phone.page, "Chiuda il caso")
    keys.press("Enter")
    tab_to(phone.page, "Come si è concluso")
    keys.type("fatto")
    tab_to(phone.page, "Minuti di lavoro")
    keys.type("5")
    keys.press("Enter")
    phone.page.get_by_role("heading", name="Il caso è chiuso").wait_for()
    now = phone.door.now()
    assert (now.taken_by, now.final_urgency, now.outcome, now.minutes) == ("anna", "P2", "fatto", 5)
    assert [entry.text for entry in phone.door.log() if entry.act == "note"] == ["da tastiera"]


def test_a_double_tap_and_a_reload_do_it_once(phone: Phone) -> None:
    tapped = threading.Event()

    @phone.door.app.after_request
    def no_page_before_the_second_tap(answer: Response) -> Response:
        assert request.method != "POST" or tapped.wait(60)
        return answer

    phone.open()
    page = phone.page
    page.get_by_text("Scriva una nota").click()
    page.get_by_label("Nota", exact=True).fill("una volta sola")
    page.get_by_role("button", name="Salvi la nota").dblclick()
    tapped.set()
    page.wait_for_url("**?m=*")
    page.reload()
    assert [entry.text for entry in phone.door.log()] == ["una volta sola"]


def test_it_works_without_a_script(chrome: Browser, phone: Phone) -> None:
    """Nothing on the page is one, so nothing is lost where none may run."""
    context = chrome.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(phone.address + phone.door.link())
    page.get_by_role("button", name="Prenda in carico").click()
    expect(page.get_by_role("status")).to_have_text("Il caso è Suo.")
    context.close()


def test_a_screened_caller_s_customer_is_named(phone: Phone, tmp_path: Path) -> None:
    screened(phone.door)
    phone.open()
    page = phone.page
    assert page.get_by_role("heading", level=1).inner_text() == "Chiamante non verificato"
    page.get_by_text("Indichi il cliente", exact=True).click()
    page.get_by_label("Codice o nome del cliente").fill("acme")
    page.get_by_role("button", name="Cerchi").click()
    page.screenshot(path=tmp_path / "screened.png", full_page=True)
    page.get_by_role("button", name="È Acme").click()
    phone.says("Il cliente è registrato.")
    assert page.get_by_role("heading", level=1).inner_text() == "Acme"
    assert "acme" not in " ".join(phone.asked)


def test_a_colleague_s_case_says_whose_it_is(phone: Phone, tmp_path: Path) -> None:
    phone.door.do(phone.door.link("bruno"), "take")
    phone.open()
    phone.page.screenshot(path=tmp_path / "held.png", full_page=True)
    assert "Il caso è già di Bruno Bianchi" in phone.page.inner_text("main")
    phone.page.get_by_role("button", name="Lo prenda al posto di Bruno Bianchi").click()
    phone.says("Il caso è Suo.")
    assert phone.door.now().taken_by == "anna"


# -- foreign text ---------------------------------------------------------------------------------------


def test_foreign_text_runs_nothing_and_changes_nothing_of_the_page(phone: Phone, tmp_path: Path) -> None:
    everywhere(phone.door)
    phone.open()
    page = phone.page
    page.get_by_text("Chiuda il caso").first.click()
    page.get_by_label("Come si è concluso").fill(PAYLOAD)
    page.evaluate("document.querySelector('#minutes').removeAttribute('pattern')")
    page.get_by_label("Minuti di lavoro").fill('"><b>1')
    page.get_by_role("button", name="Chiuda il caso").click()
    phone.says("i minuti di lavoro")
    assert page.get_by_label("Come si è concluso").input_value() == PAYLOAD
    page.screenshot(path=tmp_path / "foreign.png", full_page=True)
    assert page.locator("script, img, b, iframe").count() == 0
    assert "owned" not in page.title()
    assert PAYLOAD.split('"')[0] in page.inner_text("h1") or "<script>" in page.inner_text("h1")
    # The browser's only complaint is the refusal itself.
    assert [text for text in phone.wrong if "422" not in text] == []


def test_a_script_would_not_run_even_if_one_got_in(phone: Phone) -> None:
    phone.open()
    with pytest.raises(Exception, match="Content Security Policy"):
        phone.page.add_script_tag(content="document.title = 'owned'")
    assert "owned" not in phone.page.title()


# -- for everybody ----------------------------------------------------------------------------------------

MEASURE = """() => {
    const channel = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
    const read = text => text.match(/[0-9.]+/g).map(Number);
    const behind = e => {
        for (; e; e = e.parentElement) {
            const c = read(getComputedStyle(e).backgroundColor);
            if (c.length < 4 || c[3] > 0) return c;
        }
        return [255, 255, 255];
    };
    const faint = [];
    for (const e of document.querySelectorAll('body *')) {
        const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        if (!own || !e.getClientRects().length || e.closest('.sr')) continue;
        const a = light(read(getComputedStyle(e).color)), b = light(behind(e));
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < LIMIT) faint.push(`${e.tagName} ${e.innerText.slice(0, 30)} ${contrast.toFixed(2)}`);
    }
    return faint;
}"""
SMALL = """() => [...document.querySelectorAll('button, summary, a, input, select, textarea')]
    .filter(e => e.getClientRects().length)
    .filter(e => e.getBoundingClientRect().height < LIMIT - 0.5)
    .map(e => `${e.tagName} ${(e.innerText || e.name).slice(0, 30)} ${e.getBoundingClientRect().height}`)"""
UNNAMED = """() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
    .filter(e => !(e.labels && e.labels.length)).map(e => e.name)"""


@pytest.mark.parametrize("language", ["it", "en", "de"])
def test_everybody_can_read_and_touch_it(phone: Phone, language: str, tmp_path: Path) -> None:
    history(phone.door)
    with phone.door.house.database.write() as connection:
        connection.execute(update(technicians).values(language=language))
    phone.open()
    page = phone.page
    assert page.locator("html").get_attribute("lang") == language
    for details in page.locator("details").all():
        details.locator("summary").click()
    page.screenshot(path=tmp_path / f"all-{language}.png", full_page=True)
    assert page.evaluate(MEASURE.replace("LIMIT", str(CONTRAST))) == []
    assert page.evaluate(SMALL.replace("LIMIT", str(THUMB))) == []
    assert page.evaluate(UNNAMED) == []
    assert page.get_by_role("heading", level=1).count() == 1
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"], "it scrolls sideways"
    assert phone.wrong == []


def test_a_long_name_without_a_space_does_not_widen_the_page(phone: Phone) -> None:
    with phone.door.house.database.write() as connection:
        a_case(connection, sid=a_sid(9))
        case_log.write(connection, NIGHT, phone.door.case.id, "cli:x", "note", "x" * 400)
        connection.execute(update(technicians).values(name="Y" * 180))
    phone.open()
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

"""A new admin's first day, in a real browser before the real service: from the link that the command prints
to the case that is closed, and all of it in the log.

The customer, the PIN and its letter, an override and a swap of the month; the line phoned in a rehearsal with
that PIN, and accepted there; then the same PIN keyed on the line itself, the case closed on its page.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyotp
from making import rome
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfReader

from acceptance.installation import Installation

OUR_NUMBER, CALLER = "+390461825060", "+393471234567"
# What the log must have of the day.
FOUND = {
    "user.add",
    "user.set-up",
    "user.login",
    "customer.add",
    "pin.issue",
    "pin.letter",
    "rota.override",
    "swap.propose",
    "swap.accept",
    "case.close",
}
PASSWORD = "una frase da ricordare"
ROTA = """
[[technician]]
key = "anna"
name = "Anna Rossi"
phone = "+393331234501"
[[technician]]
key = "bruno"
name = "Bruno Bianchi"
phone = "+393331234502"
[[technician]]
key = "dario"
name = "Dario Neri"
phone = "+393331234504"
[[rota]]
key = "duty"
  [[rota.rung]]
  people = ["anna", "bruno"]
  starts = 2026-03-09
  handover = "18:30"
  every = "1 week"
  [[rota.rung]]
  people = ["dario"]
"""


class Admin:
    """Giulia before her browser."""

    def __init__(self, house: Installation, page: Page, shots: Path) -> None:
        self.house, self.page, self.shots = house, page, shots
        self.base = f"http://{house.console}"
        self.secret = ""

    def open(self, path: str) -> None:
        self.page.goto(self.base + path)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def first(self) -> None:
        """The button of the page that is meant first."""
        self.page.locator("main button.first").first.click()

    def shoot(self, name: str) -> None:
        self.page.screenshot(path=self.shots / f"journey-{name}.png", full_page=True)

    def code(self) -> str:
        assert self.house.clock is not None
        return pyotp.TOTP(self.secret).at(int(self.house.clock.now().timestamp()))

    # -- coming in ---------------------------------------------------------------------------------

    def set_up(self, link: str) -> None:
        page = self.page
        page.goto(link)
        self.secret = page.locator(".secret").inner_text().replace(" ", "")
        page.fill("#password", PASSWORD)
        page.fill("#again", PASSWORD)
        page.fill("#code", self.code())
        self.first()
        expect(page.locator(".codes li")).to_have_count(10)
        page.get_by_role("link", name="Li ho custoditi").click()
        page.wait_for_url("**/tonight")

    def log_in(self) -> None:
        page = self.page
        page.fill("#name", "giulia")
        page.fill("#password", PASSWORD)
        page.fill("#code", self.code())
        self.first()
        page.wait_for_url("**/tonight")

    # -- customer and PIN --------------------------------------------------------------------------

    def add_customer(self) -> None:
        self.open("/customers/new")
        self.page.fill("#name", "Segheria Brenta S.n.c.")
        self.page.fill("#code", "BRENTA")
        self.page.fill("#spoken-name", "Segheria Brenta")
        self.page.fill("#phones", CALLER)
        self.page.fill("#address", "Via dei Pini 4\n38086 Pinzolo")
        self.first()
        self.page.wait_for_url("**/customers/BRENTA*")

    def issue_pin(self) -> tuple[str, str]:
        """Issue a PIN and print its letter; returns the PIN and what the letter says."""
        page = self.page
        self.open("/pins/new?customer=BRENTA")
        page.fill("#label", "ufficio")
        self.first()
        page.locator(".pin").wait_for()
        page.wait_for_load_state()
        pin = re.sub(r"\D", "", page.locator(".pin").inner_text())
        assert len(pin) >= 8
        with page.expect_download() as waiting:
            self.first()
        letter = PdfReader(io.BytesIO(Path(waiting.value.path()).read_bytes()))
        text = " ".join(sheet.extract_text() for sheet in letter.pages)
        return pin, text

    # -- the month ---------------------------------------------------------------------------------

    def override(self) -> None:
        """Dario has the weekend of the 14th instead of Anna."""
        page = self.page
        self.open("/rota/override")
        page.select_option("#who", "dario")
        page.select_option("#rung", "1")
        page.fill("#from", "2026-03-14T08:00")
        page.fill("#to", "2026-03-15T20:00")
        page.fill("#reason", "Anna a un matrimonio")
        self.first()
        page.locator("form.confirm").wait_for()
        self.shoot("override-preview")
        self._confirm()

    def swap(self) -> None:
        """Anna and Bruno exchange a night each; Giulia writes it down and accepts it for Bruno."""
        page = self.page
        self.open("/rota/swap")
        page.select_option("#who", "anna")
        page.select_option("#rung", "1")
        page.fill("#from", "2026-03-12T18:30")
        page.fill("#to", "2026-03-13T08:00")
        page.select_option("#other", "bruno")
        page.select_option("#back-rung", "1")
        page.fill("#back-from", "2026-03-19T18:30")
        page.fill("#back-to", "2026-03-20T08:00")
        page.fill("#reason", "me l'hanno chiesto al telefono")
        self.first()
        self._confirm()
        self.open("/rota/swaps/1")
        page.fill("#reason", "Bruno è d'accordo, sentito al telefono")
        page.locator("button[name=act][value=accept]").click()
        self._confirm()

    def _confirm(self) -> None:
        self.page.locator("form.confirm .acts button").first.click()
        self.page.locator(".said").wait_for()

    # -- the line, rehearsed -----------------------------------------------------------------------

    def rehearse(self, pin: str) -> None:
        page = self.page
        self.open("/rehearse?customer=BRENTA&at=2026-03-10T22:00")
        page.get_by_role("button", name="Telefona di persona").click()
        page.locator("#toolbar").wait_for()  # from here on its keys load no page
        keys = [f"#key-{'hash' if digit == '#' else digit}" for digit in f"{pin}#"]
        for moves, button in enumerate([*keys, "#key-1", "#do-wait", "#do-anna-answers", "#do-anna-1"], 2):
            page.locator(button).click()
            page.locator(f'[data-move="{moves}"]').wait_for()
            if button == "#key-hash":
                page.get_by_text("Lei chiama per Segheria Brenta").first.wait_for()
        page.locator("text=/collegat|in linea/i").first.wait_for()
        self.shoot("rehearsal")
        page.locator("#do-talk").click()
        page.get_by_text("in linea 4:00").first.wait_for()
        page.get_by_role("button", name="Riaggancia").first.click()
        page.get_by_text("La chiamata è finita").first.wait_for()
        # Anna closes the case as technicians do from anywhere: by text message.
        told = page.locator("input[name=words]").first
        code = re.search(r"[0-9]{4}", told.input_value())
        assert code
        told.fill(f"CHIUSO {code[0]} riavviato")
        page.get_by_role("button", name="Invia").first.click()
        page.get_by_text("2026-00001, chiuso").first.wait_for()
        assert pin not in page.content()


def test_a_new_admin_s_first_day(
    installed: Callable[..., Installation], tmp_path: Path, chrome: Browser
) -> None:
    house = installed("journey", shifted=True)
    assert house.clock is not None
    house.clock.set(rome("2026-03-10 17:00"))
    house.ivr("init")
    house.configure()
    (house.folder / "rota.toml").write_text(ROTA)
    house.ivr("rota", "apply", "rota.toml")
    link = house.json("user", "add", "giulia", "--role", "admin", "--full-name", "Giulia Moser")["link"]
    assert link.startswith(f"http://{house.console}/welcome/")
    house.start()
    house.console_listens()
    with chrome.new_context(viewport={"width": 1280, "height": 900}, locale="it-IT") as context:
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        giulia = Admin(house, page, Path(os.environ.get("SHOTS", str(tmp_path))))
        giulia.set_up(link)
        giulia.press("Esci")
        house.clock.set(house.clock.now() + timedelta(minutes=2))
        giulia.log_in()
        giulia.add_customer()
        pin, letter = giulia.issue_pin()
        assert pin in letter.replace(" ", "")
        giulia.override()
        giulia.swap()
        who = house.json("rota", "who", "--at", "2026-03-14T22:00")["ladder"][0]
        assert (who["technician"], who["because"]) == ("dario", "override")
        who = house.json("rota", "who", "--at", "2026-03-12T23:00")["ladder"][0]
        assert (who["technician"], who["because"]) == ("bruno", "swap")
        giulia.rehearse(pin)
        assert house.json("call", "list")["calls"] == []  # a rehearsal is nobody's call

        # The same PIN on the line itself, at night.
        house.clock.set(rome("2026-03-10 22:00"))
        call = house.line().ring(OUR_NUMBER, caller=CALLER)
        call.press(pin + "#")
        call.press("1")
        call.waits_for_ring()
        phone = call.answers()
        phone.press("1")
        assert phone.bridged
        house.clock.set(house.clock.now() + timedelta(minutes=6))
        call.talks(360)
        giulia.open("/login")
        giulia.log_in()
        (case,) = house.json("case", "list")["cases"]
        giulia.open(f"/cases/{case['number']}")
        page.locator("summary", has_text="Chiud").click()
        page.locator("textarea[name=outcome]").fill("Riavviato il gateway.")
        page.locator("input[name=minutes]").fill("15")
        page.locator("form:has(textarea[name=outcome]) button").click()
        page.locator(".said").wait_for()
        giulia.shoot("case-closed")
        assert house.json("case", "show", case["number"])["closed_at"] is not None

        # All of it in the log.
        giulia.open(f"/calls?q={case['number']}")
        page.locator("main table a").first.click()
        page.wait_for_url("**/calls/CA*")
        assert "Segheria Brenta" in page.inner_text("main")
        assert pin not in page.content()
        giulia.open("/audit")
        giulia.shoot("audit")
        acts = {row["act"] for row in house.json("audit", "list")["acts"]}
        told = page.inner_text("main")
        assert "Giulia Moser" in told
        assert acts >= FOUND, FOUND - acts
        assert wrong == []
    house.stop()

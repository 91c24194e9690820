"""Takes the pictures of the README anew, in Debian's Chromium, of the demonstration at one fixed evening.

Run by hand: `python docs/pictures.py` (it needs the test extras).
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from console.app import create_app
from console.demonstration import demo
from console.first_configuration import write_configuration
from console.house import House, open_house
from console.settings import load
from oncall.rota import absences, roster
from storage import schema

PICTURES = Path(__file__).parent / "pictures"
ROME = ZoneInfo("Europe/Rome")
EVENING = datetime(2026, 11, 25, 23, 40, tzinfo=ROME)


def main() -> None:
    browser_path = shutil.which("chromium") or "chromium"
    with (
        tempfile.TemporaryDirectory() as folder,
        shown(Path(folder)) as link,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="it-IT")
        page.goto(link)
        base = link.partition("/enter")[0]
        take(page, base, "/tonight", "tonight", 760)
        take(page, base, "/rota", "rota", 900)
        page.goto(base + "/calls")
        page.locator("tbody tr", has_text="In linea con un tecnico").first.locator("a").first.click()
        shoot(page, "call", 900)
        take(page, base, "/hours", "hours", 1000)
        rehearse(page, base)
        browser.close()


@contextmanager
def shown(folder: Path) -> Iterator[str]:
    """The demonstration's console, its clock standing; a link into it for an admin."""
    path = folder / "config.toml"
    write_configuration(
        path,
        public_url='"http://127.0.0.1:1"',
        account_sid=f'"AC{secrets.token_hex(16)}"',
        auth_tokens=f'["{secrets.token_hex(16)}"]',
    )
    configuration = load(path)
    house = open_house(configuration)
    schema.migrate(house.database)
    list(demo.prepare(configuration, EVENING))
    plan(house)
    server = make_server("127.0.0.1", 0, create_app(house, lambda: EVENING), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    way = next(line for line in list(demo.ways_in(configuration, EVENING)) if "admin" in line)
    yield f"http://127.0.0.1:{server.server_port}/enter/{way.rpartition('/')[2]}"
    server.shutdown()
    house.close()


def plan(house: House) -> None:
    """Something to be seen in the month: an override and an absence."""
    with house.database.write() as connection:
        roster.override(
            connection,
            "user:paolo",
            EVENING,
            "duty",
            1,
            datetime(2026, 11, 27, 18, 30, tzinfo=ROME),
            datetime(2026, 11, 29, 18, 30, tzinfo=ROME),
            "anna",
        )
        absences.add(
            connection,
            "user:paolo",
            EVENING,
            "carla",
            datetime(2026, 11, 26, 8, 0, tzinfo=ROME),
            datetime(2026, 11, 28, 8, 0, tzinfo=ROME),
            "holiday",
        )


def rehearse(page: Page, base: str) -> None:
    page.goto(base + "/rehearse")
    page.get_by_role("button", name="Telefona di persona").click()
    for step in ("#do-pin", "#key-1"):
        page.locator(step).click()
        page.wait_for_timeout(400)
    while not page.locator("button[id$=-answers]").count():
        page.locator("#do-wait").click()
        page.wait_for_timeout(400)
    page.locator("button[id$=-no]").first.click()
    page.wait_for_timeout(400)
    while not page.locator("#do-dario-answers").count():
        page.locator("#do-wait").click()
        page.wait_for_timeout(400)
    page.locator("#do-dario-answers").click()
    page.wait_for_timeout(600)
    shoot(page, "rehearse", 900)


def take(page: Page, base: str, path: str, name: str, height: int) -> None:
    page.goto(base + path)
    shoot(page, name, height)


def shoot(page: Page, name: str, height: int) -> None:
    """The upper part of the page, and no scroll bar."""
    page.set_viewport_size({"width": 1280, "height": height})
    page.wait_for_timeout(300)
    page.screenshot(path=PICTURES / f"{name}.png")
    page.set_viewport_size({"width": 1280, "height": 900})


if __name__ == "__main__":
    main()

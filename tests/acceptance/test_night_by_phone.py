"""A technician's whole night with nothing but a phone: told of the turn, rung, called by the pursuit, the
case link opened and worked, both cases closed. The real service, its network on this machine, a real browser.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from making import rome
from playwright.sync_api import Browser, Page

from acceptance.caller import Call, Line, new_sid
from acceptance.installation import ACCOUNT, PUBLIC_URL, Installation
from acceptance.rest_server import Network, serving

OUR_NUMBER = "+390461825060"
CUSTOMER, ANNA = "+393471234567", "+393331234501"
PATIENCE = 60.0
ROTA = f"""
[[technician]]
key = "anna"
name = "Anna Rossi"
phone = "{ANNA}"
[[technician]]
key = "dario"
name = "Dario Neri"
phone = "+393331234504"
[[rota]]
key = "duty"
  [[rota.rung]]
  people = ["dario", "anna"]
  starts = 2026-03-09
  handover = "18:30"
  every = "1 day"
"""


def test_a_night_with_nothing_but_a_phone(
    installed: Callable[..., Installation], tmp_path: Path, chrome: Browser
) -> None:
    house = installed("night", shifted=True)
    assert house.clock is not None
    house.clock.set(rome("2026-03-10 12:00"))
    house.ivr("init")
    house.configure()
    house.ivr("customer", "add", "ACME", "--contract-until", "none", "--phone", CUSTOMER)
    pin = house.json("pin", "issue", "ACME")["pin"]
    (house.folder / "rota.toml").write_text(ROTA)
    house.ivr("rota", "apply", "rota.toml")
    network = Network(house.clock.now)
    shots = Path(os.environ.get("SHOTS", str(tmp_path)))
    with serving(network) as port, chrome.new_context(viewport={"width": 390, "height": 844}) as context:
        file = house.folder / "config.toml"
        base = f'api_base = "http://127.0.0.1:{port}"'
        file.write_text(re.sub(r"(?m)^api_base = .*$", base, file.read_text()))
        house.clock.set(rome("2026-03-10 18:16"))
        house.start()
        page = context.new_page()

        # The turn begins in a quarter of an hour.
        told = text_to(network, ANNA, "Il suo turno di reperibilità")
        assert "18:30" in told

        # At ten the phone rings, she accepts, and reads who it is while she talks.
        house.clock.set(rome("2026-03-10 22:00"))
        call = stated(house.line(), pin)
        call.waits_for_ring()
        assert call.rung == [ANNA]
        phone = call.answers()
        phone.press("1")
        assert phone.bridged
        told = text_to(network, ANNA, "lo segue lei")
        assert CUSTOMER in told
        house.clock.set(house.clock.now() + timedelta(minutes=8))
        call.talks(480)
        close(page, house, told, "Riavviato il firewall.", 15, shots / "talked")
        (case,) = house.json("case", "list")["cases"]
        assert (case["closed_at"] is None, case["connected_at"] is None) == (False, False)

        # At three she sleeps through it. The program calls her until she takes it.
        house.clock.set(rome("2026-03-11 03:00"))
        call = stated(house.line(), pin)
        while not call.over:
            at = call.waiting.tag if call.waiting is not None else ""
            if at == "Record":
                call.hangs_up()
            elif at == "Dial":
                call.no_answer()
                house.clock.set(house.clock.now() + timedelta(seconds=25))
            else:
                call.waits()
        told = text_to(network, ANNA, "Nessuno ha risposto")
        placed = wait_for(lambda: next((e for e in network.sent if e["kind"] == "Calls"), None))
        assert (placed["to"], placed["from"]) == (ANNA, OUR_NUMBER)
        takes(house.line(), placed)
        close(page, house, told, "Cavo staccato, ricollegato.", 25, shots / "pursued")
        late, _ = house.json("case", "list")["cases"]
        assert (late["taken_by"], late["closed_at"] is None) == ("anna", False)
        shown = house.json("case", "show", late["number"])
        assert [each["result"] for each in shown["attempts"]][-1] == "connected"

        # In the morning it is over, and somebody else's turn.
        house.clock.set(rome("2026-03-11 18:31"))
        text_to(network, ANNA, "è finito")
    house.stop()


# -- small parts -----------------------------------------------------------------------------------


def wait_for(found: Callable[[], dict[str, str] | str | None]) -> dict[str, str]:
    """What the worker does of itself comes within a tick or two."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        if (it := found()) is not None:
            return it  # type: ignore[return-value]
        time.sleep(0.05)
    raise AssertionError("it never came")


def text_to(network: Network, phone: str, words: str) -> str:
    """The latest text message to a phone that says so."""

    def found() -> dict[str, str] | None:
        texts = [e for e in network.sent if e["to"] == phone and words in (e["body"] or "")]
        return texts[-1] if texts else None

    return wait_for(found)["body"]


def stated(line: Line, pin: str) -> Call:
    """A caller who has keyed his PIN and stated that everything is down."""
    call = line.ring(OUR_NUMBER, caller=CUSTOMER)
    call.press(pin + "#")
    call.press("1")
    return call


def takes(line: Line, placed: dict[str, str]) -> None:
    """She picks up the call that was placed, presses 1, and talks to the customer."""
    sid = placed["sid"]
    fields = {
        "CallSid": sid,
        "AccountSid": ACCOUNT,
        "From": OUR_NUMBER,
        "To": ANNA,
        "CallStatus": "in-progress",
        "ApiVersion": "2010-04-01",
        "Direction": "outbound-api",
    }
    heard = line.send(placed["url"], fields).document
    gather = heard.find("Gather")
    assert gather is not None
    connecting = line.send(gather.get("action", ""), {**fields, "Digits": "1"}).document
    dial = connecting.find("Dial")
    assert dial is not None
    assert [number.text for number in dial] == [CUSTOMER]
    over = {"DialCallStatus": "completed", "DialBridged": "true", "DialCallDuration": "300"}
    line.send(dial.get("action", ""), {**fields, **over, "DialCallSid": new_sid()})
    line.send(placed["ended_at"], {**fields, "CallStatus": "completed", "CallDuration": "330"})


def close(page: Page, house: Installation, text: str, outcome: str, minutes: int, shots: Path) -> None:
    """Open the link of a text message and close the case there, as one does on a phone."""
    link = re.search(rf"{re.escape(PUBLIC_URL)}/c/\S+", text)
    assert link, text
    page.goto(f"http://{house.listener}{urlsplit(link[0]).path}")
    page.screenshot(path=f"{shots}-open.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_text("Chiuda il caso").first.click()
    page.get_by_label("Come si è concluso").fill(outcome)
    page.get_by_label("Minuti di lavoro").fill(str(minutes))
    page.get_by_role("button", name="Chiuda il caso").click()
    page.get_by_role("heading", level=1, name="Il caso è chiuso").wait_for()
    page.screenshot(path=f"{shots}-closed.png", full_page=True)

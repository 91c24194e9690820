"""PINs in the console: shown once on the page that answers, brought by a letter, rotated, revoked; many at
once with letters that are sealed until they are fetched. Nothing else ever holds one."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import re
import threading
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pytest
from flask import Response, request
from making import NIGHT, SECRETS, configuration, everything_written, fresh_database
from playwright.sync_api import expect
from pypdf import PdfReader
from screens import Screen
from sqlalchemy import select
from visitors import Clock, Console, Visitor, console_in

from console import issuing, outside
from console.house import House
from console.outbound import letter_mail
from console.tables import console_jobs
from console.web import jobs, work_files
from pins import batches, customers, outbox, registry
from pins.index import PinIndex
from pins.letters import Letter
from pins.registry import PinRecord
from storage import audit, due

TODAY = date(2026, 3, 10)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters that take no time, three in a file."""

    def plain(letters: Sequence[Letter]) -> bytes:
        return json.dumps([[each.pin_id, each.customer.code, each.pin] for each in letters]).encode()

    monkeypatch.setattr(issuing, "render", lambda configuration: plain)
    monkeypatch.setattr(batches, "BATCH", 3)


def pins_of(console: Console, code: str | None = None) -> list[PinRecord]:
    with console.house.database.read() as connection:
        return registry.all_pins(connection, code)


def shown_pin(page: str) -> str:
    """The digits a page shows."""
    found = re.search(r'class="pin">(.*?)</p>', page)
    assert found, page[:2000]
    return re.sub(r"\D", "", re.sub("<.*?>", "", found[1]))


def issue(visitor: Visitor, code: str = "ACME", **fields: str) -> str:
    """Issue a PIN; the page that answers."""
    answer = visitor.post("/pins/new", f"/pins/new?customer={code}", **fields)
    assert answer.status_code == 200, answer.get_data(as_text=True)[-1500:]
    return html.unescape(answer.get_data(as_text=True))


def opens(console: Console, pin: str) -> int | None:
    """Which PIN these digits are."""
    index = PinIndex(console.house.configuration.pins)
    with console.house.database.read() as connection:
        found = registry.find_pin(connection, index.digests(pin))
    return found.pin_id if found else None


# -- one -----------------------------------------------------------------------------------------


def test_a_pin_is_issued_and_shown_once(console: Console) -> None:
    visitor = console.visitor()
    page = issue(visitor, label="Sede", reason="nuovo", expires="2026-12-31")
    pin = shown_pin(page)
    (record,) = pins_of(console)
    assert opens(console, pin) == record.id
    assert (record.label, record.reason, record.expires, record.issued_by) == (
        "Sede",
        "nuovo",
        date(2026, 12, 31),
        "user:giulia",
    )
    for path in ("/pins", "/pins/1", "/customers/ACME", "/pins?q=acme"):
        again = visitor.page(path)
        assert pin not in re.sub(r"\s", "", again)
        assert "Sede" in again


def test_the_same_form_sent_again_issues_nothing(console: Console) -> None:
    visitor = console.visitor()
    fields = visitor.fields("/pins/new?customer=ACME", "/pins/new")
    answers = [
        visitor.client.post("/pins/new", data=fields, base_url="http://localhost:8081") for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert "è stato emesso una volta sola" in answers[1].get_data(as_text=True)
    assert len(pins_of(console)) == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"expires": "2026-03-09"}, "Questo giorno è già passato."),
        ({"expires": "domani"}, "Scriva la data come giorno, mese e anno."),
        ({"label": "x" * 121}, "L'etichetta ha al massimo 120 caratteri."),
    ],
)
def test_what_cannot_be_issued_is_said_beside_its_field(
    console: Console, fields: dict[str, str], said: str
) -> None:
    answer = console.visitor().post("/pins/new", "/pins/new?customer=ACME", reason="resta", **fields)
    page = html.unescape(answer.get_data(as_text=True))
    assert answer.status_code == 422
    assert re.findall(r'class="wrong">(.*?)<', page) == [said]
    assert 'value="resta"' in page
    assert pins_of(console) == []


def test_keys_that_are_not_those_of_the_pins_issue_none(console: Console, tmp_path: Path) -> None:
    issue(console.visitor())
    wrong = console.house.configuration.pins.model_copy(update={"peppers": []})
    changed = console.house.configuration.model_copy(update={"pins": wrong})
    other = Console(House(changed, console.house.database), console.app, console.clock, users=console.users)
    other.app.extensions["ivr"] = other.house
    answer = other.visitor().post("/pins/new", "/pins/new?customer=ACME")
    assert answer.status_code == 422
    assert "Le chiavi dei PIN in configurazione mancano" in html.unescape(answer.get_data(as_text=True))
    assert len(pins_of(console)) == 1


def test_the_customer_is_chosen_by_a_few_letters(screen: Screen) -> None:
    """The main thing, by somebody who has never seen it: issue a PIN, see it, get its letter. By keyboard."""
    page = screen.open("/pins")
    page.get_by_role("link", name="Emetti un PIN").press("Enter")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.wait_for_load_state()  # only then does it find while one types
    page.keyboard.type("segan")
    expect(page.get_by_role("link", name="Baita Segantini")).to_be_visible()
    expect(page.locator(".choices a")).to_have_count(1)
    page.locator(".choices a").press("Enter")
    page.get_by_role("button", name="Emetti il PIN").press("Enter")
    expect(page.locator(".pin")).to_be_visible()
    page.wait_for_load_state()
    pin = re.sub(r"\D", "", page.locator(".pin").inner_text())
    assert opens(screen.console, pin)
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Scarica la lettera").press("Enter")
    expect(page.locator(".pin")).to_be_visible()
    text = "".join(each.extract_text() for each in PdfReader(fetched.value.path()).pages)
    assert pin in re.sub(r"\s", "", text)
    assert not any(pin in address for address in screen.asked)


def test_pressed_twice_it_is_issued_once_and_seen(screen: Screen) -> None:
    pressed = threading.Event()

    @screen.console.app.after_request
    def no_page_before_the_second_press(answer: Response) -> Response:
        assert request.method != "POST" or pressed.wait(60)
        return answer

    page = screen.open("/pins/new?customer=ACME")
    page.get_by_role("button", name="Emetti il PIN").dblclick()
    pressed.set()
    expect(page.locator(".pin")).to_be_visible()
    assert len(pins_of(screen.console)) == 1
    page.reload()
    assert len(pins_of(screen.console)) == 1
    assert page.get_by_text("è stato emesso una volta sola").count() == 1
    screen.wrong.clear()  # the browser says that it was answered with 409


# -- its letter ----------------------------------------------------------------------------------


def ticket(page: str) -> str:
    found = re.search(r'name="ticket" value="([^"]+)"', page)
    assert found
    return found[1]


@pytest.mark.usefixtures("cheap")
def test_the_letter_is_made_from_the_page_that_shows_the_pin_for_an_hour(console: Console) -> None:
    visitor = console.visitor()
    page = issue(visitor)
    assert shown_pin(page) not in ticket(page)
    answer = visitor.post("/pins/letter", ticket=ticket(page))
    assert json.loads(answer.get_data()) == [[1, "ACME", shown_pin(page)]]
    assert answer.headers["Content-Disposition"] == 'attachment; filename="PIN-ACME-1.pdf"'
    assert answer.headers["Cache-Control"] == "no-store"
    with console.house.database.read() as connection:
        assert audit.acts(connection, ["pin:1"])[0].act == "pin.letter"
    assert visitor.post("/pins/letter", ticket="forged").status_code == 422
    console.clock.forward(hours=1)
    late = console.visitor().post("/pins/letter", ticket=ticket(page))
    assert late.status_code == 422
    assert "è passata più di un'ora" in html.unescape(late.get_data(as_text=True))


@pytest.mark.usefixtures("cheap")
def test_no_letter_brings_a_pin_that_was_revoked(console: Console) -> None:
    visitor = console.visitor()
    page = issue(visitor)
    visitor.done("/pins/1/revoke", "/pins/1")
    answer = visitor.post("/pins/letter", ticket=ticket(page))
    assert answer.status_code == 422
    assert "non è più valido" in html.unescape(answer.get_data(as_text=True))


@pytest.fixture
def mailing(tmp_path: Path) -> Iterator[Console]:
    """A console whose house has a mail server, and a customer who has agreed to letters by e-mail."""
    plain = configuration(tmp_path)
    mail = plain.mail.model_copy(update={"host": "mail.example.net", "sender": "notte@example.net"})
    with fresh_database(tmp_path) as database:
        made = console_in(tmp_path, House(plain.model_copy(update={"mail": mail}), database), Clock())
        with database.write() as connection:
            fields = {"email": "info@acme.example", "letters_by_email": True}
            customers.change(connection, "test", NIGHT, "ACME", **fields)  # type: ignore[arg-type]
        yield made


def test_the_letter_goes_by_mail_sealed_and_once(mailing: Console) -> None:
    visitor = mailing.visitor()
    page = issue(visitor)
    assert "info@acme.example" in page
    once = re.search(r'id="by-email".*?name="once" value="([^"]+)"', page, re.DOTALL)
    assert once
    for _ in range(2):
        answer = visitor.post("/pins/letter/email", ticket=ticket(page), once=once[1])
        assert "parte subito per e-mail" in answer.get_data(as_text=True)
    with mailing.house.database.write() as connection:
        assert len(outbox.waiting(connection)) == 1
        (work,) = due.claim(connection, NIGHT, (outbox.LETTER,), limit=5, lease=jobs.SILENCE)
    folder = letter_mail.outbox_folder(mailing.house.configuration)
    message = outbox.message_of(work, folder)
    groups = re.sub(rb"=\r?\n", b"", message)
    assert re.search(rb"\s*".join(re.findall(rb".", shown_pin(page).encode())), groups)
    assert "La posta non è configurata" not in page


def test_who_has_not_agreed_gets_no_mail(mailing: Console) -> None:
    visitor = mailing.visitor()
    page = issue(visitor, "MELE")
    assert "non ha accettato le lettere per e-mail" in page
    answer = visitor.post("/pins/letter/email", ticket=ticket(page), once="x" * 24)
    assert answer.status_code == 422
    with mailing.house.database.read() as connection:
        assert outbox.waiting(connection) == []


# -- rotated, revoked, listed --------------------------------------------------------------------


def test_a_pin_is_rotated_and_the_old_one_goes_on_for_some_days(console: Console) -> None:
    visitor = console.visitor()
    old = shown_pin(issue(visitor, label="Sede"))
    answer = visitor.post("/pins/1/rotate", "/pins/1/rotate", overlap="5", reason="perso")
    page = html.unescape(answer.get_data(as_text=True))
    assert "Il PIN n. 1, che questo sostituisce, vale ancora fino a domenica 15 marzo 2026" in page
    assert (opens(console, old), opens(console, shown_pin(page))) == (1, 2)
    first, second = pins_of(console)
    assert (first.replaced_by, first.expires, second.label) == (2, date(2026, 3, 15), "Sede")
    assert "in sostituzione" in visitor.page("/pins/1")
    twice = visitor.post("/pins/1/rotate", "/pins/1/rotate", overlap="5")
    assert twice.status_code == 422
    assert "era già stato sostituito" in html.unescape(twice.get_data(as_text=True))
    many = visitor.post("/pins/2/rotate", "/pins/2/rotate", overlap="91")
    assert many.status_code == 422
    assert len(pins_of(console)) == 2


def test_a_dispatcher_revokes_at_once_and_cannot_issue(console: Console) -> None:
    issue(console.visitor())
    dispatcher = console.visitor("dispatcher")
    assert "Sostituisci" not in dispatcher.page("/pins/1")
    page = dispatcher.done("/pins/1/revoke", "/pins/1", reason="Smarrito")
    assert "Il PIN è revocato." in page
    assert "Paolo Degasperi" in page
    assert "Smarrito" in page
    assert pins_of(console)[0].revoked_by == "user:paolo"
    assert "revoke" not in console.visitor("reader").page("/pins/1")


def test_what_is_revoked_stands_in_the_ledger_at_once(tmp_path: Path) -> None:
    """By hand, and as long work: a restored backup does not make it good again."""
    secrets = {**SECRETS, "IVR_SERVICE_SIGNING_KEY": bytes(range(40, 72)).hex()}
    with fresh_database(tmp_path) as database:
        console = console_in(tmp_path, House(configuration(tmp_path, secrets), database), Clock())
        visitor = console.visitor()
        for code in ("ACME", "MELE"):
            issue(visitor, code)
        ledger = outside.ledger_file(console.house.configuration)
        visitor.done("/pins/1/revoke", "/pins/1")
        assert '"pin.revoke"' in ledger.read_text()
        before = ledger.read_text()
        ask_for(visitor, "/pins/rotate?pin=2&chosen=1", "/pins/rotate", overlap="0")
        console.work()
        assert ledger.read_text().count('"pin.revoke"') == before.count('"pin.revoke"') + 1


def test_the_lists_and_what_a_guesser_may_hope_for(console: Console) -> None:
    index = PinIndex(console.house.configuration.pins)
    with console.house.database.write() as connection:
        last = {"ACME": None, "MELE": date(2026, 4, 9), "MALGA": date(2026, 3, 9), "BAITA": None}
        for code, expires in last.items():
            new = registry.draw(index, 8)
            registry.issue(connection, "test", NIGHT, code, new, expires=expires, label=code)
        registry.revoke(connection, "test", NIGHT, 4)
        registry.used(connection, NIGHT, 1)
        registry.rotate(connection, "test", NIGHT, 1, registry.draw(index, 8), 7, TODAY)
    visitor = console.visitor("reader")

    def listed(which: str, q: str = "") -> list[int]:
        page = visitor.page(f"/pins?which={which}&q={q}")
        return [int(found) for found in re.findall(r'<th scope="row"[^>]*><a href="/pins/(\d+)"', page)]

    assert listed("live") == [5, 2, 1]
    assert listed("all") == [5, 4, 3, 2, 1]
    assert listed("ending") == [2]
    assert listed("unused") == [5, 2]
    assert listed("overlap") == [1]
    assert listed("expired") == [3]
    assert listed("revoked") == [4]
    assert listed("all", "baita") == [4]
    assert listed("all", "frutticoltori") == [2]
    page = visitor.page("/pins")
    assert "3 PIN validi (3 di 8 cifre)" in page
    assert "1 su 333.333 (mai più di 1 su 1.000)" in page


def test_numbers_that_no_column_holds_are_nobody_s(console: Console) -> None:
    visitor, large = console.visitor(), "9" * 20
    for path in (f"/pins/{large}", f"/pins/{large}/rotate", f"/pins/runs/{large}", f"/work/{large}"):
        assert visitor.get(path).status_code == 404, path
    for path in (
        f"/pins?after={large}",
        "/pins?before=-5",
        f"/pins/several?customer={large}",
        f"/pins/rotate?pin={large}&chosen=1",
        f"/customers/ACME/history?before={large}",
    ):
        assert visitor.get(path).status_code == 200, path


def test_pages_of_pins_forward_and_back(console: Console) -> None:
    index = PinIndex(console.house.configuration.pins)
    with console.house.database.write() as connection:
        for _ in range(65):
            registry.issue(connection, "test", NIGHT, "ACME", registry.draw(index, 8))
    visitor, seen = console.visitor(), []
    page = visitor.page("/pins")
    while True:
        seen.append(re.findall(r'href="/pins/(\d+)"', page))
        found = re.search(r'href="([^"]+)" rel="next"', page)
        if not found:
            break
        page = visitor.page(found[1])
    assert [int(each) for part in seen for each in part] == list(range(65, 0, -1))
    back = re.search(r'href="([^"]+)" rel="prev"', page)
    assert back
    assert re.findall(r'href="/pins/(\d+)"', visitor.page(back[1])) == seen[-2]


# -- many at once --------------------------------------------------------------------------------


def ask_for(visitor: Visitor, path: str, action: str, **fields: str) -> str:
    """Ask for a run; the path of its work."""
    page = visitor.get(path).get_data(as_text=True)
    forms = re.findall(r"<form.*?</form>", page, re.DOTALL)
    form = next(each for each in forms if f'action="{action}"' in each)
    hidden = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form)
    data: dict[str, list[str]] = {}
    for name, value in [*hidden, *fields.items()]:
        data.setdefault(name, []).append(html.unescape(value))
    answer = visitor.client.post(action, data=data, base_url="http://localhost:8081")
    assert answer.status_code == 303, answer.get_data(as_text=True)[-1500:]
    return str(answer.headers["Location"])


def fetched(visitor: Visitor, run: str) -> list[list[str]]:
    """Every letter of a run: id, customer, PIN."""
    found: list[list[str]] = []
    for name in re.findall(r'name="file" value="([^"]+)"', visitor.page(run)):
        found += json.loads(visitor.post(f"{run}/letters", file=name).get_data())
    return found


def many_customers(console: Console, count: int) -> None:
    with console.house.database.write() as connection:
        for number in range(count):
            customers.add_customer(connection, "test", NIGHT, f"Nome {number}", code=f"N{number}")


@pytest.mark.usefixtures("cheap")
def test_everybody_without_a_pin_gets_one_with_a_sealed_letter(console: Console) -> None:
    many_customers(console, 5)
    visitor = console.visitor()
    issue(visitor, "ACME")
    assert "7 clienti" in visitor.page("/pins/several")  # neither Acme nor Malga, whose contract has ended
    work = ask_for(visitor, "/pins/several", "/pins/several", reason="giro")
    console.work()
    run = str(visitor.get(work).headers["Location"])
    page = visitor.page(run)
    assert "Emessi 7 PIN, con le loro lettere." in page
    got = fetched(visitor, run)
    assert sorted(code for _, code, _ in got) == ["BAITA", "MELE", "N0", "N1", "N2", "N3", "N4"]
    assert all(opens(console, pin) == pin_id for pin_id, _, pin in got)
    on_disk = work_files.folder(console.house, the_job(console, run).input["folder"])
    assert {file.stat().st_mode & 0o777 for file in on_disk.iterdir()} == {0o600}
    for pin in (pin for _, _, pin in got):
        assert pin.encode() not in everything_written(on_disk)
    archive = zipfile.ZipFile(io.BytesIO(visitor.post(f"{run}/letters").get_data()))
    assert len(archive.namelist()) == 3
    assert "Lettere da stampare" in visitor.page("/pins")
    with console.house.database.read() as connection:
        assert audit.acts(connection, ["pins"], limit=1)[0].act == "pin.letters.fetch"

    assert "Le lettere sono eliminate" in visitor.done(f"{run}/delete", run)
    assert not on_disk.exists()
    assert the_job(console, run).input["key"] == ""
    assert visitor.post(f"{run}/letters", file=archive.namelist()[0]).status_code == 404
    assert "Lettere da stampare" not in visitor.page("/pins")
    assert "Tutti i clienti con un contratto in corso hanno già un PIN" in visitor.page("/pins/several")


def the_job(console: Console, run: str) -> jobs.Job:
    with console.house.database.read() as connection:
        found = jobs.find(connection, int(run.rpartition("/")[2]))
    assert found
    return found


@pytest.mark.usefixtures("cheap")
def test_customers_are_chosen_in_their_list_or_by_what_it_shows(console: Console) -> None:
    many_customers(console, 4)
    visitor = console.visitor()
    page = visitor.page("/customers?q=nome")
    ids = re.findall(r'name="customer" value="(\d+)"', page)
    chosen = f"/pins/several?customer={ids[0]}&customer={ids[2]}"
    assert "2 clienti" in visitor.page(chosen)
    ask_for(visitor, chosen, "/pins/several")
    console.work()
    assert [pin.customer for pin in pins_of(console)] == ["N0", "N2"]
    narrowed = re.search(r'href="(/pins/several\?filter=1[^"]+)"', page)
    assert narrowed
    assert "2 hanno già un PIN valido" in visitor.page(narrowed[1])
    ask_for(visitor, narrowed[1], "/pins/several")
    console.work()
    assert sorted(pin.customer for pin in pins_of(console)) == ["N0", "N0", "N1", "N2", "N2", "N3"]


@pytest.mark.usefixtures("cheap")
def test_all_pins_are_rotated_and_the_plan_says_so_before(console: Console) -> None:
    visitor = console.visitor()
    for code in ("ACME", "MELE", "BAITA"):
        issue(visitor, code)
    plan = visitor.page("/pins/rotate")
    assert "3 PIN da sostituire" in plan
    assert "6 PIN validi. Chi tentasse a caso" in plan
    assert "con probabilità di 1 su 166.667" in plan
    ask_for(visitor, "/pins/rotate", "/pins/rotate", overlap="3")
    console.work()
    found = pins_of(console)
    assert [pin.replaced_by for pin in found] == [4, 5, 6, None, None, None]
    assert {pin.expires for pin in found[:3]} == {date(2026, 3, 13)}


@pytest.mark.usefixtures("cheap")
def test_chosen_pins_alone_are_rotated(console: Console) -> None:
    visitor = console.visitor()
    for code in ("ACME", "MELE", "BAITA"):
        issue(visitor, code)
    ask_for(visitor, "/pins/rotate?pin=1&pin=3&chosen=1", "/pins/rotate", overlap="0")
    console.work()
    assert [pin.replaced_by for pin in pins_of(console)][:3] == [4, None, 5]
    assert [pin.revoked_at is not None for pin in pins_of(console)] == [True, False, True, False, False]
    assert "Non c'è nessun PIN da sostituire" in visitor.page("/pins/rotate?chosen=1")


class Killed(BaseException):
    """As if the process ended here."""


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("dies", ["before issuing", "after issuing"])
def test_a_run_whose_process_dies_is_taken_up_and_nobody_gets_two(
    console: Console, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    """The second file's letters are on the disk, and their PINs are or are not issued."""
    many_customers(console, 7)
    visitor = console.visitor()
    work = ask_for(visitor, "/pins/several?filter=1&q=nome", "/pins/several")
    name = "check_length" if dies == "before issuing" else "name"
    place = (registry, name) if dies == "before issuing" else (batches.LetterFolder, name)
    real, count = getattr(*place), iter(range(100))

    def at_the_third(*given: object, **more: object) -> object:
        if next(count) == (2 if dies == "before issuing" else 1):
            raise Killed
        return real(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(*place, at_the_third)
        with pytest.raises(Killed):
            console.work()
    assert "progress" in visitor.page(work)
    console.work()
    assert len(pins_of(console)) == (3 if dies == "before issuing" else 6)  # not taken from a living runner
    console.clock.forward(seconds=61)
    console.work()
    run = str(visitor.get(work).headers["Location"])
    assert "Emessi 7 PIN, con le loro lettere." in visitor.page(run)
    got = fetched(visitor, run)
    assert sorted(code for _, code, _ in got) == [f"N{n}" for n in range(7)]
    assert all(opens(console, pin) == pin_id for pin_id, _, pin in got)
    assert len(pins_of(console)) == 7


@pytest.mark.usefixtures("cheap")
def test_letters_that_nobody_deletes_are_gone_after_five_days(console: Console) -> None:
    visitor = console.visitor()
    work = ask_for(visitor, "/pins/several", "/pins/several")
    console.work()
    run = str(visitor.get(work).headers["Location"])
    folder = work_files.folder(console.house, the_job(console, run).input["folder"])
    jobs.sweep(console.house, console.clock.now())
    assert folder.exists()
    console.clock.forward(days=5, seconds=1)
    jobs.sweep(console.house, console.clock.now())
    assert not folder.exists()
    assert the_job(console, run).input["key"] == ""


# -- canary --------------------------------------------------------------------------------------


def disguises(pin: str) -> dict[str, bytes]:
    """What a PIN may look like in a file."""
    raw = pin.encode()
    found = {
        "plain": raw,
        "reversed": raw[::-1],
        "wide (UTF-16)": pin.encode("utf-16-le"),
        "hex": raw.hex().encode(),
        "URL-encoded": "".join(f"%{byte:02x}" for byte in raw).encode(),
    }
    for between in (" ", ", ", "-", "  ", ". "):
        found[f"spaced by {between!r}"] = between.join(pin).encode()
    for size in (2, 3, 4):
        found[f"in groups of {size}"] = " ".join(re.findall(f".{{1,{size}}}", pin)).encode()
    for ahead in range(3):  # base64 of it inside a longer text: the middle is the same
        text = base64.b64encode(b"x" * ahead + raw)
        found[f"base64, {ahead} before"] = text[-(-ahead * 8 // 6) : (ahead + len(raw)) * 8 // 6]
    return found


def test_nothing_but_the_page_and_the_letter_holds_a_pin(
    mailing: Console, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Issued on the screen, by letter, by e-mail, in a batch with real pages; then all there is, is read."""
    console, visitor = mailing, mailing.visitor()
    caplog.set_level(logging.DEBUG)
    asked: list[str] = []

    @console.app.before_request
    def note() -> None:
        from flask import request

        asked.append(request.url)

    page = issue(visitor, reason="canarino")
    canaries = {shown_pin(page)}
    letter = visitor.post("/pins/letter", ticket=ticket(page)).get_data()
    text = "".join(each.extract_text() for each in PdfReader(io.BytesIO(letter)).pages)
    assert shown_pin(page) in re.sub(r"\s", "", text)
    visitor.post("/pins/letter/email", ticket=ticket(page), once="y" * 24)
    rotated = visitor.post("/pins/1/rotate", "/pins/1/rotate", overlap="7")
    canaries.add(shown_pin(html.unescape(rotated.get_data(as_text=True))))
    work = ask_for(visitor, "/pins/several", "/pins/several")
    console.work()
    run = str(visitor.get(work).headers["Location"])
    (name,) = re.findall(r'name="file" value="([^"]+)"', visitor.page(run))
    batch = PdfReader(io.BytesIO(visitor.post(f"{run}/letters", file=name).get_data()))
    printed = re.compile(r"(?<![0-9])([0-9]{4})[\s\u00a0\u2009\u202f]+([0-9]{4})(?![0-9])")
    canaries |= {
        found[1] + found[2] for each in batch.pages if (found := printed.search(each.extract_text()))
    }
    assert len(canaries) == 4
    with console.house.database.read() as connection:
        rows = str([dict(row._mapping) for row in connection.execute(select(console_jobs))])
    places = {
        "a file": everything_written(tmp_path),
        "a log": caplog.text.encode(),
        "an address": "\n".join(asked).encode(),
        "the row of long work": rows.encode(),
        "the list": visitor.get("/pins?which=all").get_data() + visitor.get(run).get_data(),
    }
    assert len(places["a file"]) > 100_000
    leaks = [
        f"{disguise} in {where}"
        for pin in canaries
        for disguise, pattern in disguises(pin).items()
        for where, content in places.items()
        if pattern in content
    ]
    assert leaks == []
    letters = work_files.folder(console.house, the_job(console, run).input["folder"])
    assert not any(file.read_bytes().startswith(b"%PDF") for file in letters.iterdir())

"""The page of a case: what it shows, what each form does, and that looking never does anything."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from making import NIGHT, Opened, a_case, a_sid, configuration, opened_at, staff
from sqlalchemy import insert, select, update
from werkzeug.test import TestResponse

from console.house import House
from console.processes.doors import webhook_app
from console.public.keys import link_secret
from ivr import casework
from ivr.tables import calls, messages, outgoing
from oncall.cases import case_log, cases, links
from oncall.cases.cases import Case
from oncall.reaching import attempts
from oncall.tables import case_links, technicians
from oncall.tables import cases as case_rows
from pins import customers
from storage import audit
from storage.tables import due_work

MINUTE = timedelta(minutes=1)
SOUND = b"ID3" + bytes(range(256)) * 8
RECORDING = "RE" + "3" * 32
# In every field that somebody else can fill.
PAYLOAD = """<script>alert(1)</script><img src=x onerror="document.title='owned'">"'{{7*7}}&amp;</textarea>"""


@dataclass
class Clock:
    at: datetime = NIGHT

    def now(self) -> datetime:
        return self.at

    def forward(self, length: timedelta) -> None:
        self.at += length


@dataclass
class Public:
    """The public door with a case behind it."""

    house: House
    app: Flask
    clock: Clock
    case: Opened

    def link(self, technician: str | None = "anna") -> str:
        """The path of a link for this technician."""
        with self.house.database.write() as connection:
            secret = link_secret(self.house.configuration)
            address = links.address(
                connection, self.clock.now(), "https://x", secret, self.case.number, technician
            )
        return address.removeprefix("https://x")

    def get(self, path: str, **more: Any) -> TestResponse:
        return self.app.test_client().get(path, buffered=True, **more)

    def text(self, path: str) -> str:
        answer = self.get(path)
        assert answer.status_code == 200, answer.status_code
        return html.unescape(answer.get_data(as_text=True))

    def form(self, path: str, act: str) -> dict[str, str]:
        """The hidden fields of the form of this act, as the page has it now."""
        page = self.get(path).get_data(as_text=True)
        for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
            hidden = dict(re.findall(r'type="hidden" name="([a-z]+)" value="([^"]*)"', form))
            if hidden.get("act") == act:
                return {name: html.unescape(value) for name, value in hidden.items()}
        raise AssertionError(f"no form to {act}")

    def send(self, path: str, form: dict[str, str], **more: str) -> TestResponse:
        return self.app.test_client().post(path, data=form | more)

    def do(self, path: str, act: str, **more: str) -> TestResponse:
        """Send the form of this act as a browser would."""
        return self.send(path, self.form(path, act), **more)

    def now(self) -> Case:
        with self.house.database.read() as connection:
            return cases.find(connection, self.case.number)

    def log(self) -> list[case_log.Entry]:
        with self.house.database.read() as connection:
            return case_log.of(connection, self.case.id)

    def state(self) -> list[Any]:
        """Every row that an act could change."""
        tables = (case_rows, case_log.case_log, due_work, outgoing, case_links, audit.audit, messages)
        with self.house.database.read() as connection:
            return [connection.execute(select(table)).all() for table in tables]


def public(folder: Path, url: str) -> Iterator[Public]:
    """A house at ten in the evening with technicians, and a P1+ case of customer Acme from +39333…"""
    settings = configuration(folder)
    database_settings = settings.database.model_copy(update={"url": url})
    with opened_at(url) as database:
        house = House(settings.model_copy(update={"database": database_settings}), database)
        with database.write() as connection:
            staff(connection, NIGHT - timedelta(days=1))
            opened = a_case(connection)
            connection.execute(update(calls).values(caller="+393491112233"))
        clock = Clock(NIGHT + MINUTE)
        yield Public(house, webhook_app(house, clock.now), clock, opened)


@pytest.fixture
def door(database_url: str, tmp_path: Path) -> Iterator[Public]:
    """On both databases."""
    yield from public(tmp_path, database_url)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Public]:
    from making import fresh_database

    with fresh_database(tmp_path) as database:
        url = str(database.engine.url)
    yield from public(tmp_path, url)


def screened(page: Public) -> None:
    """The caller had no verified PIN: no customer, no urgency, no deadline."""
    with page.house.database.write() as connection:
        connection.execute(
            update(case_rows).values(screened=True, customer_id=None, urgency=None, due_at=None)
        )


# -- what it shows -------------------------------------------------------------------------------


def test_it_shows_who_how_urgent_which_code_and_by_when(page: Public) -> None:
    text = page.text(page.link())
    for shown in ("Acme", "P1+", page.case.code, page.case.number, "+393491112233", "entro le 23:00"):
        assert shown in text
    assert "mancano 59 min" in text
    assert "Nessuno, per ora" in text


@pytest.mark.parametrize(
    ("after", "said"),
    [(timedelta(minutes=62), "in ritardo di 3 min"), (timedelta(hours=3), "in ritardo di 2 h 1 min")],
)
def test_a_deadline_that_has_passed_is_said_to_have(page: Public, after: timedelta, said: str) -> None:
    path = page.link()
    page.clock.forward(after)
    assert said in page.text(path)


def test_it_tells_what_happened_in_plain_words(page: Public) -> None:
    with page.house.database.write() as connection:
        at = NIGHT + MINUTE
        for who, key in (("anna", None), ("bruno", "declined")):
            attempt = attempts.begin_attempt(connection, at, page.case.id, page.case.sid, who, "+39", 1)
            attempts.picked_up(connection, at, attempt)
            if key:
                attempts.press(connection, at, attempt, "declined")
            attempts.settle(connection, at, attempt, "completed", bridged=False)
        case_log.write(connection, at, page.case.id, "ivr", "reminded")
        case_log.write(connection, at, page.case.id, "cli:root", "note", "Router down")
        later = page.now()
        casework.take(connection, "technician:bruno", at, later, "bruno", "phone")
    text = page.text(page.link())
    assert "Anna Rossi: ha risposto qualcosa, ma senza conferma" in text
    assert "Bruno Bianchi ha passato la chiamata" in text
    assert "Promemoria ai reperibili: nessuno l'ha ancora preso" in text
    assert "L'ufficio ha scritto una nota" in text
    assert "Router down" in text
    assert "Bruno Bianchi ha preso in carico il caso" in text
    assert "preso in carico in tempo" in text


def test_each_act_of_the_log_has_words_in_every_language(page: Public) -> None:
    from typing import get_args

    from console.public.wording import LANGUAGES, words

    acts = set(get_args(case_log.Act))
    results = set(get_args(attempts.Result)) | {"ringing"}
    for language in LANGUAGES:
        assert acts <= set(words(language).log)
        assert results == set(words(language).results)


def test_every_language_says_the_same_things(page: Public) -> None:
    from console.public.wording import LANGUAGES, words

    def places(text: object) -> set[str]:
        return set(re.findall(r"\{([a-z_]+)", str(text)))

    italian = words("it")
    for language in LANGUAGES[1:]:
        other = words(language)
        for section in ("page", "acts", "done", "refused", "log", "results", "errors", "feed"):
            mine, theirs = getattr(italian, section), getattr(other, section)
            assert set(mine) == set(theirs) - {"months"}
            for name, text in mine.items():
                if name not in ("date", "levels"):
                    assert places(text) == places(theirs[name]), (language, section, name)


@pytest.mark.parametrize(
    ("language", "said"), [("de", "Noch niemand"), ("en", "Nobody so far"), (None, "Nessuno, per ora")]
)
def test_it_speaks_the_technician_s_language(page: Public, language: str | None, said: str) -> None:
    with page.house.database.write() as connection:
        connection.execute(update(technicians).values(language=language))
    text = page.text(page.link())
    assert said in text
    assert f'<html lang="{language or "it"}">' in text


def test_both_urgencies_are_shown_once_it_is_reclassified(page: Public) -> None:
    path = page.link()
    page.do(path, "reclassify", code="P2", reason="solo la posta")
    text = page.text(path)
    assert "dichiarata P1+" in text
    assert "Anna Rossi ha cambiato l'urgenza da P1+ a P2" in text
    assert "solo la posta" in text
    assert "entro le 02:00 (domani)" in text


# -- who may look, and what they get ----------------------------------------------------------------

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; media-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
}


def with_headers(answer: TestResponse) -> TestResponse:
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "Set-Cookie" not in answer.headers
    return answer


def test_the_headers_stand_on_everything(page: Public) -> None:
    path = page.link()
    assert with_headers(page.get(path)).status_code == 200
    assert with_headers(page.get("/c/static/case.css")).status_code == 200
    assert with_headers(page.get("/c/" + "A" * 22)).status_code == 404
    assert with_headers(page.get(f"{path}/sound/1")).status_code == 404
    assert with_headers(page.do(path, "take")).status_code == 303
    assert with_headers(page.send(path, {"act": "nonsense"})).status_code == 400
    assert with_headers(page.get("/cal/" + "A" * 32 + ".ics")).status_code == 404


def test_nothing_of_another_host_is_in_the_page(page: Public) -> None:
    text = page.get(page.link()).get_data(as_text=True)
    assert not re.search(r"(src|href|action)=\"(?!/c/|tel:)", text)
    assert "<script" not in text
    assert " style=" not in text


def test_an_unknown_and_an_expired_link_look_the_same_and_are_noted(
    page: Public, caplog: pytest.LogCaptureFixture
) -> None:
    path = page.link()
    page.clock.forward(timedelta(hours=24))
    with caplog.at_level(logging.INFO):
        expired, unknown = page.get(path), page.get("/c/" + "A" * 22)
    assert expired.status_code == unknown.status_code == 404
    assert expired.data == unknown.data
    assert dict(expired.headers) == dict(unknown.headers)
    assert [record.name for record in caplog.records] == ["ivr.security"] * 2
    assert path.removeprefix("/c/") not in caplog.text


def test_of_a_closed_case_nothing_is_shown(page: Public) -> None:
    path = page.link()
    page.do(path, "close", outcome="fatto", minutes="12")
    # In the words of whoever it was made for, whatever his browser asks for.
    answer = with_headers(page.get(path, headers={"Accept-Language": "en"}))
    assert answer.status_code == 410
    text = answer.get_data(as_text=True)
    assert "è chiuso" in html.unescape(text)
    for secret in ("Acme", page.case.code, page.case.number, "+39349"):
        assert secret not in text
    assert page.send(path, {"act": "note", "text": "x"}).status_code == 410
    assert page.get(f"{path}/sound/1").status_code == 410


def test_a_failure_shows_nothing_and_the_log_does_not_hold_the_address(
    page: Public, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import console.public.case_page

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    path = page.link()
    monkeypatch.setattr(console.public.case_page, "view", broken)
    answer = with_headers(page.get(path))
    assert answer.status_code == 500
    assert b"broken" not in answer.data
    assert path.removeprefix("/c/") not in caplog.text
    assert "case.show failed" in caplog.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("query", ["", "?m=take", "?act=take&key=x", "?m=<script>"])
def test_looking_changes_and_consumes_nothing(door: Public, method: str, query: str) -> None:
    path = door.link()
    form = door.form(path, "take")
    before = door.state()
    for _ in range(3):
        answer = door.app.test_client().open(path + query, method=method)
        assert answer.status_code == 200
        assert b"<script" not in answer.data
    assert door.state() == before
    assert door.send(path, form).headers["Location"].endswith("?m=take")


def test_a_manager_s_link_only_looks(page: Public) -> None:
    path, acting = page.link(None), page.link()
    text = page.text(path)
    assert "si può solo guardare" in text
    assert "<form" not in text
    before = page.state()
    for act in ("take", "note", "close", "call", "search"):
        answer = page.send(path, page.form(acting, "take") | {"act": act, "text": "x", "q": "acme"})
        assert answer.status_code == 403
    assert page.state() == before


def test_a_form_of_another_shape_is_refused(page: Public) -> None:
    path = page.link()
    form = page.form(path, "note")
    client = page.app.test_client()
    before = page.state()
    assert client.post(path, json=form).status_code == 415
    assert client.post(path, data=form | {"file": (Path(__file__).open("rb"), "x")}).status_code == 415  # noqa: SIM115
    assert client.post(path, data={"act": ["note", "note"]}).status_code == 400
    assert client.post(path, data={f"f{n}": "x" for n in range(30)}).status_code == 400
    assert client.post(path, data=form | {"text": "x" * 70_000}).status_code == 413
    assert client.put(path).status_code == 405
    assert page.state() == before


# -- what each form does ------------------------------------------------------------------------------


def test_to_take_a_case_stops_its_clock_as_that_technician(door: Public) -> None:
    path = door.link()
    answer = door.do(path, "take")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{path}?m=take")
    now = door.now()
    assert (now.taken_by, now.taken_via, now.taken_at) == ("anna", "link", door.clock.now())
    assert [(entry.act, entry.actor) for entry in door.log()] == [("taken", "technician:anna via link")]
    assert "Il caso è Suo." in door.text(f"{path}?m=take")


@pytest.mark.parametrize(
    ("act", "fields", "left"),
    [
        ("take", {}, "taken"),
        ("note", {"text": "Chiamato il provider"}, "note"),
        ("reclassify", {"code": "P2", "reason": "solo la posta"}, "reclassified"),
    ],
)
def test_a_form_that_is_sent_twice_does_it_once(
    door: Public, act: str, fields: dict[str, str], left: str
) -> None:
    path = door.link()
    form = door.form(path, act) | fields
    first, second = door.send(path, form), door.send(path, form)
    assert (first.status_code, second.status_code) == (303, 303)
    assert second.headers["Location"].endswith("?m=again")
    assert [entry.act for entry in door.log()] == [left]
    # Another of the same kind, from the page as it is now, is another act.
    if act == "note":
        door.do(path, act, **fields)
        assert [entry.act for entry in door.log()] == [left, left]


def test_another_s_act_between_does_not_spend_my_form(page: Public) -> None:
    mine, his = page.link("anna"), page.link("bruno")
    form = page.form(mine, "note")
    page.do(his, "note", text="his")
    assert page.send(mine, form, text="mine").headers["Location"].endswith("?m=note")
    assert [entry.text for entry in page.log()] == ["his", "mine"]


@pytest.mark.parametrize("key", ["", "0" * 32, "é", "\0"])
def test_a_form_without_its_key_does_nothing(page: Public, key: str) -> None:
    path = page.link()
    before = page.state()
    assert page.send(path, page.form(path, "take") | {"key": key}).status_code == 303
    assert page.state() == before


def test_a_key_is_good_for_its_own_act_link_and_case_alone(page: Public) -> None:
    anna, bruno = page.link("anna"), page.link("bruno")
    keys = {act: page.form(anna, act)["key"] for act in ("take", "note", "close", "call", "reclassify")}
    assert len(set(keys.values())) == 5
    before = page.state()
    page.send(bruno, page.form(anna, "take"))
    page.send(anna, {"act": "take", "key": keys["note"], "has": ""})
    assert page.state() == before


def test_taken_by_somebody_else_meanwhile_is_said_and_he_may_take_over(door: Public) -> None:
    mine, his = door.link("anna"), door.link("bruno")
    form = door.form(mine, "take")
    door.do(his, "take")
    answer = door.send(mine, form)
    assert answer.headers["Location"].endswith("?m=meanwhile")
    assert door.now().taken_by == "bruno"
    text = door.text(answer.headers["Location"])
    assert "Nel frattempo il caso è stato preso da Bruno Bianchi" in text
    assert "Lo prenda al posto di Bruno Bianchi" in text
    assert door.do(mine, "take").headers["Location"].endswith("?m=take")
    assert door.now().taken_by == "anna"


def test_whoever_was_connected_has_it_too(page: Public) -> None:
    """Nobody takes it from him unawares, though nobody took it by hand."""
    path = page.link("anna")
    form = page.form(path, "take")
    with page.house.database.write() as connection:
        attempt = attempts.begin_attempt(connection, NIGHT, page.case.id, page.case.sid, "bruno", "+39", 1)
        attempts.press(connection, NIGHT, attempt, "accepted")
        attempts.settle(connection, NIGHT, attempt, "completed", bridged=True)
    assert page.send(path, form).headers["Location"].endswith("?m=meanwhile")
    assert page.now().taken_by is None
    assert "Lo prenda al posto di Bruno Bianchi" in page.text(path)


@pytest.mark.parametrize("act", ["close", "reclassify"])
def test_what_a_colleague_has_taken_since_is_not_changed_unawares(page: Public, act: str) -> None:
    mine, his = page.link("anna"), page.link("bruno")
    form = page.form(mine, act) | {"outcome": "x", "minutes": "1", "code": "P2", "reason": "x"}
    page.do(his, "take")
    assert page.send(mine, form).headers["Location"].endswith("?m=meanwhile")
    assert page.now().closed_at is None
    assert page.now().final_urgency is None


def test_to_pass_it_on_gives_it_up(door: Public) -> None:
    path = door.link()
    door.do(path, "take")
    assert door.do(path, "pass", reason="sono malato").headers["Location"].endswith("?m=pass")
    assert door.now().taken_by is None
    assert [entry.act for entry in door.log()] == ["taken", "passed"]
    assert "Passi il caso" not in door.text(path)


def test_nobody_passes_on_what_another_has(page: Public) -> None:
    mine, his = page.link("anna"), page.link("bruno")
    page.do(mine, "take")
    form = page.form(mine, "pass")
    page.do(his, "take")
    assert page.send(mine, form).headers["Location"].endswith("?m=meanwhile")
    assert page.now().taken_by == "bruno"


def test_to_close_it_keeps_outcome_and_minutes(door: Public) -> None:
    path = door.link()
    assert door.do(path, "close", outcome="Riavviato", minutes="25").status_code == 303
    now = door.now()
    assert (now.outcome, now.minutes, now.closed_by) == ("Riavviato", 25, "technician:anna via link")


@pytest.mark.parametrize(
    ("act", "fields", "said", "kept"),
    [
        ("reclassify", {"code": "P2", "reason": "  "}, "Scriva il motivo", ""),
        ("reclassify", {"code": "P1+", "reason": "perché sì"}, "diversa da quella attuale", "perché sì"),
        ("reclassify", {"code": "P99", "reason": "perché sì"}, "diversa da quella attuale", "perché sì"),
        ("note", {"text": " \n "}, "Scriva la nota", ""),
        ("note", {"text": "x" * 2001}, "Scriva la nota", "xxxx"),
        ("close", {"outcome": "", "minutes": "1"}, "Scriva come si è concluso", ""),
        ("close", {"outcome": "fatto", "minutes": "-1"}, "i minuti di lavoro", "fatto"),
        ("close", {"outcome": "fatto", "minutes": "²"}, "i minuti di lavoro", "fatto"),
        ("close", {"outcome": "fatto", "minutes": "999999"}, "i minuti di lavoro", "fatto"),
    ],
)
def test_what_will_not_do_is_said_and_nothing_typed_is_lost(
    page: Public, act: str, fields: dict[str, str], said: str, kept: str
) -> None:
    path = page.link()
    before = page.state()
    answer = with_headers(page.do(path, act, **fields))
    text = html.unescape(answer.get_data(as_text=True))
    assert answer.status_code == 422
    assert said in text
    assert kept in text
    assert page.state() == before


# -- calling the customer -----------------------------------------------------------------------------


def placed(page: Public) -> list[Any]:
    with page.house.database.read() as connection:
        return list(connection.execute(select(outgoing)).all())


def test_to_call_the_customer_rings_his_own_phone_first(door: Public) -> None:
    path = door.link()
    form = door.form(path, "call")
    assert door.send(path, form).headers["Location"].endswith("?m=call")
    assert door.send(path, form).headers["Location"].endswith("?m=again")
    assert door.do(path, "call").status_code == 303  # his phone rings already
    (call,) = placed(door)
    assert (call.purpose, call.technician, call.phone) == ("call-back", "anna", "+393331234501")
    assert call.case_id == door.case.id
    with door.house.database.read() as connection:
        work = connection.execute(select(due_work).where(due_work.c.kind == "call.place")).all()
    assert [row.key for row in work] == [str(call.id)]


def test_once_it_no_longer_rings_he_may_ask_again(page: Public) -> None:
    path = page.link()
    page.do(path, "call")
    page.clock.forward(timedelta(minutes=3))
    page.do(path, "call")
    assert len(placed(page)) == 2


def test_the_customer_is_called_five_times_at_most(page: Public) -> None:
    path = page.link()
    form = page.form(path, "call")
    with page.house.database.write() as connection:
        connection.execute(update(case_rows).values(customer_calls=5))
    assert "tante volte quante è permesso" in page.text(path)
    assert page.send(path, form).status_code == 422
    assert placed(page) == []


def test_a_caller_who_is_not_verified_is_not_called_back(page: Public) -> None:
    path = page.link()
    form = page.form(path, "call")
    screened(page)
    assert "non si può richiamare da qui" in page.text(path)
    assert page.send(path, form).status_code == 422
    assert placed(page) == []


# -- a screened caller's customer -----------------------------------------------------------------------


@pytest.fixture
def unnamed(page: Public) -> Public:
    screened(page)
    with page.house.database.write() as connection:
        for number in range(8):
            customers.add_customer(connection, "test", NIGHT, f"Rossi {number}", code=f"ROSSI-{number}")
        customers.add_customer(connection, "test", NIGHT, "100% Käse & Co_", code="KAESE")
    return page


def searched(page: Public, text: str) -> str:
    path = page.link()
    answer = page.send(path, {"act": "search", "q": text})
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def test_a_customer_is_found_by_code_or_name_and_named(unnamed: Public) -> None:
    path = unnamed.link()
    assert "È Acme" in searched(unnamed, "acm")
    text = unnamed.send(path, {"act": "search", "q": "ACME"}).get_data(as_text=True)
    form = next(each for each in re.findall(r"<form.*?</form>", text, re.DOTALL) if 'name="customer"' in each)
    hidden = dict(re.findall(r'type="hidden" name="([a-z]+)" value="([^"]*)"', form))
    assert unnamed.send(path, hidden).headers["Location"].endswith("?m=name")
    assert unnamed.send(path, hidden).headers["Location"].endswith("?m=again")
    text = unnamed.text(path)
    assert "<h1>Acme</h1>" in text
    assert "Indichi il cliente" not in text
    with unnamed.house.database.read() as connection:
        assert unnamed.now().customer_id == customers.customer(connection, "ACME").id


@pytest.mark.parametrize("text", ["", "r", "ro", "%", "%%%", "___", "*", "  r  o "])
def test_too_little_finds_nobody(unnamed: Public, text: str) -> None:
    found = searched(unnamed, text)
    assert "È " not in re.sub(r"È Lei", "", found)
    assert "almeno 3 lettere" in found


def test_never_more_than_a_few_are_shown(unnamed: Public) -> None:
    found = searched(unnamed, "rossi")
    assert len(re.findall(r"È Rossi \d", found)) == 5
    assert "Ce ne sono altri" in found


@pytest.mark.parametrize(
    ("text", "hit"), [("100% k", True), ("KÄSE", True), ("10_% k", False), ("100%%", False)]
)
def test_a_name_is_taken_by_the_letter(unnamed: Public, text: str, hit: bool) -> None:
    assert ("100% Käse & Co_" in searched(unnamed, text)) is hit


def test_a_verified_caller_s_customer_can_be_neither_searched_nor_changed(page: Public) -> None:
    path = page.link()
    form = page.form(path, "take")
    assert "È Acme" not in searched(page, "acme")
    before = page.now()
    page.send(path, form | {"act": "name", "customer": "ACME"})
    assert page.now() == before


# -- recordings -----------------------------------------------------------------------------------------


def leave(page: Public, *, file: bool, sid: str = RECORDING, of: str | None = None) -> None:
    folder = page.house.configuration.folder / "state" / "messages"
    folder.mkdir(parents=True, exist_ok=True)
    if file:
        (folder / f"{sid}.mp3").write_bytes(SOUND)
    with page.house.database.write() as connection:
        connection.execute(
            insert(messages).values(
                recording_sid=sid,
                call_sid=of or page.case.sid,
                url="https://api.example.net/x",
                seconds=12,
                recorded_at=NIGHT,
                status="completed",
                kind="message",
                file=f"{sid}.mp3" if file else None,
            )
        )


def test_a_message_is_played_from_here(page: Public) -> None:
    leave(page, file=True)
    path = page.link()
    text = page.text(path)
    assert "Messaggio delle 22:00, 12 secondi" in text
    assert f'src="{path}/sound/1"' in text
    answer = with_headers(page.get(f"{path}/sound/1"))
    assert (answer.status_code, answer.data, answer.mimetype) == (200, SOUND, "audio/mpeg")
    part = page.get(f"{path}/sound/1", headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.data) == (206, SOUND[:10])
    assert page.get(f"{path}/sound/2").status_code == 404


def test_one_that_is_not_here_yet_is_announced(page: Public) -> None:
    leave(page, file=False)
    path = page.link()
    assert "La registrazione non è ancora arrivata" in page.text(path)
    assert page.get(f"{path}/sound/1").status_code == 404


def test_another_case_s_message_is_not_played(page: Public) -> None:
    with page.house.database.write() as connection:
        other = a_case(connection, sid=a_sid(7))
    leave(page, file=True, of=other.sid)
    path = page.link()
    assert page.get(f"{path}/sound/1").status_code == 404


# -- foreign text -----------------------------------------------------------------------------------------


def everywhere(page: Public) -> None:
    """A payload in every field that the page shows."""
    with page.house.database.write() as connection:
        connection.execute(update(calls).values(caller=PAYLOAD))
        connection.execute(update(case_rows).values(call_back_to=PAYLOAD[:32]))
        connection.execute(update(technicians).values(name=PAYLOAD))
        connection.execute(update(customers.customers).values(name=PAYLOAD))
        connection.execute(update(case_rows).values(taken_by="bruno", taken_at=NIGHT))
        for act in ("note", "passed", "reclassified", "closed"):
            details = {"technician": PAYLOAD, "from": PAYLOAD, "to": PAYLOAD, "who": "{name}"}
            case_log.write(connection, NIGHT, page.case.id, PAYLOAD[:100], act, PAYLOAD, details)
        case_log.write(connection, NIGHT, page.case.id, "technician:bruno", "note", "{who} {{7*7}} {% x %}")


def test_foreign_text_is_text(page: Public) -> None:
    everywhere(page)
    raw = page.get(page.link()).get_data(as_text=True)
    assert "<script" not in raw
    assert "<img" not in raw
    assert "onerror=" not in re.sub(r"&lt;.*?&gt;", "", raw)
    assert html.escape("<script>alert(1)</script>") in raw
    assert "{{7*7}}" in html.unescape(raw)


def test_what_was_typed_comes_back_as_text(page: Public) -> None:
    answer = page.do(page.link(), "close", outcome=PAYLOAD, minutes='"><script>x')
    assert answer.status_code == 422
    raw = answer.get_data(as_text=True)
    assert "<script" not in raw
    assert raw.count("</textarea>") == raw.count("<textarea") == 3


def test_hostile_text_is_kept_without_what_no_database_takes(door: Public) -> None:
    path = door.link()
    form = door.form(path, "note")
    # A lone surrogate and bytes that are no text, as no browser sends them.
    body = f"act=note&key={form['key']}&has=&text=a%00b%0Bc%ED%A0%80%FFd".encode()
    answer = door.app.test_client().post(path, data=body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 303
    kept = door.log()[0].text
    assert kept.startswith("abc")
    assert kept.isprintable()


# -- keys ---------------------------------------------------------------------------------------------------


def test_the_link_s_secret_is_no_key_of_ours_and_changes_with_it(page: Public) -> None:
    from cryptography.fernet import Fernet
    from pydantic import SecretStr

    mine = page.house.configuration
    service = mine.service.model_copy(update={"keys": [SecretStr(Fernet.generate_key().decode())]})
    other = mine.model_copy(update={"service": service})
    assert link_secret(mine) != link_secret(other)
    assert len(link_secret(mine)) == 32

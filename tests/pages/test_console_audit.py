"""The audit log in the console: acts in words, found by who, what and when; verified; taken out as a file."""

from __future__ import annotations

import ast
import csv
import dataclasses
import io
import re

import pytest
from making import ROOT, rome
from pydantic import SecretStr
from screens import Screen
from sqlalchemy import text
from visitors import Console, Visitor

from console import outside
from console.house import state_folder
from console.web.context import KEY
from console.web.words import LANGUAGES, texts
from storage import anchors, audit

PACKAGES = ("ivr", "webhooks", "pins", "oncall", "console", "storage")
# Names like an act's: of a kind of due work; of logs, which begin with "ivr.".
NO_ACTS = ("pin.ends",)
_ACT = re.compile(r"[a-z]+(\.[a-z]+(-[a-z]+)*)+")


def rows(page: str) -> list[str]:
    """The acts of the page, newest first, each as its words."""
    found = re.findall(r'<tr id="row-\d+">.*?</tr>', page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", each).split()) for each in found]


def record(console: Console, actor: str, act: str, subject: str, **details: object) -> int:
    with console.house.database.write() as connection:
        return audit.record(connection, actor, console.clock.now(), act, subject, details=details)


def signed(console: Console) -> None:
    """Let the console have a key for anchors and ledger."""
    configuration = console.house.configuration
    service = configuration.service.model_copy(update={"signing_key": SecretStr(bytes(range(32)).hex())})
    configuration = configuration.model_copy(update={"service": service})
    console.house = dataclasses.replace(console.house, configuration=configuration)
    console.app.extensions[KEY] = console.house


# -- words -------------------------------------------------------------------------------------


def recorded() -> set[str]:
    """Every act that the code records. Below the pages whatever has a name like one, in files that know the
    log; in the pages, where addresses have such names too, what is given to `record`.
    """
    found: set[str] = set()
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(file.read_text("utf-8"))
            nodes = list(ast.walk(tree))
            if "web" in file.relative_to(ROOT).parts:
                given = [each for node in nodes for each in acts_given(node)]
            else:
                given = nodes if file.name == "audit.py" or any(map(knows_the_log, nodes)) else []
            values = [each.value for each in given if isinstance(each, ast.Constant)]
            found |= {each for each in values if isinstance(each, str) and _ACT.fullmatch(each)}
    return {
        each for each in found if each not in NO_ACTS and not re.match(r"ivr\.|.*\.(toml|csv|jsonl)", each)
    }


def knows_the_log(node: ast.AST) -> bool:
    if not isinstance(node, ast.ImportFrom):
        return False
    return node.module == "storage.audit" or "audit" in [each.name for each in node.names]


def acts_given(node: ast.AST) -> list[ast.expr]:
    if not isinstance(node, ast.Call):
        return []
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    named = [each.value for each in node.keywords if each.arg == "act"]
    if called == "record_many":
        return named + [each.elts[0] for each in ast.walk(node) if isinstance(each, ast.Tuple) and each.elts]
    return named + (node.args[3:4] if called in ("record", "_record") else [])


def test_every_act_that_the_code_records_has_words() -> None:
    acts = recorded()
    assert {
        *("pin.revoke", "case.take", "audit.erase", "customer.import", "user.login", "swap.expire"),
        *("case.merge", "customer.erase", "pin.rekey.start", "audit.export"),
    } <= acts
    for language in LANGUAGES:
        assert {act for act in acts if f"audit.act-{act.replace('.', '-')}" not in texts(language)} == set()


def test_an_act_without_words_keeps_its_name(console: Console) -> None:
    record(console, "user:giulia", "moon.landing", "moon:1")
    assert "moon.landing moon:1" in rows(console.visitor("reader").page("/audit"))[0]


def test_acts_are_told_with_names_and_readable_details(console: Console) -> None:
    record(
        console,
        "user:giulia",
        "rota.override",
        "rota:duty",
        technician="bruno",
        to="2026-03-11T07:00:00+00:00",
    )
    record(
        console, "technician:anna via link", "technician.change", "technician:anna", phone=["+391", "+392"]
    )
    record(console, "cli:root", "customer.minutes", "customer:4", minutes=[300, 240])
    found = rows(console.visitor("reader").page("/audit"))
    assert re.search(
        r"root, da riga di comando Minuti del pacchetto cambiati Baita Segantini .*minuti 300 → 240", found[0]
    )
    assert "Anna Rossi Tecnico modificato Anna Rossi tecnico anna" in found[1]
    assert "telefono +391 → +392" in found[1]
    assert "Giulia Moser Sostituzione nei turni turnazione duty" in found[2]
    assert "tecnico Bruno Bianchi" in found[2]
    assert "a mercoledì 11 marzo 2026, 08:00" in found[2]


def test_values_are_told_in_words_and_days_as_days(console: Console) -> None:
    record(console, "user:giulia", "customer.change", "customer:1", coverage=["none", "contract"])
    record(console, "user:giulia", "user.change", "user:2", role="dispatcher", language="de")
    record(
        console,
        "user:giulia",
        "case.take",
        "case:2026-00001",
        technician="anna",
        via="text",
        **{"from": "bruno"},
    )
    record(console, "user:giulia", "calls.export", "calls", first="2026-03-11", last="2026-99-99", swap=1)
    record(console, "user:giulia", "audit.export", "audit", who="user:giulia")
    exported, called, taken, user, customer = rows(console.visitor("reader").page("/audit"))[:5]
    assert "copertura Nessuna → Contratto" in customer
    assert "lingua tedesco ruolo Centralinista" in user
    assert "da Bruno Bianchi tecnico Anna Rossi tramite un SMS" in taken
    assert "da mercoledì 11 marzo 2026 a 2026-99-99 scambio 1" in called
    assert "il registro chi Giulia Moser" in exported


def test_subjects_lead_to_their_pages_if_one_may_see_them(console: Console) -> None:
    subjects = (
        "customer:1",
        "technician:anna",
        "user:2",
        "rota:duty",
        "pins",
        "case:2026-00001",
        "pin:99",
        "moon:1",
    )
    for each in subjects:
        record(console, "user:giulia", "moon.landing", each)
    admin, reader = (console.visitor(role).page("/audit?act=moon.landing") for role in ("admin", "reader"))
    for path in ("/customers/ACME", "/technicians/anna", "/rota?rota=duty", "/pins", "/cases/2026-00001"):
        assert f'href="{path}"' in admin
        assert f'href="{path}"' in reader
    assert 'href="/users/2"' in admin
    assert 'href="/users/2"' not in reader
    assert "moon:1" in rows(reader)[0]


def test_what_was_erased_says_so(console: Console) -> None:
    number = record(console, "user:giulia", "pin.revoke", "pin:3", reason="the paper was lost in the snow")
    because = record(console, "user:giulia", "customer.erase", "customer:3")
    with console.house.database.write() as connection:
        audit.erase_details(connection, [number], because)
    page = console.visitor("reader").page("/audit")
    assert "dettagli cancellati" in rows(page)[2]
    assert "snow" not in page


# -- finding -----------------------------------------------------------------------------------


def test_found_by_who_acted_through_any_channel(console: Console) -> None:
    record(console, "technician:anna via link", "case.take", "case:2026-00001")
    record(console, "technician:anna", "case.note", "case:2026-00001")
    record(console, "technician:bruno", "case.pass", "case:2026-00001")
    visitor = console.visitor("reader")
    assert [
        "Nota" in each or "preso" in each for each in rows(visitor.page("/audit?who=technician:anna"))
    ] == [True] * 2
    assert rows(visitor.page("/audit?who=user:nobody")) == []


def test_found_by_act_by_subject_and_by_day(console: Console) -> None:
    record(console, "user:giulia", "pin.revoke", "pin:3")
    console.clock.at = rome("2026-03-12 00:00")
    record(console, "user:giulia", "pin.issue", "pin:4")
    console.clock.at = rome("2026-03-12 23:59")
    record(console, "user:paolo", "pin.revoke", "pin:4")
    visitor = console.visitor("reader")
    assert len(rows(visitor.page("/audit?act=pin.revoke"))) == 2
    assert len(rows(visitor.page("/audit?subject=pin:4"))) == 2
    assert len(rows(visitor.page("/audit?act=pin.revoke&subject=pin:4&who=user:paolo"))) == 1
    assert len(rows(visitor.page("/audit?from=2026-03-12&to=2026-03-12"))) == 2
    assert len(rows(visitor.page("/audit?from=2026-03-13"))) == 0
    assert len(rows(visitor.page("/audit?to=2026-03-10&act=pin.revoke"))) == 1


@pytest.mark.parametrize("days", ["from=tomorrow", "to=2026-02-30", "from=2026-03-11&to=2026-03-10"])
def test_days_that_are_none_are_refused_by_their_field(console: Console, days: str) -> None:
    page = console.visitor("reader").page(f"/audit?{days}", status=422)
    assert 'aria-describedby="from-wrong"' in page
    assert rows(page) == []


def test_pages_are_found_by_where_the_last_one_ended(console: Console) -> None:
    with console.house.database.write() as connection:
        acts = [("pin.issue", f"pin:{each}", {}) for each in range(120)]
        audit.record_many(connection, "user:giulia", console.clock.now(), acts)
    visitor = console.visitor("reader")
    path, seen = "/audit?act=pin.issue", []
    while path:
        page = visitor.page(path)
        found = re.findall(r'<tr id="row-(\d+)">', page)
        assert len(found) <= 50
        seen += found
        following = re.search(r'href="([^"]*)" rel="next"', page)
        path = following[1] if following else ""
    assert len(seen) == len(set(seen)) == 120
    assert seen == sorted(seen, key=int, reverse=True)
    back = re.search(r'href="([^"]*)" rel="prev"', page)
    assert back
    assert re.findall(r'<tr id="row-(\d+)">', visitor.page(back[1])) == seen[50:100]


def test_a_page_asks_as_often_for_many_as_for_few(console: Console) -> None:
    visitor = console.visitor("reader")
    visitor.page("/audit")
    with console.statements() as few:
        visitor.page("/audit?who=user:giulia&from=2026-01-01")
    with console.house.database.write() as connection:
        acts = [("customer.change", f"customer:{each % 4 + 1}", {"customer": 2}) for each in range(60)]
        audit.record_many(connection, "user:giulia", console.clock.now(), acts)
    with console.statements() as many:
        visitor.page("/audit?who=user:giulia&from=2026-01-01")
    assert len(many) == len(few)


# -- verifying ---------------------------------------------------------------------------------


def verdict(console: Console, visitor: Visitor) -> str:
    """Let the log be verified; what the page of the result says."""
    answer = visitor.post("/audit/verify", "/audit")
    assert answer.status_code == 303
    console.work()
    shown = visitor.get(answer.headers["Location"])
    assert shown.status_code == 303
    return visitor.page(shown.headers["Location"])


def test_a_log_that_nobody_touched_holds(console: Console) -> None:
    signed(console)
    visitor = console.visitor("reader")
    record(console, "user:giulia", "pin.revoke", "pin:3")
    assert "Il registro è intatto" in verdict(console, visitor)
    page = visitor.page("/audit")
    assert re.search(r"intatto</span> \d+ righe, tutte al loro posto", page)
    assert "Ultima verifica: 22:00" in page


def test_what_a_restored_backup_took_away_is_said_and_is_no_fault(console: Console) -> None:
    signed(console)
    visitor = console.visitor("reader")
    at, configuration = console.clock.now(), console.house.configuration
    with console.house.database.read() as connection:
        newest = audit.head(connection)
    key = outside.signing_key(configuration)
    assert key is not None
    log = anchors.anchors_in(state_folder(configuration), key)
    anchors.add(log, at, audit.Head(newest.id + 40, bytes(32)))
    anchors.begin_again(log, at, newest, 1)
    page = verdict(console, visitor)
    assert "Il registro è intatto" in page
    assert (
        f"finiva con la riga {newest.id}: le righe successive di allora, fino alla {newest.id + 40}" in page
    )


def test_without_a_key_it_is_said_what_cannot_be_seen(console: Console) -> None:
    page = verdict(console, console.visitor("reader"))
    assert "manca ciò che la garantisce da fuori" in page
    assert "Manca service.signing_key" in page


@pytest.mark.parametrize(
    ("done", "says"),
    [
        ("UPDATE audit SET actor = 'user:elena' WHERE id = 5", "riga 5 È stata cambiata"),
        ("DELETE FROM audit WHERE id IN (5, 6)", "riga 5 Mancano le righe da 5 a 6."),
        (
            "UPDATE audit_details SET details = '{}' WHERE audit_id = 5",
            "riga 5 I suoi dettagli sono stati cambiati.",
        ),
        ("DELETE FROM audit WHERE id > 11", "riga 12 Manca, con tutte quelle che seguivano"),
    ],
)
def test_what_was_tampered_with_is_named_by_its_row(console: Console, done: str, says: str) -> None:
    signed(console)
    visitor = console.visitor("reader")
    record(console, "user:giulia", "pin.revoke", "pin:3")
    visitor.done("/audit/verify", "/audit")  # whatever is written is anchored
    console.work()
    with console.house.database.write() as connection:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        if done.startswith("DELETE"):
            connection.execute(text(done.replace("audit WHERE id", "audit_details WHERE audit_id")))
        connection.execute(text(done))
    page = verdict(console, visitor)
    assert "Il registro non è come il servizio l'ha scritto" in page
    assert says in " ".join(re.sub(r"<[^>]*>", " ", page).split())
    assert "manomesso" in visitor.page("/audit")


def test_a_log_that_cannot_be_read_says_so(console: Console) -> None:
    with console.house.database.write() as connection:
        connection.execute(text("UPDATE audit_details SET details = 'x' WHERE audit_id = 5"))
    assert "qualcosa che il servizio non ha mai scritto" in console.visitor("reader").page("/audit")


# -- the file ----------------------------------------------------------------------------------


def test_the_file_has_what_the_filters_leave_and_is_itself_recorded(console: Console) -> None:
    record(console, "user:giulia", "pin.revoke", "pin:3", reason="=1+1")
    record(console, "user:paolo", "pin.revoke", "pin:=4", reason="x")
    admin = console.visitor("admin")
    answer = admin.post("/audit/export", "/audit?act=pin.revoke&who=user:giulia")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit.csv"'
    content = answer.get_data().decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(content), delimiter=";"))
    assert [(each["actor"], each["name"], each["act"], each["subject"]) for each in lines] == [
        ("user:giulia", "Giulia Moser", "pin.revoke", "pin:3")
    ]
    assert rows(admin.page("/audit"))[0].startswith("22:00 riga 16 Giulia Moser Registro esportato")


def test_the_file_takes_both_rights(console: Console) -> None:
    for role in ("dispatcher", "reader", "technician"):
        assert console.visitor(role).post("/audit/export").status_code == 403
    assert "Scarica in CSV" not in console.visitor("reader").page("/audit")


def test_a_verification_is_asked_for_by_a_click(screen: Screen) -> None:
    page = screen.open("/audit", "reader")
    page.get_by_role("button", name="Verifica ora").click()
    page.get_by_role("progressbar").wait_for()  # the work is asked for
    screen.console.work()
    page.get_by_role("heading", name="Verifica del registro").wait_for()
    page.get_by_text("La catena è intatta").first.wait_for()

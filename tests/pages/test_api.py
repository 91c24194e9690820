"""The JSON interface: what other programs read and do by it, and what they are refused."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from making import NIGHT, a_case, a_sid, everything_written
from nights import night
from programs import Program, patient, program
from screens import opened_console
from sqlalchemy import select
from visitors import Console

from console import erasure
from console.tables import api_answers
from console.web import jobs
from ivr import casework, journal
from oncall.cases import cases
from oncall.rota import roster
from pins import customers, registry
from storage import audit
from storage.tables import metadata

NEW = {
    "name": "Ferramenta Alpina",
    "code": "ALPINA",
    "contract_until": "2026-12-31",
    "phones": ["+390461234567"],
    "sites": [{"name": "Negozio", "address": "Via Roma 1, Trento"}],
    "email": "info@alpina.example",
    "minutes": None,
}


@pytest.fixture
def psa(console: Console) -> Program:
    return program(console)


@pytest.fixture(scope="module")
def unmoved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A program that is refused whatever it asks: one house is enough for all of it."""
    with opened_console(tmp_path_factory.mktemp("unmoved")) as console:
        patient(console)
        made = program(console)
        made.got("/openapi.json")  # its token is noted as used today
        yield made


def acts(console: Console) -> list[tuple[str, str, str]]:
    with console.house.database.read() as connection:
        found = connection.execute(select(metadata.tables["audit"])).all()
    return [(row.actor, row.act, row.subject) for row in found if row.actor.startswith("api:")]


def rows(console: Console) -> dict[str, list[str]]:
    """Every row of every table."""
    with console.house.database.read() as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in metadata.sorted_tables
        }


# -- customers -----------------------------------------------------------------------------------


def test_a_customer_is_added_read_changed_and_ended(console: Console, psa: Program) -> None:
    made = psa.done("/customers", NEW, status=201)
    assert made["code"] == "ALPINA"
    assert made["contract_until"] == "2026-12-31"
    assert psa.got("/customers/alpina") == made
    changed = psa.done("/customers/ALPINA", {"phones": [], "notes": "due\nrighe"}, method="PATCH")
    assert (changed["phones"], changed["notes"], changed["email"]) == ([], "due\nrighe", NEW["email"])
    ended = psa.done("/customers/ALPINA/end", {"on": "2026-03-31", "reason": "paid no more"})
    assert ended["contract_until"] == "2026-03-31"
    assert psa.done("/customers/ALPINA/end")["contract_until"] == "2026-03-10"
    subject = f"customer:{made['id']}"
    assert acts(console) == [
        ("api:psa", "customer.add", subject),
        ("api:psa", "customer.change", subject),
        ("api:psa", "customer.end", subject),
        ("api:psa", "customer.end", subject),
    ]


def test_customers_come_in_pages(console: Console, psa: Program) -> None:
    with console.house.database.read() as connection:
        everybody = {each.code for each in customers.all_customers(connection)}
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        page = psa.got("/customers", limit=2, **({"cursor": cursor} if cursor else {}))
        found += page["customers"]
        cursor, pages = page["next"], pages + 1
        assert len(page["customers"]) <= 2
    assert {each["code"] for each in found} == everybody
    assert len(found) == len(everybody)
    assert pages == (len(everybody) + 1) // 2
    psa.refused("GET", f"/pins?cursor={psa.got('/customers', limit=1)['next']}", None, 422, "cursor")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "fields"),
    [
        ("POST", "/customers", {}, 422, ["name"]),
        ("POST", "/customers", {"name": "X", "pin": "12345678"}, 422, ["pin"]),
        ("POST", "/customers", {"name": ""}, 422, ["name"]),
        ("POST", "/customers", {"name": " "}, 422, ["name"]),
        ("POST", "/customers", {"name": "a\0b"}, 422, ["name"]),
        ("POST", "/customers", {"name": 5}, 422, ["name"]),
        ("POST", "/customers", {"name": "X", "minutes": "5"}, 422, ["minutes"]),
        ("POST", "/customers", {"name": "X", "minutes": True}, 422, ["minutes"]),
        ("POST", "/customers", {"name": "X", "phones": ["0461"]}, 422, ["phones.0"]),
        ("POST", "/customers", {"name": "X", "code": "12345678"}, 422, ["code"]),
        ("POST", "/customers", {"name": "X", "code": "ACME"}, 409, []),
        ("POST", "/customers", {"name": "X", "contract_from": "1.1.2026"}, 422, ["contract_from"]),
        ("POST", "/customers", {"name": "X", "contract_from": "2026-02-30"}, 422, ["contract_from"]),
        ("POST", "/customers", {"name": "X", "contract_from": 1767225600}, 422, ["contract_from"]),
        ("POST", "/customers", {"name": "X", "letters_by_email": True}, 422, ["letters_by_email"]),
        ("POST", "/customers", ["name"], 422, ["body"]),
        ("PATCH", "/customers/ACME", {"name": None}, 422, ["name"]),
        ("PATCH", "/customers/NOBODY", {"name": "X"}, 404, []),
        ("PATCH", "/customers/AC%00ME", {"name": "X"}, 404, []),
        ("POST", "/customers/ACME/end", {"on": "1989-12-31"}, 422, ["contract_until"]),
        ("POST", "/pins", {"customer": "NOBODY"}, 404, []),
        ("POST", "/pins", {"customer": "ACME", "pin": "12345678"}, 422, ["pin"]),
        ("POST", "/pins", {"customer": "ACME", "label": "x" * 121}, 422, ["label"]),
        ("POST", "/pins/999/rotate", {}, 404, []),
        ("POST", "/pins/0/revoke", {}, 404, []),
        ("POST", "/pins/99999999999/revoke", {}, 404, []),
        ("POST", "/pins/x/revoke", {}, 404, []),
        ("POST", "/pins/999/rotate", {"overlap": 91}, 422, ["overlap"]),
        ("POST", "/rotas/none/overrides", "good", 404, []),
        ("POST", "/rotas/duty/overrides", {"technician": "anna"}, 422, ["from", "to"]),
        ("POST", "/rotas/duty/overrides", {"rung": 9}, 422, ["rung"]),
        ("POST", "/rotas/duty/overrides", {"technician": "nobody"}, 422, ["technician"]),
        ("POST", "/rotas/duty/overrides", {"from": "2026-03-12T08:00"}, 422, ["from"]),
        ("POST", "/rotas/duty/overrides", {"from": "1773298800"}, 422, ["from"]),
        ("POST", "/rotas/duty/overrides", {"to": "2026-03-11T08:00:00+01:00"}, 422, ["to"]),
        ("DELETE", "/rotas/duty/overrides/999", None, 404, []),
        ("POST", "/cases/2026-99999/take", {"technician": "anna"}, 404, []),
        ("POST", "/cases/4712/take", {"technician": "anna"}, 404, []),
        ("POST", "/cases/2026-99999/close", {"outcome": "done"}, 422, ["minutes"]),
        ("GET", "/customers?limit=0", None, 422, ["limit"]),
        ("GET", "/customers?limit=101", None, 422, ["limit"]),
        ("GET", "/customers?limit=5&limit=6", None, 422, ["limit"]),
        ("GET", "/customers?page=2", None, 422, ["page"]),
        ("GET", "/customers/ACME?fields=name", None, 422, ["fields"]),
        ("GET", "/customers?cursor=WyJjdXN0b21lcnMiLCB0cnVlXQ", None, 422, ["cursor"]),
        ("GET", "/calls?from=2026-03-10T22:00:00+01:00", None, 422, ["from"]),
        ("GET", "/calls/CA1", None, 404, []),
        ("GET", "/explain?number=%2B390461999999", None, 422, ["number"]),
        ("GET", "/rotas/none/ladder", None, 404, []),
        ("GET", "/cases?customer=NOBODY", None, 404, []),
        ("GET", "/nothing", None, 404, []),
        ("GET", "/customers/", None, 404, []),
        ("PUT", "/customers/ACME", {}, 405, []),
        ("OPTIONS", "/customers", None, 405, []),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_field_and_changes_nothing(
    unmoved: Program, method: str, path: str, body: object, status: int, fields: list[str]
) -> None:
    if path.endswith("/overrides") and isinstance(body, dict | str):
        good = {"technician": "bruno", "from": "2026-03-12T08:00:00+01:00", "to": "2026-03-12T10:00:00+01:00"}
        body = good if body == "good" else body if fields == ["from", "to"] else good | dict(body)
    before = rows(unmoved.console)
    unmoved.refused(method, path, body, status, *fields)
    assert rows(unmoved.console) == before


@pytest.mark.parametrize(
    ("sent", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"name": "X", "name": "Y"}', "application/json", 400),
        (b'{"name": "X", "minutes": NaN}', "application/json", 400),
        (b'{"name": "\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"name": "\\ud800"}', "application/json", 422),
        (b'{"name": "X"}', "text/plain", 415),
        (b'{"name": "X"}', "", 415),
        (b"name=X", "application/x-www-form-urlencoded", 415),
        (b'{"name": "' + b"x" * 300_000 + b'"}', "application/json", 413),
    ],
)
def test_a_body_that_is_none_is_refused(unmoved: Program, sent: bytes, kind: str, status: int) -> None:
    answer = unmoved.ask("POST", "/customers", data=sent, content_type=kind)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert "Traceback" not in answer.get_data(as_text=True)


# -- PINs ----------------------------------------------------------------------------------------


def test_a_pin_is_answered_once_and_stands_nowhere(
    console: Console, psa: Program, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    order = {"customer": "acme", "label": "Server room", "reason": "new contract"}
    first = psa.ask("POST", "/pins", order, key="order-4711")
    assert first.status_code == 201
    assert first.headers["Cache-Control"] == "no-store"
    issued = first.get_json()
    assert issued["shown_before"] is False
    assert registry_finds(console, issued["pin"]) == issued["id"]
    again = psa.ask("POST", "/pins", order, key="order-4711")
    assert again.status_code == 201
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.get_json() == issued | {"pin": None, "shown_before": True}
    rotated = psa.done(f"/pins/{issued['id']}/rotate", {"overlap": 3}, status=201, key="turn-1")
    assert psa.done(f"/pins/{issued['id']}/rotate", {"overlap": 3}, status=201, key="turn-1") == rotated | {
        "pin": None, "shown_before": True,
    }  # fmt: skip
    assert rotated["id"] != issued["id"]
    shown = psa.got("/customers/ACME/pins")["pins"]
    assert [(each["id"], each["status"], each["label"]) for each in shown] == [
        (rotated["id"], "active", "Server room"),
        (issued["id"], "overlap", "Server room"),
    ]
    assert psa.got("/pins", status="overlap")["pins"] == [shown[1]]
    assert psa.got(f"/pins/{rotated['id']}") == shown[0]
    assert psa.done(f"/pins/{rotated['id']}/revoke", {"reason": "lost"})["status"] == "revoked"
    psa.refused("POST", f"/pins/{rotated['id']}/revoke", {}, 409)
    psa.refused("POST", f"/pins/{issued['id']}/rotate", {}, 409)
    everywhere = everything_written(tmp_path) + repr(rows(console)).encode() + caplog.text.encode()
    for pin in (issued["pin"], rotated["pin"]):
        assert pin.encode() not in everywhere
    assert [(act, subject) for _, act, subject in acts(console)] == [
        ("pin.issue", f"pin:{issued['id']}"),
        ("pin.issue", f"pin:{rotated['id']}"),
        ("pin.rotate", f"pin:{issued['id']}"),
        ("pin.revoke", f"pin:{rotated['id']}"),
    ]


def registry_finds(console: Console, pin: str) -> int | None:
    from console import issuing

    digests = issuing.index_of(console.house, console.clock.now()).digests(pin)
    with console.house.database.read() as connection:
        found = registry.find_pin(connection, digests)
    return found.pin_id if found else None


# -- once ----------------------------------------------------------------------------------------


def test_what_comes_twice_is_done_once(console: Console, psa: Program) -> None:
    first = psa.ask("POST", "/customers", NEW, key="c1")
    again = psa.ask("POST", "/customers", NEW, key="c1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.data == first.data
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(acts(console)) == 1
    psa.refused("POST", "/customers", NEW | {"name": "Another"}, 409, key="c1")
    psa.refused("POST", "/pins", {"customer": "ACME"}, 409, key="c1")
    psa.refused("POST", "/customers", NEW, 409, key="c2")  # the code is taken
    psa.refused("POST", "/customers", NEW, 400, "Idempotency-Key", key="c 1")
    # Another program's key is another key.
    program(console, name="erp").refused("POST", "/customers", NEW, 409, key="c1")


def test_a_refusal_uses_no_key_up(psa: Program) -> None:
    psa.refused("POST", "/customers", {"name": "Twin", "code": "ACME"}, 409, key="k")
    psa.done("/customers", {"name": "Twin", "code": "TWIN"}, status=201, key="k")


def test_answers_are_kept_for_a_day(console: Console, psa: Program) -> None:
    note(console, psa)
    console.clock.forward(hours=25)
    jobs.sweep(console.house, console.clock.now())
    with console.house.database.read() as connection:
        assert connection.execute(select(api_answers)).all() == []


def note(console: Console, psa: Program) -> None:
    psa.done("/customers", NEW, status=201, key="c1")


def test_an_erased_customer_stands_in_no_kept_answer(console: Console, psa: Program) -> None:
    note(console, psa)
    erasure.erase(console.house, "test", console.clock.now(), "ALPINA")
    assert "Alpina" not in repr(rows(console)["api_answers"])
    problem = psa.refused("POST", "/customers", NEW, 409, key="c1")
    assert problem["type"].endswith("answer-forgotten")


# -- rota ----------------------------------------------------------------------------------------


def test_who_is_on_duty_and_what_would_happen(console: Console, psa: Program) -> None:
    at = "2026-03-10T22:00:00+01:00"
    (rota,) = psa.got("/rotas")["rotas"]
    answer = psa.got(f"/rotas/{rota}/ladder", at=at)
    with console.house.database.read() as connection:
        ladder = roster.ladder(connection, console.house.configuration.ringing, rota, NIGHT)
    assert answer == {
        "at": at,
        "rota": rota,
        "ladder": [
            {"rung": c.rung, "technician": c.technician, "phone": c.phone, "because": c.because}
            for c in ladder
        ],
    }
    assert ladder
    assert psa.got(f"/rotas/{rota}/ladder") == answer  # the clock stands there
    told = psa.got("/explain", at=at)
    assert (told["pin"], told["reason"], told["until"]) == (True, "night", "2026-03-11T08:00:00+01:00")
    assert told["ladder"][0] == {key: answer["ladder"][0][key] for key in ("rung", "technician", "phone")}


def test_an_override_is_made_seen_and_withdrawn(console: Console, psa: Program) -> None:
    body = {
        "rung": 1,
        "from": "2026-03-12T20:00:00+01:00",
        "to": "2026-03-12T23:00:00+01:00",
        "technician": "bruno",
        "reason": "Anna has a cold",
    }
    made = psa.done("/rotas/duty/overrides", body, status=201, key="o")
    assert psa.done("/rotas/duty/overrides", body, status=201, key="o") == made
    assert {name: made[name] for name in ("from", "to", "technician", "because", "findings")} == {
        "from": body["from"], "to": body["to"], "technician": "bruno", "because": "override", "findings": [],
    }  # fmt: skip
    one = f"/rotas/duty/overrides/{made['id']}"
    del made["findings"]
    assert psa.got(one) == made
    assert psa.got("/rotas/duty/overrides")["overrides"] == [made]
    ladder = psa.got("/rotas/duty/ladder", at="2026-03-12T21:00:00+01:00")["ladder"]
    assert (ladder[0]["technician"], ladder[0]["because"]) == ("bruno", "override")
    answer = psa.ask("DELETE", one, query_string={"reason": "she is well again"})
    assert answer.get_json() == {"id": made["id"], "findings": []}
    psa.refused("GET", one, None, 404)
    psa.refused("DELETE", one, None, 404)
    assert psa.got("/rotas/duty/overrides")["overrides"] == []
    assert [act for _, act, _ in acts(console)] == ["rota.override", "rota.withdraw"]


# -- calls and cases -----------------------------------------------------------------------------


def test_a_night_is_read_and_worked_off(console: Console, psa: Program) -> None:
    played = night(console)
    calls = psa.got("/calls")["calls"]
    assert [each["sid"] for each in calls] == [
        each.sid for each in (played.unanswered, played.no_contract, played.refused, played.connected)
    ]
    page = psa.got("/calls", limit=3)
    assert psa.got("/calls", limit=3, cursor=page["next"])["calls"] == calls[3:]
    since = psa.got("/calls", **{"from": "2026-03-10T21:00:00+01:00", "to": "2026-03-10T21:30:00+01:00"})
    assert since["calls"] == calls[1:3]
    call = psa.got(f"/calls/{played.connected.sid}")
    assert {name: call[name] for name in calls[3]} == calls[3]
    assert (call["customer"], call["urgency"], call["case"]) == ("ACME", "P1+", played.connected.case)
    with console.house.database.read() as connection:
        told = journal.turns_of(connection, played.connected.sid)
    assert [turn["said"] for turn in call["turns"]] == [turn.said for turn in told]
    assert psa.got(f"/calls/{played.unanswered.sid}")["messages"] == [
        {"recording": played.message, "seconds": 20}
    ]

    listed = psa.got("/cases")["cases"]
    assert {each["number"] for each in listed} == {played.connected.case, played.unanswered.case}
    number = played.unanswered.case
    case = psa.got(f"/cases/{number}")
    assert {name: case[name] for name in listed[0]} in listed
    assert psa.got("/cases", state="open", customer="MELE")["cases"] == [
        each for each in listed if each["number"] == number
    ]
    assert psa.got("/cases", code=case["code"], limit=1)["cases"][0]["number"] == number
    assert [each["technician"] for each in case["attempts"]][:2] == ["anna", "dario"]
    taken = psa.done(f"/cases/{number}/take", {"technician": "bruno"})
    assert (taken["taken_by"], taken["taken_via"]) == ("bruno", "hand")
    noted = psa.done(f"/cases/{number}/notes", {"text": "Ticket 88"}, status=201, key="n")
    psa.done(f"/cases/{number}/notes", {"text": "Ticket 88"}, status=201, key="n")
    assert [(each["actor"], each["act"], each["text"]) for each in noted["log"]][-1] == (
        "api:psa", "note", "Ticket 88",
    )  # fmt: skip
    problem = psa.refused("POST", f"/cases/{number}/take", {"technician": "anna"}, 409)
    assert problem["type"].endswith("meanwhile")
    problem = psa.refused("POST", f"/cases/{number}/close", {"outcome": "Router", "minutes": 30}, 409)
    assert problem["type"].endswith("meanwhile")
    closed = psa.done(f"/cases/{number}/close", {"outcome": "Router", "minutes": 30, "has": "bruno"})
    assert (closed["closed_by"], closed["outcome"], closed["minutes"]) == ("api:psa", "Router", 30)
    assert psa.refused("POST", f"/cases/{number}/notes", {"text": "x"}, 409)["type"].endswith("closed")
    with console.house.database.read() as connection:
        found = cases.by_number(connection, number)
        assert found
        assert [entry.act for entry in casework.log_of(connection, found.id) if entry.actor == "api:psa"] == [
            "taken", "note", "closed",
        ]  # fmt: skip
    page = console.visitor("admin").page(f"/cases/{number}")
    assert "psa, un programma" in page


def test_lists_ask_the_database_as_often_for_many_as_for_few(console: Console, psa: Program) -> None:
    def asked() -> dict[str, int]:
        counted = {}
        for path in ("/customers", "/pins", "/calls", "/cases"):
            with console.statements() as found:
                psa.got(path)
            counted[path] = len(found)
        return counted

    def more(many: int, first: int) -> None:
        with console.house.database.write() as connection:
            for number in range(first, first + many):
                a_case(connection, NIGHT, sid=a_sid(number))
                customers.add_customer(connection, "test", NIGHT, f"Nr. {number}")

    more(2, 1)
    asked()  # what is kept from one to the next is kept now
    few = asked()
    more(9, 10)
    assert asked() == few
    assert max(few.values()) < 12


# -- faults --------------------------------------------------------------------------------------


def test_a_fault_of_ours_says_nothing_of_itself(
    psa: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(roster, "rota_keys", fails)
    problem = psa.refused("GET", "/rotas", None, 500)
    assert "secret" not in json.dumps(problem)
    assert "secret of the house" in caplog.text


def test_acts_of_programs_have_a_name_in_the_console(console: Console, psa: Program) -> None:
    note(console, psa)
    page = console.visitor("admin").page("/audit")
    assert "psa, un programma" in page
    with console.house.database.read() as connection:
        assert audit.head(connection).id > 0

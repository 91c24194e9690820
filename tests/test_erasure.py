"""A customer is erased: nothing of him is left in any table or file, others keep everything, and a call of
his that goes on meanwhile is answered to its end.
"""

from __future__ import annotations

import base64
import json
import logging
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from making import a_call, a_sid, everything_written, fresh_database
from pydantic import TypeAdapter
from sqlalchemy import Connection, func, select
from sqlalchemy import text as sql

import console.work.calls
from console import erasure, holdings
from console.house import pin_index
from console.phone import CallerCall, Exchange, Reply, WsgiDoor
from console.privacy import purging
from console.processes.worker import tick
from console.rehearsing.rehearsal import PUBLIC_URL, Rehearsal
from console.work.erasure import TRACES
from ivr import ageing, caller_list, casework, journal, placed
from ivr import answer as answers
from ivr.answer import Answer, Say
from ivr.outgoing_flow import Outgoing
from ivr.prompts import Speech
from ivr.tables import calls, leg_turns, legs, messages, outgoing, outgoing_turns, turns
from ivr.vocabulary import Call
from oncall.cases import cases
from oncall.notices import notices
from oncall.tables import case_links, case_log, texts_in
from oncall.tables import cases as case_rows
from oncall.tables import notices as notice_rows
from pins import customers, outbox, registry
from pins.customers import Customer, Site, UnknownCustomer
from pins.tables import pin_tries, pins, spent_pins
from storage import alarms, audit, due, ledger, trace
from storage.tables import due_work, metadata
from webhooks.kept import Folder

ACTOR = "test"
LINE = "+390461825060"
LISTED: tuple[caller_list.Kind, ...] = ("block", "allow")
ON_FILE, ELSEWHERE, OTHERS = "+393479990001", "+393479990002", "+393471112201"
# Everything of his that a person could recognise him by.
DISTINCTIVE = (
    "Zanzibär Pellicce",
    "ZNZ-GMBH",
    ON_FILE[1:],
    ELSEWHERE[1:],
    "ufficio@zanzibar.example.net",
    "portineria di Zeno",
    "Via Zigzag 77",
    "paga in zecchini",
    "stampante di zinco",
    "zaino del tecnico",
    "Zeno vuole Zita",
    "zio di Zita",
    "zampa di gatto",
    # In a file: it is not in what is held in tables.
    "Zwingli telefonò",
)

TAKEN = """\
@ {at}
* {who} calls trento
< PIN
> PIN {pin}
< prema 1
> 1
< Il caso
* anna's phone rings
* anna answers
anna < Chiamata
anna > 1
* anna and {who} are connected
* they talk for 4 minutes
* the call ends
"""
NOBODY = """\
@ {at}
* {who} calls trento
< PIN
> PIN {pin}
< prema 1
> 1
< Il caso
* anna's phone rings
* anna does not answer
* dario does not answer
* anna does not answer
* dario does not answer
< nessun tecnico
> speaks 45 s and presses #
* the call ends
"""
LOOKS_IN = """\
@ {at}
* {who} calls trento
< PIN
> PIN {pin}
< prema 1
> hangs up
"""
WRONG = """\
@ {at}
* {who} calls trento
< PIN
> wrong PIN
> hangs up
"""


@pytest.fixture
def house(stage: Callable[..., Rehearsal]) -> Rehearsal:
    return inhabited(stage())


def inhabited(rehearsal: Rehearsal) -> Rehearsal:
    """The cast, and a customer of whom something stands wherever something can."""
    at = rehearsal.clock.now()
    rehearsal.people |= {"zed": ELSEWHERE}
    with rehearsal.house.database.write() as connection:
        owner = customers.add_customer(
            connection,
            ACTOR,
            at,
            "Zanzibär Pellicce & Figli",
            code="ZNZ-GMBH",
            spoken_name="Zanzibär Pellicce",
            phones=[ON_FILE],
            sites=[Site("Sede", "Via Zigzag 77")],
            email="ufficio@zanzibar.example.net",
            letters_by_email=True,
            notes="paga in zecchini",
        )
    rehearsal.issue("ZNZ-GMBH")
    with rehearsal.house.database.write() as connection:
        customers.change(connection, ACTOR, at, "ZNZ-GMBH", address="Via Zigzag 77\n38122 Trento")
        pin_id = rehearsal.pin_ids["znz-gmbh"]
        connection.execute(pins.update().where(pins.c.id == pin_id).values(label="portineria di Zeno"))
    for number, (who, pin, text) in enumerate(
        [
            ("zed", "znz-gmbh", TAKEN),
            ("acme", "acme", TAKEN),
            ("znz-gmbh", "znz-gmbh", WRONG),
        ]
    ):
        rehearsal.play(text.format(at=f"2026-03-10 2{number}:10", who=who, pin=pin))
    state = rehearsal.folder / "state"
    with rehearsal.house.database.write() as connection:
        at = rehearsal.clock.now()
        first = cases.open_of_customer(connection, owner.id)
        assert first is not None
        casework.close(connection, ACTOR, at, first, outcome="la stampante di zinco")
        other = customers.customer(connection, "ACME")
        kept = cases.open_of_customer(connection, other.id)
        assert kept is not None
        casework.close(connection, ACTOR, at, kept, outcome="resta agli atti")
        throttle_row = {"at": at, "number": ON_FILE, "lane": "shared", "cleared": False}
        connection.execute(pin_tries.insert(), throttle_row)
        alarms.raise_alarm(connection, at, "pin-ends", f"pin:{pin_id}", {"customer": "ZNZ-GMBH"})
        alarms.raise_alarm(connection, at, "pin-ends", "pin:1", {"customer": "ACME"})
        message = b"Alla Zanzib\xc3\xa4r Pellicce"
        for number, to in ((pin_id, owner.email), (1, "acme@example.net")):
            sealed = outbox.seal(state / "outbox", message)
            outbox.queue(connection, at, sealed, pin_id=number, to=to)
    rehearsal.play(NOBODY.format(at="2026-03-10 23:30", who="zed", pin="znz-gmbh"))
    with rehearsal.house.database.write() as connection:
        (sid,) = connection.execute(select(messages.c.recording_sid)).scalars()
        journal.message_fetched(connection, rehearsal.clock.now(), sid, f"{sid}.mp3")
        (state / "messages").mkdir(parents=True, exist_ok=True)
        (state / "messages" / f"{sid}.mp3").write_bytes("Zwingli telefonò".encode())
        connection.execute(
            case_rows.update().where(case_rows.c.closed_at.is_(None)).values(call_back_to=ON_FILE)
        )
        what_people_did(connection, rehearsal, owner)
    return rehearsal


def what_people_did(connection: Connection, rehearsal: Rehearsal, owner: Customer) -> None:
    """Notes, links, notices, a text message and a call of ours about his open case."""
    at = rehearsal.clock.now()
    case = cases.open_of_customer(connection, owner.id)
    assert case is not None
    casework.note(connection, ACTOR, at, case, "zaino del tecnico")
    connection.execute(
        case_links.insert().values(
            token_hash=b"z" * 32, case_id=case.id, created_at=at, expires_at=at + timedelta(days=1)
        )
    )
    facts = {"customer": owner.spoken_name, "caller": ELSEWHERE}
    for about in (f"case:{case.number}", f"call:{case.call_sid}"):
        notices.tell(connection, at, "nobody-answered", "technician:anna", about, facts, loud=True)
    connection.execute(
        texts_in.insert().values(
            sid="SM1", technician="anna", received_at=at, act="take", answer="Caso di Zanzibär Pellicce"
        )
    )
    call = Outgoing("pursue", "anna", "it", customer=owner.spoken_name, text="Zeno vuole Zita")
    placed_id = placed.begin(connection, at, call, phone="+393331234501", number=LINE, case_id=case.id)
    answer = Answer((Say(Speech("zampa di gatto", "it-IT", "Polly.Bianca")),))
    placed.write_turn(connection, at, placed_id, call, 0, "picked up", answers.to_json(answer))
    placed.ended(connection, at, placed_id, "completed")
    # A number he calls from, and an entry of it that was taken off the list again.
    for kind in LISTED:
        caller_list.put(connection, ACTOR, at, kind, ELSEWHERE, reason="zio di Zita")
        if kind == "block":
            caller_list.remove(connection, ACTOR, at, ELSEWHERE)
    caller_list.put(connection, ACTOR, at, "block", "+393479998877")


def erase(rehearsal: Rehearsal, code: str = "ZNZ-GMBH") -> erasure.Erased:
    return erasure.erase(rehearsal.house, ACTOR, rehearsal.clock.now(), code)


def forms(text: str) -> Iterator[bytes]:
    """How a text may stand in a file."""
    raw = text.encode()
    yield from (raw, raw[::-1], raw.hex().encode(), quote(text).encode(), json.dumps(text)[1:-1].encode())
    yield from (text.encode("utf-16-le"), text.encode("utf-16-be"))
    for shift in range(3):  # wherever it begins among the groups of three
        encoded = base64.b64encode(b"\0" * shift + raw)
        yield encoded[4 if shift else 0 : len(encoded) - 4]


def everything(rehearsal: Rehearsal) -> bytes:
    """Every byte of the folder, and every row of the database."""
    found = [everything_written(rehearsal.folder)]
    with rehearsal.house.database.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                for value in row:
                    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
                    found.append(value if isinstance(value, bytes) else text.encode("utf-8", "replace"))
    return b"\n".join(found)


def left(rehearsal: Rehearsal) -> list[str]:
    written = everything(rehearsal)
    return [text for text in DISTINCTIVE if any(form in written for form in forms(text))]


# -- nothing is left -------------------------------------------------------------------------------


def test_nothing_is_left_of_an_erased_customer(stage: Callable[..., Rehearsal], database_url: str) -> None:
    house = inhabited(stage(url=database_url) if "postgresql" in database_url else stage())
    assert left(house) == list(DISTINCTIVE)
    erased = erase(house)
    assert left(house) == []
    assert erased.log_truncated
    assert (erased.pins, erased.cases, erased.calls, erased.files) == (1, 2, 3, 2)
    with house.house.database.read() as connection:
        with pytest.raises(UnknownCustomer):
            customers.customer(connection, "ZNZ-GMBH")
        assert audit.verify(connection)[1] == []


def test_what_stays_is_the_bare_fact(house: Rehearsal) -> None:
    with house.house.database.read() as connection:
        before = {row.number: row for row in connection.execute(select(case_rows))}
    erased = erase(house)
    with house.house.database.read() as connection:
        for row in connection.execute(select(case_rows)):
            was = before[row.number]
            assert (row.code, row.urgency, row.opened_at, row.due_at) == (
                was.code,
                was.urgency,
                was.opened_at,
                was.due_at,
            )
            assert row.closed_at is not None
        mine = [row for row in connection.execute(select(case_rows)) if row.customer_id is None]
        assert len(mine) == 2
        assert [(row.outcome, row.call_back_to) for row in mine] == [(None, None)] * 2
        for row in mine:
            assert not due.pending(connection, cases.PURSUE, row.number)
        found = audit.acts(connection, [f"customer:{erased.customer_id}"])
        assert [act.act for act in found] == ["customer.erase", "customer.change", "customer.add"]
        assert [act.details for act in found][1:] == [None, None]
        assert "entries" not in str(found[0].details)


def test_his_pins_open_nothing_and_are_never_issued_again(house: Rehearsal) -> None:
    with house.house.database.read() as connection:
        digest = connection.execute(
            select(pins.c.digest).where(pins.c.id == house.pin_ids["znz-gmbh"])
        ).scalar_one()
    erase(house)
    with house.house.database.write() as connection:
        assert digest in connection.execute(select(spent_pins.c.digest)).scalars().all()
        index = pin_index(house.configuration)
        new = registry.NewPin(house.pins["znz-gmbh"], tuple(index.digests(house.pins["znz-gmbh"])))
        assert registry.find_pin(connection, new.digests) is None
        with pytest.raises(registry.PinUsedBefore):
            registry.issue(connection, ACTOR, house.clock.now(), "ACME", new)


def test_a_miss_from_his_number_still_counts(house: Rehearsal) -> None:
    with house.house.database.read() as connection:
        before = connection.execute(select(func.count()).select_from(pin_tries)).scalar_one()
    erase(house)
    with house.house.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(pin_tries)).scalar_one() == before


def test_the_ledger_is_told(house: Rehearsal) -> None:
    erased = erase(house)
    with house.house.database.read() as connection:
        noted = connection.execute(select(due_work.c.key).where(due_work.c.kind == ledger.KIND)).scalars()
        assert f"customer.erase:{erased.customer_id}" in list(noted)


def test_what_people_did_about_him_stays_without_a_word(house: Rehearsal) -> None:
    erase(house)
    with house.house.database.read() as connection:
        his = select(case_rows.c.id).where(case_rows.c.customer_id.is_(None))
        written = connection.execute(select(case_log).where(case_log.c.case_id.in_(his))).all()
        assert [(row.act, row.text, row.details) for row in written] == [
            ("closed", "", {}),
            ("note", "", {}),
            ("closed", "", {}),
        ]
        assert connection.execute(select(case_links)).all() == []
        told = connection.execute(select(notice_rows).where(notice_rows.c.kind == "nobody-answered")).all()
        assert {str(row.facts) for row in told} == {"{}"}
        assert all(row.settled_at is not None for row in told)
        assert connection.execute(select(outgoing_turns)).all() == []
        (call,) = connection.execute(select(outgoing.c.state)).scalars()
        assert json.loads(call)["step"] == "ended"
        assert connection.execute(select(texts_in.c.answer)).scalar_one() == ""
        for notice in told:
            assert not due.pending(connection, notices.NOTICE, str(notice.id))


def test_the_call_of_a_screened_caller_is_his_once_the_case_is(house: Rehearsal) -> None:
    """It came from a withheld number, and no PIN was heard in it."""
    with house.house.database.write() as connection:
        at = house.clock.now()
        sid = a_call(connection, a_sid(77), at)
        number = cases.next_number(connection, at.year)
        opened: dict[str, Any] = {"urgency": None, "due_at": None, "pursue_at": None, "customer_id": None}
        cases.open_case(
            connection, at, number=number, code="9999", call_sid=sid, rota="duty", billable=False, **opened
        )
        urgency = house.configuration.urgency
        found = cases.find(connection, number)
        casework.name_customer(connection, ACTOR, at, found, "ZNZ-GMBH", urgency)
        empty = TypeAdapter(Call).dump_json(Call(sid, "", LINE, "it", ("it",))).decode()
        connection.execute(calls.update().where(calls.c.sid == sid).values(state=empty))
    assert erase(house).calls == 4
    with house.house.database.read() as connection:
        assert cases.find(connection, number).customer_id is None
        assert "ZNZ" not in str(audit.acts(connection, [f"case:{number}"]))


# -- others ----------------------------------------------------------------------------------------


def held(rehearsal: Rehearsal, code: str) -> dict[str, Any]:
    with rehearsal.house.database.read() as connection:
        return holdings.of_customer(rehearsal.house, connection, code)


def test_others_keep_everything(house: Rehearsal) -> None:
    before = held(house, "ACME")
    assert len(before["calls"]) == 1
    assert before["calls"][0]["turns"]
    assert {work["kind"] for work in before["due_work"]} >= {"alarm", "letter.mail"}
    erase(house)
    assert held(house, "ACME") == before
    assert len(list((house.folder / "state" / "outbox").iterdir())) == 1


def test_a_number_that_others_call_from_too_is_not_his_alone(house: Rehearsal) -> None:
    """A consultant phones for two customers, a technician tries a customer's PIN: their calls stay."""
    house.play(LOOKS_IN.format(at="2026-03-11 22:00", who="acme", pin="znz-gmbh"))
    house.play(LOOKS_IN.format(at="2026-03-11 22:10", who="anna", pin="znz-gmbh"))
    house.play(WRONG.format(at="2026-03-11 22:20", who="acme", pin=""))
    house.play(WRONG.format(at="2026-03-11 22:30", who="anna", pin=""))
    before = held(house, "ACME")
    assert [call["caller"] for call in before["calls"]] == [OTHERS] * 2
    assert erase(house).calls == 5
    assert held(house, "ACME") == before
    with house.house.database.read() as connection:
        callers = list(connection.execute(select(calls.c.caller).order_by(calls.c.started_at)).scalars())
        assert callers[-4:] == ["", "", OTHERS, "+393331234501"]


def test_all_that_is_held_about_a_customer(house: Rehearsal) -> None:
    document = held(house, "znz-gmbh")
    text = json.dumps(document, ensure_ascii=False, default=str)
    assert [each for each in DISTINCTIVE[:-1] if each not in text] == []
    assert house.pins["znz-gmbh"] not in text
    assert [case["number"] for case in document["cases"]] == ["2026-00001", "2026-00003"]
    assert [call["caller"] for call in document["calls"]].count(ELSEWHERE) == 2
    assert all(len(call["turns"]) > 1 for call in document["calls"])
    assert [each["kind"] for each in document["recordings"]] == ["message"]
    assert [entry["act"] for entry in document["case_log"]] == ["closed", "note"]
    assert [notice["kind"] for notice in document["notices"]].count("nobody-answered") >= 2
    assert [call["turns"][0]["said"] for call in document["calls_placed"]] == [["zampa di gatto"]]
    assert {"customer.add", "pin.issue", "case.close"} <= {act["act"] for act in document["audit"]}
    letter = next(work for work in document["due_work"] if work["kind"] == outbox.LETTER)
    assert "key" not in letter["details"]


# -- a call that goes on ---------------------------------------------------------------------------


class ErasingDoor:
    """Delivers as the house does, and erases the customer right before the `place`-th request."""

    def __init__(self, rehearsal: Rehearsal, code: str, place: int | None) -> None:
        self._rehearsal = rehearsal
        self._code = code
        self._place = place
        self.delivered = 0

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        if self.delivered == self._place:
            erase(self._rehearsal, self._code)
        self.delivered += 1
        reply = WsgiDoor(self._rehearsal.app).post(url, form, headers)
        assert reply.status < 400, (self._place, url, reply.status)
        return reply


def walk(rehearsal: Rehearsal, code: str, phone: str, place: int | None) -> tuple[CallerCall, int]:
    """A whole call: an urgency, a phone that is not answered, one that is, a short talk, a reconnect."""
    door = ErasingDoor(rehearsal, code, place)
    rehearsal.exchange = Exchange(
        door,
        public_url=PUBLIC_URL,
        account_sid=rehearsal.account_sid,
        auth_token=rehearsal.auth_token,
        clock=rehearsal.clock,
        owned=rehearsal.configuration.our_numbers,
    )
    call = rehearsal.exchange.ring(phone, LINE)
    keys = iter([f"{rehearsal.pins[code.lower()]}#", "9", "1"])
    rung = 0
    for _ in range(60):
        match call.state:
            case "ended":
                return call, door.delivered
            case "gathering":
                if pressed := next(keys, None):
                    call.press(pressed)
                else:
                    call.wait()
            case "recording":
                call.speak(5, then="#")
            case "ringing" if rung == 0:
                rung += 1
                call.wait()
            case "ringing":
                call.ringing[0].answer()
            case "whispering":
                assert call.leg is not None
                call.leg.press("1")
            case "bridged":
                assert call.leg is not None
                call.leg.talk(10)
    raise AssertionError(f"the call does not end: {call}")


def test_a_call_that_goes_on_while_its_customer_is_erased(house: Rehearsal) -> None:
    """Before each of its requests in turn: every request is answered, and the caller hears a last word."""
    places: list[int | None] = [None]
    requests = 0
    while places:
        place = places.pop(0)
        code, phone = f"OPEN{place}", f"+39347888{1000 + (place or 0)}"
        with house.house.database.write() as connection:
            customers.add_customer(
                connection, ACTOR, house.clock.now(), f"Aperta {code}", code=code, phones=[phone]
            )
            connection.execute(pin_tries.delete())
        house.issue(code)
        call, delivered = walk(house, code, phone, place)
        if place is None:
            requests = delivered
            assert requests > 8
            places = list(range(1, requests))
        heard = call.heard()
        assert "Arrivederci" in heard[-1], (place, heard)
        if place is not None:
            written = everything(house)
            # What he is asked after the erasure may show the number he calls from, no longer his name.
            assert f"Aperta {code}".encode() not in written, place
            assert phone.encode() not in written, place
    # Nothing of it keeps a technician's phone engaged.
    with house.house.database.read() as connection:
        later = house.clock.now() + timedelta(seconds=1)
        assert placed.engaged(connection, later, "") == frozenset()


def test_what_the_network_asks_again_after_an_erasure(house: Rehearsal) -> None:
    """The answer is lost, the customer erased, the request repeated: the call goes on, without a word."""
    call = house.exchange.ring(ELSEWHERE, LINE)
    call.press(f"{house.pins['znz-gmbh']}#")
    assert "Zanzibär" in " ".join(call.heard())
    with house.house.database.read() as connection:
        before = journal.last_answer(connection, call.sid)
    erase(house)
    with house.house.database.read() as connection:
        after = journal.last_answer(connection, call.sid)
    assert before is not None
    assert after is not None
    assert "Zanzib" in before
    assert (json.loads(after)["parts"][-1]["do"], "Zanzib" in after) == ("gather", False)
    reply = house.exchange.repeat_last()
    assert reply.status == 200
    assert b"<Gather" in reply.body


# -- the disk --------------------------------------------------------------------------------------


def test_files_go_by_the_worker_if_the_command_was_interrupted(
    house: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as interrupted:
        interrupted.setattr(erasure, "tick", lambda *_: 0)
        assert not erase(house).log_truncated
    assert len(list((house.folder / "state" / "messages").iterdir())) == 1
    tick(house.house, house.clock.now(), {TRACES: erasure.remove})
    assert left(house) == []


def test_a_log_that_is_being_read_is_emptied_later(house: Rehearsal) -> None:
    with house.house.database.read() as connection:
        connection.execute(select(calls)).all()
        # A reader that goes on: the log cannot be emptied under it. It waits as long as a writer may.
        assert not trace.remove_traces(house.house.database, busy_ms=1)
    assert trace.remove_traces(house.house.database)


def test_a_recording_that_is_fetched_while_its_call_is_erased_does_not_stay(
    house: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker was fetching it: what it fetched is nobody's any more."""

    def fetch(_: object, sid: str, folder: Folder) -> str:
        erase(house)
        with folder.writing(f"{sid}.mp3") as file:
            file.write(b"Zwingli")
        return f"{sid}.mp3"

    monkeypatch.setattr(console.work.calls, "fetch_recording", fetch)
    with house.house.database.write() as connection:
        sid = connection.execute(select(messages.c.recording_sid)).scalar_one()
        connection.execute(due_work.delete().where(due_work.c.kind == journal.FETCH))
        due.add(connection, house.clock.now(), journal.FETCH, sid, house.clock.now(), {"call": "CA1"})
    tick(house.house, house.clock.now(), {journal.FETCH: console.work.calls.fetch_message})
    assert list((house.folder / "state" / "messages").iterdir()) == []


def test_no_table_of_calls_keeps_words(house: Rehearsal) -> None:
    with house.house.database.read() as connection:
        customer = customers.customer(connection, "ZNZ-GMBH")
        his = erasure.belongings(house.house, connection, "ZNZ-GMBH")
    erase(house)
    with house.house.database.read() as connection:
        for table in (turns, messages):
            column = table.c.sid if table is turns else table.c.call_sid
            assert connection.execute(select(table).where(column.in_(his.calls))).all() == []
        kept = connection.execute(select(calls).where(calls.c.sid.in_(his.calls))).all()
        assert [(row.caller, row.customer_id, row.step) for row in kept] == [("", None, "ended")] * 3
        assert {row.outcome for row in kept} == {"connected", "hung-up", "nobody-answered"}
        assert connection.execute(select(legs).where(legs.c.call_sid.in_(his.calls))).all() == []
        left_turns = select(leg_turns.c.sid).where(leg_turns.c.sid.not_in(select(legs.c.sid)))
        assert connection.execute(left_turns).all() == []
        assert customer.id not in customers.codes(connection)


def test_copies_that_page_splits_left_behind_are_removed_too(tmp_path: Path) -> None:
    """SQLite overwrites what it deletes, but not what once moved to another page."""
    source = random.Random(10)
    row = sql("INSERT INTO things VALUES (:id, :what)")
    grow = sql("UPDATE things SET what = :what WHERE id = :id")
    with fresh_database(tmp_path) as database:
        with database.write() as connection:
            connection.exec_driver_sql("CREATE TABLE things (id INTEGER PRIMARY KEY, what TEXT)")
            connection.execute(row, [{"id": id_, "what": f"zigzag{id_:03d}"} for id_ in range(200)])
        for _ in range(5):
            with database.write() as connection:
                for id_ in source.sample(range(200), 100):
                    what = f"zigzag{id_:03d}" * source.randrange(1, 60)
                    connection.execute(grow, {"id": id_, "what": what})
        with database.write() as connection:
            connection.exec_driver_sql("DELETE FROM things WHERE id % 2 = 0")

        def left_of_them() -> list[int]:
            written = everything_written(tmp_path)
            return [id_ for id_ in range(0, 200, 2) if f"zigzag{id_:03d}".encode() in written]

        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        assert left_of_them()
        assert trace.remove_traces(database)
        assert left_of_them() == []


# -- old calls, Twilio, logs -----------------------------------------------------------------------


def test_what_pseudonyms_stand_for_is_erased_too(house: Rehearsal) -> None:
    """He called from his number without a PIN: a month ago, of which only a pseudonym is left, and lately."""
    later = house.clock.now() + timedelta(days=31)
    with house.house.database.write() as connection:
        connection.execute(case_rows.update().values(closed_at=house.clock.now()))
    purging.purge(house.house, ACTOR, later)
    with house.house.database.write() as connection:
        lately = Call(a_sid(91), ELSEWHERE, LINE, "it", ("it",))
        journal.begin(connection, later, lately, 0)
        others = Call(a_sid(92), OTHERS, LINE, "it", ("it",))
        journal.begin(connection, later, others, 0)
        aged = list(connection.execute(select(calls.c.caller).where(calls.c.caller.like("~%"))).scalars())
        assert len(aged) == 4
    erasure.erase(house.house, ACTOR, later, "ZNZ-GMBH")
    assert left(house) == []
    with house.house.database.read() as connection:
        callers = list(connection.execute(select(calls.c.caller)).scalars())
    assert sorted(callers) == sorted(["", "", "", "", next(iter(set(callers) & set(aged))), OTHERS])


def test_twilio_is_asked_to_forget_him(house: Rehearsal) -> None:
    whole = house.house.configuration
    twilio = whole.twilio.model_copy(update={"account_sid": "AC" + "0" * 32})
    with_account = replace(house.house, configuration=whole.model_copy(update={"twilio": twilio}))
    with house.house.database.read() as connection:
        his = erasure.belongings(house.house, connection, "ZNZ-GMBH").calls
        recording = connection.execute(select(messages.c.recording_sid)).scalar_one()
    erasure.erase(with_account, ACTOR, house.clock.now(), "ZNZ-GMBH")
    with house.house.database.read() as connection:
        waits = {
            row.kind: row
            for row in connection.execute(select(due_work).where(due_work.c.state == "pending"))
            if row.kind in (journal.FORGET, ageing.FORGET)
        }
    assert waits[journal.FORGET].key == recording
    assert waits[ageing.FORGET].payload == {"calls": his}
    assert waits[ageing.FORGET].due_at == house.clock.now() + timedelta(hours=4)


def test_logs_hold_no_name_and_no_number(
    stage: Callable[..., Rehearsal], caplog: pytest.LogCaptureFixture
) -> None:
    """A night's calls, what people did, a purge and the erasure."""
    caplog.set_level(logging.INFO)
    house = inhabited(stage())
    purging.purge(house.house, ACTOR, house.clock.now() + timedelta(days=1))
    erase(house)
    log = logging.getLogger("ivr")
    log.info("the log is read")
    written = caplog.text.encode()
    assert b"the log is read" in written
    told = [*DISTINCTIVE, OTHERS[1:], "+393331234501"[1:]]
    assert [text for text in told if any(form in written for form in forms(text))] == []
    assert re.findall(rb"\b3[0-9]{9}\b", written) == []

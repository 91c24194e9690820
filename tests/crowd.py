"""A house after years of work: customers, PINs, technicians, a rota with its overrides, calls, cases, acts.

Rows are written by the thousand, as the verbs would have left them; a page cannot tell the difference. The
same `seed` makes the same house.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from console.house import House
from ivr import answer
from ivr.answer import Answer, Gather, HangUp, Say
from ivr.prompts import Speech
from ivr.stored import CALL
from ivr.tables import calls, leg_turns, legs, messages, turns
from ivr.vocabulary import Call, Outcome, Step
from oncall.rota import roster, rota_file
from oncall.tables import (
    absences,
    attempts,
    case_calls,
    case_log,
    case_numbers,
    cases,
    notice_sends,
    notices,
    rota_overrides,
)
from pins.tables import customer_phones, customer_sites, customers, pin_tries, pins
from storage import audit
from storage.tables import due_work

TOGETHER = 5000
# What calls come to, and how often.
OUTCOMES = (
    (Outcome.CONNECTED, 40),
    (Outcome.OFFICE, 25),
    (Outcome.HUNG_UP, 8),
    (Outcome.NOT_COVERED, 7),
    (Outcome.NO_PIN, 6),
    (Outcome.MESSAGE, 5),
    (Outcome.NOBODY_ANSWERED, 4),
    (Outcome.NO_CONTRACT, 3),
    (Outcome.OFFICE_MISSED, 2),
)
WITH_CASE = {Outcome.CONNECTED, Outcome.NOBODY_ANSWERED}
LEVELS = (("P1+", 60), ("P1", 120), ("P2", 240))
FIRST = [
    "Alpe",
    "Baita",
    "Cima",
    "Dolomia",
    "Erta",
    "Faggio",
    "Ghiacciaio",
    "Lago",
    "Malga",
    "Neve",
    "Orso",
    "Passo",
    "Rifugio",
    "Segheria",
    "Torre",
]
LAST = [
    "Adamello",
    "Brenta",
    "Concarena",
    "Dosson",
    "Eden",
    "Fiemme",
    "Garda",
    "Lagorai",
    "Marmolada",
    "Non",
    "Ortles",
    "Presena",
    "Rendena",
    "Sole",
]
PEOPLE = [
    "Ada",
    "Bice",
    "Carlo",
    "Dora",
    "Elio",
    "Fabio",
    "Gino",
    "Ilda",
    "Livio",
    "Mara",
    "Nino",
    "Olga",
    "Piero",
    "Rita",
    "Sara",
    "Tullio",
    "Ugo",
    "Vera",
    "Zeno",
]


@dataclass(frozen=True)
class Crowd:
    """How much of everything. `years` is how far back calls go."""

    customers: int = 5_000
    calls: int = 200_000
    technicians: int = 20
    overrides: int = 2_000
    acts: int = 50_000
    years: float = 3.0


def fill(house: House, at: datetime, crowd: Crowd, seed: int = 1) -> None:
    """Fill an empty house, or one with the cast in it, with what has happened up to `at`."""
    drawn = random.Random(seed)
    with house.database.write() as connection:
        keys = _technicians(connection, house, at, crowd, drawn)
    with house.database.write() as connection:
        _customers(connection, at, crowd, drawn)
        ids = list(connection.execute(select(customers.c.id).order_by(customers.c.id)).scalars())
    with house.database.write() as connection:
        _calls(connection, house, at, crowd, drawn, ids, keys)
    with house.database.write() as connection:
        _acts(connection, at, crowd, drawn, ids)
    with house.database.write() as connection:
        connection.exec_driver_sql("ANALYZE")


def _technicians(
    connection: Connection, house: House, at: datetime, crowd: Crowd, drawn: random.Random
) -> list[str]:
    keys = [f"t{number:02}" for number in range(crowd.technicians)]
    people = "".join(
        f'[[technician]]\nkey = "{key}"\nname = "{PEOPLE[i % len(PEOPLE)]} {LAST[i % len(LAST)]}"\n'
        f'phone = "+39333555{i:04}"\nemail = "{key}@example.net"\n'
        for i, key in enumerate(keys)
    )
    quoted = [f'"{key}"' for key in keys]
    half = max(1, len(keys) // 2)
    rungs = "".join(
        f"  [[rota.rung]]\n  people = [{', '.join(some)}]\n  starts = 2023-01-02\n"
        f'  handover = "18:30"\n  every = "1 week"\n'
        for some in (quoted[:half], quoted[half:] or quoted)
    )
    text = f'{people}[[rota]]\nkey = "duty"\ntime_zone = "Europe/Rome"\n{rungs}'
    roster.apply(connection, "crowd", at, house.configuration.ringing, rota_file.read(text))
    rows = []
    for _ in range(crowd.overrides):
        begins = _some_time(drawn, at, crowd.years) + timedelta(days=drawn.choice((0, 0, 0, 30)))
        rows.append(
            {
                "rota": "duty",
                "rung": drawn.choice((1, 2)),
                "starts_at": begins,
                "ends_at": begins + timedelta(hours=drawn.choice((4, 12, 24))),
                "technician": drawn.choice(keys),
                "created_at": begins - timedelta(days=3),
                "created_by": "user:giulia",
                "because": "override",
            }
        )
    _write(connection, rota_overrides, rows)
    _write(
        connection,
        absences,
        [
            {
                "technician": drawn.choice(keys),
                "starts_at": begins,
                "ends_at": begins + timedelta(days=7),
                "kind": "holiday",
                "source": "",
                "created_at": begins - timedelta(days=9),
                "created_by": "user:giulia",
            }
            for begins in (_some_time(drawn, at, crowd.years) for _ in range(crowd.technicians * 5))
        ],
    )
    return keys


def _customers(connection: Connection, at: datetime, crowd: Crowd, drawn: random.Random) -> None:
    rows = [
        {
            "code": f"C{number:05}",
            "name": f"{drawn.choice(FIRST)} {drawn.choice(LAST)} {number}",
            "spoken_name": f"{drawn.choice(FIRST)} {number}",
            "language": drawn.choice((None, "it", "de")),
            "coverage": drawn.choice(("contract", "contract", "contract", "prepaid", "none")),
            "contract_until": (at + timedelta(days=drawn.randint(-200, 900))).date(),
            "minutes_left": drawn.randint(0, 600),
            "address": f"Via Roma {number}\n38100 Trento",
            "email": f"c{number}@example.net",
            "notes": "",
            "created_at": at - timedelta(days=900),
        }
        for number in range(crowd.customers)
    ]
    _write(connection, customers, rows)
    known = connection.execute(select(customers.c.id, customers.c.code))
    ids = {row.code: row.id for row in known if re.fullmatch(r"C\d{5}", row.code)}
    phones, sites, issued = [], [], []
    for code, customer_id in ids.items():
        number = int(code[1:])
        phones.append({"customer_id": customer_id, "phone": f"+39348{number:07}"})
        if number % 3 == 0:
            sites.append({"customer_id": customer_id, "name": "sede", "address": "Via Brennero 1"})
        for which in range(1 if number % 5 else 3):
            issued_at = at - timedelta(days=drawn.randint(1, 800))
            revoked = which == 2
            issued.append(
                {
                    "customer_id": customer_id,
                    "label": drawn.choice(("", "sala server", "amministrazione")),
                    "digest": hashlib.sha256(f"{code}-{which}".encode()).digest(),
                    "key_version": 1,
                    "params_version": 1,
                    "length": 9,
                    "issued_at": issued_at,
                    "issued_by": "user:giulia",
                    "reason": "",
                    "expires_on": (at + timedelta(days=drawn.randint(-90, 400))).date()
                    if which == 1
                    else None,
                    "revoked_at": at - timedelta(days=1) if revoked else None,
                    "revoked_by": "user:giulia" if revoked else None,
                    "revoke_reason": "lost" if revoked else None,
                    "last_used_at": None if number % 4 else at - timedelta(days=2),
                }
            )
    _write(connection, customer_phones, phones)
    _write(connection, customer_sites, sites)
    _write(connection, pins, issued)


def _calls(
    connection: Connection,
    house: House,
    at: datetime,
    crowd: Crowd,
    drawn: random.Random,
    ids: list[int],
    keys: list[str],
) -> None:
    ours = [number.number for number in house.configuration.number]
    kinds, weights = zip(*OUTCOMES, strict=True)
    started = sorted(_some_time(drawn, at - timedelta(hours=2), crowd.years) for _ in range(crowd.calls))
    rows: dict[Table, list[dict[str, Any]]] = {
        table: []
        for table in (
            calls,
            turns,
            cases,
            case_calls,
            attempts,
            legs,
            leg_turns,
            messages,
            case_log,
            notices,
            notice_sends,
            due_work,
            pin_tries,
        )
    }
    case_id, attempt_id, notice_id = 0, 0, 0
    counted: dict[int, int] = {}
    for number, begun in enumerate(started):
        sid = f"CA{number:032x}"
        outcome = drawn.choices(kinds, weights)[0]
        known = outcome not in (Outcome.OFFICE, Outcome.NO_PIN, Outcome.OFFICE_MISSED)
        customer = drawn.choice(ids) if known else None
        level, within = drawn.choice(LEVELS)
        ended = begun + timedelta(seconds=drawn.randint(20, 900))
        caller = f"+39348{drawn.randrange(crowd.customers):07}"
        line = drawn.choice(ours)
        rows[calls].append(
            {
                "sid": sid,
                "caller": caller,
                "number": line,
                "started_at": begun,
                "ended_at": ended,
                "outcome": outcome,
                "customer_id": customer,
                "urgency": level if outcome in WITH_CASE else None,
                "turn": 3,
                "step": Step.ENDED,
                "state": _state(sid, caller, line, outcome),
            }
        )
        for turn, (step, heard, said) in enumerate(_SAID):
            rows[turns].append(
                {
                    "sid": sid,
                    "turn": turn,
                    "at": begun + timedelta(seconds=6 * turn),
                    "step": step,
                    "heard": heard,
                    "answer": said,
                }
            )
        if outcome is Outcome.MESSAGE or (outcome is Outcome.NOBODY_ANSWERED and number % 2):
            recording = f"RE{number:032x}"
            rows[messages].append(
                {
                    "recording_sid": recording,
                    "call_sid": sid,
                    "url": f"https://api.twilio.com/{recording}",
                    "seconds": drawn.randint(3, 90),
                    "recorded_at": ended,
                    "status": "completed",
                    "kind": "message",
                    "file": f"{recording}.mp3",
                    "fetched_at": ended,
                }
            )
        if outcome is Outcome.NO_PIN and begun > at - timedelta(days=1):
            rows[pin_tries].append({"at": begun, "number": caller, "lane": "shared", "cleared": False})
        if outcome in WITH_CASE:
            case_id += 1
            year = begun.year
            counted[year] = counted.get(year, 0) + 1
            is_open = begun > at - timedelta(hours=30)
            taken = None if is_open and case_id % 2 else drawn.choice(keys)
            took = begun + timedelta(seconds=drawn.randint(40, 60 * within * 2)) if taken else None
            rows[cases].append(
                {
                    "id": case_id,
                    "number": f"{year}-{counted[year]:05}",
                    "code": f"{case_id % 10000:04}",
                    "call_sid": sid,
                    "customer_id": customer,
                    "rota": "duty",
                    "urgency": level,
                    "final_urgency": None,
                    "billable": False,
                    "opened_at": begun,
                    "due_at": begun + timedelta(minutes=within),
                    "screened": False,
                    "connected_at": took if outcome is Outcome.CONNECTED and taken else None,
                    "taken_at": took,
                    "taken_by": taken,
                    "taken_via": "phone" if taken else None,
                    "customer_calls": 0,
                    "breached_at": begun + timedelta(minutes=within)
                    if took and took > begun + timedelta(minutes=within)
                    else None,
                    "closed_at": None if is_open else begun + timedelta(hours=3),
                    "closed_by": None if is_open else f"technician:{taken or keys[0]} via link",
                    "outcome": None if is_open else "Riavviato il servizio",
                    "minutes": None if is_open else drawn.randint(5, 120),
                }
            )
            rows[case_calls].append({"case_id": case_id, "call_sid": sid, "joined_at": begun})
            rows[case_log].append(
                {
                    "case_id": case_id,
                    "at": begun + timedelta(minutes=20),
                    "actor": f"technician:{taken or keys[0]} via link",
                    "act": "note",
                    "text": "Chiamato il cliente",
                    "details": {},
                }
            )
            for place in range(2):
                attempt_id += 1
                accepted = place == 1 and outcome is Outcome.CONNECTED
                asked = begun + timedelta(seconds=30 * place + 20)
                rows[attempts].append(
                    {
                        "id": attempt_id,
                        "case_id": case_id,
                        "call_sid": sid,
                        "technician": taken or drawn.choice(keys),
                        "phone": "+393335550001",
                        "rung": place + 1,
                        "pass_id": None,
                        "asked_at": asked,
                        "picked_up_at": asked + timedelta(seconds=8) if accepted else None,
                        "pressed": "accepted" if accepted else None,
                        "pressed_at": asked + timedelta(seconds=12) if accepted else None,
                        "result": "connected" if accepted else "no-answer",
                        "result_at": asked + timedelta(seconds=25),
                    }
                )
            leg = f"CA{2 * crowd.calls + attempt_id:032x}"
            rows[legs].append(
                {
                    "sid": leg,
                    "call_sid": sid,
                    "attempt_id": attempt_id,
                    "started_at": begun + timedelta(seconds=58),
                    "ended_at": ended,
                    "turn": 1,
                    "state": "{}",
                }
            )
            rows[leg_turns].append(
                {
                    "sid": leg,
                    "turn": 0,
                    "at": begun + timedelta(seconds=60),
                    "heard": "1",
                    "answer": _SAID[0][2],
                }
            )
            notice_id += 1
            rows[notices].append(
                {
                    "id": notice_id,
                    "key": f"crowd:{notice_id}",
                    "kind": "case-taken",
                    "recipient": f"technician:{taken or keys[0]}",
                    "about": f"case:{year}-{counted[year]:05}",
                    "facts": {},
                    "loud": False,
                    "created_at": begun,
                    "settled_at": begun,
                    "outcome": "delivered",
                }
            )
            rows[notice_sends].append(
                {
                    "notice_id": notice_id,
                    "channel": "text",
                    "address": "+393335550001",
                    "state": "delivered",
                    "tried_at": begun,
                    "settled_at": begun,
                }
            )
            rows[due_work].append(
                {
                    "kind": "case.pursue",
                    "key": f"{year}-{counted[year]:05}",
                    "payload": {},
                    "due_at": begun,
                    "created_at": begun,
                    "tries": 1,
                    "state": "done",
                    "ended_at": begun,
                    "ended_by": "worker",
                }
            )
        if len(rows[calls]) >= TOGETHER:
            _write_all(connection, rows)
    _write_all(connection, rows)
    _write(connection, case_numbers, [{"year": year, "last": last} for year, last in counted.items()])


def _acts(connection: Connection, at: datetime, crowd: Crowd, drawn: random.Random, ids: list[int]) -> None:
    for start in range(0, crowd.acts, TOGETHER):
        several = [
            (
                drawn.choice(("customer.change", "pin.issue", "pin.revoke", "case.close", "user.login")),
                f"customer:{drawn.choice(ids)}",
                {"name": "Alpe"},
            )
            for _ in range(min(TOGETHER, crowd.acts - start))
        ]
        then = at - timedelta(days=365 * crowd.years * (1 - start / crowd.acts))
        audit.record_many(connection, drawn.choice(("user:giulia", "cli:root")), then, several)


# -- small parts -------------------------------------------------------------------------------


def _speech(text: str) -> Speech:
    return Speech(text, "it-IT", "Polly.Bianca")


def _said(*texts: str, end: bool = False) -> str:
    says = tuple(Say(_speech(text)) for text in texts)
    last = HangUp() if end else Gather("/voice/turn/1", (_speech("Digiti il PIN."),), 5, 12, "#")
    return answer.to_json(Answer((*says, last)))


_SAID = (
    (Step.PIN, "arrival", _said("Cloudfabric, emergenze fuori orario.")),
    (Step.URGENCY, "the PIN of ACME", _said("Grazie.", "Lei chiama per Acme.")),
    (Step.ENDED, "1", _said("Arrivederci.", end=True)),
)


def _state(sid: str, caller: str, line: str, outcome: Outcome) -> str:
    return CALL.dump_json(Call(sid, caller, line, "it", step=Step.ENDED, outcome=outcome)).decode()


def _some_time(drawn: random.Random, at: datetime, years: float) -> datetime:
    return at - timedelta(seconds=drawn.randrange(int(years * 365 * 86400)))


def _write_all(connection: Connection, rows: Mapping[Table, list[dict[str, Any]]]) -> None:
    for table, some in rows.items():
        _write(connection, table, some)
        some.clear()


def _write(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    some = list(rows)
    for start in range(0, len(some), TOGETHER):
        connection.execute(insert(table), some[start : start + TOGETHER])

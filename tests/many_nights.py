"""Nights written through the journal's verbs, fast and without a conversation: each call leaves its caller's
number and words of its own wherever a real one can, and what it left is remembered here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from making import ACTOR, a_sid, staff
from sqlalchemy import Connection, update

from console.house import House, state_folder
from ivr import ageing, casework, journal, placed
from ivr import answer as answers
from ivr.answer import Answer, Dial, Gather, HangUp, Say, Target
from ivr.outgoing_flow import Outgoing
from ivr.prompts import Speech
from ivr.technician_flow import Leg
from ivr.vocabulary import Call, CustomerFacts, Outcome, Recording, Step
from oncall.cases import cases
from oncall.notices import notices
from oncall.reaching import attempts
from oncall.tables import notices as notice_rows
from oncall.tables import texts_in
from pins import customers, throttle
from pins.throttle import Lane
from storage import due

LINES = ("+390461825060", "+390461402406", "+390465324963")
ANNA = "+393331234501"


@dataclass
class Left:
    """What one call left behind. `number`: "" if it was withheld; `words` are said nowhere else."""

    sid: str
    at: datetime
    number: str
    words: str
    call_back: str = ""
    recording: str = ""
    case: str = ""
    closed: datetime | None = None


@dataclass
class Nights:
    """Writes calls into a house. The same seed writes the same."""

    house: House
    drawn: random.Random
    # How many cases of a hundred stay open for ever.
    open_of_hundred: int = 1
    customers: list[int] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    def begin(self, at: datetime, many: int = 12) -> None:
        with self.house.database.write() as connection:
            staff(connection, at - timedelta(days=30))
            for number in range(many):
                added = customers.add_customer(connection, ACTOR, at, f"Ditta {number}", code=f"D{number}")
                self.customers.append(added.id)

    def day(self, midnight: datetime, calls: int) -> None:
        """The calls of a day, all in one transaction."""
        with self.house.database.write() as connection:
            for at in sorted(midnight + timedelta(seconds=self.drawn.randrange(86000)) for _ in range(calls)):
                self.left.append(self._call(connection, at))
        for each in self.left[-calls:]:
            if each.recording:
                self._fetch(each)

    def _number(self) -> str:
        return f"+39347{self.drawn.randrange(10**7):07}"

    def _call(self, connection: Connection, at: datetime) -> Left:
        number = len(self.left)
        # As they come from the network: in no order, which is how they fill the pages of an index.
        sid, kind = a_sid(self.drawn.getrandbits(128)), self.drawn.random()
        # Some call again, some withhold their number.
        again = self.drawn.random() < 0.1 and number
        caller = self.left[self.drawn.randrange(number)].number if again else self._number()
        left = Left(sid, at, "" if self.drawn.random() < 0.05 else caller, f"parola{number:06}qui")
        call = Call(sid, left.number, LINES[number % 3], "it", ("it", "en"), step=Step.PIN)
        journal.begin(connection, at, call, 0)
        for turn in range(4):
            moment = at + timedelta(seconds=6 * turn)
            journal.write_turn(
                connection, moment, Step.PIN.value, call, turn, "tasto 1", self._answer(left, turn)
            )
        ended = at + timedelta(seconds=self.drawn.randint(30, 900))
        if kind < 0.6:
            known = CustomerFacts(self.drawn.choice(self.customers), "D", left.words, None)
            call = replace(call, customer=known, urgency=self.drawn.choice(("P1+", "P1", "P2")))
            journal.move_on(connection, call, 4)
            self._case(connection, at, ended, call, left)
        elif kind < 0.8:
            self._message(connection, ended, left)
            throttle.missed(connection, at, left.number, Lane.SHARED)
            journal.end(connection, ended, sid, Outcome.NO_PIN.value)
        else:
            journal.end(connection, ended, sid, Outcome.OFFICE.value)
        return left

    @staticmethod
    def _answer(left: Left, turn: int) -> str:
        spoken = " ".join(left.number)
        said = Say(Speech(f"{left.words} la chiamano da {spoken} ({left.number})", "it-IT", "Polly.Bianca"))
        asked = Gather("/voice/turn", (said.speech,), 10, 1, "#")
        dial = Dial("/voice/turn", left.number or LINES[0], (Target(ANNA, "/t"),), 20)
        parts: tuple[object, ...] = (said, dial) if turn == 2 else (asked, HangUp())
        return answers.to_json(Answer(parts))  # type: ignore[arg-type]

    def _case(self, connection: Connection, at: datetime, ended: datetime, call: Call, left: Left) -> None:
        sid, anna = left.sid, "technician:anna"
        number = cases.next_number(connection, at.year)
        case_id = cases.open_case(
            connection,
            at,
            number=number,
            code=cases.free_code(connection, at, self.drawn),
            call_sid=sid,
            customer_id=call.customer.id if call.customer else None,
            rota="duty",
            urgency=call.urgency,
            due_at=at + timedelta(hours=1),
            pursue_at=at + timedelta(seconds=270),
            billable=self.drawn.random() < 0.5,
        )
        left.case = number
        rang = attempts.begin_attempt(connection, at, case_id, sid, "anna", ANNA, 1, turn=2)
        leg = Leg(a_sid(int(sid[2:], 16) ^ 1), sid, rang, "it", "P1", left.words, "1234", None)
        journal.begin_leg(connection, at, leg)
        journal.write_leg_turn(connection, at, leg, 0, f"chiama {left.number}", self._answer(left, 0))
        attempts.picked_up(connection, at + timedelta(seconds=8), rang)
        attempts.press(connection, at + timedelta(seconds=12), rang, "accepted")
        attempts.settle(connection, ended, rang, "completed", bridged=True)
        if self.drawn.random() < 0.3:
            left.call_back = self._number()
            cases.pursue_now(connection, ended, case_id, left.call_back)
        told = {"customer": left.words, "caller": left.number}
        for about in (f"case:{number}", f"call:{sid}"):
            notices.tell(connection, at, "nobody-answered", anna, about, told, loud=True)
        about_it = update(notice_rows).where(notice_rows.c.about.in_((f"case:{number}", f"call:{sid}")))
        connection.execute(about_it.values(settled_at=ended, outcome="delivered"))
        talk = Outgoing("pursue", "anna", "it", customer=left.words, text=f"richiami {left.number}")
        asked = placed.begin(connection, at, talk, phone=ANNA, number=call.number, case_id=case_id)
        for turn, heard in enumerate(("picked up", "taken", "connected")):
            moment = ended + timedelta(seconds=30 * turn)
            placed.write_turn(connection, moment, asked, talk, turn, heard, self._answer(left, 2))
        placed.ended(connection, ended + timedelta(minutes=2), asked, "completed")
        sms = {"sid": f"SM{sid[2:]}", "technician": "anna", "act": "take", "answer": f"Caso di {left.words}"}
        connection.execute(texts_in.insert().values(received_at=at, **sms))
        note = f"{left.words}: il cliente è al {left.number or 'numero nascosto'}"
        casework.note(connection, anna, at, cases.find(connection, number), note)
        if self.drawn.randrange(100) >= self.open_of_hundred:
            left.closed = ended + timedelta(hours=self.drawn.randint(1, 20))
            found = cases.find(connection, number)
            minutes = self.drawn.randint(5, 120)
            casework.close(connection, anna, left.closed, found, f"richiamato il {left.number}", minutes)
        journal.end(connection, ended, sid, Outcome.CONNECTED.value)

    @staticmethod
    def _message(connection: Connection, at: datetime, left: Left) -> None:
        left.recording = f"RE{left.sid[2:]}"
        recording = Recording(left.recording, f"https://api.twilio.com/{left.recording}", 12)
        journal.keep_message(connection, at, left.sid, recording, "announced")
        about = {"call": left.sid, "caller": left.number}
        due.add(connection, at, "message.deliver", left.sid, at, about)

    def _fetch(self, left: Left) -> None:
        """It is fetched, and all work is done."""
        folder = state_folder(self.house.configuration) / "messages"
        folder.mkdir(exist_ok=True)
        (folder / f"{left.recording}.mp3").write_bytes(b"ID3")
        with self.house.database.write() as connection:
            journal.message_fetched(connection, left.at, left.recording, f"{left.recording}.mp3")

    def done(self, at: datetime) -> None:
        """The worker has done what the day brought."""
        with self.house.database.write() as connection:
            work = due.claim(connection, at, KINDS, limit=10**6, lease=timedelta(minutes=1))
            if work:
                due.finish_claim(connection, at, work[0].lease)


KINDS = ("message.deliver", journal.FETCH, journal.FORGET, ageing.FORGET, notices.NOTICE, "alarm")


# -- an independent look at what is left -----------------------------------------------------------


def written(house: House) -> str:
    """Every text of every row, as the database has it, without what the program knows of its tables."""
    found: list[str] = []
    with house.database.read() as connection:
        for (table,) in connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).all():
            for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"'):
                found += [value for value in row if isinstance(value, str)]
    return "\n".join(found)


_RANDOM = re.compile(r"(?:CA|RE|SM)[0-9a-f]{32}|~[0-9a-f]{12}")
_WORDS = re.compile(r"parola[0-9]{6}qui")
_RECORDED = re.compile(r"/(RE[0-9a-f]{32})$", re.MULTILINE)


def numbers_in(text: str) -> set[str]:
    """Every telephone number of a caller in it, however it is written, by its last ten digits."""
    together = "".join(text[i] for i in range(len(text)) if text[i] not in " .-/")
    return {together[i : i + 10] for i in _places(together)}


def _places(text: str) -> Iterator[int]:
    at = text.find("347")
    while at >= 0:
        if text[at : at + 10].isdecimal() and len(text[at : at + 10]) == 10:
            yield at
        at = text.find("347", at + 1)


def too_old(
    nights: Nights, at: datetime, numbers: timedelta, words: timedelta, messages: timedelta
) -> list[str]:
    """What is still there and may not be any more, a purge having run within the last day."""
    text, grace = written(nights.house), timedelta(days=1)
    # Ten digits that look like a number stand by chance in some of so many random names and pseudonyms.
    found_numbers = numbers_in(_RANDOM.sub("|", text))
    folder = state_folder(nights.house.configuration) / "messages"
    files = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    open_ = [each for each in nights.left if each.case and (each.closed is None or each.closed > at)]
    young = open_ + [each for each in nights.left if each.at > at - numbers - grace]
    kept = {number[-10:] for each in young for number in (each.number, each.call_back)}
    faults = [f"number {number}" for number in found_numbers - kept]
    # All of them at once: to look for one after the other in the text of a year takes longer than the year.
    said, recorded = set(_WORDS.findall(text)), set(_RECORDED.findall(text))
    still_open = {each.sid for each in open_}
    for each in nights.left:
        if each.sid in still_open:
            continue
        over = max(each.at, each.closed or each.at) + grace
        if over < at - words and each.words in said:
            faults.append(f"words {each.words}")
        if each.recording and over < at - messages:
            faults += [f"recording {each.recording}"] * (f"{each.recording}.mp3" in files)
            faults += [f"row of {each.recording}"] * (each.recording in recorded)
    return faults

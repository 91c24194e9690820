"""Text messages that technicians send us: read, acted on once, answered in one segment.

Whoever sends a text message can pretend to be somebody else. So a taking by text holds for a while only and
is announced to the ladder (`casework.take`), a case that nobody has been heard about is not closed in
silence, and strangers learn nothing. What was written is not kept, only what was done.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, or_, select, update

from ivr import case_facts, casework
from ivr.rules import Rules
from oncall import people
from oncall.cases import cases
from oncall.cases.cases import Case, CaseClosed, CaseRefusal, UnknownCase
from oncall.cases.casework import AlreadyTaken, NobodyHasIt
from oncall.notices import notice_texts, notices
from oncall.people import Technician
from oncall.reaching import reached
from oncall.rota import roster
from oncall.rota.roster import RosterRefusal
from oncall.tables import cases as case_rows
from oncall.tables import notices as notice_rows
from oncall.tables import shift_checks, texts_in
from storage.conflicts import inserting
from storage.engine import Database

log = logging.getLogger("ivr")
security = logging.getLogger("ivr.security")

Act = Literal["take", "close", "pass", "list", "silence", "unclear"]
# Without accents, in small letters.
SAID: Mapping[Act, str] = {
    "take": "ok okay okey oki va prendo preso presa accetto si ja yes take taken nehme ubernehme ubernommen",
    "close": "chiuso chiusa chiudi chiudo fatto risolto closed close done fixed solved erledigt geschlossen"
    " fertig gelost",
    "pass": "passo passa passare passato pass passed weiter weitergeben passe",
    "list": "? aiuto casi help cases list hilfe falle liste",
    # Between the network and its subscriber: it answers these by itself.
    "silence": "stop stopall unsubscribe cancel end quit alt start unstop",
}
WORDS: Mapping[str, Act] = {word: act for act, words in SAID.items() for word in words.split()}
# Said beside them, and of no weight.
FILLERS = frozenset(("il", "lo", "caso", "codice", "the", "case", "code", "der", "den", "fall", "io", "ich"))
_CODE = re.compile(r"(?<![0-9])([0-9]{4}-[0-9]{5}|[0-9]{4})(?![0-9-])")
_WORD = re.compile(r"[^\W\d_]+|\?")
# An OK alone answers a question whether he can be reached that was asked within so long.
ASKED_LATELY = timedelta(hours=3)
MARKS = " \t\r\n.,;:!-–—/#()\"'"


@dataclass(frozen=True)
class Asked:
    """What a message asks for. `code` is a case's code or number, "" if none was given."""

    act: Act
    code: str = ""
    note: str = ""


@dataclass(frozen=True)
class TextReceived:
    """A text message as it came in. `sender` may be forged."""

    sid: str
    sender: str
    text: str


def read(text: str) -> Asked:
    """What a technician means, in any of our languages, sloppily written or not.

    Before a code nothing may stand that we do not understand: "non chiuso 4712" closes nothing.
    """
    text = unicodedata.normalize("NFC", text).strip(MARKS)
    code = _CODE.search(text)
    words = list(_WORD.finditer(text))
    head = [word for word in words if code is not None and word.end() <= code.start()]
    if code is None or not head:  # "ok", "chiuso riavviato", "4712 ok"
        head = words[:1] + [word for word in words[1:2] if _plain(word[0]) in WORDS]
    said = [plain for word in head if (plain := _plain(word[0])) not in FILLERS]
    if not said or any(word not in WORDS for word in said):
        return Asked("unclear")
    act = WORDS[said[-1]]
    note = text[max(head[-1].end(), code.end() if code else 0) :].strip(MARKS)
    if act == "silence" and (code or note):
        return Asked("unclear")
    return Asked(act, code[1] if code else "", note if act == "close" else "")


def _plain(word: str) -> str:
    """In small letters, without accents."""
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c))


class TextDesk:
    """Serves text messages that come in, and what the network tells of those that we sent."""

    def __init__(self, database: Database, rules: Rules) -> None:
        self._database = database
        self._rules = rules

    def receipt(self, send_id: int, sid: str, status: str, why: str, at: datetime) -> None:
        """The network says how a message of ours stands."""
        with self._database.write() as connection:
            notices.receipt(connection, at, send_id, sid, status, why)

    def answer(self, got: TextReceived, at: datetime) -> str:
        """Act on a message, once; "" for no answer. The same message gets its stored answer."""
        with self._database.write() as connection:
            his = self._sender(connection, got.sender, at)
            if his is None:
                security.warning("a text message from …%s, who is no technician", got.sender[-3:])
                return ""
            stored = _claim(connection, at, got.sid, his.key)
            if stored is not None:
                return stored
            asked = read(got.text)
            answer = _Clerk(connection, self._rules, his, at).serve(asked)
            row = update(texts_in).where(texts_in.c.sid == got.sid)
            connection.execute(row.values(act=asked.act, answer=answer))
            return answer

    @staticmethod
    def _sender(connection: Connection, number: str, at: datetime) -> Technician | None:
        """The technician in service with this telephone."""
        staff = people.all_technicians(connection)
        return next((each for each in staff if number in each.phones and each.serves(at)), None)


class _Clerk:
    """Does what one technician asks for, in one transaction."""

    def __init__(self, connection: Connection, rules: Rules, his: Technician, at: datetime) -> None:
        self._connection = connection
        self._rules = rules
        self._his = his
        self._at = at
        self._actor = f"technician:{his.key}"

    def serve(self, asked: Asked) -> str:
        """Do it; returns the answer."""
        match asked:
            case Asked("silence"):
                return ""
            case Asked("unclear"):
                return self._say("unclear")
            case Asked("list"):
                mine = self._mine()
                return self._listed(mine) if mine else self._say("none")
            case Asked("take", "") if self._confirmed():
                return self._say("confirmed")
        if asked.code:
            try:
                case = cases.find(self._connection, asked.code)
            except UnknownCase:
                return self._say("unknown-code", code=asked.code)
        else:
            mine = self._mine()
            if len(mine) != 1:
                return self._say("which", cases=self._listed(mine, room=25)) if mine else self._say("none")
            case = mine[0]
        try:
            return self._act(asked, case)
        except CaseClosed:
            return self._say("closed-already", code=case.code)
        except AlreadyTaken as taken:
            return self._say(
                "taken-by", code=case.code, by=people.technician(self._connection, taken.by).name
            )
        except NobodyHasIt:
            return self._say("not-yours", code=case.code)
        except (CaseRefusal, RosterRefusal) as refusal:
            log.warning("a text message of %s was refused: %s", self._his.key, refusal)
            return self._say("refused")

    def _act(self, asked: Asked, case: Case) -> str:
        connection, at, key = self._connection, self._at, self._his.key
        if case.closed_at is not None:
            raise CaseClosed(case.number)
        holder = casework.holder(connection, case)
        match asked.act:
            case "take":
                if holder == key:
                    return self._say("taken-already", code=case.code)
                casework.take(connection, self._actor, at, case, key, "text", self._rules.ringing)
                return self._say("taken", code=case.code)
            case "pass":
                if holder != key:
                    raise NobodyHasIt(case.number)
                casework.pass_on(connection, self._actor, at, case)
                return self._say("passed", code=case.code)
            case _:
                if holder not in (None, key):
                    raise AlreadyTaken(case.number, holder or "")
                unheard = case.connected_at is None and case.taken_via in (None, "text")
                casework.close(connection, self._actor, at, case, asked.note)
                if unheard and not case.customer_calls:
                    self._announce_closing(case)
                return self._say("closed", code=case.code)

    def _announce_closing(self, case: Case) -> None:
        """Nobody talked to this customer as far as we know: who sent the message had better be known."""
        ladder = roster.ladder(self._connection, self._rules.ringing, case.rota, self._at)
        keys = dict.fromkeys([*(contact.technician for contact in ladder), self._his.key])
        notices.tell_everybody(
            self._connection,
            self._at,
            "case-closed-by-text",
            [f"technician:{each}" for each in keys],
            f"case:{case.number}",
            {**case_facts.facts(self._connection, case), "technician": self._his.key},
            loud=True,
            again=self._at.isoformat(timespec="seconds"),
        )

    def _confirmed(self) -> bool:
        """Whether a question if he can be reached was waiting; it is answered now."""
        waiting = select(shift_checks.c.id).where(
            shift_checks.c.technician == self._his.key,
            shift_checks.c.asked_at > self._at - ASKED_LATELY,
            shift_checks.c.confirmed_at.is_(None),
        )
        found = self._connection.execute(waiting.order_by(shift_checks.c.asked_at.desc()).limit(1)).scalar()
        if found is None:
            return False
        reached.can(self._connection, self._at, found)
        return True

    def _mine(self) -> list[Case]:
        """Open cases that he has, or that he was told of; the latest first."""
        told = select(notice_rows.c.about).where(
            notice_rows.c.recipient == f"technician:{self._his.key}", notice_rows.c.about.startswith("case:")
        )
        numbers = {about.removeprefix("case:") for about in self._connection.execute(told).scalars()}
        rows = select(case_rows.c.number).where(
            case_rows.c.closed_at.is_(None),
            or_(case_rows.c.number.in_(numbers), case_rows.c.taken_by == self._his.key),
        )
        found = list(self._connection.execute(rows.order_by(case_rows.c.id.desc())).scalars())
        return [cases.find(self._connection, number) for number in found]

    def _listed(self, mine: list[Case], room: int = 0) -> str:
        rows = [{"code": case.code, "urgency": case.level, "due": case.due_at} for case in mine]
        return notice_texts.listed(rows, self._language, self._rules.zone, self._at, room=room)

    @property
    def _language(self) -> str:
        return self._his.language or self._rules.languages[0]

    def _say(self, name: str, **facts: Any) -> str:
        return notice_texts.answer(name, facts, self._language, self._rules.zone, self._at)


def _claim(connection: Connection, at: datetime, sid: str, technician: str) -> str | None:
    """None: this message is ours to act on. Else what it was answered."""
    new = (
        inserting(connection, texts_in)
        .on_conflict_do_nothing(index_elements=["sid"])
        .returning(texts_in.c.sid)
    )
    values = {"sid": sid, "technician": technician, "received_at": at, "act": "", "answer": ""}
    if connection.execute(new, values).scalar() is not None:
        return None
    stored: str = connection.execute(select(texts_in.c.answer).where(texts_in.c.sid == sid)).scalar_one()
    return stored

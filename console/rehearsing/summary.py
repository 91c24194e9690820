"""What the journal says of a call, and the conversation as a test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from console.phone import save
from console.rehearsing.session import Session
from ivr import journal
from ivr.journal import UnknownCall
from oncall.cases import cases
from oncall.cases.cases import PURSUE, Case
from oncall.reaching import attempts
from pins import customers
from storage import due
from storage.engine import Database

Line = tuple[str, str]
UNDER_WAY = "under way"


@dataclass(frozen=True)
class CaseSeen:
    number: str
    code: str
    urgency: str | None
    due_at: datetime | None
    state: str
    pursued: bool
    attempts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Summary:
    """What was recorded of one call. `messages` in seconds."""

    sid: str
    outcome: str | None
    customer: str | None
    urgency: str | None
    turns: int
    messages: tuple[int, ...]
    case: CaseSeen | None

    def lines(self, zone: ZoneInfo) -> list[Line]:
        """A name and a value each."""
        told = [("outcome", self.outcome or "none yet"), ("customer", self.customer or "not known")]
        if self.urgency:
            told.append(("urgency", self.urgency))
        if self.case:
            case = self.case
            due = f"due {case.due_at.astimezone(zone):%a %H:%M}" if case.due_at else "caller not verified"
            told.append(("case", f"{case.number}, code {case.code}, {case.state}, {due}"))
            told.append(("pursued", "yes, nobody has taken it" if case.pursued else "no, it need not be"))
            if case.attempts:
                told.append(("rung", " · ".join(f"{who}: {result}" for who, result in case.attempts)))
        else:
            told.append(("case", "none"))
        if self.messages:
            told.append(("messages", ", ".join(f"{seconds} s" for seconds in self.messages)))
        told.append(("journal", f"{self.turns} turns, call {self.sid}"))
        return told

    def facts(self) -> list[str]:
        """The same as lines of a `.call` file."""
        found = [f"outcome {self.outcome}"] if self.outcome else []
        found += [f"customer {self.customer.lower()}"] if self.customer else []
        if self.case is None:
            return [*found, "no case"]
        pursuit = "pursued" if self.case.pursued else "not pursued"
        found.append(f"case {self.case.urgency} is {self.case.state} and {pursuit}")
        results = {who: result for who, result in self.case.attempts if result != UNDER_WAY}
        return found + [f"{who}'s result is {result}" for who, result in results.items()]


def of_call(database: Database, sid: str) -> Summary | None:
    """What the journal recorded; None if it does not know the call, or does not answer."""
    try:
        with database.read() as connection:
            return _recorded(connection, sid)
    except (UnknownCall, SQLAlchemyError):
        return None


def _recorded(connection: Connection, sid: str) -> Summary:
    record = journal.call(connection, sid)
    found = cases.of_call(connection, sid)
    return Summary(
        sid,
        record.outcome,
        customers.code_of(connection, record.customer_id) if record.customer_id else None,
        record.urgency,
        len(journal.turns_of(connection, sid)),
        tuple(message.seconds for message in journal.messages_of(connection, sid)),
        None if found is None else _seen(connection, found),
    )


def _seen(connection: Connection, case: Case) -> CaseSeen:
    return CaseSeen(
        case.number,
        case.code,
        case.urgency,
        case.due_at,
        "closed" if case.closed_at else "connected" if case.connected_at else "open",
        due.pending(connection, PURSUE, case.number),
        tuple(
            (each.technician, each.result or UNDER_WAY) for each in attempts.attempts_of(connection, case.id)
        ),
    )


def as_test(session: Session, latest: Summary | None) -> str:
    """Every call of the session as the text of a `.call` file, with what was recorded of the latest.

    PINs stand in it by name.
    """
    text = save(session.exchange.events, session.cast)
    facts = "".join(f"* {fact}\n" for fact in (latest.facts() if latest else []))
    return f"{text}{facts}"


def save_as_test(session: Session, latest: Summary | None, path: Path) -> None:
    """Write it to `path`. Raises FileExistsError rather than overwrite, and other OSErrors."""
    text = as_test(session, latest)
    with path.open("x", encoding="utf-8") as file:
        file.write(f"# Played on the telephone of the terminal.\n{text}")

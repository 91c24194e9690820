"""Changing a rota with open eyes: who has what turn afterwards, and what is wrong with it then."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from oncall.rota import coverage, roster, validation
from oncall.rota.roster import RosterRefusal
from oncall.rota.rota import Book
from oncall.rota.rota_file import RotaFile
from oncall.rota.validation import Change, Finding, Person
from oncall.settings import NoticeSettings, RingingSettings
from oncall.tables import rota_overrides

# PostgreSQL's advisory lock of whoever plans.
_LOCK = select(func.pg_advisory_xact_lock(4_771_012))


@dataclass(frozen=True)
class Outcome:
    """What an application did, looked at from `start` up to, not including, `end`.

    `done` has a line for each thing that changed. `opened` are the holes that were not there before,
    `arose` whatever else was not wrong before and is now.
    """

    start: datetime
    end: datetime
    done: list[str]
    changes: list[Change]
    opened: list[Finding]
    arose: list[Finding]


class OpensHoles(RosterRefusal):
    """The change would leave nobody on duty where somebody is now; `outcome` says when."""

    def __init__(self, outcome: Outcome, said: str) -> None:
        super().__init__(said, "holes")
        self.outcome = outcome


def alone(connection: Connection) -> None:
    """Keep others who plan waiting until our transaction ends: what was seen of the rota still holds when it
    is changed. Taken before any other lock; SQLite's writer is alone anyway.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK)


def state(books: Mapping[str, Book], people: Sequence[Person]) -> str:
    """A fingerprint of all that decides who is on duty: it differs when anything of that has changed."""
    seen = repr((sorted(books.items()), list(people)))
    return hashlib.sha256(seen.encode()).hexdigest()


def apply(
    connection: Connection,
    actor: str,
    at: datetime,
    ringing: RingingSettings,
    notices: NoticeSettings,
    plan: RotaFile,
    *,
    zone: ZoneInfo,
    start: datetime | None = None,
    allow_holes: bool = False,
    reason: str | None = None,
) -> Outcome:
    """Apply a rota file whole, and look at least 60 days ahead from when it holds. `zone` is that of
    technicians' first and last days.

    Raises RosterRefusal, with nothing to keep, for what `roster.apply` refuses, and OpensHoles if it
    opens a hole; the caller rolls back. With `allow_holes` each hole is alarmed instead. The time before
    a new rota begins is no hole that it opens.
    """
    before = coverage.books(connection)
    done = roster.apply(connection, actor, at, ringing, plan, start=start, zone=zone, reason=reason)
    after = coverage.books(connection)
    people = coverage.people(connection, ringing)
    begins = [start or at, *(after[wanted.key].versions[0].valid_from for wanted in plan.rota)]
    end = max(at, *begins) + coverage.look(notices)
    was = validation.review(before, people, at, end)
    outcome = Outcome(
        at,
        end,
        done,
        validation.changes(before, after, at, end),
        validation.opened(before, after, at, end),
        [f for f in validation.review(after, people, at, end) if f.kind != "hole" and f not in was],
    )
    if outcome.opened and not allow_holes:
        first = outcome.opened[0]
        theirs = coverage.zone_of(after[first.rota])
        more = f", and {len(outcome.opened) - 1} more" if len(outcome.opened) > 1 else ""
        lasts = (
            f"for {coverage.duration(first.end - first.start)}"
            if first.end < end
            else "and for as long as one looks"
        )
        raise OpensHoles(
            outcome,
            f"this would leave nobody on duty in rota {first.rota} from {coverage.wall(first.start, theirs)} "
            f"{lasts}{more}",
        )
    coverage.alarm(connection, at, outcome.opened, after, end)
    return outcome


def override(
    connection: Connection,
    actor: str,
    at: datetime,
    ringing: RingingSettings,
    rota_key: str,
    rung: int,
    start: datetime,
    end: datetime,
    technician: str,
    *,
    reason: str | None = None,
) -> tuple[int, list[Finding]]:
    """`roster.override`, and what it brings about that was not wrong before: its id, and the findings."""
    before = coverage.books(connection)
    made = roster.override(connection, actor, at, rota_key, rung, start, end, technician, reason=reason)
    people = coverage.people(connection, ringing)
    begins = max(start, at)
    was = validation.review(before, people, begins, end)
    found = validation.review(coverage.books(connection), people, begins, end)
    return made, [each for each in found if each not in was]


def withdraw_override(
    connection: Connection, actor: str, at: datetime, override_id: int, *, reason: str | None = None
) -> list[Finding]:
    """`roster.withdraw_override`; the holes it opens are alarmed and returned.

    Half of a swap is refused: whoever undoes a swap undoes it whole.
    """
    row = connection.execute(
        select(rota_overrides.c.swap_id, rota_overrides.c.ends_at).where(rota_overrides.c.id == override_id)
    ).first()
    if row is not None and row.swap_id is not None:
        raise RosterRefusal(
            f"override {override_id} is a part of swap {row.swap_id}: withdraw the swap", "swap"
        )
    before = coverage.books(connection)
    roster.withdraw_override(connection, actor, at, override_id, reason=reason)
    return coverage.alarm_opened(connection, at, before, at, row.ends_at) if row is not None else []

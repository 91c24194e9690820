"""Whether whoever is about to begin a turn can be reached: asked beforehand, so that somebody else knows.

A check is a row of `shift_checks`, with work that sees to it from when he is asked until he has answered or
the time is up. His answer comes by `oncall/reaching/reached.py`. Verbs take a Connection and `at`, and never
commit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from oncall.notices import notices
from oncall.reaching import reached
from oncall.reaching.reached import CHECK
from oncall.rota.rota import OnDuty
from oncall.rota.turns import Turn
from oncall.tables import notice_sends, shift_checks
from oncall.tables import notices as notice_rows
from storage import due
from storage.alarms import raise_alarm
from storage.conflicts import inserting

CONFIRM, UNCONFIRMED = "shift-confirm", "shift-unconfirmed"


@dataclass(frozen=True)
class Check:
    """Of the turn of `technician` on `rung` that begins at `shift_at`. He has not been asked until
    `asked_at`; `given_up_at` is when he said that he cannot.
    """

    id: int
    rota: str
    rung: int
    technician: str
    shift_at: datetime
    asked_at: datetime | None
    confirmed_at: datetime | None
    given_up_at: datetime | None

    @property
    def about(self) -> str:
        """What the question itself is about; the next rung is told about the rota."""
        return f"shift:{self.id}"


# -- planned -----------------------------------------------------------------------------------


def plan(
    connection: Connection,
    at: datetime,
    rota_key: str,
    seen: Collection[Turn],
    before: timedelta,
    ahead: timedelta,
) -> None:
    """Have everybody asked whose turn is yet to begin, `before` it does; as far as that is within `ahead`.

    Of a turn that has begun, or goes on, nobody is asked.
    """
    for turn in seen:
        if turn.begun_before or turn.start <= at or turn.start - before > at + ahead:
            continue
        check = _check(connection, rota_key, turn)
        if check.asked_at is None and check.confirmed_at is None and check.given_up_at is None:
            ask_at = max(turn.start - before, at)
            if not due.move(connection, CHECK, str(check.id), ask_at):
                due.add(connection, at, CHECK, str(check.id), ask_at, {"check": check.id})


def _check(connection: Connection, rota_key: str, turn: Turn) -> Check:
    """The check of a turn, made if need be."""
    known = {
        "rota": rota_key,
        "rung": turn.rung,
        "technician": turn.technician,
        "shift_at": turn.start,
    }
    connection.execute(inserting(connection, shift_checks).values(**known).on_conflict_do_nothing())
    found = select(shift_checks).where(*(shift_checks.c[name] == value for name, value in known.items()))
    return _to_check(connection.execute(found).one())


def coming(connection: Connection, at: datetime, technician: str) -> list[Check]:
    """The checks of his turns that are still to begin, the next first."""
    ahead = shift_checks.c.technician == technician, shift_checks.c.shift_at > at
    rows = connection.execute(select(shift_checks).where(*ahead).order_by(shift_checks.c.shift_at).limit(20))
    return [_to_check(row) for row in rows]


def last_asked(connection: Connection) -> dict[str, Check]:
    """By technician, the last turn of which he was asked whether he can be reached."""
    asked = shift_checks.c.asked_at.is_not(None)
    last = select(func.max(shift_checks.c.id)).where(asked).group_by(shift_checks.c.technician)
    rows = connection.execute(select(shift_checks).where(shift_checks.c.id.in_(last)))
    return {row.technician: _to_check(row) for row in rows}


# -- asked -------------------------------------------------------------------------------------


def lock(connection: Connection, check_id: int) -> Check | None:
    """The check; nobody else changes it until our transaction ends."""
    row = select(shift_checks).where(shift_checks.c.id == check_id).with_for_update()
    found = connection.execute(row).first()
    return _to_check(found) if found else None


def ask(connection: Connection, at: datetime, check: Check, *, by_text: bool) -> None:
    """He is asked at `at`: by a text message that he answers with OK, else by whoever calls him."""
    connection.execute(update(shift_checks).where(shift_checks.c.id == check.id).values(asked_at=at))
    if by_text:
        notices.tell(
            connection,
            at,
            CONFIRM,
            f"technician:{check.technician}",
            check.about,
            {"rota": check.rota, "rung": check.rung, "starts": check.shift_at, "check": check.id},
            loud=True,
            again=at.isoformat(),
        )


def heard_aloud(connection: Connection, at: datetime, check: Check) -> bool:
    """Whether he pressed a key when the question was read to him: that he can be reached is noted then."""
    heard = (
        select(notice_sends.c.id)
        .join(notice_rows, notice_sends.c.notice_id == notice_rows.c.id)
        .where(
            notice_rows.c.about == check.about,
            notice_rows.c.kind == CONFIRM,
            notice_rows.c.created_at == check.asked_at,
            notice_sends.c.channel == "voice",
            notice_sends.c.state == "delivered",
        )
    )
    if connection.execute(heard.limit(1)).first() is None:
        return False
    reached.can(connection, at, check.id)
    return True


# -- over --------------------------------------------------------------------------------------


def settled(connection: Connection, at: datetime, check: Check) -> None:
    """He has answered, or need not any more: the question is not brought by further channels."""
    notices.settle_needless(connection, at, check.about, (CONFIRM,))


def drop(connection: Connection, at: datetime, check: Check) -> None:
    """The turn is not his any more. If it should become his again he is asked again."""
    settled(connection, at, check)
    if check.confirmed_at is None:
        again = update(shift_checks).where(shift_checks.c.id == check.id)
        connection.execute(again.values(asked_at=None, given_up_at=None))


def unanswered(
    connection: Connection, at: datetime, check: Check, ladder: Sequence[OnDuty], managers: Sequence[str]
) -> None:
    """He said that he cannot, or nothing in time: the next rung and the managers are told, once.

    `ladder` is how it stands when the turn begins. The admins get an alarm if there is nobody else on it.
    """
    others = [duty for duty in ladder if duty.technician != check.technician]
    # Whoever is rung after him; if he is the last, whoever has nobody behind him now.
    following = [duty for duty in others if duty.rung > check.rung] or others
    recipients = [f"technician:{duty.technician}" for duty in following[:1]]
    notices.tell_everybody(
        connection,
        at,
        UNCONFIRMED,
        [*recipients, *(f"manager:{address}" for address in managers)],
        f"rota:{check.rota}",
        {
            "who": check.technician,
            "rota": check.rota,
            "rung": check.rung,
            "starts": check.shift_at,
        },
        loud=True,
        again=f"{check.id}",
    )
    if not others:
        told = {"rota": check.rota, "technician": check.technician, "starts": check.shift_at.isoformat()}
        raise_alarm(connection, at, UNCONFIRMED, f"rota:{check.rota}:{check.shift_at.isoformat()}", told)


def _to_check(row: Row[Any]) -> Check:
    return Check(
        row.id,
        row.rota,
        row.rung,
        row.technician,
        row.shift_at,
        row.asked_at,
        row.confirmed_at,
        row.given_up_at,
    )

"""Secret addresses of calendars: one for each technician's own turns, one for each rota.

Only a token's hash is kept: it is shown once, when it is issued, and a new one ends the old.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, insert, select, update

from oncall.calendars import calendar
from oncall.calendars.calendar import Turn
from oncall.people import UnknownTechnician
from oncall.rota.roster import UnknownRota
from oncall.rota.rota_book import book, rota_keys
from oncall.tables import absences, feeds, rota_overrides, rota_versions, technicians
from storage import audit, ledger

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
TOKEN_BYTES = 24
# In the audit and in the ledger: a restored backup does not bring the address back.
REVOKED = "feed.revoke"


@dataclass(frozen=True)
class Feed:
    """What a token shows: a whole rota, or one technician's turns in all rotas. One of the two is None."""

    id: int
    rota: str | None
    technician: str | None


def issue(
    connection: Connection,
    actor: str,
    at: datetime,
    *,
    rota: str | None = None,
    technician: str | None = None,
    reason: str | None = None,
) -> str:
    """A new token for the calendar of a rota or of a technician; the one before ends. Shown only now.

    Raises UnknownRota, UnknownTechnician, also for one who has left.
    """
    _check(connection, at, rota, technician)
    ended = _end(connection, at, rota, technician)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    connection.execute(
        insert(feeds).values(
            token_hash=_hash(token), rota=rota, technician=technician, created_at=at, created_by=actor
        )
    )
    told = {"ended": ended} if ended else {}
    audit.record(connection, actor, at, "feed.issue", _subject(rota, technician), reason=reason, details=told)
    return token


def revoke(
    connection: Connection,
    actor: str,
    at: datetime,
    *,
    rota: str | None = None,
    technician: str | None = None,
    reason: str | None = None,
) -> bool:
    """End the calendar's address. False if there was none: then nothing changed."""
    if not _end(connection, at, rota, technician):
        return False
    audit.record(connection, actor, at, REVOKED, _subject(rota, technician), reason=reason)
    return True


def revoke_again(connection: Connection, actor: str, at: datetime, feed_id: int) -> bool:
    """End an address that a restored backup brought back; False if it did not."""
    row = connection.execute(select(feeds).where(feeds.c.id == feed_id, feeds.c.revoked_at.is_(None))).first()
    if row is None:
        return False
    connection.execute(update(feeds).where(feeds.c.id == feed_id).values(revoked_at=at))
    audit.record(connection, actor, at, REVOKED, _subject(row.rota, row.technician))
    return True


def issued_at(connection: Connection, technician: str) -> datetime | None:
    """Since when the calendar of a technician has the address it has now; None if it has none."""
    live = feeds.c.technician == technician, feeds.c.revoked_at.is_(None)
    found: datetime | None = connection.execute(select(func.max(feeds.c.created_at)).where(*live)).scalar()
    return found


def find(connection: Connection, at: datetime, token: str) -> Feed | None:
    """What `token` shows; None if it was never issued, has ended, or its technician has left."""
    if not _TOKEN.fullmatch(token):
        return None
    row = connection.execute(
        select(feeds, technicians.c.retired_at)
        .outerjoin(technicians, technicians.c.key == feeds.c.technician)
        .where(feeds.c.token_hash == _hash(token), feeds.c.revoked_at.is_(None))
    ).first()
    if row is None or (row.retired_at is not None and row.retired_at <= at):
        return None
    return Feed(row.id, row.rota, row.technician)


@dataclass(frozen=True)
class Standing:
    """An address that was given out and has not ended. One of `rota` and `technician` is None."""

    rota: str | None
    technician: str | None
    issued_at: datetime
    issued_by: str


def standing(connection: Connection) -> list[Standing]:
    """Every calendar address that has not ended. One of a technician who has left shows nothing any more."""
    rows = connection.execute(select(feeds).where(feeds.c.revoked_at.is_(None)).order_by(feeds.c.id))
    return [Standing(row.rota, row.technician, row.created_at, row.created_by) for row in rows]


@dataclass(frozen=True)
class Shown:
    """What a feed shows: turns by their beginning, the zones they are in, and the last change of any."""

    turns: list[Turn]
    zones: list[ZoneInfo]
    changed_at: datetime


def shown(connection: Connection, at: datetime, feed: Feed) -> Shown:
    """What the feed shows at `at`: 30 days back, 400 days ahead and on to the end of that month."""
    found: list[Turn] = []
    zones: dict[str, ZoneInfo] = {}
    changes = [each] if (each := changed_at(connection, at)) else []
    for key in [feed.rota] if feed.rota is not None else rota_keys(connection):
        known = book(connection, key)
        rules = known.rules_at(at) or (known.versions[0].rules if known.versions else None)
        if rules is None:
            continue
        window = calendar.window(at, rules.zone)
        turns = calendar.turns(known.segments(window.first, window.end), key, rules.zone)
        mine = [
            turn for turn in turns if turn.end > window.since and feed.technician in (None, turn.technician)
        ]
        found += mine
        if mine or feed.rota is not None:
            zones[rules.zone.key] = rules.zone
        changes.append(window.moved_at)
    found.sort(key=lambda turn: (turn.start, turn.rota, turn.rung))
    return Shown(found, list(zones.values()), max(changes, default=at))


def changed_at(connection: Connection, at: datetime) -> datetime | None:
    """When anything last changed that decides who has which turn, up to `at`; None if nothing ever did."""
    instants = [
        rota_versions.c.applied_at,
        rota_overrides.c.created_at,
        rota_overrides.c.withdrawn_at,
        absences.c.created_at,
        absences.c.withdrawn_at,
        technicians.c.starts_at,
        technicians.c.retired_at,
    ]
    found = [connection.execute(select(func.max(column)).where(column <= at)).scalar() for column in instants]
    return max((each for each in found if each is not None), default=None)


# -- small parts -------------------------------------------------------------------------------


def _check(connection: Connection, at: datetime, rota: str | None, technician: str | None) -> None:
    if (rota is None) == (technician is None):
        raise ValueError("a feed is of a rota or of a technician")
    if rota is not None and rota not in rota_keys(connection):
        raise UnknownRota(rota)
    if technician is not None:
        row = connection.execute(select(technicians).where(technicians.c.key == technician)).first()
        if row is None or (row.retired_at is not None and row.retired_at <= at):
            raise UnknownTechnician(technician)


def _end(connection: Connection, at: datetime, rota: str | None, technician: str | None) -> int:
    mine = feeds.c.rota == rota if technician is None else feeds.c.technician == technician
    ended = list(connection.execute(select(feeds.c.id).where(mine, feeds.c.revoked_at.is_(None))).scalars())
    connection.execute(update(feeds).where(feeds.c.id.in_(ended)).values(revoked_at=at))
    for feed_id in ended:
        ledger.note(connection, at, REVOKED, feed_id)
    return len(ended)


def _subject(rota: str | None, technician: str | None) -> str:
    return f"technician:{technician}" if technician is not None else f"rota:{rota}"


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()

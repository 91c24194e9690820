"""Every kind of data that has its time: how long it is kept, which rows are too old, what becomes of them.

A table that holds something of a person belongs to one of these kinds, or its data goes with somebody who is
erased (customers, people of the rota, users of the console) or is a rule that people set and take back.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, delete, or_, select

import ivr.ageing
import oncall.ageing
import pins.ageing
import storage.ageing
from console import outside
from console.access import sessions
from console.house import House
from console.privacy import keys
from console.tables import console_jobs, console_links, console_sessions
from ivr import journal
from ivr.settings import PrivacySettings
from pins import throttle
from storage import audit_beginning, due
from storage.trace import OF_PURGE, TRACES

ACT = "privacy.purge"
# What is technical, and has nothing to do with how long somebody may be known: days.
JOBS, SESSIONS, STRANGERS = 30, sessions.KEPT.days, 1
# Callers' numbers stand in work that is done, and in answers to technicians: no longer than in calls.
WORK = 30


@dataclass(frozen=True)
class Purging:
    """What a purge needs to know."""

    house: House
    actor: str
    at: datetime

    @property
    def settings(self) -> PrivacySettings:
        return self.house.configuration.privacy

    @cached_property
    def key(self) -> bytes:
        return keys.of_pseudonyms(self.house.configuration)

    @cached_property
    def ours(self) -> frozenset[str]:
        """Numbers of the house, which are nobody's."""
        lines = self.house.configuration.number
        return frozenset({line.number for line in lines} | {each for line in lines for each in line.office})


@dataclass(frozen=True)
class Kind:
    """`name` is what it is called; words/ says what becomes of it. `setting` is the key of [privacy] that
    tells its days, "" if they are fixed. `find` lists the keys of rows older than an instant, `purge` does
    what is to be done about some of them, at most `at_once`, in one transaction, and returns how many.
    """

    name: str
    setting: str
    days: Callable[[PrivacySettings], int]
    find: Callable[[Connection, datetime], Sequence[Any]]
    purge: Callable[[Purging, Connection, Sequence[Any]], int]
    at_once: int = 50

    def before(self, purging: Purging) -> datetime:
        return purging.at - timedelta(days=self.days(purging.settings))


# -- what is done, where more than one package has its part ----------------------------------------


def _numbers(purging: Purging, connection: Connection, found: Sequence[Any]) -> int:
    country = next(iter(purging.house.configuration.ringing.countries), "IT")
    gone = ivr.ageing.forget_numbers(connection, found, purging.key, country, purging.ours)
    # The audit's details are hashed and cannot be rewritten: those that hold a number go as a whole.
    told = storage.ageing.details_with(
        connection, {f"case:{number}" for number in gone.cases}, lambda text: gone.instead(text) != text
    )
    storage.ageing.forget_details(connection, purging.actor, purging.at, ACT, told)
    return gone.calls


def _calls(purging: Purging, connection: Connection, found: Sequence[Any]) -> int:
    stripped = ivr.ageing.strip(connection, found)
    _forgotten_outside(purging, connection, stripped.sids)
    return stripped.calls


def _placed(purging: Purging, connection: Connection, found: Sequence[Any]) -> int:
    stripped = ivr.ageing.strip_placed(connection, found)
    _forgotten_outside(purging, connection, stripped.sids)
    return stripped.calls


def _forgotten_outside(purging: Purging, connection: Connection, sids: Sequence[str]) -> None:
    """Have the network forget these calls too, by work that waits until everything was compared."""
    configuration = purging.house.configuration
    if configuration.privacy.delete_at_twilio and configuration.twilio.account_sid:
        for start in range(0, len(sids), ivr.ageing.FORGOTTEN_AT_ONCE):
            some = list(sids[start : start + ivr.ageing.FORGOTTEN_AT_ONCE])
            due.add(connection, purging.at, ivr.ageing.FORGET, some[0], purging.at, {"calls": some})


def _recordings(purging: Purging, connection: Connection, found: Sequence[Any]) -> int:
    gone = ivr.ageing.forget_recordings(connection, found)
    if purging.house.configuration.twilio.account_sid:
        # Also of what was never fetched, or could not be deleted there when it was.
        for sid, _ in gone:
            due.add(connection, purging.at, journal.FORGET, sid, purging.at, {})
    _remove_files(purging, connection, [f"messages/{file}" for _, file in gone])
    return len(gone)


def _remove_files(purging: Purging, connection: Connection, files: Sequence[str]) -> None:
    """After the commit, with what deleted rows leave on the disk."""
    if files:
        key = f"{OF_PURGE}{secrets.token_hex(8)}"
        due.add(connection, purging.at, TRACES, key, purging.at, {"files": list(files)})


def _sessions_before(connection: Connection, before: datetime) -> Sequence[Any]:
    """As `sessions.forget` removes them."""
    over = or_(console_sessions.c.ended_at < before, console_sessions.c.seen_at < before - sessions.IDLE)
    found = list(connection.execute(select(console_sessions.c.id).where(over)).scalars())
    old = or_(console_links.c.expires_at < before, console_links.c.used_at < before)
    return found + list(connection.execute(select(console_links.c.digest).where(old)).scalars())


def _sessions(purging: Purging, connection: Connection, found: Sequence[Any]) -> int:
    sessions.forget(connection, purging.at)
    return len(found)


def _jobs_before(connection: Connection, before: datetime) -> Sequence[Any]:
    ended = console_jobs.c.state.in_(("done", "failed")), console_jobs.c.ended_at < before
    return list(connection.execute(select(console_jobs.c.id).where(*ended)).scalars())


def _jobs(purging: Purging, connection: Connection, found: Sequence[Any]) -> int:
    return connection.execute(delete(console_jobs).where(console_jobs.c.id.in_(found))).rowcount


def _shorter(settings: PrivacySettings) -> int:
    return min(WORK, settings.caller_numbers)


# -- the kinds -------------------------------------------------------------------------------------

KINDS: tuple[Kind, ...] = (
    Kind(
        "recordings",
        "messages",
        lambda settings: settings.messages,
        ivr.ageing.recordings_before,
        _recordings,
    ),
    Kind(
        "numbers",
        "caller_numbers",
        lambda settings: settings.caller_numbers,
        ivr.ageing.with_numbers,
        _numbers,
    ),
    Kind(
        "calls",
        "calls",
        lambda settings: settings.calls,
        ivr.ageing.with_details,
        _calls,
    ),
    Kind(
        "calls-placed",
        "calls",
        lambda settings: settings.calls,
        ivr.ageing.placed_before,
        _placed,
    ),
    Kind(
        "cases",
        "calls",
        lambda settings: settings.calls,
        oncall.ageing.with_details,
        lambda purging, connection, found: oncall.ageing.strip(connection, found),
    ),
    Kind(
        "notices",
        "calls",
        lambda settings: settings.calls,
        oncall.ageing.told_before,
        lambda purging, connection, found: ivr.ageing.forget_notices(connection, found),
    ),
    Kind(
        "work",
        "caller_numbers",
        _shorter,
        storage.ageing.work_before,
        lambda purging, connection, found: storage.ageing.forget_work(connection, found),
        500,
    ),
    Kind(
        "texts-in",
        "caller_numbers",
        _shorter,
        oncall.ageing.texts_before,
        lambda purging, connection, found: oncall.ageing.forget_texts(connection, found),
        500,
    ),
    Kind(
        "case-links",
        "caller_numbers",
        _shorter,
        oncall.ageing.links_before,
        lambda purging, connection, found: oncall.ageing.forget_links(connection, found),
        500,
    ),
    Kind(
        "wrong-pins",
        "",
        lambda settings: throttle.KEPT.days,
        pins.ageing.tries_before,
        lambda purging, connection, found: pins.ageing.forget_tries(connection, found),
        500,
    ),
    Kind(
        "strangers",
        "",
        lambda settings: STRANGERS,
        ivr.ageing.strangers_before,
        lambda purging, connection, found: ivr.ageing.forget_strangers(connection, found),
        500,
    ),
    Kind(
        "sessions",
        "",
        lambda settings: SESSIONS,
        _sessions_before,
        _sessions,
        10**6,
    ),
    Kind(
        "jobs",
        "",
        lambda settings: JOBS,
        _jobs_before,
        _jobs,
        500,
    ),
    Kind(
        "pin-records",
        "audit",
        lambda settings: settings.audit,
        pins.ageing.dead_before,
        lambda purging, connection, found: pins.ageing.bury(connection, purging.actor, purging.at, found),
    ),
    Kind(
        "audit",
        "audit",
        lambda settings: settings.audit,
        audit_beginning.acts_before,
        lambda purging, connection, found: audit_beginning.forget(
            connection, purging.at, outside.signing_key(purging.house.configuration) or b"", found[-1]
        ),
        1000,
    ),
    Kind(
        "case-figures",
        "figures",
        lambda settings: settings.figures,
        oncall.ageing.closed_before,
        lambda purging, connection, found: ivr.ageing.remove_cases(connection, found),
    ),
    Kind(
        "call-figures",
        "figures",
        lambda settings: settings.figures,
        ivr.ageing.bare_before,
        lambda purging, connection, found: ivr.ageing.remove(connection, found),
        500,
    ),
)

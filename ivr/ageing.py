"""What becomes of calls as they grow old: first their callers' numbers, then all that was heard and said.

Nothing of an open case is touched, nor of the calls about it. Each verb is given the keys of some rows, does
what is still to be done about them and passes over the rest: so whoever asks may be interrupted, and the same
may be asked twice. A call is done when its caller says so (see `ivr.pseudonyms`), on whatever way it came:
what a restore or a standby brings back is found at the next look.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, func, or_, select, update

from ivr import answer as answers
from ivr.answer import HANG_UP
from ivr.outgoing_flow import Outgoing, Purpose
from ivr.pseudonyms import MARK, NOTHING, Replacing, pseudonym, replacing
from ivr.stored import CALL, OUTGOING
from ivr.tables import (
    calls,
    leg_turns,
    legs,
    messages,
    outgoing,
    outgoing_turns,
    stranger_calls,
    turns,
    wake_ups,
)
from ivr.vocabulary import Call, Step
from oncall import ageing
from oncall.phones import printed
from oncall.tables import attempts, case_calls, case_log, cases, notices

# The network is asked to forget calls too; the key is the sid of the first of them.
FORGET = "calls.forget"
# So many in one piece of work: some requests each, within its lease.
FORGOTTEN_AT_ONCE = 5
# What a report reads of a call that we placed: how long a technician talked to the customer.
_TAKEN, _TALKED = "taken", ("connected", "cut short")
_NOTHING_SAID = answers.to_json(HANG_UP)
# What says no more than the row it stands in is shorter. A release that wrote it longer left it so.
_LONGEST_BARE = 200


def _bare_call(sid: str, language: str) -> str:
    """What can be read as a call, and says nothing of it that its row does not say."""
    bare = Call(sid, NOTHING, "", language, step=Step.ENDED)
    return CALL.dump_json(bare, exclude_defaults=True).decode()


def _bare_placed(purpose: Purpose, technician: str, language: str) -> str:
    bare = Outgoing(purpose, technician, language, step="ended")
    return OUTGOING.dump_json(bare, exclude_defaults=True).decode()


def _of_open_cases() -> Select[Any]:
    joined = select(case_calls.c.call_sid).join(cases, cases.c.id == case_calls.c.case_id)
    return joined.where(cases.c.closed_at.is_(None))


def _over(before: datetime) -> ColumnElement[bool]:
    return and_(calls.c.started_at < before, calls.c.sid.not_in(_of_open_cases()))


# -- callers' numbers ----------------------------------------------------------------------------


def with_numbers(connection: Connection, before: datetime) -> list[str]:
    """The calls that began earlier and still tell who called, oldest first."""
    plain = calls.c.caller.not_like(f"{MARK}%")
    return list(
        connection.execute(
            select(calls.c.sid).where(_over(before), plain).order_by(calls.c.started_at)
        ).scalars()
    )


@dataclass(frozen=True)
class Forgotten:
    """Of how many calls the numbers are forgotten; `cases` are about them, by number; `instead` finds in a
    text what was replaced.
    """

    calls: int
    cases: frozenset[str]
    instead: Replacing


def forget_numbers(
    connection: Connection, sids: Sequence[str], key: bytes, country: str, ours: Collection[str] = ()
) -> Forgotten:
    """Put pseudonyms in the place of their callers' numbers, and of those at which callers wanted to be
    called back, wherever these stand. Numbers of the house (`ours`) stay where the caller is not meant.
    """
    still = select(calls).where(calls.c.sid.in_(sids), calls.c.sid.not_in(_of_open_cases()))
    rows = [row for row in connection.execute(still) if not row.caller.startswith(MARK)]
    if not rows:
        return Forgotten(0, frozenset(), replacing(key, (), {}))
    found = [row.sid for row in rows]
    about = select(cases.c.id, cases.c.number, cases.c.call_back_to).join(
        case_calls, case_calls.c.case_id == cases.c.id
    )
    their = connection.execute(about.where(case_calls.c.call_sid.in_(found)).distinct()).all()
    numbers = {row.caller for row in rows} | {each.call_back_to or "" for each in their}
    elsewhere = numbers - set(ours)
    national = {number: printed(number, country) for number in elsewhere if number.startswith("+")}
    instead = replacing(key, elsewhere, national)
    _in_calls(connection, found, instead)
    case_ids = [each.id for each in their]
    _in_cases(connection, case_ids, {each.number for each in their}, found, instead)
    for each in their:
        if each.call_back_to:
            values = {"call_back_to": pseudonym(key, each.call_back_to)}
            connection.execute(update(cases).where(cases.c.id == each.id).values(values))
    for row in rows:
        changed = {"caller": pseudonym(key, row.caller), "state": _state(row.state, key, instead)}
        connection.execute(update(calls).where(calls.c.sid == row.sid).values(changed))
    return Forgotten(len(rows), frozenset(each.number for each in their), instead)


def _state(text: str, key: bytes, instead: Replacing) -> str:
    state = json.loads(text)
    if state.get("caller"):
        state["caller"] = pseudonym(key, state["caller"])
    return instead(json.dumps(state))


def _in_calls(connection: Connection, sids: Sequence[str], instead: Replacing) -> None:
    _in_rows(connection, turns, turns.c.sid.in_(sids), ("heard", "answer"), instead)
    _in_rows(connection, legs, legs.c.call_sid.in_(sids), ("state",), instead)
    theirs = leg_turns.c.sid.in_(select(legs.c.sid).where(legs.c.call_sid.in_(sids)))
    _in_rows(connection, leg_turns, theirs, ("heard", "answer"), instead)


def _in_cases(
    connection: Connection,
    case_ids: Sequence[int],
    numbers: Iterable[str],
    sids: Sequence[str],
    instead: Replacing,
) -> None:
    placed = outgoing.c.case_id.in_(case_ids)
    _in_rows(connection, outgoing, placed, ("state",), instead)
    said = outgoing_turns.c.outgoing_id.in_(select(outgoing.c.id).where(placed))
    _in_rows(connection, outgoing_turns, said, ("heard", "answer"), instead)
    _in_rows(connection, case_log, case_log.c.case_id.in_(case_ids), ("text", "details"), instead)
    _in_rows(connection, cases, cases.c.id.in_(case_ids), ("outcome",), instead)
    abouts = [f"case:{number}" for number in numbers] + [f"call:{sid}" for sid in sids]
    _in_rows(connection, notices, notices.c.about.in_(abouts), ("facts",), instead)


def _in_rows(
    connection: Connection,
    table: Table,
    wanted: ColumnElement[bool],
    names: Sequence[str],
    instead: Replacing,
) -> None:
    """In these columns, text or JSON, of the rows that are wanted; those without a number are not written."""
    key = list(table.primary_key)
    for row in connection.execute(select(*key, *(table.c[name] for name in names)).where(wanted)).all():
        changed: dict[str, Any] = {}
        for name in names:
            value = row._mapping[table.c[name]]
            text = value if isinstance(value, str | None) else json.dumps(value, ensure_ascii=False)
            new = instead(text) if text else text
            if new != text:
                changed[name] = new if isinstance(value, str) else json.loads(new or "")
        if changed:
            this = and_(*(column == row._mapping[column] for column in key))
            connection.execute(update(table).where(this).values(changed))


# -- what was heard and said ---------------------------------------------------------------------


def with_details(connection: Connection, before: datetime) -> list[str]:
    """The calls that began earlier and of which more is kept than what reports count, oldest first."""
    return list(
        connection.execute(
            select(calls.c.sid).where(_over(before), _MORE).order_by(calls.c.started_at)
        ).scalars()
    )


_MORE = or_(calls.c.caller != NOTHING, func.length(calls.c.state) > _LONGEST_BARE)


@dataclass(frozen=True)
class Stripped:
    """How many calls only the bare fact is kept of now, and what the network calls them."""

    calls: int
    sids: list[str]


def strip(connection: Connection, sids: Sequence[str]) -> Stripped:
    """Keep of these calls only when they began and ended, on which number of ours, whose they were, how
    urgent, and how they came out.
    """
    still = select(calls.c.sid, calls.c.state).where(
        calls.c.sid.in_(sids), _MORE, calls.c.sid.not_in(_of_open_cases())
    )
    rows = connection.execute(still).all()
    found = [row.sid for row in rows]
    their = select(legs.c.sid).where(legs.c.call_sid.in_(found))
    connection.execute(delete(leg_turns).where(leg_turns.c.sid.in_(their)))
    connection.execute(delete(legs).where(legs.c.call_sid.in_(found)))
    connection.execute(delete(turns).where(turns.c.sid.in_(found)))
    connection.execute(delete(wake_ups).where(wake_ups.c.call_sid.in_(found)))
    for row in rows:
        language = str(json.loads(row.state).get("language") or "it")
        values = {"caller": NOTHING, "step": Step.ENDED.value, "state": _bare_call(row.sid, language)}
        connection.execute(update(calls).where(calls.c.sid == row.sid).values(values))
    return Stripped(len(rows), found)


# -- calls that we placed ------------------------------------------------------------------------


def placed_before(connection: Connection, before: datetime) -> list[int]:
    """Calls that we placed earlier, about no case that is open, of which more is kept than reports count."""
    still_open = select(cases.c.id).where(cases.c.closed_at.is_(None))
    more = or_(outgoing.c.phone != "", func.length(outgoing.c.state) > _LONGEST_BARE)
    its = or_(outgoing.c.case_id.is_(None), and_(more, outgoing.c.case_id.not_in(still_open)))
    query = select(outgoing.c.id).where(outgoing.c.asked_at < before, its).order_by(outgoing.c.id)
    return list(connection.execute(query).scalars())


def strip_placed(connection: Connection, ids: Sequence[int]) -> Stripped:
    """Of a call about a case how long the talk was stays; any other is removed."""
    still_open = select(cases.c.id).where(cases.c.closed_at.is_(None))
    rows = connection.execute(select(outgoing).where(outgoing.c.id.in_(ids))).all()
    open_ids = set(connection.execute(still_open).scalars())
    rows = [row for row in rows if row.case_id not in open_ids]
    its, heard = outgoing_turns.c.outgoing_id, outgoing_turns.c.heard
    talked = select(its).where(heard.in_(_TALKED), its.in_(select(its).where(heard == _TAKEN)))
    some = [row.id for row in rows if row.case_id is not None]
    with_talk = set(connection.execute(talked.where(its.in_(some))).scalars())
    kept = [row for row in rows if row.id in with_talk]
    gone = [row.id for row in rows if row.id not in with_talk]
    connection.execute(delete(outgoing_turns).where(its.in_(gone)))
    connection.execute(delete(outgoing).where(outgoing.c.id.in_(gone)))
    of_talks = its.in_(with_talk)
    connection.execute(delete(outgoing_turns).where(of_talks, heard.not_in((_TAKEN, *_TALKED))))
    connection.execute(update(outgoing_turns).where(of_talks).values(answer=_NOTHING_SAID))
    nothing = dict.fromkeys(("sid", "answered_at", "status", "attempt_id", "notice_send_id"))
    for row in kept:
        language = str(json.loads(row.state).get("language") or "it")
        bare = {"phone": "", "number": "", "state": _bare_placed(row.purpose, row.technician, language)}
        connection.execute(update(outgoing).where(outgoing.c.id == row.id).values(bare | nothing))
    return Stripped(len(rows), [row.sid for row in rows if row.sid])


# -- recordings ----------------------------------------------------------------------------------


def recordings_before(connection: Connection, before: datetime) -> list[str]:
    """Recordings made earlier, of calls about no open case, by their sids."""
    query = select(messages.c.recording_sid).where(
        messages.c.recorded_at < before, messages.c.call_sid.not_in(_of_open_cases())
    )
    return list(connection.execute(query.order_by(messages.c.recorded_at)).scalars())


def forget_recordings(connection: Connection, sids: Sequence[str]) -> list[tuple[str, str]]:
    """Remove their rows; returns each with the name of its file, which is to be removed after the commit."""
    wanted = messages.c.recording_sid.in_(sids), messages.c.call_sid.not_in(_of_open_cases())
    rows = connection.execute(select(messages).where(*wanted)).all()
    connection.execute(delete(messages).where(*wanted))
    return [(row.recording_sid, row.file or f"{row.recording_sid}.mp3") for row in rows]


def known_recordings(connection: Connection, names: Collection[str]) -> set[str]:
    """Which of these recordings somebody may still listen to, by their sids."""
    found = select(messages.c.recording_sid).where(messages.c.recording_sid.in_(names))
    return set(connection.execute(found).scalars())


# -- what is counted for a while only ------------------------------------------------------------


def strangers_before(connection: Connection, before: datetime) -> list[str]:
    return list(
        connection.execute(select(stranger_calls.c.call_sid).where(stranger_calls.c.at < before)).scalars()
    )


def forget_strangers(connection: Connection, sids: Sequence[str]) -> int:
    return connection.execute(delete(stranger_calls).where(stranger_calls.c.call_sid.in_(sids))).rowcount


# -- the bare facts ------------------------------------------------------------------------------


def bare_before(connection: Connection, before: datetime) -> list[str]:
    """Stripped calls that began earlier and that nothing refers to any more: whose cases are gone."""
    held = [
        select(column)
        for column in (case_calls.c.call_sid, cases.c.call_sid, attempts.c.call_sid, messages.c.call_sid)
    ]
    query = select(calls.c.sid).where(calls.c.started_at < before, calls.c.caller == NOTHING)
    for each in held:
        query = query.where(calls.c.sid.not_in(each))
    return list(connection.execute(query.order_by(calls.c.started_at)).scalars())


def remove(connection: Connection, sids: Sequence[str]) -> int:
    return connection.execute(delete(calls).where(calls.c.sid.in_(sids), calls.c.caller == NOTHING)).rowcount


def remove_cases(connection: Connection, ids: Sequence[int]) -> int:
    """Remove these cases, if they are closed, with all that is theirs."""
    closed = select(cases.c.id).where(cases.c.id.in_(ids), cases.c.closed_at.is_not(None))
    found = list(connection.execute(closed).scalars())
    rang = select(attempts.c.id).where(attempts.c.case_id.in_(found))
    placed = select(outgoing.c.id).where(or_(outgoing.c.case_id.in_(found), outgoing.c.attempt_id.in_(rang)))
    its = select(legs.c.sid).where(legs.c.attempt_id.in_(rang))
    connection.execute(delete(outgoing_turns).where(outgoing_turns.c.outgoing_id.in_(placed)))
    connection.execute(delete(outgoing).where(outgoing.c.id.in_(placed)))
    connection.execute(delete(leg_turns).where(leg_turns.c.sid.in_(its)))
    connection.execute(delete(legs).where(legs.c.attempt_id.in_(rang)))
    return ageing.remove(connection, found)


def forget_notices(connection: Connection, ids: Sequence[int]) -> int:
    """Remove these notices; calls in which they were read aloud no longer say so."""
    by = ageing.sends_of(connection, ids)
    connection.execute(update(outgoing).where(outgoing.c.notice_send_id.in_(by)).values(notice_send_id=None))
    return ageing.forget_notices(connection, ids)

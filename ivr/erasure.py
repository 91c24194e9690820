"""What the journal holds about a customer, found and erased. Calls stay, without whose they were.

A call that goes on meanwhile is not cut off: its caller is from then on one without a PIN. He hears that
he is refused help, may leave a message, or goes on keying; whatever he does has an answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from ivr import answer as answers
from ivr.answer import HANG_UP, Answer, Dial, Gather, Part, Say
from ivr.outgoing_flow import Outgoing
from ivr.pseudonyms import MARK, NOTHING, WITHHELD, pseudonym
from ivr.stored import CALL, OUTGOING
from ivr.tables import TOLD, calls, leg_turns, legs, messages, outgoing, outgoing_turns, turns
from ivr.vocabulary import Call, Step
from oncall.tables import notice_sends

# Before he keyed a PIN: what he is asked next does not depend on who he is.
_STILL_UNKNOWN = (Step.ARRIVAL, Step.CHALLENGE, Step.OFFICE, Step.OFFICE_MISSED, Step.PIN, Step.MESSAGE)
# A statement takes a limited number of values.
_AT_ONCE = 500


@dataclass(frozen=True)
class Erased:
    """How many calls were emptied, their recordings, and the recordings' files in the message folder."""

    calls: int
    recordings: list[str]
    files: list[str]


def callers_of(connection: Connection, customer_id: int) -> set[str]:
    """The numbers from which this customer and no other has called."""
    used = select(calls.c.caller).where(calls.c.caller.not_in(("", WITHHELD, NOTHING))).distinct()
    own = set(connection.execute(used.where(calls.c.customer_id == customer_id)).scalars())
    others: set[str] = set()
    for some in _portions(sorted(own)):
        by_others = used.where(TOLD, calls.c.customer_id != customer_id, calls.c.caller.in_(some))
        others.update(connection.execute(by_others).scalars())
    return own - others


def plain_callers(connection: Connection, key: bytes, pseudonyms: Collection[str]) -> set[str]:
    """The numbers of calls in which nobody was recognised that have one of these pseudonyms, and are still as
    they came.
    """
    plain = calls.c.caller.not_like(f"{MARK}%"), calls.c.caller != ""
    used = select(calls.c.caller).where(calls.c.customer_id.is_(None), *plain).distinct()
    return {number for number in connection.execute(used).scalars() if pseudonym(key, number) in pseudonyms}


def calls_of(
    connection: Connection,
    customer_id: int,
    numbers: Collection[str] = (),
    about: Collection[str] = (),
) -> list[str]:
    """The customer's calls, and those in which nobody was recognised: from `numbers`, or, by their sids,
    `about` his cases; by their sids.
    """
    his = [calls.c.customer_id == customer_id]
    unknown = calls.c.customer_id.is_(None)
    his += [unknown & TOLD & calls.c.caller.in_(some) for some in _portions(sorted(numbers))]
    his += [unknown & calls.c.sid.in_(some) for some in _portions(sorted(about))]
    return list(connection.execute(select(calls.c.sid).where(or_(*his)).order_by(calls.c.sid)).scalars())


def recordings_of(connection: Connection, sids: Sequence[str]) -> list[dict[str, Any]]:
    """What was recorded in these calls, messages and spoken names alike, with where it is kept."""
    found: list[dict[str, Any]] = []
    for some in _portions(sids):
        rows = connection.execute(select(messages).where(messages.c.call_sid.in_(some)))
        found += [dict(row) for row in rows.mappings()]
    return found


def lock(connection: Connection, sids: Sequence[str]) -> None:
    """Keep other transactions from these calls and their legs until ours ends: see `journal.lock`."""
    for some in _portions(sids):
        for column in (calls.c.sid, legs.c.call_sid):
            query = select(column).where(column.in_(some)).order_by(column)
            connection.execute(query.with_for_update(key_share=True))


def placed_for(connection: Connection, case_ids: Collection[int], notice_ids: Collection[int]) -> list[int]:
    """The ids of calls that we placed for these cases, or to read these notices aloud."""
    read = select(notice_sends.c.id).where(notice_sends.c.notice_id.in_(notice_ids))
    found = select(outgoing.c.id).where(
        or_(outgoing.c.case_id.in_(case_ids), outgoing.c.notice_send_id.in_(read))
    )
    return list(connection.execute(found.order_by(outgoing.c.id)).scalars())


def lock_placed(connection: Connection, placed_ids: Collection[int]) -> None:
    """Keep other transactions from these calls until ours ends."""
    rows = select(outgoing.c.id).where(outgoing.c.id.in_(placed_ids)).order_by(outgoing.c.id)
    connection.execute(rows.with_for_update(key_share=True))


def erase_placed(connection: Connection, placed_ids: Collection[int]) -> None:
    """Empty these calls of what was said in them. One that goes on is hung up at its next turn."""
    for row in connection.execute(select(outgoing).where(outgoing.c.id.in_(placed_ids))).all():
        call = OUTGOING.validate_json(row.state)
        bare = Outgoing(call.purpose, call.technician, call.language, step="ended")
        connection.execute(
            update(outgoing).where(outgoing.c.id == row.id).values(state=OUTGOING.dump_json(bare).decode())
        )
        connection.execute(delete(outgoing_turns).where(outgoing_turns.c.outgoing_id == row.id))


def erase(connection: Connection, sids: Sequence[str]) -> Erased:
    """Empty these calls of what was heard, said and left in them. Instants, outcome and urgency stay."""
    recordings: list[str] = []
    files: list[str] = []
    for some in _portions(sids):
        for row in connection.execute(select(messages).where(messages.c.call_sid.in_(some))):
            recordings.append(row.recording_sid)
            # Not fetched yet, as far as we know: it may be on its way.
            files.append(row.file or f"{row.recording_sid}.mp3")
        their_legs = select(legs.c.sid).where(legs.c.call_sid.in_(some))
        connection.execute(delete(messages).where(messages.c.call_sid.in_(some)))
        connection.execute(delete(leg_turns).where(leg_turns.c.sid.in_(their_legs)))
        connection.execute(delete(legs).where(legs.c.call_sid.in_(some)))
    for sid in sids:
        _empty(connection, sid)
    return Erased(len(sids), recordings, files)


def _empty(connection: Connection, sid: str) -> None:
    row = connection.execute(select(calls).where(calls.c.sid == sid)).one()
    call = CALL.validate_json(row.state)
    last = connection.execute(
        select(turns).where(turns.c.sid == sid).order_by(turns.c.turn.desc()).limit(1)
    ).first()
    connection.execute(delete(turns).where(turns.c.sid == sid))
    call = nobody(call, ended=row.ended_at is not None)
    if row.ended_at is None and last is not None:
        # The network may ask for the latest answer once more: it is given, without a word in it.
        silent = _silent(answers.from_json(last.answer), call.number)
        values = {**last._mapping, "heard": "erased", "answer": answers.to_json(silent)}
        connection.execute(turns.insert(), values)
    connection.execute(
        update(calls)
        .where(calls.c.sid == sid)
        .values(caller="", customer_id=None, step=call.step.value, state=CALL.dump_json(call).decode())
    )


def nobody(call: Call, *, ended: bool) -> Call:
    """The call as one of somebody we do not know."""
    bare = Call(call.sid, "", call.number, call.language, call.languages, outcome=call.outcome)
    if ended:
        return replace(bare, step=Step.ENDED)
    if call.step in _STILL_UNKNOWN:
        return replace(
            bare,
            step=call.step,
            office=call.office,
            pin_offered=call.pin_offered,
            missed=call.missed,
            wrong_pins=call.wrong_pins,
            pin_phase_ends=call.pin_phase_ends,
            more_time_given=call.more_time_given,
            screen=call.screen,
        )
    return replace(bare, step=Step.ENDED if call.step is Step.ENDED else Step.REFUSED, refused="no-pin")


def _silent(answer: Answer, number: str) -> Answer:
    parts: list[Part] = []
    for part in answer.parts:
        match part:
            case Say():
                continue
            case Gather():
                parts.append(replace(part, prompts=()))
            case Dial():  # an office on SIP is shown the caller's number
                parts.append(replace(part, caller_id=number))
            case _:
                parts.append(part)
    return Answer(tuple(parts)) if parts else HANG_UP


def _portions(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]

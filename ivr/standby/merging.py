"""What a node wrote down while it served without the database is brought home, call by call.

Each call is brought in one transaction: its row, its turns, its case with the pursuit, whose phone rang and
who pressed what, what was recorded. Nothing is doubled, however often the same is brought, in whatever order
nodes bring theirs, and whether or not a turn was written in both places because nobody knew if the first had
arrived. Where both know something the later state counts, and a technician's recorded key always does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, or_, select, update
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from ivr import casework, desk, journal, outgoing_desk, placed
from ivr.erasure import nobody
from ivr.outgoing_desk import PLACE, WATCH
from ivr.pseudonyms import aged
from ivr.standby import standby
from ivr.standby.standby import Standing
from ivr.stored import CALL
from ivr.tables import (
    calls,
    leg_turns,
    legs,
    messages,
    outgoing,
    outgoing_turns,
    turns,
    wake_ups,
)
from ivr.vocabulary import Outcome
from oncall import merging
from oncall.cases import cases as cases_of
from oncall.notices import notices
from oncall.reaching import attempts as attempts_of
from oncall.reaching import reminders
from oncall.reaching.attempts import LONGEST_TALK
from oncall.reaching.reached import NOTICE
from oncall.tables import attempts, case_calls, cases
from pins import customers
from pins import merging as pin_merging
from storage import due
from storage.alarms import raise_alarm
from storage.engine import Database
from storage.spare import Spare
from storage.tables import due_work

log = logging.getLogger("ivr.standby")
_CALL_THERE = select(calls).where(calls.c.sid == bindparam("call"))
# The network told something of a call or a text that only the house's own database knows.
TOLD = "network.told"
EVER = datetime.min.replace(tzinfo=UTC)
# Nothing has happened in the spare for so long: whoever served from it has found the database again.
QUIET = timedelta(seconds=60)
# Work about a call or a message that goes on at home as it stands. Notices and calls that were to be placed
# have ids of the spare in theirs.
_STAYS = frozenset({NOTICE, PLACE, WATCH, cases_of.PURSUE, reminders.REMIND})


@dataclass
class Brought:
    """What has been brought so far, so that it need not be compared again and again: each call by its sid,
    with how it stood.
    """

    calls: dict[str, tuple[Any, ...]] = field(default_factory=dict)


def bring_home(main: Database, spare: Spare, at: datetime, brought: Brought) -> bool:
    """Bring what this spare holds. True if there is nothing left in it and nobody uses it any more: it has
    been removed then. Raises what the databases raise; what was brought before stays brought.
    """
    with spare.read() as there:
        standing = standby.standing(there)
        stand = _calls_of(there, standing)
        wanted = {sid: how for sid, how in stand.items() if brought.calls.get(sid) != how}
    failed = False
    for sid, how in wanted.items():
        try:
            bring_call(main, spare, sid, at)
        except (IntegrityError, DataError, LookupError, ValueError):
            # One that cannot be brought must not keep the others; it is tried again at the next tick.
            log.exception("call %s cannot be brought home yet", sid)
            failed = True
            continue
        brought.calls[sid] = how
    with spare.read() as there, main.write() as here:
        _bring_the_rest(here, there, standing, at)
    if wanted or failed:
        return False
    return _retire(main, spare, at, brought)


def bring_call(main: Database, spare: Spare, sid: str, at: datetime) -> None:
    """Bring one call, with its cases; nothing happens if the spare does not know it."""
    try:
        with spare.read() as there:
            if there.execute(_CALL_THERE, {"call": sid}).first() is None:
                return  # and nobody at home had to wait
    except SQLAlchemyError as error:
        # Damaged: the worker says so, too. The caller is served from the house's own.
        log.error("standby %s cannot be read for call %s (%s)", spare.home, sid, type(error).__name__)
        return
    with main.write() as here:
        with spare.read() as there:
            _hold(here, there, sid)
        if aged(journal.caller_of(here, sid)):
            # Its time was over here before the spare was heard of: nothing of it comes back.
            log.warning("call %s is not brought home: it is older than it may be", sid)
            return
        with spare.read() as there:
            # Only now: whoever serves the call may have gone on meanwhile.
            _bring(here, there, sid, at)


def _bring(here: Connection, there: Connection, sid: str, at: datetime) -> None:
    row = there.execute(_CALL_THERE, {"call": sid}).one()
    case_ids, attempt_ids = _bring_cases(here, there, row, at)
    goes_on_here = _goes_on_here(here, there, sid)
    if not goes_on_here:
        _bring_state(here, row, case_ids, attempt_ids)
    _note_talk(here, sid)
    if row.customer_id is None or _customer(here, row.customer_id) is not None:
        # Of a customer who has been erased meanwhile nothing is brought that was said.
        _bring_turns(here, there, sid, as_far_as_here=goes_on_here)
        _bring_legs(here, there, sid, attempt_ids)
        _bring_recordings(here, there, at, sid)
    if row.ended_at is not None:
        # The node may have known less of the call than is known here: whom to pursue, what still rings.
        desk.over(here, row.ended_at, sid)


def _calls_of(there: Connection, standing: Standing) -> dict[str, tuple[Any, ...]]:
    """The calls in which something happened there, each with how it stands."""
    said = {
        row.sid: row.many
        for row in there.execute(
            select(turns.c.sid, func.count().label("many"))
            .where(turns.c.at >= (standing.at or EVER))
            .group_by(turns.c.sid)
        )
    }
    heard = {
        row.call_sid: (row.many, row.turn)
        for row in there.execute(
            select(legs.c.call_sid, func.count().label("many"), func.sum(legs.c.turn).label("turn")).group_by(
                legs.c.call_sid
            )
        )
    }
    pursued = {
        row.call_sid: (row.connected_at, row.taken_at, row.closed_at)
        for row in there.execute(
            select(case_calls.c.call_sid, cases.c.connected_at, cases.c.taken_at, cases.c.closed_at).join(
                cases, cases.c.id == case_calls.c.case_id
            )
        )
    }
    found = {}
    for row in there.execute(select(calls).order_by(calls.c.started_at)):
        how = (row.turn, row.ended_at, said.get(row.sid), heard.get(row.sid), pursued.get(row.sid))
        changed = standing.calls.get(row.sid) != standby.how_it_stands(row)
        if changed or said.get(row.sid) or heard.get(row.sid):
            found[row.sid] = how
    return found


# -- a call ----------------------------------------------------------------------------------------


def _cases_about(there: Connection, call: Row[Any]) -> Sequence[Row[Any]]:
    """The cases that the call is about, or that he is being asked about."""
    its = select(case_calls.c.case_id).where(case_calls.c.call_sid == call.sid)
    asked = CALL.validate_json(call.state).known_case
    about = or_(cases.c.id.in_(its), cases.c.number == (asked.number if asked else None))
    return there.execute(select(cases).where(about).order_by(cases.c.id)).all()


def _hold(here: Connection, there: Connection, sid: str) -> None:
    """Hold what will be written, in the order of the house (`journal.lock`): this call and those about the
    same cases, which are written down here if they are new, its legs, and whoever decides about cases.
    """
    about = _cases_about(there, there.execute(_CALL_THERE, {"call": sid}).one())
    joined = select(case_calls.c.call_sid).where(case_calls.c.case_id.in_([case.id for case in about]))
    sids = {sid, *(case.call_sid for case in about), *there.execute(joined).scalars()}
    for row in there.execute(select(calls).where(calls.c.sid.in_(sids)).order_by(calls.c.sid)).all():
        journal.lock(here, row.sid)
        _ensure_call(here, there, row)
    its_legs = select(legs.c.sid).where(legs.c.call_sid == sid).order_by(legs.c.sid)
    for leg in there.execute(its_legs).scalars().all():
        journal.lock_leg(here, leg)
    cases_of.lock(here)


def _ensure_call(here: Connection, there: Connection, row: Row[Any]) -> None:
    call = CALL.validate_json(row.state)
    journal.begin(here, row.started_at, replace(call, case_id=None, attempt_id=None), row.turn)
    unknown = update(calls).where(calls.c.sid == row.sid, calls.c.caller == "")
    here.execute(unknown.values(caller=row.caller))
    first = there.execute(select(func.min(turns.c.turn)).where(turns.c.sid == row.sid)).scalar()
    if first == 0:
        # It came in there: nobody else has seen its beginning.
        here.execute(update(calls).where(calls.c.sid == row.sid).values(started_at=row.started_at))


def _goes_on_here(here: Connection, there: Connection, sid: str) -> bool:
    """Whether the telephone is further on here, whatever the turns are numbered: a turn was served in both
    places, since the answer from there was lost and he asked again here. The later one is what he heard.
    """
    served = select(turns.c.turn, turns.c.at).where(turns.c.sid == sid)
    said_here, said_there = ({row.turn: row.at for row in each.execute(served)} for each in (here, there))
    both = said_here.keys() & said_there.keys()
    if all(said_here[turn] == said_there[turn] for turn in both):
        return False
    return bool(max(said_here.values()) > max(said_there.values()))


def _bring_state(
    here: Connection, row: Row[Any], case_ids: dict[int, int], attempt_ids: dict[int, int]
) -> None:
    """How the call stands: as there, if it has come further there."""
    call = CALL.validate_json(row.state)
    call = replace(
        call,
        case_id=case_ids.get(call.case_id or 0),
        attempt_id=attempt_ids.get(call.attempt_id or 0),
        known_case=call.known_case
        and replace(call.known_case, id=case_ids.get(call.known_case.id, call.known_case.id)),
    )
    if call.customer is not None and _customer(here, call.customer.id) is None:
        call = nobody(call, ended=row.ended_at is not None)
    known = here.execute(select(calls).where(calls.c.sid == row.sid)).one()
    if call.case_id is not None and call.case is not None:
        number = here.execute(select(cases.c.number).where(cases.c.id == call.case_id)).scalar_one()
        call = replace(call, case=replace(call.case, number=number))
    if known.turn <= row.turn:
        journal.move_on(here, call, row.turn)
        customer = _customer(here, row.customer_id)
        here.execute(
            update(calls)
            .where(calls.c.sid == row.sid)
            .values(customer_id=customer, outcome=row.outcome or known.outcome, urgency=row.urgency)
        )


def _note_talk(here: Connection, sid: str) -> None:
    """He did talk to a technician, though the node that served him could not know: see `AttemptEnded`."""
    talked = select(attempts.c.id).where(
        attempts.c.call_sid == sid, attempts.c.pass_id.is_(None), attempts.c.result == "connected"
    )
    if here.execute(talked.limit(1)).first() is not None:
        unaware = (Outcome.ACCEPTED.value, Outcome.SCREENED.value, Outcome.NO_PIN.value)
        call = update(calls).where(calls.c.sid == sid, calls.c.outcome.in_(unaware))
        here.execute(call.values(outcome=Outcome.CONNECTED.value))


def _customer(here: Connection, customer_id: int | None) -> int | None:
    """Whose it is, unless he has been erased meanwhile."""
    known = customer_id is not None and customers.code_of(here, customer_id) is not None
    return customer_id if known else None


def _bring_turns(here: Connection, there: Connection, sid: str, *, as_far_as_here: bool) -> None:
    """`as_far_as_here`: a turn that is still to come here is not taken by one that nobody heard."""
    known = set(here.execute(select(turns.c.turn).where(turns.c.sid == sid)).scalars())
    next_here = here.execute(select(calls.c.turn).where(calls.c.sid == sid)).scalar_one()
    for row in there.execute(select(turns).where(turns.c.sid == sid).order_by(turns.c.turn)):
        if row.turn not in known and (row.turn < next_here or not as_far_as_here):
            here.execute(insert(turns), dict(row._mapping))


def _bring_cases(
    here: Connection, there: Connection, call_there: Row[Any], at: datetime
) -> tuple[dict[int, int], dict[int, int]]:
    """The cases of `_cases_about`, whose calls are here; by their ids there those here, and the same of
    attempts.
    """
    case_ids: dict[int, int] = {}
    attempt_ids: dict[int, int] = {}
    newest = standby.standing(there).newest.get("cases", 0)
    for row in _cases_about(there, call_there):
        copied = row.id <= newest
        customer = _customer(here, row.customer_id)
        known = merging.bring_case(here, at, row, copied=copied, customer_id=customer)
        if known is None:
            continue
        case_ids[row.id] = known
        merging.bring_calls_of_case(here, there, row.id, known)
        _goes_on(here, at, known)
        merging.bring_links(here, there, row.id, known)
        attempt_ids |= merging.bring_attempts(here, there, row.id, known)
        merging.bring_pursuit(here, there, at, row.number, known)
    return case_ids, attempt_ids


def _goes_on(here: Connection, at: datetime, case_id: int) -> None:
    """A case that was closed here is open again if somebody has called about it since: whoever served him did
    not know.
    """
    found = select(cases.c.number, cases.c.closed_at).where(
        cases.c.id == case_id, cases.c.closed_at.is_not(None)
    )
    row = here.execute(found).first()
    if row is not None and attempts_of.wanted_since(here, case_id, row.closed_at):
        now = casework.called_again(here, at, cases_of.find(here, row.number))
        if now.id == case_id:
            return
        late = select(case_calls).where(
            case_calls.c.case_id == case_id, case_calls.c.joined_at > row.closed_at
        )
        for call in here.execute(late).all():
            if cases_of.note_call(here, call.joined_at, now.id, call.call_sid):
                cases_of.pursue(here, at, now.id, at)


def _bring_legs(here: Connection, there: Connection, sid: str, attempt_ids: dict[int, int]) -> None:
    for row in there.execute(select(legs).where(legs.c.call_sid == sid)).all():
        attempt = attempt_ids.get(row.attempt_id)
        if attempt is None:
            continue
        known = here.execute(select(legs).where(legs.c.sid == row.sid)).first()
        state = json.dumps({**json.loads(row.state), "attempt_id": attempt})
        if known is None:
            values = {**row._mapping, "attempt_id": attempt, "state": state}
            here.execute(insert(legs), values)
        elif known.turn < row.turn:
            moved = update(legs).where(legs.c.sid == row.sid)
            here.execute(moved.values(turn=row.turn, state=state))
        if known is not None and known.ended_at is None and row.ended_at is not None:
            here.execute(update(legs).where(legs.c.sid == row.sid).values(ended_at=row.ended_at))
        said = set(here.execute(select(leg_turns.c.turn).where(leg_turns.c.sid == row.sid)).scalars())
        for turn in there.execute(select(leg_turns).where(leg_turns.c.sid == row.sid)):
            if turn.turn not in said:
                here.execute(insert(leg_turns), dict(turn._mapping))


def _bring_recordings(here: Connection, there: Connection, at: datetime, sid: str) -> None:
    for row in there.execute(select(messages).where(messages.c.call_sid == sid)):
        known = here.execute(select(messages).where(messages.c.recording_sid == row.recording_sid)).first()
        if known is None:
            here.execute(insert(messages), dict(row._mapping))
            if row.file is None:
                due.add(here, at, journal.FETCH, row.recording_sid, at, {"call": sid})
        elif known.file is None and row.file is not None:
            journal.message_fetched(here, row.fetched_at, row.recording_sid, row.file)
    for row in there.execute(select(wake_ups).where(wake_ups.c.call_sid == sid)):
        if here.execute(select(wake_ups).where(wake_ups.c.call_sid == sid)).first() is None:
            here.execute(insert(wake_ups), dict(row._mapping))


# -- what belongs to no call -------------------------------------------------------------------------


def _bring_the_rest(here: Connection, there: Connection, standing: Standing, at: datetime) -> None:
    pin_merging.bring_tries(here, there, standing.newest.get("pin_tries", 0))
    pin_merging.bring_uses(here, there)
    _bring_recordings_of_others(here, there, at)
    _bring_placed(here, there)
    merging.bring_notices(here, there, at, _renamed(here, there, standing.newest.get("cases", 0)))
    merging.bring_texts(here, there)
    _bring_work(here, there, standing, at)


def _renamed(here: Connection, there: Connection, newest: int) -> dict[str, str]:
    """Cases that have another number here, since they were opened in both places. Of those that were copied
    from here, up to the id `newest`, none has: there may be a month of them.
    """
    found = {}
    for row in there.execute(select(cases.c.number, cases.c.call_sid).where(cases.c.id > newest)):
        known = here.execute(select(cases.c.number).where(cases.c.number == row.number)).first()
        if known is None:
            own = select(cases.c.number).where(cases.c.call_sid == row.call_sid).order_by(cases.c.id.desc())
            other = here.execute(own.limit(1)).scalar()
            if other is not None:
                found[row.number] = other
    return found


def _bring_recordings_of_others(here: Connection, there: Connection, at: datetime) -> None:
    """Recordings announced there of calls that were never served there."""
    for row in there.execute(select(messages.c.call_sid).distinct()):
        if here.execute(select(calls.c.sid).where(calls.c.sid == row.call_sid)).first() is not None:
            _bring_recordings(here, there, at, row.call_sid)


def _bring_placed(here: Connection, there: Connection) -> None:
    """Calls that we placed there and that are over, for the story of their cases."""
    for row in there.execute(select(outgoing).where(outgoing.c.id < 0)).all():
        _bring_back(here, there, row)
    over = select(outgoing).where(
        outgoing.c.id > 0, outgoing.c.ended_at.is_not(None), outgoing.c.sid.is_not(None)
    )
    for row in there.execute(over).all():
        if here.execute(select(outgoing.c.id).where(outgoing.c.sid == row.sid)).first() is not None:
            continue
        number = there.execute(select(cases.c.number).where(cases.c.id == row.case_id)).scalar()
        case_here = here.execute(select(cases.c.id).where(cases.c.number == number)).scalar()
        # Its notice, check and attempt have ids of the spare.
        theirs = {"notice_send_id": None, "shift_check_id": None, "attempt_id": None}
        known = merging.copy_row(here, outgoing, row, case_id=case_here, **theirs)
        for turn in there.execute(select(outgoing_turns).where(outgoing_turns.c.outgoing_id == row.id)):
            here.execute(insert(outgoing_turns), {**turn._mapping, "outgoing_id": known})


def _bring_back(here: Connection, there: Connection, row: Row[Any]) -> None:
    """A call that the house's own database placed, and that was served there for a while."""
    placed.lock(here, -row.id)
    known = placed.find(here, -row.id)
    if known is None:
        return
    if known.turn < row.turn:
        moved = update(outgoing).where(outgoing.c.id == known.id)
        answered = known.answered_at or row.answered_at
        here.execute(moved.values(turn=row.turn, state=row.state, answered_at=answered))
    said = set(
        here.execute(select(outgoing_turns.c.turn).where(outgoing_turns.c.outgoing_id == known.id)).scalars()
    )
    for turn in there.execute(select(outgoing_turns).where(outgoing_turns.c.outgoing_id == row.id)):
        if turn.turn not in said:
            here.execute(insert(outgoing_turns), {**turn._mapping, "outgoing_id": known.id})


def _bring_work(here: Connection, there: Connection, standing: Standing, at: datetime) -> None:
    """What is still to be done about calls and messages, what was told of calls that nobody knew there."""
    newest = standing.newest.get("due_work", 0)
    for row in there.execute(select(due_work).where(due_work.c.id > newest, due_work.c.state == due.PENDING)):
        if row.kind == desk.ENDED_ELSEWHERE:
            desk.over(here, row.created_at, row.key)
        elif row.kind == TOLD:
            _apply(here, row)
        elif row.kind not in _STAYS and not _was_known(here, row):
            due.add(here, row.created_at, row.kind, row.key, row.due_at, row.payload)


def _apply(here: Connection, row: Row[Any]) -> None:
    """What the network told of a call or a text message of the house's own. Twice told changes nothing."""
    told, at = row.payload, row.created_at
    if "send" in told:
        notices.receipt(here, at, told["send"], told["sid"], told["status"], told["why"])
        return
    placed.lock(here, told["placed"])
    known = placed.find(here, told["placed"])
    if known is not None and placed.named(here, known.id, told["sid"]):
        outgoing_desk.over(here, at, known, told["status"])


def _was_known(here: Connection, row: Row[Any]) -> bool:
    same = select(due_work.c.id).where(
        due_work.c.kind == row.kind, due_work.c.key == row.key, due_work.c.created_at == row.created_at
    )
    return here.execute(same).first() is not None


# -- the end ---------------------------------------------------------------------------------------


def _retire(main: Database, spare: Spare, at: datetime, brought: Brought) -> bool:
    with spare.write() as there, main.read() as here:
        # A next outage may begin before this spare is gone.
        merging.end_pursuit(here, there, at)
        said = [there.execute(select(func.max(table.c.at))).scalar() for table in (turns, leg_turns)]
        latest = max((each for each in said if each is not None), default=None)
        ringing = select(outgoing.c.id).where(
            outgoing.c.id > 0, outgoing.c.ended_at.is_(None), outgoing.c.asked_at > at - LONGEST_TALK
        )
        standing = standby.standing(there)
        used = _calls_of(there, standing) != brought.calls or there.execute(ringing).first() is not None
        if used or (latest is not None and at - latest < QUIET):
            return False
        spare.retire(there)
    with main.write() as here:
        raise_alarm(
            here, at, "database-back", spare.home, {"calls": len(brought.calls)}, quiet=timedelta(minutes=1)
        )
    spare.discard_files()
    return True

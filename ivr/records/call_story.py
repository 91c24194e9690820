"""A call as a story: what was heard and said on the caller's line, and the technicians who were rung
meanwhile, in the order of time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import Connection, select

from ivr import answer as answers
from ivr.answer import Gather, Say
from ivr.prompts import Speech
from ivr.records import retold
from ivr.records.retold import Retold
from ivr.tables import leg_turns, legs, turns
from oncall.tables import attempts

_LATE_HASH = retold.Retold("late-hash")


@dataclass(frozen=True)
class Turn:
    """At `at`, at `step` (`ivr.vocabulary.Step`), the caller was `heard`; `said` is what he was answered.
    `lasts` until he was heard again, None for what goes on.
    """

    at: datetime
    step: str
    heard: Retold
    said: tuple[Speech, ...]
    lasts: timedelta | None


@dataclass(frozen=True)
class Key:
    """At `at` a technician who had picked up was `heard`: "picked up", or what he pressed
    (`ivr.technician_flow.LegHeard`).
    """

    at: datetime
    heard: str
    said: tuple[Speech, ...]


@dataclass(frozen=True)
class Ring:
    """A technician's phone rang during the call, from `at` on; until `ended` he talked, if he was connected.

    `result` is an `oncall.reaching.attempts.Result`, None while it goes on.
    """

    at: datetime
    technician: str
    phone: str
    rung: int
    picked_up: datetime | None
    pressed: str | None
    pressed_at: datetime | None
    result: str | None
    ended: datetime | None
    keys: tuple[Key, ...]

    @property
    def rang(self) -> timedelta | None:
        """How long it rang: until somebody picked up, or until it ended."""
        until = self.picked_up or self.ended
        return until - self.at if until else None

    @property
    def talked(self) -> timedelta | None:
        """From his key to the end; None if he was not connected."""
        if self.result != "connected" or self.pressed_at is None or self.ended is None:
            return None
        return self.ended - self.pressed_at


def story(connection: Connection, sid: str, ended: datetime | None) -> list[Turn | Ring]:
    """All that happened in the call, which was over at `ended`. Three statements."""
    heard = list(connection.execute(select(turns).where(turns.c.sid == sid).order_by(turns.c.turn)))
    # A # that comes late after a PIN only has the question asked again: it is no turn of its own here.
    heard = [row for row in heard if retold.read(row.heard) != _LATE_HASH]
    instants = [*(row.at for row in heard), ended]
    found: list[Turn | Ring] = [
        Turn(row.at, row.step, retold.read(row.heard), _said(row.answer), until - row.at if until else None)
        for row, (_, until) in zip(heard, pairwise(instants), strict=True)
    ]
    found += _rings(connection, sid)
    # What was said comes before the ring that it announces.
    return sorted(found, key=lambda each: (each.at, isinstance(each, Ring)))


def _rings(connection: Connection, sid: str) -> list[Ring]:
    keys: dict[int, list[Key]] = defaultdict(list)
    pressed = (
        select(leg_turns.c.at, leg_turns.c.heard, leg_turns.c.answer, legs.c.attempt_id)
        .join(legs, legs.c.sid == leg_turns.c.sid)
        .where(legs.c.call_sid == sid)
        .order_by(leg_turns.c.at, leg_turns.c.turn)
    )
    for row in connection.execute(pressed):
        keys[row.attempt_id].append(Key(row.at, row.heard, _said(row.answer)))
    rung = select(attempts).where(attempts.c.call_sid == sid, attempts.c.pass_id.is_(None))
    return [
        Ring(
            row.asked_at,
            row.technician,
            row.phone,
            row.rung,
            row.picked_up_at,
            row.pressed,
            row.pressed_at,
            row.result,
            row.result_at,
            tuple(keys[row.id]),
        )
        for row in connection.execute(rung.order_by(attempts.c.id))
    ]


def _said(answer: str) -> tuple[Speech, ...]:
    said: list[Speech] = []
    for part in answers.from_json(answer).parts:
        match part:
            case Say(speech):
                said.append(speech)
            case Gather(prompts=prompts):
                said += [prompt for prompt in prompts if isinstance(prompt, Speech)]
            case _:
                pass
    return tuple(said)

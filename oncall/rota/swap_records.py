"""Swaps as they stand in the database: found, listed, and what each hands to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, select

from oncall.rota.exchange import Handing
from oncall.rota.roster import RosterRefusal
from oncall.tables import swaps

State = Literal["proposed", "agreed", "accepted", "declined", "withdrawn", "refused", "expired"]
PENDING: tuple[State, ...] = ("proposed", "agreed")


class SwapRefusal(RosterRefusal):
    """This swap cannot be; nothing was changed. The text says why, and `why` by a name."""


class UnknownSwap(SwapRefusal):
    def __init__(self, swap_id: int) -> None:
        super().__init__(f"there is no swap {swap_id}", "unknown")


@dataclass(frozen=True)
class Back:
    """What the proposer takes in return: the other's time on a rung."""

    rung: int
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Swap:
    """`proposer` gives `counterpart` his rung from `start` up to, not including, `end`.

    `agreed`: the counterpart has accepted, an admin is still to approve.
    """

    id: int
    rota: str
    rung: int
    proposer: str
    counterpart: str
    start: datetime
    end: datetime
    back: Back | None
    state: State
    proposed_at: datetime
    decided_at: datetime | None
    decided_by: str | None

    @property
    def begins(self) -> datetime:
        return min(self.start, self.back.start) if self.back else self.start

    def handings(self) -> list[Handing]:
        there = Handing(self.rung, self.start, self.end, self.proposer, self.counterpart)
        if self.back is None:
            return [there]
        back = self.back
        return [there, Handing(back.rung, back.start, back.end, self.counterpart, self.proposer)]


def find(connection: Connection, swap_id: int) -> Swap:
    """The swap with this id. Raises UnknownSwap."""
    row = connection.execute(select(swaps).where(swaps.c.id == swap_id)).first()
    if row is None:
        raise UnknownSwap(swap_id)
    return _swap(row)


def listed(
    connection: Connection, states: Sequence[State] = (), *, technician: str | None = None
) -> list[Swap]:
    """Swaps in these states (none given: in any), of one technician or of all, newest first."""
    query = select(swaps).order_by(swaps.c.id.desc())
    if states:
        query = query.where(swaps.c.state.in_(list(states)))
    found = [_swap(row) for row in connection.execute(query)]
    return [each for each in found if technician in (None, each.proposer, each.counterpart)]


def decided(connection: Connection, limit: int, before: int | None = None) -> list[Swap]:
    """Swaps that wait for nobody any more, newest first: at most `limit`, of those before `before`."""
    query = select(swaps).where(swaps.c.state.not_in(PENDING)).order_by(swaps.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(swaps.c.id < before)
    return [_swap(row) for row in connection.execute(query)]


def about(swap_id: int) -> str:
    """What notices of this swap are about."""
    return f"swap:{swap_id}"


def _swap(row: Row[Any]) -> Swap:
    back = Back(row.back_rung, row.back_starts_at, row.back_ends_at) if row.back_rung is not None else None
    return Swap(
        row.id,
        row.rota,
        row.rung,
        row.proposer,
        row.counterpart,
        row.starts_at,
        row.ends_at,
        back,
        row.state,
        row.proposed_at,
        row.decided_at,
        row.decided_by,
    )

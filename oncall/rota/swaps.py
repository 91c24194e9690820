"""Swaps: a technician offers another his time on a rung, for some of the other's or for nothing.

Proposed, answered by the other, approved by an admin where the rota's rules ask for it. What it changes is
written as overrides, both ways in one transaction. Everything is checked when it is proposed and again
when it takes effect: in between somebody may have fallen ill or given the turn away. Verbs never commit.

An actor "technician:KEY" acts for himself alone; an admin may answer for somebody, and says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select, update

from oncall import people
from oncall.notices import notices
from oncall.rota import coverage, roster
from oncall.rota.exchange import objection

# Whoever makes swaps finds here what he needs.
from oncall.rota.swap_records import PENDING as PENDING
from oncall.rota.swap_records import Back as Back
from oncall.rota.swap_records import State as State
from oncall.rota.swap_records import Swap as Swap
from oncall.rota.swap_records import SwapRefusal as SwapRefusal
from oncall.rota.swap_records import UnknownSwap as UnknownSwap
from oncall.rota.swap_records import about as about
from oncall.rota.swap_records import find as find
from oncall.rota.swap_records import listed as listed
from oncall.settings import NoticeSettings, RingingSettings
from oncall.tables import rota_overrides, swaps
from storage import audit

# Whoever lets time pass: the actor of what nobody did.
NOBODY = "time"
# What begins sooner is told at any hour.
SOON = timedelta(hours=12)
# PostgreSQL's advisory lock of whoever decides on a swap: two that exchange the same turn at one instant
# would each find it where it was. Taken before any other; SQLite's writer is alone anyway.
_DECIDING = 4_771_011
_LOCK = select(func.pg_advisory_xact_lock(_DECIDING))


# -- verbs -------------------------------------------------------------------------------------


def propose(
    connection: Connection,
    actor: str,
    at: datetime,
    ringing: RingingSettings,
    rota_key: str,
    rung: int,
    proposer: str,
    counterpart: str,
    start: datetime,
    end: datetime,
    *,
    back: Back | None = None,
    reason: str | None = None,
) -> int:
    """Offer `counterpart` the proposer's time on `rung`, from `start` up to, not including, `end`.

    Returns the swap's id. Raises UnknownRota, UnknownTechnician, or SwapRefusal for what the rota's rules
    or the turns of the two do not allow.
    """
    _lock(connection)
    _only(actor, proposer)
    swap = Swap(0, rota_key, rung, proposer, counterpart, start, end, back, "proposed", at, None, None)
    check(connection, at, ringing, swap)
    identity = connection.execute(
        insert(swaps).values(
            rota=rota_key,
            rung=rung,
            proposer=proposer,
            counterpart=counterpart,
            starts_at=start,
            ends_at=end,
            back_rung=back.rung if back else None,
            back_starts_at=back.start if back else None,
            back_ends_at=back.end if back else None,
            state="proposed",
            proposed_at=at,
        )
    ).inserted_primary_key
    assert identity is not None
    swap = replace(swap, id=int(identity[0]))
    _tell(connection, at, "swap-proposed", [f"technician:{counterpart}"], swap)
    _record(connection, actor, at, "swap.propose", swap, reason)
    return swap.id


def answer(
    connection: Connection,
    actor: str,
    at: datetime,
    ringing: RingingSettings,
    settings: NoticeSettings,
    swap_id: int,
    said: Literal["accept", "decline"],
    *,
    reason: str | None = None,
) -> State:
    """The counterpart's answer, or an admin's for him, who says why. Returns how the swap stands then.

    Accepted, it takes effect at once, or when an admin approves. Raises SwapRefusal if it is not his to
    answer, not open any more, or can no longer be.
    """
    _lock(connection)
    swap = find(connection, swap_id)
    if not _only(actor, swap.counterpart) and not reason:
        raise SwapRefusal(f"whoever answers for {swap.counterpart} says why: give a reason", "reason")
    _must_be(swap, ("proposed",), at)
    if said == "decline":
        _settle(connection, actor, at, swap, "declined")
        _tell(connection, at, "swap-declined", [f"technician:{swap.proposer}"], swap)
        _record(connection, actor, at, "swap.decline", swap, reason)
        return "declined"
    check(connection, at, ringing, swap)
    to: State = "agreed" if roster.swap_rules(connection, swap.rota, at).approval else "accepted"
    _settle(connection, actor, at, swap, to)
    if to == "agreed":
        admins = [f"admin:{address}" for address in settings.admins]
        _tell(connection, at, "swap-to-approve", admins, swap)
    else:
        _exchange(connection, actor, at, swap)
    _record(connection, actor, at, "swap.accept", swap, reason)
    return to


def approve(
    connection: Connection,
    actor: str,
    at: datetime,
    ringing: RingingSettings,
    swap_id: int,
    *,
    reason: str | None = None,
) -> None:
    """An admin lets a swap take effect that both have agreed on. Raises SwapRefusal as `answer` does."""
    _lock(connection)
    _admin(actor)
    swap = find(connection, swap_id)
    _must_be(swap, ("agreed",), at)
    check(connection, at, ringing, swap, ahead=False)
    _settle(connection, actor, at, swap, "accepted")
    _exchange(connection, actor, at, swap)
    _record(connection, actor, at, "swap.approve", swap, reason)


def refuse(
    connection: Connection, actor: str, at: datetime, swap_id: int, *, reason: str | None = None
) -> None:
    """An admin says no to a swap that both have agreed on. Raises SwapRefusal."""
    _lock(connection)
    _admin(actor)
    swap = find(connection, swap_id)
    _must_be(swap, ("agreed",), at)
    _settle(connection, actor, at, swap, "refused")
    _tell_it_came_to_nothing(connection, at, swap, "refused")
    _record(connection, actor, at, "swap.refuse", swap, reason)


def withdraw(
    connection: Connection, actor: str, at: datetime, swap_id: int, *, reason: str | None = None
) -> None:
    """The proposer takes his offer back; an admin may undo even a swap that took effect, and says why.

    What was exchanged until `at` stays; a hole that this opens is alarmed. Raises SwapRefusal.
    """
    _lock(connection)
    swap = find(connection, swap_id)
    himself = _only(actor, swap.proposer)
    written: list[int] = []
    if swap.state == "accepted":
        if himself:
            raise SwapRefusal(
                f"swap {swap_id} has taken effect: propose another one, or ask an admin", "took-effect"
            )
        if not reason:
            raise SwapRefusal("whoever undoes a swap that took effect says why: give a reason", "reason")
        written = _still_to_end(connection, at, swap)
    else:
        _must_be(swap, PENDING, at)
    _settle(connection, actor, at, swap, "withdrawn")
    if written:
        _tell_it_came_to_nothing(connection, at, swap, "undone")
        before = coverage.books(connection)
        for override in written:
            roster.withdraw_override(connection, actor, at, override, reason=reason)
        coverage.alarm_opened(connection, at, before, at, max(each.end for each in swap.handings()))
    _record(connection, actor, at, "swap.withdraw", swap, reason)


def expire(connection: Connection, at: datetime) -> list[int]:
    """End the swaps that nobody decided on before they were to begin; returns their ids."""
    _lock(connection)
    ended: list[int] = []
    for swap in listed(connection, PENDING):
        if swap.begins <= at:
            _settle(connection, NOBODY, at, swap, "expired")
            _tell_it_came_to_nothing(connection, at, swap, "expired")
            _record(connection, NOBODY, at, "swap.expire", swap, None)
            ended.append(swap.id)
    return ended


# -- small parts -------------------------------------------------------------------------------


def _lock(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        connection.execute(_LOCK)


def _only(actor: str, technician: str) -> bool:
    """Whether the actor is this technician ("technician:anna", "technician:anna via console"); False for
    an admin. Raises SwapRefusal for another technician.
    """
    if not actor.startswith("technician:"):
        return False
    if actor.partition(" via ")[0] != f"technician:{technician}":
        raise SwapRefusal(f"this is for {technician} to decide", "not-his")
    return True


def _admin(actor: str) -> None:
    if actor.startswith("technician:"):
        raise SwapRefusal("this is for an admin to decide", "admin")


def _must_be(swap: Swap, states: Sequence[State], at: datetime) -> None:
    """Raises SwapRefusal unless the swap is in one of `states` and has not begun."""
    if swap.state not in states:
        raise SwapRefusal(f"swap {swap.id} is {swap.state}", "decided")
    if swap.begins <= at:
        raise SwapRefusal(f"swap {swap.id} has expired: it would have begun already", "begun")


def _settle(connection: Connection, actor: str, at: datetime, swap: Swap, to: State) -> None:
    """Bring the swap to this state; whoever was asked to decide need not be told any more."""
    connection.execute(
        update(swaps).where(swaps.c.id == swap.id).values(state=to, decided_at=at, decided_by=actor[:120])
    )
    notices.settle_needless(connection, at, about(swap.id), ("swap-proposed", "swap-to-approve"))


def check(
    connection: Connection, at: datetime, ringing: RingingSettings, swap: Swap, *, ahead: bool = True
) -> None:
    """Raises UnknownRota, UnknownTechnician, or SwapRefusal if the rules of the rota, or the turns as they
    are now, do not allow the swap. One that is not written yet may be asked about too.
    """
    if swap.proposer == swap.counterpart:
        raise SwapRefusal("a swap is between two technicians", "same")
    for key in (swap.proposer, swap.counterpart):
        people.technician(connection, key)
    if any(each.end <= each.start for each in swap.handings()):
        raise SwapRefusal("what is swapped ends after it starts", "order")
    rules = roster.swap_rules(connection, swap.rota, at)
    if not rules.allowed:
        raise SwapRefusal(f"the rules of rota {swap.rota} allow no swaps", "not-allowed")
    if swap.begins <= at:
        raise SwapRefusal("the past stays as it was: what is swapped is still to begin", "past")
    if ahead and swap.begins - at < timedelta(hours=rules.ahead_hours):
        raise SwapRefusal(
            f"the rules of rota {swap.rota} allow swaps until {rules.ahead_hours} hours before they begin",
            "ahead",
        )
    everybody = {person.key: person for person in coverage.people(connection, ringing)}
    why = objection(coverage.books(connection, at), everybody, swap.rota, swap.handings(), at)
    if why:
        raise SwapRefusal(f"this swap cannot be: {why}", why.why)


def _exchange(connection: Connection, actor: str, at: datetime, swap: Swap) -> None:
    """Tell both, and write what the swap changes."""
    both = [f"technician:{key}" for key in (swap.proposer, swap.counterpart)]
    _tell(connection, at, "swap-accepted", both, swap)
    for each in swap.handings():
        roster.override(
            connection,
            actor,
            at,
            swap.rota,
            each.rung,
            each.start,
            each.end,
            each.taker,
            because="swap",
            swap_id=swap.id,
        )


def _still_to_end(connection: Connection, at: datetime, swap: Swap) -> list[int]:
    """The overrides of a swap that can still be undone. Raises SwapRefusal if there are none."""
    still = select(rota_overrides.c.id).where(
        rota_overrides.c.swap_id == swap.id,
        rota_overrides.c.withdrawn_at.is_(None),
        rota_overrides.c.ends_at > at,
    )
    found = list(connection.execute(still.order_by(rota_overrides.c.id)).scalars())
    if not found:
        raise SwapRefusal(f"the past stays as it was: swap {swap.id} is over", "past")
    return found


def _tell(connection: Connection, at: datetime, kind: str, recipients: Sequence[str], swap: Swap) -> None:
    facts = {
        "swap": swap.id,
        "rota": swap.rota,
        "rung": swap.rung,
        "start": swap.start.isoformat(),
        "end": swap.end.isoformat(),
        "proposer": people.technician(connection, swap.proposer).name,
        "counterpart": people.technician(connection, swap.counterpart).name,
        "back_rung": swap.back.rung if swap.back else None,
        "back_start": swap.back.start.isoformat() if swap.back else None,
        "back_end": swap.back.end.isoformat() if swap.back else None,
    }
    loud = swap.begins - at < SOON
    notices.tell_everybody(connection, at, kind, recipients, about(swap.id), facts, loud=loud)


def _tell_it_came_to_nothing(connection: Connection, at: datetime, swap: Swap, why: str) -> None:
    """Tell each, by nobody's name, which turn remains his."""
    loud = swap.begins - at < SOON
    for each in swap.handings():
        facts = {
            "swap": swap.id,
            "rota": swap.rota,
            "rung": each.rung,
            "start": each.start.isoformat(),
            "end": each.end.isoformat(),
        }
        recipient = f"technician:{each.giver}"
        notices.tell(connection, at, "swap-declined", recipient, about(swap.id), facts, loud=loud, again=why)


def _record(
    connection: Connection, actor: str, at: datetime, act: str, swap: Swap, reason: str | None
) -> None:
    told: dict[str, Any] = {
        "rota": swap.rota,
        "rung": swap.rung,
        "from": swap.start.isoformat(),
        "to": swap.end.isoformat(),
        "proposer": swap.proposer,
        "counterpart": swap.counterpart,
    }
    if swap.back:
        told |= {
            "back_rung": swap.back.rung,
            "back_from": swap.back.start.isoformat(),
            "back_to": swap.back.end.isoformat(),
        }
    audit.record(connection, actor, at, act, about(swap.id), reason=reason, details=told)

"""What pages say of a case, in no language yet: how it stands to its deadline, its recordings, its history.

The page behind a case link and the console's pages say the same things in words of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import Literal

from sqlalchemy import Connection, select

from console.house import House
from console.privacy.keys import kept_sounds
from ivr.casework import Event
from ivr.tables import messages
from oncall.cases import cases
from oncall.cases.cases import Case

_NUMBER = re.compile(r"\+[0-9]{6,15}")
_RECORDING = re.compile(r"RE[0-9a-f]{32}\.mp3")

State = Literal["open", "late", "in-time", "taken-late", "no-deadline"]
MayCall = Literal["yes", "no-more", "not-yet"]


def standing(case: Case, at: datetime) -> tuple[State, timedelta]:
    """How the case stands to its deadline, and by how long: what is left, or by how much it is late.

    The clock stops when a technician is connected to the caller, or takes the case.
    """
    if case.due_at is None:
        return "no-deadline", timedelta()
    stops = [each for each in (case.connected_at, case.taken_at) if each is not None]
    if stops:
        return ("taken-late" if min(stops) > case.due_at else "in-time"), abs(min(stops) - case.due_at)
    return ("late" if at > case.due_at else "open"), abs(case.due_at - at)


def may_call(house: House, case: Case) -> MayCall:
    """Whether the customer may be dialled from here; `not-yet`: the number of a caller without a verified
    PIN is not ours to dial.
    """
    if case.customer_calls >= house.configuration.ringing.customer_calls:
        return "no-more"
    return "not-yet" if case.screened and case.customer_id is None else "yes"


def dialable(numbers: Iterable[str | None]) -> frozenset[str]:
    """Those of them that are telephone numbers, and not withheld or garbled."""
    return frozenset(each for each in numbers if each and _NUMBER.fullmatch(each))


# -- recordings ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recording:
    """`number` names it in addresses, from 1; `file` is empty until it is here. `kind`: message, name.

    `heard_by` is who has listened to it, as an actor; "" if that was before anybody wrote it down.
    """

    number: int
    sid: str
    kind: str
    recorded_at: datetime
    seconds: int
    file: str
    heard_at: datetime | None
    heard_by: str


def recordings(connection: Connection, case: Case) -> list[Recording]:
    """The recordings of all calls about the case, in the order in which they were made."""
    rows = connection.execute(
        select(messages)
        .where(messages.c.call_sid.in_(cases.calls_of(connection, case.id)))
        .order_by(messages.c.recorded_at, messages.c.recording_sid)
    )
    return [
        Recording(
            number,
            row.recording_sid,
            row.kind,
            row.recorded_at,
            row.seconds,
            row.file or "",
            row.heard_at,
            row.heard_by or "",
        )
        for number, row in enumerate(rows, start=1)
    ]


def sound(house: House, name: str) -> BytesIO | None:
    """A recording as it is played; None if it is not here."""
    heard = kept_sounds(house.configuration).read(name) if _RECORDING.fullmatch(name) else None
    return None if heard is None else BytesIO(heard)


# -- the history -----------------------------------------------------------------------------------


def sentence_of(event: Event) -> str:
    """In which sentence an entry of the log is told: the act, or one of its kinds."""
    act = event.what or ""
    if act == "taken" and event.details.get("via") == "text":
        return "taken-text"
    if act == "taken" and not event.who.startswith("technician:"):
        return "taken-for"
    if act == "reclassified" and not event.details.get("from"):
        return "reclassified-first"
    return act

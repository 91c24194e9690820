"""Whether a worker does the work, and whether the admins hear of alarms."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from console.doctor.finding import Finding, green, red, yellow
from console.doctor.look import Look
from console.processes.patient import PATIENT
from storage import due
from storage.alarms import ALARM
from storage.tables import due_work

# A worker ticks every two seconds and holds what it works on for two minutes.
LATE, STOPPED = timedelta(minutes=3), timedelta(minutes=10)
# An alarm is tried again within half an hour.
UNDELIVERED = timedelta(hours=1)


def check(look: Look) -> Iterator[Finding]:
    with look.house.database.read() as connection:
        late = due.late(connection, look.at, LATE, patient=PATIENT)
        alarms = _waiting_alarms(connection, look.at - UNDELIVERED)
    if late is not None:
        many = f"{late.many} or more pieces" if late.many == late.most else f"{late.many} piece(s)"
        told = (
            f"{many} of work are late, the oldest ({late.kind}) since "
            f"{late.since.astimezone(look.zone):%Y-%m-%d %H:%M}"
        )
        remedy = (
            "See that `ivr serve` runs and that its worker does not fail (the log of `ivr.worker`), then "
            "restart it."
        )
        if look.at - late.since > STOPPED:
            yield red("late", f"{told}: nobody would pursue a case tonight.", remedy)
        else:
            yield yellow("late", f"{told}.", remedy)
    if alarms:
        yield red(
            "alarms",
            f"{alarms} alarm(s) have not reached the admins for more than an hour.",
            "See what `[mail]` and its server say, and read the alarms in the log or on the console's "
            "first page.",
        )
    if late is None and not alarms:
        yield green("work", "No work is late, and no alarm waits.")


def _waiting_alarms(connection: Connection, before: datetime) -> int:
    waiting = select(func.count()).where(
        due_work.c.kind == ALARM, due_work.c.state == due.PENDING, due_work.c.created_at < before
    )
    return connection.execute(waiting).scalar_one()

"""A whole call, played in process again and again in a house of its own, and what its turns cost the service.

Arrival, a wrong PIN, the right one, the urgency, the first technician does not answer, the second accepts,
the two talk, the end: signed requests to the webhook application, on SQLite, whose own work is in the figure.
Hashes cost next to nothing here: what they cost is measured by itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta

from results import Spent, in_turns, spent
from sqlalchemy import delete, update

from console.commands.phone import shipped
from console.demonstration import cast
from console.phone import Reply, WsgiDoor
from console.rehearsing.rehearsal import ACTOR, Rehearsal
from oncall.tables import cases
from storage import due
from storage.tables import due_work

EVENING = datetime(2026, 3, 10, 20, 0, tzinfo=UTC)
CALL = """\
* acme calls trento
> wrong PIN
> PIN acme
> 1
* anna's phone rings
* anna does not answer
* dario's phone rings
* dario answers
dario > 1
* dario and acme are connected
* they talk for 4 minutes
* the call ends
* outcome connected
"""


class Counting(WsgiDoor):
    """Adds up what requests cost."""

    cpu = wall = 0.0

    def post(self, url: str, form: list[tuple[str, str]], headers: dict[str, str]) -> Reply:
        replies: list[Reply] = []
        took = spent(lambda: replies.append(WsgiDoor.post(self, url, form, headers)))
        self.cpu += took.cpu
        self.wall += took.wall
        return replies[0]


class Nights:
    """A house in which every night the same customer calls. Close it."""

    def __init__(self) -> None:
        self.rehearsal = Rehearsal(shipped(), EVENING, source=random.Random(1))
        cast.enter(self.rehearsal.house, ACTOR, EVENING - timedelta(days=60))
        self.rehearsal.issue("ACME")
        self.database = self.rehearsal.house.database
        self.door = Counting(self.rehearsal.app)
        self.rehearsal.exchange.door = self.door

    def call(self) -> Spent:
        """What the turns of tonight's call cost."""
        before = self.door.cpu, self.door.wall
        self.rehearsal.play(CALL)
        took = Spent(self.door.cpu - before[0], self.door.wall - before[1])
        self._next_night()
        return took

    def _next_night(self) -> None:
        """The case is closed, so that the next call opens another; the rota's turns stay as they are."""
        at = self.rehearsal.clock.now()
        with self.database.write() as connection:
            connection.execute(update(cases).where(cases.c.closed_at.is_(None)).values(closed_at=at))
            connection.execute(delete(due_work).where(due_work.c.state == due.PENDING))
        self.rehearsal.clock.set(at + timedelta(days=21))

    def close(self) -> None:
        self.rehearsal.close()


def as_it_grows(
    fill: Callable[[Nights, int], None], sizes: Sequence[int], nights: int, of_what: str
) -> dict[int, float]:
    """CPU seconds of a call in houses that `fill` has made so large, by their size; printed, too."""
    with ExitStack() as stack:
        houses = {size: stack.enter_context(closing(Nights())) for size in sizes}
        for size, house in houses.items():
            fill(house, size)
        spent_in = in_turns({str(size): house.call for size, house in houses.items()}, nights)
    costs = {int(size): cost.cpu for size, cost in spent_in.items()}
    for size, cost in costs.items():
        print(f"        {size:,} {of_what}: {cost * 1e3:.1f} ms")
    return costs

"""One emergency call at whose steps something can be made to happen: the caller keys his PIN and an
urgency, the first technician lets it ring, the second accepts, they talk.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from faults.balancer import NOTHING, Mishap
from faults.load import Load
from faults.people import Kind, Manner, Part
from faults.phones import Caller
from faults.town import Number

# The kinds of request in such a call, in their order.
STEPS = ("first", "PIN", "key", "end of ring", "whisper", "technician's key", "end of call")
# A turn must be answered within 3.5 s; what the network and this machine add to it is not the product's.
ANSWERED_WITHIN = 4.0

Acts = Mapping[str, Callable[[], object]]


class Emergency:
    """Plays such calls on a load's telephones, each about another customer."""

    def __init__(self, load: Load, seed: str) -> None:
        self.load = load
        self.random = random.Random(f"{seed}:emergencies")
        self._codes = [(n, code) for n in load.cluster.town.numbers for code in sorted(n.customers)]
        self._played = 0

    def next(self) -> tuple[Number, str]:
        """Whose call is next."""
        self._played += 1
        return self._codes[(self._played - 1) % len(self._codes)]

    def call(
        self,
        acts: Acts = {},  # noqa: B006  (nobody writes to it)
        *,
        kind: Kind = "right",
        manners: tuple[Manner, ...] = ("lets it ring", "accepts"),
        hangs_up_at: int = 0,
        mishap: Mishap = NOTHING,
    ) -> Caller:
        """One call. `acts` happen just before the first request of that kind; phones that ring are answered
        in these manners, then as the last; every request meets `mishap`.
        """
        people = self.load.people
        number, customer = self.next()
        part = Part(kind, customer, "1", hangs_up_at, known=True, callbacks_late=False, whims=False)
        order = iter(manners)
        latest: Manner = manners[-1]

        def manner(_: random.Random) -> Manner:
            nonlocal latest
            latest = next(order, latest)
            return latest

        self.load.line.slowest = 0.0
        with self.happening(acts, mishap):
            before, people.manners = people.manners, manner
            try:
                return people.converse(self.random, number, part)
            finally:
                people.manners = before

    @contextmanager
    def happening(self, acts: Acts, mishap: Mishap) -> Iterator[None]:
        line, waiting = self.load.line, dict(acts)
        before = line.befalls

        def befalls(kind: str) -> Mishap:
            if act := waiting.pop(kind, None):
                act()
            return mishap

        line.befalls = befalls
        try:
            yield
        finally:
            line.befalls = before

    def complaints(self, call: Caller, *, connected: bool = True) -> list[str]:
        """What its telephones have to complain of."""
        found = []
        slowest = self.load.line.slowest
        if slowest > ANSWERED_WITHIN:
            found.append(f"{call.sid}: an answer took {slowest:.1f} s")
        if connected and call.bridges != 1:
            found.append(f"{call.sid}: no technician reached; heard last: {call.transcript[-3:]}")
        return found

"""One emergency call at whose steps something can be made to happen: the caller keys his PIN and an
urgency, the first technician lets it ring, the second accepts, they talk.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
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

# Seconds in which calls that are played at once must have come to the same step.
PATIENCE = 60.0

MANNERS: tuple[Manner, ...] = ("lets it ring", "accepts")
Acts = Mapping[str, Callable[[], object]]


def void(_: object) -> None:
    """What an act returns is of no interest."""


class Emergency:
    """Plays such calls on a load's telephones, each about another customer. Several may be played at once."""

    def __init__(self, load: Load, seed: str) -> None:
        self.load = load
        self.random = random.Random(f"{seed}:emergencies")
        # Number by number, so that calls at once share no technicians.
        each = [[(number, code) for code in sorted(number.customers)] for number in load.cluster.town.numbers]
        self._order = [which for some in zip(*each, strict=True) for which in some]
        self._played = 0
        self._lock = threading.Lock()
        # What is to happen in the call that this thread plays.
        self._here = threading.local()

    @property
    def most_at_once(self) -> int:
        return len(self.load.cluster.town.numbers)

    def _next(self) -> tuple[Number, str]:
        """Whose call is next."""
        with self._lock:
            self._played += 1
            number, customer = self._order[(self._played - 1) % len(self._order)]
            return number, customer

    def call(
        self,
        acts: Acts = {},  # noqa: B006  (nobody writes to it)
        *,
        kind: Kind = "right",
        manners: tuple[Manner, ...] = MANNERS,
        hangs_up_at: int = 0,
        mishap: Mishap = NOTHING,
    ) -> Caller:
        """One call. `acts` happen just before the first request of that kind; phones that ring are answered
        in these manners, then as the last; every request meets `mishap`.
        """
        number, customer = self._next()
        part = Part(kind, customer, "1", hangs_up_at, known=True, callbacks_late=False, whims=False)
        self._here.acts, self._here.mishap = dict(acts), mishap
        self._here.manners = list(manners)
        self.load.line.slowest = 0.0
        with self._listened_to():
            return self.load.people.converse(random.Random(self.random.random()), number, part)

    def calls_at_once(self, step: str, act: Callable[[], object], *, kind: Kind = "right") -> list[Caller]:
        """As many calls as there are numbers; `act` happens when the last of them has come to this step."""
        met = threading.Barrier(self.most_at_once, action=lambda: void(act()), timeout=PATIENCE)
        with self._listened_to(), ThreadPoolExecutor(self.most_at_once) as pool:
            playing = [pool.submit(self.call, {step: met.wait}, kind=kind) for _ in range(self.most_at_once)]
            return [each.result() for each in playing]

    @contextmanager
    def _listened_to(self) -> Iterator[None]:
        """Each thread that plays a call here has its own acts and manners; others are left as they were."""
        line, people = self.load.line, self.load.people
        with self._lock:
            befell, behaved = line.befalls, people.manners
            mine = getattr(befell, "__self__", None) is self
        if mine:
            yield
            return
        self._befell, self._behaved = befell, behaved
        line.befalls, people.manners = self._befalls, self._manners
        try:
            yield
        finally:
            line.befalls, people.manners = befell, behaved

    def _befalls(self, kind: str) -> Mishap:
        acts: dict[str, Callable[[], object]] | None = getattr(self._here, "acts", None)
        if acts is None:
            return self._befell(kind)
        if act := acts.pop(kind, None):
            act()
        mishap: Mishap = self._here.mishap
        return mishap

    def _manners(self, source: random.Random) -> Manner:
        left: list[Manner] | None = getattr(self._here, "manners", None)
        if left is None:
            return self._behaved(source)
        return left.pop(0) if len(left) > 1 else left[0]

    def _machine_adds(self) -> float:
        """Seconds that the machine costs just now, by a call to which nothing happens: hardly any, unless it
        is busy with something else.
        """
        self.call()
        return self.load.line.slowest

    def complaints(self, *calls: Caller, connected: bool = True) -> list[str]:
        """What their telephones have to complain of."""
        found = []
        slowest = self.load.line.slowest
        if slowest > ANSWERED_WITHIN and slowest > ANSWERED_WITHIN + self._machine_adds():
            found.append(f"{calls[0].sid}: an answer took {slowest:.1f} s")
        for call in calls:
            if connected and call.bridges != 1:
                found.append(f"{call.sid}: no technician reached; heard last: {call.transcript[-3:]}")
        return found

"""What the telephones experienced, and whether it may have been.

Nobody asks the journal what happened, but in the end it is held against the telephones: an attempt that it
calls accepted was a key that somebody pressed.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from faults.cluster import Cluster

ACCEPTED = """
    SELECT attempts.id, attempts.call_sid, attempts.phone, outgoing.sid
    FROM attempts LEFT JOIN outgoing ON outgoing.attempt_id = attempts.id
    WHERE (attempts.pressed = 'accepted' OR attempts.result = 'accepted') AND attempts.id > :after
"""

# What the database says of a case that nobody answered for: for whoever has to find out why.
STORY = (
    "SELECT number, opened_at, connected_at, taken_by, taken_at, closed_at FROM cases WHERE code = :code"
    " ORDER BY id DESC LIMIT 1",
    "SELECT a.call_sid, a.technician, a.pass_id, a.asked_at, a.pressed, a.result, a.result_at FROM attempts a"
    " JOIN cases c ON c.id = a.case_id WHERE c.code = :code AND c.closed_at IS NULL ORDER BY a.id",
    "SELECT d.kind, d.key, d.due_at, d.state, d.tries, d.leased_until, d.ended_by FROM due_work d"
    " JOIN cases c ON d.key LIKE c.number || '%' WHERE c.code = :code AND c.closed_at IS NULL ORDER BY d.id",
)

# And of the call in which he heard that code.
HIS = (
    "SELECT c.number, c.code, c.opened_at, c.connected_at, c.taken_by, c.closed_at FROM cases c"
    " JOIN case_calls j ON j.case_id = c.id WHERE j.call_sid = :sid ORDER BY c.id",
    "SELECT turn, at, step, heard FROM turns WHERE sid = :sid ORDER BY turn",
)

# The codes by which the cases are known now that this call opened, or is about.
CODES = (
    "SELECT code FROM cases WHERE call_sid = :sid UNION"
    " SELECT c.code FROM cases c JOIN case_calls j ON j.case_id = c.id WHERE j.call_sid = :sid"
)

ATTEMPTS = (
    "SELECT a.id, a.phone, a.pass_id, a.asked_at, a.picked_up_at, a.pressed, a.result, a.result_at, o.sid"
    " FROM attempts a LEFT JOIN outgoing o ON o.attempt_id = a.id WHERE a.call_sid = :call ORDER BY a.id"
)


def _told_of(cluster: Cluster, code: str, sid: str) -> str:
    rows = [row for sql in STORY for row in cluster.ask(sql, code=code)]
    rows += [row for sql in HIS for row in cluster.ask(sql, sid=sid)]
    return "".join("\n        " + " | ".join(str(value) for value in row) for row in rows)


@dataclass
class Judge:
    """Told by the telephones, in the order in which it happened. `lost`, `strangers` and `unpressed` are the
    three things that must not be; `wrongs` is whatever else may not.
    """

    lost: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    unpressed: list[str] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    count: Counter[str] = field(default_factory=Counter)
    _promised: dict[str, int] = field(default_factory=dict)
    _met: dict[str, int] = field(default_factory=dict)
    _whose: dict[str, str] = field(default_factory=dict)
    _keys: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    _accepted: dict[tuple[str, str], int] = field(default_factory=dict)
    _placed_keys: Counter[str] = field(default_factory=Counter)
    _events: int = 0
    _judged: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def note(self, what: str) -> None:
        with self._lock:
            self.count[what] += 1

    def wrong(self, what: str) -> None:
        with self._lock:
            self.wrongs.append(what)

    # -- what the telephones tell ----------------------------------------------------------------

    def promised(self, code: str, whose: str) -> None:
        """A caller heard the code of his case: it is accepted, and somebody must have it in the end."""
        with self._lock:
            self._events += 1
            self._promised[code] = self._events
            self._whose[code] = whose
            self.count["promises"] += 1

    def met(self, code: str) -> None:
        """A technician who pressed his key was put through to the caller, or told that the case is his."""
        with self._lock:
            self._events += 1
            self._met[code] = self._events
            self.count["promises kept"] += 1

    def has_somebody(self, code: str) -> bool:
        """Whether whoever was promised something about this case has met a technician since."""
        with self._lock:
            return code in self._promised and self._met.get(code, 0) > self._promised[code]

    def pressed(self, sid: str, phone: str, code: str = "", *, placed: bool = False) -> None:
        """A 1 on this technician's phone, in the caller's call `sid`, or in the placed call `sid` in which he
        had heard the `code`.
        """
        with self._lock:
            self._events += 1
            self._keys[sid, phone] += 1
            self._placed_keys[phone] += placed
            if placed:
                self._accepted[phone, code] = self._events

    def has_in_writing(self, phone: str, code: str) -> None:
        """A text message says to this technician that the case is his. If he had pressed his key when he was
        called about it, somebody has it, though the answer to his key may have got lost on the way.
        """
        with self._lock:
            when = self._accepted.get((phone, code), 0)
            if when > self._met.get(code, 0):
                self._met[code] = when
                self.count["promises kept in writing"] += self._promised.get(code, 0) > 0

    def connected(self, about: str, *, pressed: bool, pin: bool, told_unverified: bool) -> None:
        """A technician and a caller were put through."""
        with self._lock:
            self.count["connected"] += 1
            self.count["connected unverified"] += told_unverified
            if not pressed:
                self.strangers.append(f"{about}: to a technician who had not pressed his key")
            if not pin and not told_unverified:
                self.strangers.append(f"{about}: without a right PIN, and the technician was not told")

    def nobody(self, about: str) -> None:
        """A caller with a right PIN and an urgency got neither a technician nor a promise."""
        with self._lock:
            self.lost.append(about)

    # -- the sentence ----------------------------------------------------------------------------

    def unmet(self) -> dict[str, str]:
        """Codes that somebody was told of and that nobody has answered for since: whose they are."""
        with self._lock:
            return {
                code: self._whose[code]
                for code, when in self._promised.items()
                if self._met.get(code, 0) < when
            }

    def rests(self, cluster: Cluster) -> None:
        """Nothing goes on any more: whatever is unmet is lost, and the journal is held against the keys."""
        with self._lock:
            for code, whose in self.unmet().items():
                if self._met_otherwise(cluster, code, whose):
                    self.count["promises kept under another code"] += 1
                    continue
                self.lost.append(f"{whose}: nobody answered for case {code}{_told_of(cluster, code, whose)}")
            self._promised.clear()
            self._met.clear()
        newest = self._judged
        for attempt, call, phone, placed in cluster.ask(ACCEPTED, after=self._judged):
            newest = max(newest, attempt)
            self.count["attempts called accepted"] += 1
            # A call that was placed without the database comes home without saying which attempt it was.
            if not (self._keys[call, phone] or self._keys[placed, phone] or self._spare_key(phone, placed)):
                told = "".join(f"\n        {row}" for row in cluster.ask(ATTEMPTS, call=call))
                self.unpressed.append(f"attempt {attempt} in {call}, {phone}: nobody pressed 1{told}")
        self._judged = newest

    def _met_otherwise(self, cluster: Cluster, code: str, whose: str) -> bool:
        """Whether somebody has answered since for the case that this call opened or is about, by another
        code: it was opened at two nodes at the same instant, one of them without the database. Whoever opened
        it heard the one, and whoever called about it before the two came together heard the other.
        """
        others = [row[0] for row in cluster.ask(CODES, sid=whose)]
        return any(self._met.get(other, 0) > self._promised[code] for other in others)

    def _spare_key(self, phone: str, placed: str | None) -> bool:
        """Whether this phone's 1 in a placed call is not yet used up by another attempt."""
        if placed is None and self._placed_keys[phone] > 0:
            self._placed_keys[phone] -= 1
            return True
        return False

    @property
    def clean(self) -> bool:
        return not (self.lost or self.strangers or self.unpressed or self.wrongs)

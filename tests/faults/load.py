"""Conversations by the hundred, several at once, each request of which may meet a mishap.

After each batch everything comes to rest: time goes by until every promise is kept, technicians close their
cases by text message, and the judge holds the journal against the telephones.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from faults.balancer import NOTHING, Balancer, Mishap
from faults.cluster import Cluster, Node
from faults.judge import Judge
from faults.network import Fault
from faults.people import People
from faults.town import NEW_TOKEN, OLD_TOKEN, PUBLIC_URL, Number

BATCH = 300
SAID = 6
# Time goes by in steps a little longer than the pursuit's pauses and a dead worker's lease.
STEP = 190.0
STEPS = 40
# Between batches: what is counted by the hour is over, and a day's batches are within the day's budget.
PAUSE = 6 * 3600.0
CALLBACK_LATE = 3600.0

KILLS = tuple(
    Mishap(f"killed {when} commit", order=f"{when} {nth}", by_fallback=by_fallback)
    for when in ("before", "after")
    for nth in (1, 1, 1, 2)
    for by_fallback in (False, True)
)
TWICE = Mishap("sent to both nodes at once", twice=True)
LOST = (
    Mishap("answer lost, asked again", lost=True),
    Mishap("answer lost, fallback", lost=True, by_fallback=True),
)
WIRES = (
    Mishap("connections reset", wire="reset"),
    Mishap("answer to COMMIT lost", wire="lose"),
    Mishap("database's answer cut off", wire="cut"),
)
# Requests in a thousand that meet each kind.
KILLED, DOUBLED, ANSWERS_LOST, WIRED = 6, 20, 15, 24
# Deaths at one commit point after which it is left alone: the rare ones come to as many, and a start costs
# time.
ENOUGH = 50
# Worker deaths for each conversation, and errors of the provider.
DEATHS, ERRORS = 0.06, 0.08
PROVIDER: tuple[Fault, ...] = ("429", "500 before", "500 after")


class Load:
    """Batches of conversations on a cluster. `count` is what befell them."""

    def __init__(self, cluster: Cluster, seed: str, *, at_once: int = 6) -> None:
        self.cluster, self.seed = cluster, seed
        self.judge = Judge()
        self.count: Counter[str] = Counter()
        self.random = random.Random(f"{seed}:load")
        listeners = [node.listener for node in cluster.nodes]
        account = cluster.house.configuration.twilio.account_sid
        self.line = Balancer(listeners, PUBLIC_URL, account, (NEW_TOKEN, OLD_TOKEN))
        self.line.wrong = lambda what: self.judge.wrong(what + self._said())
        self.line.befalls = self._befalls
        self.line.tell_wire = self._tell_wire
        self.people = People(cluster.town, self.line, self.judge, seed)
        cluster.network.rings = self.people.is_phoned
        cluster.network.texted = self.people.is_texted
        self.mishaps = False
        self.played = self._batches = 0
        self._at_once = min(at_once, len(cluster.town.numbers))
        self._lock = threading.Lock()
        self._wire_locks = [threading.Lock() for _ in cluster.nodes]

    def _said(self) -> str:
        """What the nodes said last: for whoever has to find out why."""
        lines = []
        for node in self.cluster.nodes:
            said = [line for line in node.printed.read_text().splitlines() if line[:2] == "20"]
            lines += [f"\n        {node.name}: {line}" for line in said[-SAID:]]
        return "".join(lines)

    def close(self) -> None:
        self.line.close()

    # -- what befalls ------------------------------------------------------------------------------

    def _befalls(self, kind: str) -> Mishap:
        if not self.mishaps:
            return NOTHING
        with self._lock:
            drawn = self.random.randrange(1000)
            for most, mishaps in (
                (KILLED, KILLS),
                (DOUBLED if len(self.cluster.nodes) > 1 else 0, (TWICE,)),
                (ANSWERS_LOST, LOST),
                (WIRED if self.line.cutting else 0, WIRES),
            ):
                if drawn < most:
                    mishap = self.random.choice(mishaps)
                    enough = mishap.order and self.line.count[f"{mishap.name}: {kind}"] >= ENOUGH
                    return NOTHING if enough else mishap
                drawn -= most
        return NOTHING

    def _tell_wire(self, node: int, order: str) -> None:
        wire = self.cluster.nodes[node].wire
        if wire:
            with self._wire_locks[node]:
                wire.tell(order)

    def _worker_dies(self, node: Node) -> None:
        """The order lies there until the worker comes to that commit. One line at a time gives orders."""
        with self._lock:
            died = node.folder / "died"
            if died.exists():
                self.count[f"worker killed: {died.read_text()}"] += 1
                self.count["worker killed"] += 1
                died.unlink()
            order = node.folder / "die"
            if not order.exists():
                when = self.random.choice(("before", "after"))
                whole = node.folder / "die.new"
                whole.write_text(f"{when} {self.random.randrange(1, 9)}")
                whole.rename(order)

    # -- batches -----------------------------------------------------------------------------------

    def batch(self, conversations: int) -> None:
        """So many conversations at once as there are numbers, then rest."""
        self.mishaps, self.people.willing = True, False
        # Every other batch: in between, nothing excuses answers that differ.
        self._batches += 1
        self.line.cutting = bool(self.cluster.wires) and self._batches % 2 == 0
        # While a token is being changed the provider believes either of the two.
        self.cluster.network.token = self.random.choice((NEW_TOKEN, OLD_TOKEN))
        shares = [
            (number, range(self.played + place, self.played + conversations, self._at_once))
            for place, number in enumerate(self.cluster.town.numbers[: self._at_once])
        ]
        with ThreadPoolExecutor(self._at_once) as pool:
            for each in [pool.submit(self._line_of, number, which) for number, which in shares]:
                each.result()
        self.played += conversations
        self.settle()

    def _line_of(self, number: Number, which: range) -> None:
        for place in which:
            source = random.Random(f"{self.seed}:{place}")
            if source.random() < DEATHS:
                self._worker_dies(source.choice(self.cluster.nodes))
            if source.random() < ERRORS:
                self.cluster.network.faults.append(source.choice(PROVIDER))
            self.people.converse(source, number)

    def settle(self, pause: float = PAUSE) -> None:
        """Nothing goes wrong any more, every technician is willing, and time goes by."""
        self.mishaps, self.people.willing = False, True
        self.line.cutting = False
        self.cluster.network.faults.clear()
        for node in self.cluster.nodes:
            (node.folder / "die").unlink(missing_ok=True)
            self._worker_died(node)
        late, self.people.late = self.people.late, []
        if late:
            self.cluster.passes(CALLBACK_LATE)
            self.random.shuffle(late)
            for tell in late:
                tell()
            self.count["callbacks an hour late, in any order"] += len(late)
        for _ in range(STEPS):
            self.cluster.idle()
            if not self.judge.unmet():
                break
            self.cluster.passes(STEP)
        self.judge.rests(self.cluster)
        self._close()
        self.cluster.passes(pause)
        if not self.cluster.at_home():
            self.judge.wrong("what was served without the database has not all come home")

    def _worker_died(self, node: Node) -> None:
        died = node.folder / "died"
        if died.exists():
            self.count[f"worker killed: {died.read_text()}"] += 1
            self.count["worker killed"] += 1
            died.unlink()

    def _close(self) -> None:
        holders, self.people.holders = self.people.holders, {}
        number = self.cluster.town.numbers[0].number
        for code, phone in holders.items():
            if not self.people.closes(code, phone, number):
                self.judge.note("cases not closed by text")

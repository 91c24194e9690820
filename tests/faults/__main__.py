"""The fault harness: conversations through real processes while everything that can break breaks.

    python tests/faults --calls 10000 --seed autumn
    python tests/faults --quick                        # a minute or two, for CI
    python tests/faults --only frozen                  # the faults whose names hold this, and nothing else

Exit code 1 if anything was lost, connected without right or counted without a key, or if a fault did not
end as it is stated. docs/faults.md tells what each fault does and how it is judged.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from faults import of_database, of_provider, of_snapshot, of_time, of_upgrade  # noqa: E402
from faults.at_once import REQUESTS, at_once  # noqa: E402
from faults.cluster import Cluster, one_node, two_nodes  # noqa: E402
from faults.counted import outcomes, points, too_few  # noqa: E402
from faults.emergency import Emergency  # noqa: E402
from faults.fault import Fault, Outcome, Stage, tried  # noqa: E402
from faults.load import BATCH, Load  # noqa: E402

FAULTS: list[Fault] = [
    *of_database.FAULTS,
    *of_provider.FAULTS,
    *of_snapshot.FAULTS,
    *of_upgrade.FAULTS,
    *of_time.FAULTS,  # the last of these goes through the years
]
CALLS = 10_000
QUICK_CALLS = 90
QUICK_REQUESTS = 100
# What may stand in a short form: one of each kind that costs little.
QUICK = (
    "database stopped before the first request",
    "database stopped at: whisper",
    "database frozen at: key",
    "fail-over during a ring",
    "clock five minutes ahead or back",
    "snapshot missing",
    "SQLite's file overwritten with rubbish",
    "disk full",
)
# One conversation in so many is played by the machine with SQLite.
ALONE = 20
# The faults with a stage of their own play some nine hundred in the long form; they count too.
STAGED = 900
SHOWN = 10
ELSEWHERE: dict[int, str] = {
    18: "yesterday's backup restored: tests/test_restore.py",
    20: "a certificate about to expire: tests/test_certificate.py",
}


class Run:
    """Everything that is tried, in its order. `found` is what came of it."""

    def __init__(self, calls: int, seed: str, *, quick: bool, only: str) -> None:
        self.calls, self.seed, self.quick, self.only = calls, seed, quick, only
        self.loads: list[Load] = []
        self.found: list[Outcome] = []
        self.counted: list[Outcome] = []
        self.began = time.monotonic()

    def all(self) -> None:
        if not self.only or self._wanted("two"):
            with two_nodes() as cluster:
                load, emergency = self._on(cluster)
                if not self.only:
                    staged = STAGED if self.calls >= CALLS else 0
                    self._conversations(load, self.calls - self.calls // ALONE - staged)
                    self._note(at_once(load, emergency, QUICK_REQUESTS if self.quick else REQUESTS))
                self._faults(load, emergency, "two")
        if not self.only or self._wanted("one"):
            with one_node() as cluster:
                load, emergency = self._on(cluster)
                if not self.only:
                    self._conversations(load, self.calls // ALONE)
                self._faults(load, emergency, "one")
        for load in self.loads:
            load.close()
        if not self.only:
            self.counted = list(outcomes(self.loads, ELSEWHERE))
            self.found += self.counted

    def _on(self, cluster: Cluster) -> tuple[Load, Emergency]:
        load = Load(cluster, self.seed)
        self.loads.append(load)
        return load, Emergency(load, self.seed)

    def _conversations(self, load: Load, calls: int) -> None:
        batch = min(BATCH, calls // 2 + 1)
        told: set[str] = set()
        while load.played < calls:
            load.batch(min(batch, calls - load.played))
            judge = load.judge
            bad = [*judge.lost, *judge.strangers, *judge.unpressed, *judge.wrongs]
            self._say(f"{load.played} conversations" + (f", {len(bad)} complaints" if bad else ""))
            for complaint in bad:
                if complaint not in told:
                    print(f"        {complaint}", flush=True)
            told.update(bad)

    def _faults(self, load: Load, emergency: Emergency, machines: str) -> None:
        for fault in self._wanted(machines):
            self._note(tried(fault, Stage(load, emergency), quick=self.quick))

    def _wanted(self, machines: str) -> list[Fault]:
        """The faults of these machines that are tried."""
        if self.only:
            return [each for each in FAULTS if each.machines == machines and self.only in each.name]
        return [
            each for each in FAULTS if each.machines == machines and (not self.quick or each.name in QUICK)
        ]

    def _note(self, outcome: Outcome) -> None:
        self.found.append(outcome)
        each = outcome.seconds / max(outcome.injected, 1)
        wrong = f", {len(outcome.complaints)} complaints" if outcome.complaints else ""
        self._say(f"{outcome.number} {outcome.name}: {outcome.injected} times, {each:.1f} s each{wrong}")
        for complaint in outcome.complaints[:3]:
            print(f"        {complaint}", flush=True)

    def _say(self, what: str) -> None:
        print(f"{time.monotonic() - self.began:7.0f} s  {what}", flush=True)

    # -- the result --------------------------------------------------------------------------------

    @staticmethod
    def _tell(outcome: Outcome) -> None:
        result = outcome.elsewhere or f"{len(outcome.complaints)} complaints"
        if not outcome.complaints and not outcome.elsewhere:
            result = "as stated"
        print(f"{outcome.number:3} {outcome.injected:6}  {outcome.name}: {outcome.stated}: {result}")

    def report(self) -> bool:
        """Print it; whether all is as it must be."""
        print()
        for outcome in sorted(self.found, key=lambda found: found.number):
            self._tell(outcome)
        print("\nkilled at each commit point:")
        for name, times in points(self.loads).items():
            print(f"    {times:6}  {name}")
        print("\nconversations and what came of them:")
        counted = sum((load.judge.count for load in self.loads), start=type(self.loads[0].judge.count)())
        for name in sorted(counted):
            print(f"    {counted[name]:6}  {name}")
        kinds: dict[str, list[str]] = {
            "lost": [each for load in self.loads for each in load.judge.lost],
            "connected without right": [each for load in self.loads for each in load.judge.strangers],
            "accepted without a key": [each for load in self.loads for each in load.judge.unpressed],
            "otherwise wrong": [each for load in self.loads for each in load.judge.wrongs],
            "not as stated": [each for fault in self.found for each in fault.complaints],
            "too few": too_few(self.counted, self.calls < CALLS),
        }
        for name, complaints in kinds.items():
            for each in complaints[:SHOWN]:
                print(f"\n{name}: {each}")
        print()
        took = time.monotonic() - self.began
        told = ", ".join(f"{len(complaints)} {name}" for name, complaints in kinds.items())
        print(f"seed {self.seed}: {counted['conversations']} conversations in {took:.0f} s: {told}")
        return not any(kinds.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=None)
    parser.add_argument("--seed", default=None, help="any text; drawn and printed if not given")
    parser.add_argument("--quick", action="store_true", help="the short form")
    parser.add_argument(
        "--only", default="", metavar="NAME", help="these faults alone, no other conversations"
    )
    given = parser.parse_args()
    seed = given.seed or secrets.token_hex(4)
    print(f"seed {seed}", flush=True)
    calls = given.calls if given.calls is not None else QUICK_CALLS if given.quick else CALLS
    run = Run(calls, seed, quick=given.quick, only=given.only)
    run.all()
    return 0 if run.report() else 1


if __name__ == "__main__":
    sys.exit(main())

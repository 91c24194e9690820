"""The webhook door, fuzzed: requests that nobody would send, to the real application.

    python tests/fuzz_door.py --minutes 10           # rounds in one process, bytes to a real listener beside
    python tests/fuzz_door.py --seed 1 --only 17     # round 17 of a seed again

Exit code 1 if anything was answered with 5xx, left a traceback, or changed the database without a signature.
docs/fuzzing.md tells what is sent and what is judged.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sqlite3
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from acceptance.caller import Call  # noqa: E402  (found by the line above, wherever this is run)
from acceptance.installation import Installation  # noqa: E402
from fuzzing import rounds, sockets  # noqa: E402

OUR_NUMBER = "+390461825060"
SHOWN = 5
# What a process may grow by once it is warm, in MiB: what is sent must not stay with whoever received it.
MOST_GROWTH = 96
WARM_AFTER = 5


@dataclass
class Outcome:
    """What it came to; told by two threads."""

    count: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wrong(self, text: str) -> None:
        with self.lock:
            self.wrongs.append(text)
            if len(self.wrongs) <= SHOWN:
                print(f"WRONG {text}\n", flush=True)


def resident(process: int | str = "self") -> float:
    """MiB of memory that a process holds."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def fuzz(seed: str, seconds: float, outcome: Outcome) -> int:
    """Rounds until the time is up. Returns how many there were."""
    until, number, warm = time.monotonic() + seconds, 0, 0.0
    while time.monotonic() < until:
        one_round(seed, number, outcome)
        number += 1
        if number == WARM_AFTER:
            warm = resident()
    grown = resident() - warm if warm else 0.0
    outcome.count["MiB grown"] = round(max(grown, 0))
    if grown > MOST_GROWTH:
        outcome.wrong(f"the process has grown by {grown:.0f} MiB over {number} rounds")
    return number


def one_round(seed: str, number: int, outcome: Outcome) -> None:
    try:
        report = rounds.play(seed, number)
    except Exception:
        outcome.wrong(f"round {number}, again with --seed {seed} --only {number}\n{traceback.format_exc()}")
        return
    with outcome.lock:
        outcome.count.update(report.count)
    for wrong in report.wrongs:
        outcome.wrong(f"{report.name}, again with --seed {seed} --only {number}\n{wrong}")


def listener(seed: str, seconds: float, outcome: Outcome) -> None:
    """Bytes to a real listener; afterwards it must serve a call as if nothing had come."""
    rng = random.Random(f"{seed}:sockets")
    with tempfile.TemporaryDirectory(prefix="ivr-fuzz-") as folder:
        house = Installation(Path(folder) / "house")
        house.ivr("init")
        house.configure()
        house.start("--only", "webhooks")
        try:
            _bombard(house, rng, seconds, outcome)
        finally:
            house.stop()
        if b"Traceback" in (printed := house.printed.read_bytes()):
            outcome.wrong(f"the service printed a traceback:\n{printed[-3000:].decode(errors='replace')}")


def _bombard(house: Installation, rng: random.Random, seconds: float, outcome: Outcome) -> None:
    before = _dump(house)
    count = sockets.barrage(house.listener, rng, seconds, outcome.wrong)
    with outcome.lock:
        outcome.count["bytes to the listener"] += count
    if _dump(house) != before:
        outcome.wrong("bytes to the listener have changed the database")
    call: Call = house.line().ring(OUR_NUMBER, "+393480000001")
    if not call.heard:
        outcome.wrong("after all that a caller hears nothing")


def _dump(house: Installation) -> list[str]:
    with closing(sqlite3.connect(house.folder / "ivr.db")) as connection:
        return list(connection.iterdump())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", default=None, help="any text; drawn and printed if not given")
    parser.add_argument("--only", type=int, metavar="N", help="round N alone")
    given = parser.parse_args()
    seed = given.seed or secrets.token_hex(4)
    print(f"seed {seed}", flush=True)
    warnings.simplefilter("ignore")
    outcome, began = Outcome(), time.monotonic()
    if given.only is not None:
        one_round(seed, given.only, outcome)
        played = 1
    else:
        beside = threading.Thread(target=_guarded, args=(listener, seed, given.minutes * 60, outcome))
        beside.start()
        played = fuzz(seed, given.minutes * 60, outcome)
        beside.join()
    for name in sorted(outcome.count):
        print(f"{outcome.count[name]:9}  {name}")
    print(f"seed {seed}: {played} rounds in {time.monotonic() - began:.0f} s, {len(outcome.wrongs)} wrongs")
    return 1 if outcome.wrongs else 0


def _guarded(do: Callable[[str, float, Outcome], None], seed: str, seconds: float, outcome: Outcome) -> None:
    try:
        do(seed, seconds, outcome)
    except Exception:
        outcome.wrong(traceback.format_exc())


if __name__ == "__main__":
    sys.exit(main())

"""The soak: thousands of generated calls in virtual time, judged from the simulated telephones.

    python tests/soak.py --calls 10000 --seed 1          # many nights, over two processes
    python tests/soak.py --seed 1 --only 17              # one of them again, told as it goes

Exit code 1 if anything happened that must not. docs/soak.md tells what is drawn and what is judged.
"""

from __future__ import annotations

import argparse
import gc
import secrets
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from soak_judge import Judge  # noqa: E402  (found by the line above, wherever this is run)
from soak_night import CALLS_A_NIGHT, Night  # noqa: E402

PROCESSES = 2
SHOWN = 5


@dataclass
class Outcome:
    """What one night came to."""

    number: int
    count: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)
    seconds: float = 0.0


def play(number: int, seed: str, calls: int, tell: Callable[[str], None] | None = None) -> Outcome:
    """One night, from its beginning to the judgement."""
    began = time.process_time()
    night = Night(seed, number, calls, tell)
    outcome = Outcome(number, night.count, night.wrongs)
    # What a night leaves behind is collected at its end: in it there is next to nothing to find.
    gc.disable()
    try:
        with night.staged():
            judge = Judge(night)
            night.play(lambda: not judge.unmet())
            judge.pass_sentence()
    except Exception:
        night.wrongs.append(traceback.format_exc())
    finally:
        gc.enable()
        gc.collect()
    outcome.seconds = time.process_time() - began
    return outcome


def soak(calls: int, seed: str, processes: int = PROCESSES) -> Iterator[Outcome]:
    """So many calls, night by night, in their order."""
    sizes = [CALLS_A_NIGHT] * (calls // CALLS_A_NIGHT) + [calls % CALLS_A_NIGHT] * bool(calls % CALLS_A_NIGHT)
    numbers = range(len(sizes))
    if processes == 1:
        yield from (play(number, seed, size) for number, size in zip(numbers, sizes, strict=True))
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(partial(_play, seed), numbers, sizes)


def _play(seed: str, number: int, calls: int) -> Outcome:
    warnings.simplefilter("ignore")
    return play(number, seed, calls)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seed", default=None, help="any text; drawn and printed if not given")
    parser.add_argument("--only", type=int, metavar="N", help="play night N alone, and tell of it")
    parser.add_argument("--processes", type=int, default=PROCESSES)
    given = parser.parse_args()
    seed = given.seed or secrets.token_hex(4)
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    if given.only is not None:
        outcomes = iter([play(given.only, seed, min(given.calls, CALLS_A_NIGHT), print)])
    else:
        outcomes = soak(given.calls, seed, given.processes)
    count: Counter[str] = Counter()
    nights = violations = 0
    busy = 0.0
    for outcome in outcomes:
        count.update(outcome.count)
        nights, busy = nights + 1, busy + outcome.seconds
        violations += len(outcome.wrongs)
        if outcome.wrongs:
            print(f"night {outcome.number}: again with --seed {seed} --only {outcome.number}")
            for wrong in outcome.wrongs[:SHOWN]:
                print(f"    {wrong}", flush=True)
    for name in sorted(count):
        print(f"{count[name]:9}  {name}")
    took, each = time.monotonic() - began, 1000 * busy / max(count["calls"], 1)
    print(f"{nights} nights in {took:.0f} s; {busy:.0f} s of the processors, {each:.0f} ms a call")
    print(f"seed {seed}: {violations} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())

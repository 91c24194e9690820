"""What every benchmark here shares: how two things are compared, and where the figures go.

Machines differ and are noisy: a figure is the ratio of two things measured in the same run, in turns.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

FILE = Path(__file__).parent / "results.json"


@dataclass(frozen=True)
class Spent:
    """Seconds of one run: of the processor in this thread, and by the clock on the wall."""

    cpu: float
    wall: float


def spent(run: Callable[[], object]) -> Spent:
    cpu, wall = time.thread_time(), time.perf_counter()
    run()
    return Spent(time.thread_time() - cpu, time.perf_counter() - wall)


def medians(runs: Sequence[Spent]) -> Spent:
    return Spent(median(run.cpu for run in runs), median(run.wall for run in runs))


@dataclass(frozen=True)
class Result:
    """`ratio` of `name` to what it is measured `against`, and what it may be at most."""

    name: str
    ratio: float
    goal: float
    against: str

    @property
    def met(self) -> bool:
        return self.ratio <= self.goal


def tell(results: Sequence[Result]) -> None:
    """Print the results, and put them into `results.json` in the place of earlier ones of their names."""
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else []
    told = [{**asdict(each), "ratio": round(each.ratio, 4), "met": each.met} for each in results]
    names = {each.name for each in results}
    kept = [each for each in known if each["name"] not in names]
    FILE.write_text(json.dumps([*kept, *told], indent=2) + "\n", encoding="utf-8")
    for each in results:
        print(
            f"{'met    ' if each.met else 'NOT MET'} {each.ratio:6.3f} (goal {each.goal}) "
            f"{each.name}, against {each.against}",
            flush=True,
        )

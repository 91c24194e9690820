"""What every benchmark here shares: how two things are compared, and where the figures go.

Machines differ and are noisy: a figure is the ratio of two things measured in the same run, in turns.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
FILE = HERE / "results.json"
CURVES_FILE = HERE / "curves.json"


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


def in_turns(what: Mapping[str, Callable[[], object]], runs: int) -> dict[str, Spent]:
    """The medians of `runs` runs of each, mixed at random; what returns Spent has measured itself."""
    order = [name for name in what for _ in range(runs)]
    random.Random(2).shuffle(order)
    for run in what.values():  # what is made at its first use is made now
        run()
    costs: dict[str, list[Spent]] = {name: [] for name in what}
    for name in order:
        results: list[object] = []
        whole = spent(lambda: results.append(what[name]()))  # noqa: B023
        measured = results[0]
        costs[name].append(measured if isinstance(measured, Spent) else whole)
    return {name: medians(runs_of_it) for name, runs_of_it in costs.items()}


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

    def __str__(self) -> str:
        met = "met    " if self.met else "NOT MET"
        return f"{met} {self.ratio:9.4g} (goal {self.goal:.4g}) {self.name}, against {self.against}"

    def document(self) -> dict[str, object]:
        # A ratio of one to ten thousand keeps its figures, too.
        return {**asdict(self), "ratio": float(f"{self.ratio:.4g}"), "met": self.met}


@dataclass(frozen=True)
class Curve:
    """What one thing costs as work grows: how much there is of `what`, and the cost, the first being 1."""

    name: str
    what: str
    points: tuple[tuple[int, float], ...]


drawn: list[Curve] = []


def draw(name: str, what: str, costs: Mapping[int, float]) -> None:
    """`costs` by how much there is of `what`, in whatever unit."""
    first = costs[min(costs)]
    drawn.append(Curve(name, what, tuple((many, round(costs[many] / first, 4)) for many in sorted(costs))))


def tell(results: Sequence[Result]) -> None:
    """Print the results, and put them into `results.json` in the place of earlier ones of their names."""
    put(FILE, [each.document() for each in results])
    for each in results:
        print(each, flush=True)


def put(file: Path, documents: Sequence[Mapping[str, object]]) -> None:
    """Write documents, each with a name, in the place of earlier ones of their names."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    new = {each["name"]: each for each in documents}
    kept = [new.pop(each["name"], each) for each in known]
    write(file, [*kept, *new.values()])


def write(file: Path, documents: Sequence[Mapping[str, object]]) -> None:
    """One document a line, so that a change of one is a change of one line."""
    lines = ",\n".join(json.dumps(each, ensure_ascii=False) for each in documents)
    file.write_text(f"[\n{lines}\n]\n", encoding="utf-8")

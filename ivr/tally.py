"""What only a process knows of itself: how often things happened in it, how long they took, and when last.

Kept in memory, because this stands on the path of a call: nothing is asked of the disk, which may be full or
may not answer. Somebody else writes it down once in a while, for whoever asks for the metrics.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any

# Upper edges of the classes of a duration, in seconds: a turn must be answered within 3.5.
EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.5, 5.0, 10.0)
# A name with the values of its labels, joined: no label of ours holds this.
_JOIN = "|"


class Tally:
    """Counts, durations and marks, each by a name and the values of its labels. Safe from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, float] = {}
        self._marks: dict[str, float] = {}
        # In each class, not summed up; the last is beyond all edges. Then the sum of the seconds.
        self._spans: dict[str, list[float]] = {}

    def count(self, name: str, *labels: str) -> None:
        """It happened once more."""
        key = key_of(name, *labels)
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + 1

    def took(self, name: str, seconds: float, *labels: str) -> None:
        """It took so long."""
        key = key_of(name, *labels)
        with self._lock:
            span = self._spans.get(key)
            if span is None:
                span = self._spans[key] = [0.0] * (len(EDGES) + 2)
            span[bisect_left(EDGES, seconds)] += 1
            span[-1] += seconds

    def mark(self, name: str, value: float, *labels: str) -> None:
        """It stands so now."""
        with self._lock:
            self._marks[key_of(name, *labels)] = value

    def told(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        with self._lock:
            spans = {key: list(span) for key, span in self._spans.items()}
            return {"counts": dict(self._counts), "marks": dict(self._marks), "spans": spans}


def together(told: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What several processes told, as if they were one: of marks the highest counts."""
    counts: dict[str, float] = {}
    marks: dict[str, float] = {}
    spans: dict[str, list[float]] = {}
    for each in told:
        for key, value in each["counts"].items():
            counts[key] = counts.get(key, 0) + value
        for key, value in each["marks"].items():
            marks[key] = max(marks.get(key, value), value)
        for key, span in each["spans"].items():
            known = spans.get(key, [0.0] * len(span))
            spans[key] = [a + b for a, b in zip(known, span, strict=True)]
    return {"counts": counts, "marks": marks, "spans": spans}


def key_of(name: str, *labels: str) -> str:
    """Under which a name with the values of its labels is told."""
    return _JOIN.join((name, *labels))


def labels_of(key: str) -> tuple[str, tuple[str, ...]]:
    """The name and the values of its labels."""
    name, *labels = key.split(_JOIN)
    return name, tuple(labels)


# Of this process.
TALLY = Tally()

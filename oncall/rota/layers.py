"""Spans of time that lie on one another: which cover an instant, the uppermost first. Pure.

Built once in one sweep over all edges, asked often: a question is one bisection.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, Protocol, TypeVar


class Span(Protocol):
    """From `start` up to, not including, `end`."""

    @property
    def start(self) -> datetime: ...

    @property
    def end(self) -> datetime: ...


S = TypeVar("S", bound=Span)


class Layers(Generic[S]):
    """`spans` from the lowest to the uppermost; those that end before they start cover nothing.

    Beneath a span that is `opaque` nobody ever looks: what lies under it is not kept, so that thousands
    of spans on one another take no more room than a few.
    """

    def __init__(self, spans: Sequence[S], opaque: Callable[[S], bool] = lambda span: False) -> None:
        begin: dict[datetime, list[int]] = defaultdict(list)
        finish: dict[datetime, list[int]] = defaultdict(list)
        for rank, span in enumerate(spans):
            if span.start < span.end:
                begin[span.start].append(rank)
                finish[span.end].append(rank)
        hides = [opaque(span) for span in spans]
        self._edges: list[datetime] = []
        self._covering: list[tuple[S, ...]] = []
        active: list[int] = []
        for edge in sorted(begin.keys() | finish.keys()):
            for rank in finish.get(edge, ()):
                active.pop(bisect_left(active, rank))
            for rank in begin.get(edge, ()):
                insort(active, rank)
            seen: list[S] = []
            for rank in reversed(active):
                seen.append(spans[rank])
                if hides[rank]:
                    break
            covering = tuple(seen)
            if not self._covering or covering != self._covering[-1]:
                self._edges.append(edge)
                self._covering.append(covering)

    def at(self, at: datetime) -> tuple[S, ...]:
        """The spans that cover `at`, the uppermost first, as far as one can see."""
        index = bisect_right(self._edges, at)
        return self._covering[index - 1] if index else ()

    def changes(self, start: datetime, end: datetime) -> list[tuple[datetime, tuple[S, ...]]]:
        """Each instant after `start` and before `end` from which on others are seen, and which."""
        within = slice(bisect_right(self._edges, start), bisect_left(self._edges, end))
        return list(zip(self._edges[within], self._covering[within], strict=True))

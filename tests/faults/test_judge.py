"""The judge finds what must not be: without this its silence would mean nothing."""

from __future__ import annotations

from typing import Any, cast

import pytest

from faults.cluster import Cluster
from faults.judge import ACCEPTED, Judge


class Database:
    """Answers the judge's question for attempts that were called accepted."""

    def __init__(self, *accepted: tuple[int, str, str, str | None]) -> None:
        self._accepted = accepted

    def ask(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        return list(self._accepted) if sql == ACCEPTED else []


def rested(judge: Judge, *accepted: tuple[int, str, str, str | None]) -> Judge:
    judge.rests(cast(Cluster, Database(*accepted)))
    return judge


def test_kept_promises_are_clean() -> None:
    judge = Judge()
    judge.promised("4711", "CA1")
    judge.pressed("CA1", "+391")
    judge.connected("CA1", pressed=True, pin=True, told_unverified=False)
    judge.met("4711")
    assert rested(judge, (1, "CA1", "+391", None)).clean


def test_a_promise_after_the_meeting_is_open_again() -> None:
    judge = Judge()
    judge.promised("4711", "CA1")
    judge.met("4711")
    judge.promised("4711", "CA2")
    assert judge.unmet() == {"4711": "CA2"}
    assert len(rested(judge).lost) == 1


@pytest.mark.parametrize(
    ("pressed", "pin", "told", "wrong"),
    [
        (False, True, False, True),
        (True, False, False, True),
        (True, False, True, False),
        (True, True, False, False),
    ],
)
def test_strangers(pressed: bool, pin: bool, told: bool, wrong: bool) -> None:
    judge = Judge()
    judge.connected("CA1", pressed=pressed, pin=pin, told_unverified=told)
    assert bool(judge.strangers) is wrong


def test_an_accepted_attempt_without_a_key() -> None:
    judge = Judge()
    judge.pressed("CA1", "+391")
    assert not rested(judge, (1, "CA1", "+392", None)).clean


def test_a_key_in_a_placed_call_counts_for_one_attempt() -> None:
    """Of calls that were placed without the database it is not known which attempt they were."""
    judge = Judge()
    judge.pressed("CA9", "+391", placed=True)
    rested(judge, (1, "CA1", "+391", None), (2, "CA1", "+391", None))
    assert len(judge.unpressed) == 1

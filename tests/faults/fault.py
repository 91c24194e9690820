"""What a fault is: its number, what is stated of it, and a function that lets it happen once."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from faults.emergency import Emergency
from faults.load import Load

# A fault that costs less than this a call happens fifty times, any other, and what freezes, five.
CHEAP = 3.0
OFTEN, SELDOM = 50, 5


@dataclass
class Stage:
    """Where it happens: `load` with its machines, and `emergency`, which plays a call on them."""

    load: Load
    emergency: Emergency


# Lets it happen once; returns what was not as it is stated.
Happens = Callable[[Stage], list[str]]


@dataclass(frozen=True)
class Fault:
    """`number` is that of docs/faults.md. `machines` is "two" (on PostgreSQL) or "one" (on SQLite)."""

    number: int
    name: str
    stated: str
    happens: Happens
    machines: str = "two"
    # How many calls it befalls each time.
    calls: int = 1
    # Whether everybody has to wait for it to be over.
    freezes: bool = False


@dataclass
class Outcome:
    """How often it happened, and what was not as stated."""

    number: int
    name: str
    stated: str
    injected: int = 0
    complaints: list[str] = field(default_factory=list)
    seconds: float = 0.0
    # Why it did not happen here, if it did not.
    elsewhere: str = ""


def tried(fault: Fault, stage: Stage, *, quick: bool) -> Outcome:
    """Let a fault happen as often as its cost allows; `quick`: twice, or once if it is dear."""
    outcome = Outcome(fault.number, fault.name, fault.stated)
    began = time.monotonic()
    while True:
        try:
            outcome.complaints += fault.happens(stage)
        except Exception:
            outcome.complaints.append(traceback.format_exc(limit=-3).strip())
        outcome.injected += fault.calls
        outcome.seconds = time.monotonic() - began
        dear = fault.freezes or outcome.seconds / outcome.injected > CHEAP
        often = (1 if dear else 2) if quick else (SELDOM if dear else OFTEN)
        if outcome.injected >= often:
            break
    stage.load.settle()
    return outcome

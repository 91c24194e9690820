"""What is worth telling of the request that is being served, for the log and for the counts.

The door begins a note for each request; whoever serves it writes on the note what he knows. Outside of a
request what is written goes nowhere. No number and no PIN leaves a note as it is: the door tells a caller by
his pseudonym.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Note:
    """One request. `call` is the sid it is about, `caller` his number as it came; `before` and `after` the
    steps of a caller's call, or what was heard of a technician; `said` the kind of document he was answered
    with; `by` who served it, "database" or "standby"; `again`: the answer was a stored one. `checks` has the
    lane and the result of each PIN that was checked. `part_of` is the sid of the caller's call that a leg is
    of. `database` are the seconds for which transactions were open, where somebody counts them.
    """

    call: str = ""
    caller: str = ""
    turn: int | None = None
    before: str = ""
    after: str = ""
    said: str = ""
    by: str = ""
    again: bool = False
    checks: list[tuple[str, str]] = field(default_factory=list)
    part_of: str = ""
    database: float = 0.0


_current: ContextVar[Note | None] = ContextVar("note", default=None)


def begin() -> Note:
    """A new note for the request that this thread serves from now on."""
    note = Note()
    _current.set(note)
    return note


def end() -> None:
    """The request has been served."""
    _current.set(None)


def here() -> Note:
    """The note of the request that is being served; without one, a note that nobody reads."""
    return _current.get() or Note()


def anew() -> None:
    """The request is served from its beginning once more: what was noted of serving it did not count."""
    note = here()
    note.before, note.after, note.again = "", "", False
    note.checks.clear()


def passed_on(by: str) -> None:
    """Somebody else serves the request, anew."""
    anew()
    here().by = by

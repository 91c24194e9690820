"""What the worker does, by kind of due work. A module for each subject; each handler does one piece."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from console.house import House
from console.work import calls
from ivr import journal
from oncall import cases
from storage.due import Work

# Does one piece of work; returns when it is due again, None when it is done.
Handler = Callable[[House, Work, datetime], datetime | None]

HANDLERS: Mapping[str, Handler] = {
    cases.PURSUE: calls.pursue,
    journal.FETCH: calls.fetch_message,
}

"""What the worker does, by kind of due work. A module for each subject; each handler does one piece."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from console.house import House
from console.work import calls, erasure, ledger, mail, pins
from ivr import journal
from oncall import cases
from pins import outbox, registry
from storage.alarms import ALARM
from storage.due import Work
from storage.ledger import KIND as LEDGER

# Does one piece of work; returns when it is due again, None when it is done.
Handler = Callable[[House, Work, datetime], datetime | None]

HANDLERS: Mapping[str, Handler] = {
    cases.PURSUE: calls.pursue,
    journal.FETCH: calls.fetch_message,
    erasure.TRACES: erasure.remove,
    LEDGER: ledger.append,
    registry.ENDS: pins.remind,
    ALARM: mail.alarm,
    outbox.LETTER: mail.deliver,
}
# Done apart from the rest: a mail server that is slow to answer must not hold up a call's work.
BY_MAIL = (ALARM, outbox.LETTER)

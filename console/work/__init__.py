"""What the worker does, by kind of due work. A module for each subject; each handler does one piece."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from console.house import House
from console.processes.patient import PURGE
from console.work import (
    calendars,
    calls,
    erasure,
    forgetting,
    handed_on,
    ledger,
    mail,
    notices,
    pins,
    placing,
    purge,
    pursuit,
    reconcile,
    rota,
    stand_in,
    tickets,
)
from ivr import ageing, journal
from ivr.outgoing_desk import PLACE, WATCH
from ivr.tickets.tickets import KINDS as TICKETS
from oncall.cases import cases
from oncall.reaching import reminders, watch
from oncall.reaching.reached import CHECK, NOTICE
from pins import outbox, registry
from storage.alarms import ALARM
from storage.due import Work
from storage.ledger import KIND as LEDGER

# Does one piece of work; returns when it is due again, None when it is done.
Handler = Callable[[House, Work, datetime], datetime | None]

HANDLERS: Mapping[str, Handler] = {
    cases.PURSUE: pursuit.pursue,
    reminders.REMIND: pursuit.remind,
    PLACE: placing.place,
    WATCH: placing.watch,
    NOTICE: notices.bring,
    watch.WATCH: rota.look,
    CHECK: rota.check,
    handed_on.NOBODY_ANSWERED: handed_on.nobody_answered,
    handed_on.NO_URGENCY: handed_on.no_urgency,
    handed_on.SCREENED_IN_VAIN: handed_on.screened_in_vain,
    handed_on.MESSAGE: handed_on.deliver_message,
    journal.FETCH: calls.fetch_message,
    calendars.FETCH: calendars.fetch_absences,
    erasure.TRACES: erasure.remove,
    journal.FORGET: forgetting.forget_recording,
    ageing.FORGET: forgetting.forget_calls,
    PURGE: purge.purge,
    LEDGER: ledger.append,
    registry.ENDS: pins.remind,
    stand_in.KEEP: stand_in.keep,
    reconcile.COMPARE: reconcile.compare,
    reconcile.FOUND: reconcile.tell,
    ALARM: mail.alarm,
    outbox.LETTER: mail.deliver,
    **{kind: partial(tickets.tell, channel=channel) for channel, kind in TICKETS.items()},
}
# The spare's own work while the database is away: callers are pursued, people told, recordings fetched. The
# rest waits.
WITHOUT_DATABASE = (
    cases.PURSUE,
    reminders.REMIND,
    PLACE,
    WATCH,
    NOTICE,
    handed_on.NOBODY_ANSWERED,
    handed_on.NO_URGENCY,
    handed_on.SCREENED_IN_VAIN,
    handed_on.MESSAGE,
    journal.FETCH,
    ALARM,
)
# What asks somebody outside is done apart, each kind of them by itself and a few pieces at a time: a mail
# server or a telephone network that is slow to answer must not hold up anything else. Each piece may take
# half a minute: together they end before their lease does, so that none is done twice.
AT_ONCE = 3
APART: Mapping[str, tuple[str, ...]] = {
    "phone": (cases.PURSUE, PLACE, WATCH),
    "mail": (ALARM, outbox.LETTER),
    "notices": (NOTICE,),
    "checks": (CHECK,),
    "calendars": (calendars.FETCH,),
    "stand-in": (stand_in.KEEP,),
    "past calls": (reconcile.COMPARE,),
    # Apart from these: a night of junk calls leaves an hour of them, and callers are looked for meanwhile.
    "forgetting": (journal.FORGET, ageing.FORGET),
    "recordings": (journal.FETCH,),
    "purge": (PURGE,),
    "tickets by mail": (TICKETS["mail"],),
    "tickets by webhook": (TICKETS["webhook"],),
}

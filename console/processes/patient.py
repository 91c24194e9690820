"""Work for which nobody waits: it may be hours late, and neither silences the heartbeat nor wakes anybody.

What Twilio is asked to forget comes by the thousand after a flood; a helpdesk may be away for a day.
"""

from __future__ import annotations

from ivr import ageing, journal
from ivr.tickets.tickets import KINDS as TICKETS

PURGE = "privacy.purge"
PATIENT = frozenset({journal.FORGET, ageing.FORGET, PURGE, *TICKETS.values()})

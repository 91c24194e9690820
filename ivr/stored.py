"""How a caller's call, a technician's leg and a call that we place stand in JSON.

One adapter for each, made once: each takes some milliseconds to make, and room in every process.
"""

from __future__ import annotations

from pydantic import TypeAdapter

from ivr.outgoing_flow import Outgoing
from ivr.technician_flow import Leg
from ivr.vocabulary import Call

CALL = TypeAdapter(Call)
LEG = TypeAdapter(Leg)
OUTGOING = TypeAdapter(Outgoing)

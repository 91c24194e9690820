"""A believable night in the house of the `console` fixture, phoned through the signed door.

`night(console)` plays three calls of 10 March 2026, before the fixture's ten o'clock, and lets the worker do
what they made due. Afterwards the house holds:

- 20:40  Acme calls Trento, keys a wrong PIN, then its own, presses 1: case P1+, `connected`. Anna's phone
  rings; she accepts; they talk for 4 minutes. The case is open and Anna has it.
- 21:05  Frutticoltori Val di Sole (MELE) want the line for something that can wait: `refused`, no case.
- 21:20  Baita Segantini (BAITA, of a prepaid package) is refused for want of a contract: `no-contract`.
- 21:53  MELE again, P2: nobody answers, a message of 20 s is left: case P2, `unanswered`. It is open, nobody
  has it, its pursuit goes on; text messages have gone to Anna and Dario, whose phones rang in vain.

PINs are issued to ACME, MELE and BAITA (MALGA's contract has ended; it has none). The message's recording is
a real sound, in the folder of messages. Nothing has been closed, taken by hand or listened to.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from making import rome
from visitors import Console

from console.rehearsing.playhouse import Playhouse
from console.rehearsing.tone import tone
from ivr import journal
from oncall.cases import cases

CONNECTED = """\
* acme calls trento
> wrong PIN
> PIN acme
> 1
* anna's phone rings
* anna answers
anna > 1
* they talk for 4 minutes
* outcome connected
"""
REFUSED = """\
* mele calls tione
> PIN mele
> 4
> nothing
* outcome not-covered
"""
NO_CONTRACT = """\
* baita calls trento
> PIN baita
> hangs up
* outcome no-contract
"""
UNANSWERED = """\
* mele calls trento
> PIN mele
> 3
* anna's phone rings
* anna does not answer
* dario does not answer
* anna does not answer
* dario does not answer
> speaks 20 s and presses #
* outcome nobody-answered
"""


@dataclass(frozen=True)
class Played:
    """One of the night's calls, and the number of the case that it opened."""

    sid: str
    case: str = ""


@dataclass(frozen=True)
class Night:
    """The calls, in the order in which they came; `message` is the recording's sid."""

    connected: Played
    refused: Played
    no_contract: Played
    unanswered: Played
    message: str


def night(console: Console) -> Night:
    """Play it; the console's own clock stays where it is."""
    playhouse = Playhouse(console.house, rome("2026-03-10 20:35"), source=random.Random(7), sound=tone)
    for code in ("ACME", "MELE", "BAITA"):
        playhouse.issue(code)
    connected = _call(playhouse, "20:40", CONNECTED)
    refused = _call(playhouse, "21:05", REFUSED)
    no_contract = _call(playhouse, "21:20", NO_CONTRACT)
    unanswered = _call(playhouse, "21:53", UNANSWERED)
    with console.house.database.read() as connection:
        (message,) = journal.messages_of(connection, unanswered.sid)
    return Night(connected, refused, no_contract, unanswered, message.recording)


def _call(playhouse: Playhouse, clock: str, text: str) -> Played:
    playhouse.clock.set(rome(f"2026-03-10 {clock}"))
    (call,) = playhouse.play(text, clock).calls
    for _ in range(3):
        playhouse.work()
        playhouse.clock.forward(seconds=40)
        playhouse.exchange.settle()
    with playhouse.house.database.read() as connection:
        case = cases.of_call(connection, call.sid)
    return Played(call.sid, case.number if case else "")

"""A telephone that plays Twilio's part: it signs requests, follows TwiML and knows a virtual clock.

Written from Twilio's documentation alone. It reads TwiML, never writes it, and imports nothing from
the rest of the house: whatever answers at a `Door` can be phoned.

    exchange = Exchange(WsgiDoor(app), public_url="https://ivr.example.net", account_sid="AC…",
                        auth_token="…", clock=VirtualClock(at))
    call = exchange.ring("+393401234567", "+390461825060")
    call.press("1")
"""

from console.phone.call import Call, CallerCall
from console.phone.callfile import BadCallFile, CallFile, parse
from console.phone.clock import VirtualClock
from console.phone.dialling import Leg
from console.phone.document import NotTwiml, read_twiml
from console.phone.door import Door, HttpDoor, Reply, WsgiDoor
from console.phone.exchange import Behaviour, Exchange
from console.phone.execution import OutOfTurn
from console.phone.names import Cast
from console.phone.placed import PlacedCall
from console.phone.player import Conversation, Mismatch, play
from console.phone.rest import Rest
from console.phone.texts import Text
from console.phone.transcript import lines, save

__all__ = [
    "BadCallFile",
    "Behaviour",
    "Call",
    "CallFile",
    "CallerCall",
    "Cast",
    "Conversation",
    "Door",
    "Exchange",
    "HttpDoor",
    "Leg",
    "Mismatch",
    "NotTwiml",
    "OutOfTurn",
    "PlacedCall",
    "Reply",
    "Rest",
    "Text",
    "VirtualClock",
    "WsgiDoor",
    "lines",
    "parse",
    "play",
    "read_twiml",
    "save",
]

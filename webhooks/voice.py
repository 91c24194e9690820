"""The addresses of a caller's call: form fields become what was received, the desk answers, TwiML goes
out. And what Twilio tells of a call beside its turns.
"""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import Forbidden

from ivr.standby import luggage
from ivr.standby.luggage import LuggageRefused
from ivr.vocabulary import Carried, Received
from webhooks import twiml
from webhooks.door import Door, here

voice = Blueprint("voice", __name__)


@voice.post("/voice")
def arrive() -> Response:
    """A call comes in: its turn 0."""
    return _turn(0)


@voice.post("/voice/turn/<int(max=9999):number>")
def turn(number: int) -> Response:
    """What a Gather, Dial or Record of turn `number - 1` led to."""
    return _turn(number)


@voice.post("/voice/fallback")
def fallback() -> Response:
    """Twilio could not use our answer: the last one again; an unknown call is served as new."""
    door = here()
    if door.parameters.is_leg:
        return _xml(twiml.HANG_UP_DOCUMENT)
    return _xml(twiml.for_caller(door.reception.repeat(_received(door, 0), door.at)))


@voice.post("/voice/status")
def status() -> Response:
    """The end of a caller's call."""
    door = here()
    if door.parameters.gone and not door.parameters.is_leg:
        door.reception.ended(door.parameters.call_sid, door.at)
    return Response(status=204)


@voice.post("/voice/recording")
def recording() -> Response:
    """What became of a recording. It belongs to the call that its address was made for."""
    door = here()
    try:
        call_sid = door.seal.open(request.args.get("l", ""))["call"]
    except (LuggageRefused, KeyError):
        raise Forbidden from None
    announced = door.parameters.recording()
    if announced and call_sid == door.parameters.call_sid:
        state = door.parameters.recording_status or "completed"
        door.reception.recording_ready(call_sid, announced, state, door.at)
    return Response(status=204)


def _turn(number: int) -> Response:
    door = here()
    if door.parameters.is_leg:
        # A technician's leg never becomes a caller's call.
        current_app.logger.warning("a leg came to a caller's address")
        return _xml(twiml.HANG_UP_DOCUMENT)
    return _xml(twiml.for_caller(door.reception.answer(_received(door, number), door.at)))


def _received(door: Door, number: int) -> Received:
    parameters = door.parameters
    return Received(
        sid=parameters.call_sid,
        caller=parameters.caller,
        number=parameters.number(door.numbers),
        turn=number,
        digits=parameters.digits,
        dial_status=parameters.dial_status,
        bridged=parameters.bridged,
        recording=parameters.recording(),
        gone=parameters.gone,
        carried=_carried(door),
        talked=parameters.dial_seconds,
    )


def _carried(door: Door) -> Carried | None:
    """What the address brings along; nothing counts if it was not sealed by us."""
    try:
        return luggage.carried(door.seal.open(request.args.get("l", "")))
    except LuggageRefused:
        return None


def _xml(document: str) -> Response:
    return Response(document, content_type=twiml.CONTENT_TYPE)

"""The addresses of calls that we placed. Whatever is unknown, stale, refused or failing here gets
`<Hangup/>`.
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException

from ivr.outgoing_flow import OutgoingReceived
from ivr.standby import luggage
from ivr.standby.luggage import LuggageRefused
from webhooks import twiml
from webhooks.door import Door, here

outgoing = Blueprint("outgoing", __name__)
log = logging.getLogger("ivr")


@outgoing.post("/voice/out/<int(max=99):number>")
def turn(number: int) -> Response:
    """Turn 0 is asked when the technician's phone was picked up."""
    door = here()
    which, home, contents = _which(door)
    if which is None:
        return _hang_up()
    parameters = door.parameters
    if parameters.gone and number == 0:
        return _hang_up()
    got = OutgoingReceived(
        sid=parameters.call_sid,
        outgoing=which,
        turn=number,
        digits=parameters.digits,
        dial_status=parameters.dial_status,
        bridged=parameters.bridged,
        talked=parameters.dial_seconds,
        home=home,
        carried=luggage.carried_outgoing(contents),
        made_for=contents.get("t", 0),
    )
    answer = twiml.for_technician(door.reception.answer_placed(got, door.at))
    return Response(answer, content_type=twiml.CONTENT_TYPE)


@outgoing.post("/voice/out/status")
def status() -> Response:
    """The end of a call that we placed."""
    door = here()
    which, home, _ = _which(door)
    if which is None:
        raise Forbidden
    if door.parameters.gone:
        sid, status = door.parameters.call_sid, door.parameters.status
        door.reception.placed_ended(which, home, sid, status, door.at)
    return Response(status=204)


@outgoing.errorhandler(Exception)
def failing(error: Exception) -> Response:
    if isinstance(error, HTTPException) and not (isinstance(error, BadRequest) and g.get("signed")):
        # Not believed at all: 403, 413, 415, and 400 before there was a signature to believe.
        return Response(f"{error.name}\n", status=error.code, mimetype="text/plain")
    if isinstance(error, HTTPException):
        log.warning("a request about a call that we placed was refused and hung up")
        return _hang_up()
    log.error("a call that we placed failed and was hung up", exc_info=error)
    return _hang_up()


def _which(door: Door) -> tuple[int | None, str, dict[str, Any]]:
    """The call that the address was made for, the name of the database that knows it, and all the luggage."""
    try:
        contents = door.seal.open(request.args.get("l", ""))
        named = contents["out"]
    except (LuggageRefused, KeyError):
        return None, "", {}
    return (named if isinstance(named, int) else None), str(contents.get("home", "")), contents


def _hang_up() -> Response:
    return Response(twiml.HANG_UP_DOCUMENT, content_type=twiml.CONTENT_TYPE)

"""The addresses of a technician's leg. Whatever is unknown, stale, refused or failing here gets
`<Hangup/>`: a document that merely ends would connect him to the caller.
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import BadRequest, HTTPException

from ivr.standby import luggage
from ivr.standby.luggage import LuggageRefused
from ivr.vocabulary import LegReceived
from webhooks import twiml
from webhooks.door import Door, here

technician = Blueprint("technician", __name__)
log = logging.getLogger("ivr")


@technician.post("/voice/technician/<int(max=99):number>")
def turn(number: int) -> Response:
    """Turn 0 is the whisper, asked when his phone was picked up."""
    door = here()
    try:
        got = _received(door, door.seal.open(request.args.get("l", "")), number)
    except (LuggageRefused, KeyError):
        got = None
    if got is None:
        return _hang_up()
    if door.parameters.parent_sid not in (None, got.parent_sid):
        return _hang_up()
    if door.parameters.gone:
        door.reception.technician_gone(got.sid, door.at)
        return _hang_up()
    return _xml(twiml.for_technician(door.reception.answer_technician(got, door.at)))


def _received(door: Door, contents: dict[str, Any], number: int) -> LegReceived | None:
    """What came; None if the address was not made for a leg. Raises KeyError for another's luggage."""
    carried = luggage.carried(contents)
    if carried is None:
        carried = door.reception.carried_before(contents["call"], contents["attempt"])
    if carried is None:
        return None
    return LegReceived(
        sid=door.parameters.call_sid,
        carried=carried,
        turn=number,
        digits=door.parameters.digits,
        made_for=contents.get("leg", number),
        silences=contents.get("silences", 0),
        repeats=contents.get("repeats", 0),
    )


@technician.errorhandler(Exception)
def failing(error: Exception) -> Response:
    if isinstance(error, HTTPException) and not (isinstance(error, BadRequest) and g.get("signed")):
        # Not believed at all: 403, 413, 415, and 400 before there was a signature to believe.
        return Response(f"{error.name}\n", status=error.code, mimetype="text/plain")
    if isinstance(error, HTTPException):
        log.warning("a request about a technician's leg was refused and hung up")
        return _hang_up()
    log.error("a technician's leg failed and was hung up", exc_info=error)
    return _hang_up()


def _hang_up() -> Response:
    return _xml(twiml.HANG_UP_DOCUMENT)


def _xml(document: str) -> Response:
    return Response(document, content_type=twiml.CONTENT_TYPE)

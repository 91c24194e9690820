"""What every signed request passes before anything else: size, form, signature, parameters, clock."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from flask import Request, g, request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, UnsupportedMediaType

from ivr import noting
from ivr.reception import Reception
from ivr.standby.luggage import Seal
from webhooks.parameters import Parameters
from webhooks.signature import HEADER, SETTINGS_HEADER, SignatureCheck

LARGEST_BODY = 64 * 1024
_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?::([0-9]{1,6}))?")


@dataclass(frozen=True)
class Believed:
    """What requests are checked against, and who serves them. One for the application."""

    signature: SignatureCheck
    account_sid: str
    numbers: frozenset[str]
    reception: Reception
    seal: Seal
    clock: Callable[[], datetime]


@dataclass(frozen=True)
class Door:
    """One believed request: its parameters, and the instant it came, read once."""

    parameters: Parameters
    at: datetime
    numbers: frozenset[str]
    reception: Reception
    seal: Seal


def here() -> Door:
    """The door this request came through."""
    return cast(Door, g.door)


def signed_form(believed: Believed) -> MultiDict[str, str]:
    """The form of the current request if it is signed; else it is refused: 415, 413, 403 or 400.

    An unsigned request learns nothing from the answer but that it was not signed.
    """
    # Looked up once: each look through the proxy costs as much as what it finds.
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]
    # Never used to build an address; but what is no host at all was not sent by Twilio.
    host = _HOST.fullmatch(asked.headers.get("Host", ""))
    if host is None or int(host[1] or 0) > 65535:
        raise BadRequest
    if asked.mimetype != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType
    try:
        form = asked.form  # raises 413 beyond LARGEST_BODY
        if asked.content_length is None:
            # What comes without its length is cut there in silence: only who reads on is told.
            asked.stream.read(1)
    except HTTPException:
        raise
    except Exception:
        # The server reads on as we do: a piece that is none, or a line that was shut in the middle of it.
        raise BadRequest from None
    if len(form) > 1000:
        raise BadRequest
    query = asked.query_string.decode("ascii", "replace")
    signature = asked.headers.get(HEADER)
    settings = asked.headers.get(SETTINGS_HEADER)
    if not believed.signature.holds(asked.path, query, form, signature, settings):
        raise Forbidden
    # From here on it is Twilio that asks: see what a technician's leg is answered.
    g.signed = True
    return form


def check(believed: Believed) -> None:
    """Believe the current request about a call, or refuse it."""
    parameters = Parameters(signed_form(believed), believed.account_sid)
    note = noting.here()
    note.call, note.caller = parameters.call_sid, "" if parameters.is_leg else parameters.caller
    note.part_of = parameters.parent_sid or ""
    g.door = Door(
        parameters,
        believed.clock(),
        believed.numbers,
        believed.reception,
        believed.seal,
    )

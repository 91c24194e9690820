"""What a caller said of himself, played to a technician from our own door.

The network asks for it without a signature we could rely on: the address itself is the proof. It is
sealed, names one recording, and is good for an hour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from flask import Blueprint, Response, request, send_file
from werkzeug.exceptions import NotFound

from ivr.standby.luggage import LuggageRefused, Seal
from webhooks.kept import Folder

GOOD_FOR = timedelta(hours=1)
_RECORDING = re.compile(r"RE[0-9a-f]{32}")


def sounds(seal: Seal, folder: Folder, clock: Callable[[], datetime]) -> Blueprint:
    """The address of recordings, kept in `folder` as they were fetched. Whatever is wrong gets 404."""
    blueprint = Blueprint("sounds", __name__)

    @blueprint.get("/voice/sound")
    def sound() -> Response:
        try:
            named = seal.open(request.args.get("l", ""), at=clock(), within=GOOD_FOR)["sound"]
        except (LuggageRefused, KeyError):
            raise NotFound from None
        heard = folder.read(f"{named}.mp3") if _RECORDING.fullmatch(str(named)) else None
        if heard is None:
            raise NotFound
        answer = send_file(io.BytesIO(heard), mimetype="audio/mpeg", etag=False)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return blueprint

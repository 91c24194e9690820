"""Sentences that the house has recorded, played to callers from our own door.

The network asks for them without a signature: the address is the proof. It bears a mark that only we can
make, names the sound by its digest, and so never means another one: whoever has asked once may keep it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from flask import Blueprint, Response
from werkzeug.exceptions import NotFound

from ivr.standby.luggage import Seal

KEPT = "public, max-age=31536000, immutable"


def own_sounds(seal: Seal, recorded: Callable[[str], bytes | None]) -> Blueprint:
    """The addresses of recorded sentences. One that is not ours gets 404; one of ours always gets a sound,
    for without one the network might end the call: if it cannot be had, a short tone, and the conversation
    goes on.
    """
    blueprint = Blueprint("own_sounds", __name__)

    @blueprint.get("/voice/recorded/<mark>/<digest>.wav")
    def sound(mark: str, digest: str) -> Response:
        if not seal.marked(digest, mark):
            raise NotFound
        content = recorded(digest)
        answer = Response(tone() if content is None else content, mimetype="audio/wav")
        answer.headers["Cache-Control"] = "no-store" if content is None else KEPT
        return answer

    return blueprint


@cache
def tone() -> bytes:
    """A third of a second of a quiet tone."""
    from ivr.own_voice import wav  # hardly ever needed

    count = wav.RATE // 3
    return wav.write([0.1 * math.sin(2 * math.pi * 425 * n / wav.RATE) for n in range(count)])

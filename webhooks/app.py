"""The webhook application: Twilio's addresses and two for whoever watches over us. Nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException

from webhooks.door import LARGEST_BODY, Believed, check
from webhooks.kept import Folder
from webhooks.outgoing import outgoing
from webhooks.own_sound import own_sounds
from webhooks.sound import sounds
from webhooks.technician import technician
from webhooks.voice import voice
from webhooks.watching import Traced, watched

log = logging.getLogger("ivr")

# ready: with the database. standby: from the snapshot, PINs included. screening: a person decides about every
# caller. not ready: no call can be served.
State = Literal["ready", "standby", "screening", "not ready"]


@dataclass(frozen=True)
class Readiness:
    """In which state this node is; `details` by part, for whoever asks from this machine."""

    state: State
    details: Mapping[str, str]


def create_app(
    believed: Believed,
    ready: Callable[[], Readiness],
    recordings: Folder,
    beside: Sequence[Blueprint] = (),
    recorded: Callable[[str], bytes | None] = lambda digest: None,
    pseudonym: Callable[[str], str] = lambda _: "",
    traced: Traced | None = None,
) -> Flask:
    """`ready` returns in which state the node is. `recordings` is the folder of those that were fetched;
    `recorded` returns a sound of the house by its digest. `beside` is what else this door shows, to others
    than Twilio. `pseudonym` is what stands for a caller's number in the log. `traced` is told of each turn.
    """
    app = Flask("webhooks", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.config["MAX_FORM_MEMORY_SIZE"] = LARGEST_BODY
    watched(app, pseudonym, traced)
    signed = Blueprint("signed", __name__)
    signed.before_request(lambda: check(believed))
    signed.register_blueprint(voice)
    signed.register_blueprint(technician)
    signed.register_blueprint(outgoing)
    app.register_blueprint(signed)
    app.register_blueprint(sounds(believed.seal, recordings, believed.clock))
    app.register_blueprint(own_sounds(believed.seal, recorded))
    for pages in beside:
        app.register_blueprint(pages)

    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    @app.get("/readyz")
    def readyz() -> Response:
        found = ready()
        text: str = found.state
        if found.details and _from_loopback():
            text += "".join(f"\n{part}: {what}" for part, what in found.details.items())
        # Without the database calls are served all the same: a balancer that took every node out at once
        # would lose them.
        status = 503 if found.state == "not ready" else 200
        return Response(text + "\n", status=status, mimetype="text/plain")

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return Response(f"{error.name}\n", status=error.code, mimetype="text/plain")

    @app.errorhandler(Exception)
    def failed(error: Exception) -> Response:
        # No traceback leaves the house. Twilio then asks /voice/fallback, which repeats what was said.
        log.error("%s failed", request.path, exc_info=error)
        return Response("Internal Server Error\n", status=500, mimetype="text/plain")

    return app


def _from_loopback() -> bool:
    # A proxy on this machine is loopback too, so its header counts as "from elsewhere".
    if request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded"):
        return False
    try:
        return ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False
